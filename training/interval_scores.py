"""Scores of a whole forecast, not of its mean alone: CRPS and Winkler, in points of NRR.

Both are as an error is: smaller is better, 0 is a forecast that knew. CRPS is the mean distance
between the forecast's distribution and what happened, less half its own spread; for a rule that
says one number it is the mean error. Winkler's is the width of an interval, and for each actual
value outside of it 2 / (1 - level) times how far outside it lay.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

__all__ = ["INTERVALS", "crps_points", "winkler_points"]

INTERVALS: Mapping[str, tuple[str, str]] = {"80": ("p10", "p90"), "90": ("p05", "p95")}
"""The ends of each interval, by its level in per cent."""
STEPS = 1_000
TAIL = 1.0
"""How far beyond p05 and p95 the line goes, in distances from there to p10 and p90."""


def crps_points(told: Mapping[str, float], actual: float) -> float:
    """Give the continuous ranked probability score of a forecast, in points.

    The quantiles that are told are joined by straight lines; beyond p05 and p95 the line goes on
    as far as from there to p10 and p90.

    Parameters
    ----------
    told : mapping
        Quantiles as fractions: ``p05, p10, p25, p50, p75, p90, p95``, or some of them.
    actual : float

    Examples
    --------
    >>> sure = dict.fromkeys(("p05", "p10", "p25", "p50", "p75", "p90", "p95"), 1.0)
    >>> round(crps_points(sure, 1.03), 6)
    3.0
    """
    named = sorted(name for name in told if name[0] == "p" and name[1:].isdigit())
    levels = np.array([int(name[1:]) / 100 for name in named])
    values = np.array([told[name] for name in named])
    low = values[0] - TAIL * (values[1] - values[0])
    high = values[-1] + TAIL * (values[-1] - values[-2])
    at = (np.arange(STEPS) + 0.5) / STEPS
    line = np.interp(at, [0.0, *levels, 1.0], [low, *values, high])
    return float(200 * np.mean((actual - line) * (at - (actual < line))))


def winkler_points(told: Mapping[str, float], actual: float, level: str) -> float:
    """Give Winkler's score of an interval, in points.

    Examples
    --------
    >>> told = {"p10": 0.98, "p90": 1.02}
    >>> [round(winkler_points(told, actual, "80"), 6) for actual in (1.0, 1.03)]
    [4.0, 14.0]
    """
    low, high = (told[name] for name in INTERVALS[level])
    outside = max(low - actual, actual - high, 0.0)
    return 100 * (high - low + 2 / (1 - int(level) / 100) * outside)
