"""Flows: the movements of a window, as every page and picture names them."""

from __future__ import annotations

__all__ = ["FLOWS"]

FLOWS = (
    ("new", "new", 1),
    ("reactivation", "returned", 1),
    ("expansion", "expansion", 1),
    ("contraction", "contraction", -1),
    ("churned", "churned", -1),
    ("fx", "exchange rates", 1),
)
"""Key of the amount (with ``_mrr`` or ``_micros``), the word for it, and the sign it is shown with."""
