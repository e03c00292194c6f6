"""Influence: every score of a set of probabilities, and what each row adds to it.

A score moves by the sum of its rows' influences when rows are drawn again: the first-order part,
exact for sums, DeLong's for the area under the ROC curve.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import rankdata

from models.calibration import calibration_slope

__all__ = ["EDGE", "Score", "area", "caught", "lift", "ratio", "skill", "slope"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EDGE = 1e-6
"""Probabilities are kept that far from 0 and 1."""
TENTH = 10
EDGE_ROWS, EDGE_SHARE = 5, 50
"""Rows that count as near the edge of the riskiest tenth: a fiftieth on both sides, five at least."""
LEVEL_STEPS = 8


@dataclass(frozen=True)
class Score:
    """A score, None where it cannot be said, and its influence, (n,)."""

    value: float | None
    influence: Floats


def skill(ours: Floats, theirs: Floats) -> Score:
    """Give 1 - our log-loss / theirs, on the same rows.

    Examples
    --------
    >>> found = skill(np.array([1.0, 2.0]), np.array([4.0, 2.0]))
    >>> found.value, found.influence.round(3).tolist()
    (0.5, [0.167, -0.167])
    """
    loss, whole = float(ours.sum()), float(theirs.sum())
    return Score(1 - loss / whole, -(ours - loss / whole * theirs) / whole)


def area(p: Floats, y: Ints) -> Score:
    """Give the area under the ROC curve.

    Examples
    --------
    >>> area(np.array([0.1, 0.4, 0.3]), np.array([0, 1, 0])).value
    1.0
    """
    happened = y == 1
    n1, n0 = int(happened.sum()), int((~happened).sum())
    if not n1 or not n0:
        return Score(None, np.zeros(len(y)))
    ranks, above = rankdata(p), np.empty(len(p))
    above[happened] = (ranks[happened] - rankdata(p[happened])) / n0
    above[~happened] = 1 - (ranks[~happened] - rankdata(p[~happened])) / n1
    found = float(above[happened].mean())
    return Score(found, (above - found) / np.where(happened, n1, n0))


def slope(p: Floats, y: Ints) -> tuple[Score, float | None]:
    """Give the calibration slope (1 is right, less is too sure), and its standard error."""
    if not 0 < y.sum() < len(y):
        return Score(None, np.zeros(len(y))), None
    eta = logit(p)
    found, error = calibration_slope(eta, y.astype(float))
    seen = expit(_level(found * eta, y) + found * eta)
    weight = seen * (1 - seen) + 1e-12
    centred = eta - np.average(eta, weights=weight)
    return Score(found, centred * (y - seen) / float(weight @ centred**2 + 2e-3)), error


def ratio(p: Floats, y: Ints) -> Score:
    """Give events seen over events expected."""
    found = float(y.sum()) / float(p.sum())
    return Score(found, (y - found * p) / float(p.sum()))


def lift(p: Floats, y: Ints) -> Score:
    """Give the rate of the event in the riskiest tenth over that of all.

    Examples
    --------
    >>> lift(np.arange(20) / 20, np.r_[np.zeros(18), [1, 1]].astype(int)).value
    10.0
    """
    rate, (top, at_edge) = float(y.mean()), _riskiest(p, y)
    if rate == 0:
        return Score(None, np.zeros(len(y)))
    own, share = float(y[top].mean()), float(top.mean())
    within = (top * (y - at_edge) + share * (at_edge - own)) / share
    return Score(own / rate, (within - own / rate * (y - rate)) / (len(y) * rate))


def caught(p: Floats, y: Ints, mrr: Floats) -> Score:
    """Give the share of the event's MRR that the riskiest tenth holds."""
    gone = mrr * y
    if gone.sum() <= 0:
        return Score(None, np.zeros(len(y)))
    top, at_edge = _riskiest(p, gone)
    whole, found = float(gone.sum()), float(gone[top].sum() / gone.sum())
    return Score(found, (gone * (top - found) - at_edge * (top - top.mean())) / whole)


def _riskiest(p: Floats, amount: Floats | Ints) -> tuple[NDArray[np.bool_], float]:
    """Give the riskiest tenth, and the mean amount at its edge, where rows come and go."""
    order = np.argsort(-p, kind="stable")
    count, near = max(1, len(p) // TENTH), max(EDGE_ROWS, len(p) // EDGE_SHARE)
    top = np.zeros(len(p), dtype=bool)
    top[order[:count]] = True
    return top, float(amount[order[max(0, count - near) : count + near]].mean())


def _level(eta: Floats, y: Ints) -> float:
    """Give the constant beside ``eta`` at which as many events are expected as were seen."""
    level = 0.0
    for _ in range(LEVEL_STEPS):
        seen = expit(level + eta)
        level += float(np.clip((y - seen).sum() / (seen * (1 - seen) + 1e-12).sum(), -2, 2))
    return level
