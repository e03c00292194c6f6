"""How many past periods say something of their own: those that overlap share most of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from features.asof import months_between

__all__ = ["independent_periods"]


def independent_periods(origins: Sequence[date], horizon: int) -> float:
    """Count the periods of one horizon that do not overlap: 1 + (span - h) / h, or their number.

    Parameters
    ----------
    origins : sequence of date
        Where the periods begin, in any order.
    horizon : int
        How long each of them is, in months.

    Examples
    --------
    >>> independent_periods([date(2025, month, 1) for month in (1, 4, 7, 10)], 12)
    1.75
    >>> independent_periods([], 12)
    0.0
    """
    if not origins:
        return 0.0
    apart = months_between(min(origins), max(origins)) / horizon
    return float(min(1.0 + apart, len(origins)))
