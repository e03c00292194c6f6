"""Rates: a yearly rate over another number of months, by compounding."""

from __future__ import annotations

__all__ = ["YEAR", "lost_over", "retained_over"]

YEAR = 12
"""Months."""


def retained_over(yearly: float, months: int) -> float:
    """Turn a yearly retention into that of so many months.

    Examples
    --------
    >>> round(retained_over(0.85, 3), 4)
    0.9602
    >>> retained_over(0.85, 12)
    0.85
    """
    return float(yearly ** (months / YEAR))


def lost_over(yearly: float, months: int) -> float:
    """Turn a yearly loss r into that of so many months: 1 - (1 - r) ** (months / 12).

    Examples
    --------
    >>> round(lost_over(0.05, 1), 6)
    0.004265
    """
    return yearly if months == YEAR else 1 - retained_over(1 - yearly, months)
