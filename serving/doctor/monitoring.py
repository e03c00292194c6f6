"""What the doctor tells of monitoring: what asks for a review, in the order of causes."""

from __future__ import annotations

from collections.abc import Iterator

from serving.doctor.finding import Finding, fine, wants
from serving.doctor.patient import Patient
from serving.monitoring import monitored

__all__ = ["monitoring"]


def monitoring(patient: Patient) -> Iterator[Finding]:
    """Tell what monitoring found; it asks for a review, and fails nothing."""
    if patient.store is None or patient.run is None:
        return
    found = monitored(patient.store)
    for one in found:
        yield wants("monitoring", f"{one.kind}: {one.says}", one.review)
    if not found:
        yield fine("monitoring", "nothing asks for a review")
