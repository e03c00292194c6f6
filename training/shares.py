"""Shares: events out of so many, with the interval that so many allow."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

from training.bootstrap import LEVEL

__all__ = ["CONFIDENCE", "share_of"]

CONFIDENCE = LEVEL
"""Of every interval beside a figure of the backtest, unless it says otherwise."""


def share_of(events: float, count: float, independent: float | None = None) -> dict[str, Any]:
    """Give a share with its 90 % Wilson interval; None where nothing was counted.

    Parameters
    ----------
    events, count : float
        What happened, and out of how many.
    independent : float, optional
        How many of ``count`` are independent of one another; all, if not given.

    Returns
    -------
    dict
        ``events, count, share, low, high``.

    Examples
    --------
    >>> found = share_of(2, 20)
    >>> found["share"], round(found["low"], 3), round(found["high"], 3)
    (0.1, 0.034, 0.262)
    >>> share_of(0, 0)["share"] is None
    True
    """
    told: dict[str, Any] = {"events": events, "count": count}
    if count <= 0:
        return told | {"share": None, "low": None, "high": None}
    n = float(count if independent is None else min(independent, count))
    share, z2 = events / count, NormalDist().inv_cdf(0.5 + CONFIDENCE / 2) ** 2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = (z2 * share * (1 - share) / n + z2**2 / (4 * n**2)) ** 0.5 / (1 + z2 / n)
    low, high = min(max(0.0, middle - half), share), max(min(1.0, middle + half), share)
    return told | {"share": share, "low": low, "high": high}
