"""How much more: the size of an expansion, as moments of the relative change of MRR."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.outcomes import LEADS

__all__ = ["PRIOR_MOVES", "PRIOR_UP", "Growth", "Moves", "fit_growth"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CAP_QUANTILE = 0.995
PRIOR_MOVES = 20.0
PRIOR_UP = 0.15
"""Relative rise assumed before anything was seen."""
RIDGE = 10.0
LEAST_SPREAD = 1.05
"""A size is never certain: its second moment is at least 1.05 times its mean squared."""
STEEPEST = 30.0
"""Farthest that the logarithm of a size is followed."""


@dataclass(frozen=True)
class Moves:
    """Closed (account, lead) pairs: what an expansion's size is learned from.

    Attributes
    ----------
    size : array of float, (rows,)
        M(h)/M(0) - 1 where the row expanded, NaN elsewhere.
    mrr : array of float, (rows,)
        Opening MRR, in units of the book's currency.
    lead : array of int, (rows,)
    score : array of float, (rows,)
        The account's score for expansion; zeros where none is used.
    chance : array of float, (rows,)
        Probability of an expansion as the model says it, given that the account pays.
    """

    size: Floats
    mrr: Floats
    lead: Ints
    score: Floats
    chance: Floats

    def expanded(self) -> Moves:
        """Give the rows that expanded."""
        grew = np.isfinite(self.size)
        return Moves(*(getattr(self, name)[grew] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Growth:
    """Relative size of an expansion: a ridge of its logarithm on MRR, lead and score.

    Small accounts grow by larger multiples than large ones, and an account that is likely to
    expand expands by more: within a year it does so several times. The factors make the moments
    right in money: over the rows of training, what was expected of all accounts and the real
    expansion MRR are equal, lead by lead.

    Attributes
    ----------
    level : float
        Log size at the mean of all columns.
    slopes : tuple of float
        Per unit of log MRR, of log lead, and of score.
    centres : tuple of float
        Mean of log MRR (MRR in units of the book's currency), of log lead, and of score.
    factors : tuple of tuple of float, (12, 3)
        By lead, from the power of the predicted size to the moment, for powers 1 to 3.
    cap : float
        Largest relative expansion that entered (the 99.5 % quantile).

    Examples
    --------
    >>> n = 200
    >>> moves = Moves(np.full(n, 0.1), np.full(n, 50.0), np.ones(n, int), np.zeros(n), np.ones(n))
    >>> growth = fit_growth(moves)
    >>> growth.moments(np.array([50.0]), np.zeros(1))[0, 0].round(3).tolist()
    [0.1, 0.011, 0.001]
    """

    level: float
    slopes: tuple[float, float, float]
    centres: tuple[float, float, float]
    factors: tuple[tuple[float, ...], ...]
    cap: float

    def moments(self, mrr: Floats, score: Floats) -> Floats:
        """Give the first three raw moments at every lead, (n, 12, 3), for opening MRR (n,)."""
        leads = np.arange(1, LEADS + 1)[None, :]
        size = self.size(mrr[:, None], leads, score[:, None])
        factors = np.asarray(self.factors)
        first, second, third = (size**power * factors[None, :, power - 1] for power in (1, 2, 3))
        first = np.minimum(first, self.cap)
        second = np.clip(second, LEAST_SPREAD * first**2, self.cap * first)
        third = np.clip(third, second**2 / first, self.cap * second)
        return np.stack([first, second, third], axis=2)

    def size(self, mrr: Floats, lead: NDArray[Any], score: Floats) -> Floats:
        """Give the typical relative size, before the factors."""
        columns = (_log(mrr), np.log(lead), score)
        parts = zip(self.slopes, columns, self.centres, strict=True)
        log_size = self.level + sum(slope * (column - centre) for slope, column, centre in parts)
        return np.asarray(np.exp(np.clip(log_size, -STEEPEST, STEEPEST)))

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Growth:
        """Read a growth from JSON."""
        slopes, centres = (tuple(map(float, said[name])) for name in ("slopes", "centres"))
        factors = tuple(tuple(float(v) for v in row) for row in said["factors"])
        return cls(float(said["level"]), _three(slopes), _three(centres), factors, said["cap"])


def fit_growth(moves: Moves) -> Growth:
    """Fit the size of expansions; without any, the size assumed before."""
    grew = moves.expanded()
    none = (0.0, 0.0, 0.0)
    if not len(grew.size):
        return Growth(float(np.log(PRIOR_UP)), none, none, ((1.0, 1.5, 3.0),) * LEADS, 10.0)
    cap = float(max(np.quantile(grew.size, CAP_QUANTILE), PRIOR_UP))
    kept = replace(grew, size=np.clip(grew.size, 1e-6, cap))
    columns = np.column_stack([_log(kept.mrr), np.log(kept.lead), kept.score])
    centre = columns.mean(axis=0)
    design, target = columns - centre, np.log(kept.size)
    slopes = np.linalg.solve(
        design.T @ design + RIDGE * np.eye(3), design.T @ (target - target.mean())
    )
    share = len(target) / (len(target) + PRIOR_MOVES)
    level = float(share * target.mean() + (1 - share) * np.log(PRIOR_UP))
    flat = ((1.0, 1.0, 1.0),) * LEADS
    bare = Growth(level, _three(slopes), _three(centre), flat, cap)
    return replace(bare, factors=_factors(kept, moves, bare))


def _factors(kept: Moves, moves: Moves, bare: Growth) -> tuple[tuple[float, ...], ...]:
    """Give the factors by which predicted powers of expansion MRR come out right in sum.

    The first is right over all accounts, each at its chance: where large accounts grow more often
    than their chance says, the size makes up for it in money. A lead's own factor leans on that of
    all leads as on twenty moves of average weight.
    """
    told = kept.mrr * bare.size(kept.mrr, kept.lead, kept.score)
    expected = moves.chance * moves.mrr * bare.size(moves.mrr, moves.lead, moves.score)
    real = kept.mrr * kept.size
    table = np.column_stack(
        [_by_lead(real**power, told**power, kept.lead, kept.lead) for power in (1, 2, 3)]
    )
    in_money = _by_lead(real, expected, kept.lead, moves.lead) / table[:, 0]
    table *= in_money[:, None] ** np.arange(1, 4)
    return tuple(tuple(float(v) for v in row) for row in table)


def _by_lead(real: Floats, told: Floats, real_lead: Ints, told_lead: Ints) -> Floats:
    each = float(told.sum()) / max(len(real), 1)
    overall = _ratio(float(real.sum()), float(told.sum()), 1.0, each)
    return np.array(
        [
            _ratio(
                float(real[real_lead == month].sum()),
                float(told[told_lead == month].sum()),
                overall,
                each,
            )
            for month in range(1, LEADS + 1)
        ]
    )


def _ratio(real: float, told: float, prior: float, each: float) -> float:
    lean = PRIOR_MOVES * each if each > 0 else 1.0
    return (real + prior * lean) / (told + lean)


def _three(values: Any) -> tuple[float, float, float]:
    first, second, third = (float(value) for value in values)
    return first, second, third


def _log(mrr: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(mrr, 1e-6)))
