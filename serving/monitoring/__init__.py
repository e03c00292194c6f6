"""Monitoring: whether what was published still holds. It asks for a review and promotes nothing."""

from serving.monitoring.findings import Finding
from serving.monitoring.reading import Watch, monitored, watch

__all__ = ["Finding", "Watch", "monitored", "watch"]
