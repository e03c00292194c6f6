"""Reliability: of the accounts that were given about this chance, how many came true."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.calls import Calls
from training.shares import share_of

__all__ = ["BINS", "reliability"]

BINS = 10
LEAST_EXPECTED = 3.0
"""Events that a bin should expect; with fewer events there are fewer bins."""


def reliability(calls: Calls) -> dict[str, list[dict[str, Any]]]:
    """Give the reliability curves of the score and of the calendar, among accounts at risk.

    Accounts are sorted by their chance and cut into equally many: at most ten bins, fewer where
    the events are few, so that a bin holds some three of them on average.

    Returns
    -------
    dict
        ``score`` and ``calendar``: lists of ``said`` (mean chance), ``from``, ``to`` (smallest and
        largest), ``events, count, share, low, high`` (what came true, 90 % interval).
    """
    keep = calls.at_risk
    y = calls.y[keep]
    independent = calls.independent
    return {
        "score": _curve(calls.score[keep], y, independent),
        "calendar": _curve(calls.calendar[keep], y, independent),
    }


def _curve(
    p: NDArray[np.float64], y: NDArray[np.int64], independent: float
) -> list[dict[str, Any]]:
    bins = int(np.clip(y.sum() / LEAST_EXPECTED, 1, BINS))
    order = np.argsort(p, kind="stable")
    return [
        _bin(p[part], y[part], independent) for part in np.array_split(order, bins) if len(part)
    ]


def _bin(p: NDArray[np.float64], y: NDArray[np.int64], independent: float) -> dict[str, Any]:
    told = {"said": float(p.mean()), "from": float(p.min()), "to": float(p.max())}
    return told | share_of(int(y.sum()), len(y), independent * len(y))
