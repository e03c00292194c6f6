"""What a forecast tells: its figures and the levels of their quantiles, without what computes them.

A page that only shows a stored forecast imports these names and none of the numerical libraries.
"""

from __future__ import annotations

__all__ = ["FIGURES", "LEVELS"]

FIGURES = (
    "nrr",
    "grr",
    "expansion_mrr",
    "contraction_mrr",
    "churned_mrr",
    "closing_mrr",
    "logos_lost",
)
"""What a forecast has a mean and quantiles of."""

LEVELS = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95)
"""Which quantiles it has."""
