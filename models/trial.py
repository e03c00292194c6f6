"""Trials: treated beside held accounts, and the intention-to-treat effect with its interval.

Everybody counts in the arm that was drawn, whatever was then done. The effect is the difference of
the two rates, strata weighted as Mantel and Haenszel weigh them; its interval inverts the stratified
score test of Miettinen and Nurminen (Statistics in Medicine 4, 1985, 213-226), in which the variance
is that of the difference under test: it holds with few events, or none in an arm, where an interval
by the observed variance (Wald) is too short or has no width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

__all__ = ["NEEDED", "effect", "score_interval", "weighted_difference"]

Floats = NDArray[np.float64]

NEEDED = 500
"""Outcomes of each arm, below which a list is called a priority and no proven lift."""
CONFIDENCE = 0.95
STEPS = 40
TINY = 1e-12
PRIORITY = "priority, not proven lift"


def effect(
    rows: pd.DataFrame, kind: str = "save", confidence: float = CONFIDENCE
) -> dict[str, Any]:
    """Give the intention-to-treat effect of a play.

    Parameters
    ----------
    rows : DataFrame
        One row per assignment whose outcome is known: ``arm`` (treated, holdout), ``stratum``,
        ``event`` (bool: the account left, for a save; it grew, for an expansion).
    kind : str
        ``save``: fewer events are better; ``expansion``: more are.
    confidence : float

    Returns
    -------
    dict
        ``treated, holdout`` (each ``outcomes, events``), ``strata``, ``effect`` (points of rate
        in the play's favour, in fractions) with ``low, high``; ``relative`` (to the held rate);
        ``verdict``. Effect and interval are None where no stratum has both arms.

    Examples
    --------
    >>> rows = pd.DataFrame({"arm": ["treated"] * 100 + ["holdout"] * 100, "stratum": "ML, smb",
    ...     "event": [True] * 10 + [False] * 90 + [True] * 15 + [False] * 85})
    >>> told = effect(rows)
    >>> round(told["effect"], 3), round(told["low"], 3), round(told["high"], 3), told["verdict"]
    (0.05, -0.044, 0.146, 'priority, not proven lift')
    """
    counts = _counts(rows)
    told = {
        "treated": {"outcomes": int(counts[0].sum()), "events": int(counts[1].sum())},
        "holdout": {"outcomes": int(counts[2].sum()), "events": int(counts[3].sum())},
    }
    both = (counts[0] > 0) & (counts[2] > 0)
    told["strata"] = {"compared": int(both.sum()), "left_out": int((~both).sum())}
    if not both.any():
        return told | dict.fromkeys(("effect", "low", "high", "relative")) | {"verdict": PRIORITY}
    sign = 1.0 if kind == "save" else -1.0
    n1, e1, n0, e0 = counts[:, None, :]
    found = weighted_difference(n1, e1, n0, e0)[0]
    ends = sign * np.array(score_interval(n1, e1, n0, e0, confidence))[:, 0]
    weight = _weights(n1, n0)[0]
    base = float((weight * e0[0] / np.maximum(n0[0], 1)).sum() / weight.sum())
    value, low, high = float(sign * found), float(ends.min()), float(ends.max())
    known = min(told["treated"]["outcomes"], told["holdout"]["outcomes"]) >= NEEDED
    figures = {"effect": value, "low": low, "high": high}
    relative = value / base if base > 0 else None
    return told | figures | {"relative": relative, "verdict": _verdict(low, high, known)}


def weighted_difference(n1: Floats, e1: Floats, n0: Floats, e0: Floats) -> Floats:
    """Give the held rate less the treated one, weighted over strata (the last axis)."""
    weight = _weights(n1, n0)
    difference = e0 / np.maximum(n0, 1) - e1 / np.maximum(n1, 1)
    return np.asarray((weight * difference).sum(axis=-1) / weight.sum(axis=-1))


def score_interval(
    n1: Floats, e1: Floats, n0: Floats, e0: Floats, confidence: float = CONFIDENCE
) -> tuple[Floats, Floats]:
    """Give the interval of the held rate less the treated one, over strata (the last axis).

    Every argument has the shape (trials, strata): outcomes and events of the treated, then of the
    held. A stratum without both arms says nothing.

    Examples
    --------
    >>> counts = (np.array([[count]], dtype=float) for count in (80, 48, 70, 56))
    >>> low, high = score_interval(*counts)  # 56/70 - 48/80: Newcombe (1998), table II, case a
    >>> round(float(low[0]), 4), round(float(high[0]), 4)
    (0.0528, 0.3382)
    """
    limit = float(norm.ppf(0.5 + confidence / 2))
    found = weighted_difference(n1, e1, n0, e0)
    ends = []
    for far in (-1.0, 1.0):
        near, beyond = found.copy(), np.full_like(found, far)
        for _ in range(STEPS):
            middle = (near + beyond) / 2
            within = _deviation(n1, e1, n0, e0, middle, found) <= limit
            near, beyond = np.where(within, middle, near), np.where(within, beyond, middle)
        ends.append(near)
    return ends[0], ends[1]


def _deviation(
    n1: Floats, e1: Floats, n0: Floats, e0: Floats, delta: Floats, found: Floats
) -> Floats:
    """Give how far the found difference lies from one under test, in its standard errors."""
    weight, total = _weights(n1, n0), n1 + n0
    n1, n0 = np.maximum(n1, 1), np.maximum(n0, 1)
    p0, p1 = _constrained(n1, e1, n0, e0, delta[:, None])
    variance = (p0 * (1 - p0) / n0 + p1 * (1 - p1) / n1) * total / np.maximum(total - 1, 1)
    spread = (weight**2 * variance).sum(axis=-1) / weight.sum(axis=-1) ** 2
    return np.asarray(np.abs(found - delta) / np.sqrt(np.maximum(spread, TINY)))


def _constrained(
    n1: Floats, e1: Floats, n0: Floats, e0: Floats, delta: Floats
) -> tuple[Floats, Floats]:
    """Fit both rates where the held one less the treated one is ``delta`` (the cubic's root)."""
    theta = n1 / n0
    rates = e0 / n0 + theta * e1 / n1
    a, b = 1 + theta, -(1 + theta) - rates - delta * (theta + 2)
    c = delta**2 + delta * (2 * e0 / n0 + theta + 1) + rates
    last = -e0 / n0 * delta * (1 + delta)
    v = b**3 / (3 * a) ** 3 - b * c / (6 * a**2) + last / (2 * a)
    sign = np.where(v < 0, -1.0, 1.0)
    u = sign * np.sqrt(np.maximum(b**2 / (3 * a) ** 2 - c / (3 * a), 0.0))
    ratio = np.clip(v / np.where(np.abs(u) ** 3 < TINY, TINY, u**3), -1.0, 1.0)
    p0 = 2 * u * np.cos((np.pi + np.arccos(ratio)) / 3) - b / (3 * a)
    p0 = np.clip(p0, np.maximum(delta, 0.0), np.minimum(1.0 + delta, 1.0))
    return p0, np.clip(p0 - delta, 0.0, 1.0)


def _weights(n1: Floats, n0: Floats) -> Floats:
    """Weigh strata as Mantel and Haenszel do; one without both arms weighs nothing."""
    return np.asarray(n1 * n0 / np.maximum(n1 + n0, 1))


def _counts(rows: pd.DataFrame) -> Floats:
    """Count outcomes and events per stratum: treated, their events, held, their events."""
    event = rows["event"].astype(float)
    treated = rows["arm"].eq("treated")
    parts: Mapping[str, pd.Series[Any]] = {
        "n1": treated.astype(float),
        "e1": event.where(treated, 0.0),
        "n0": (~treated).astype(float),
        "e0": event.where(~treated, 0.0),
    }
    sums = pd.DataFrame(parts).groupby(rows["stratum"].to_numpy(), sort=True).sum()
    return sums.to_numpy(dtype=np.float64).T.reshape(4, -1)


def _verdict(low: float, high: float, known: bool) -> str:
    if not known:
        return PRIORITY
    if low > 0:
        return "proven lift"
    return "proven harm" if high < 0 else "no lift shown"
