"""How much: the size of an expansion and of a contraction, as moments of the relative change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.calendar import BANDS
from models.outcomes import LEADS

__all__ = ["Growth", "Sizes", "fit_growth", "fit_sizes"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CAP_QUANTILE = 0.995
PRIOR_MOVES = 20.0
PRIOR_UP, PRIOR_DOWN = 0.15, 0.30
"""Relative changes assumed before anything was seen."""
RIDGE = 10.0
LEAST_SPREAD = 1.05
"""A size is never certain: its second moment is at least 1.05 times its mean squared."""


@dataclass(frozen=True)
class Growth:
    """Relative size of an expansion: a ridge of its logarithm on MRR and lead.

    Small accounts grow by larger multiples than large ones, so the size falls with MRR. The
    factors make the moments right in money: over the expansions of training, predicted and real
    expansion MRR are equal (and so are the sums of their squares and cubes).

    Attributes
    ----------
    level : float
        Log size at the mean of both columns.
    slopes : tuple of float
        Per unit of log MRR and of log lead.
    centres : tuple of float
        Mean of log MRR (MRR in units of the book's currency) and of log lead.
    factors : tuple of tuple of float, (12, 3)
        By lead, from the power of the predicted size to the moment, for powers 1 to 3.
    cap : float
        Largest relative expansion that entered (the 99.5 % quantile).

    Examples
    --------
    >>> growth = fit_growth(np.full(200, 0.1), np.full(200, 50.0), np.ones(200, dtype=np.int64))
    >>> growth.moments(np.array([50.0]))[0, 0].round(3).tolist()
    [0.1, 0.011, 0.001]
    """

    level: float
    slopes: tuple[float, float]
    centres: tuple[float, float]
    factors: tuple[tuple[float, ...], ...]
    cap: float

    def moments(self, mrr: Floats) -> Floats:
        """Give the first three raw moments at every lead, (n, 12, 3), for opening MRR (n,)."""
        size = self.size(mrr[:, None], np.arange(1, LEADS + 1)[None, :])
        factors = np.asarray(self.factors)
        first, second, third = (size**power * factors[None, :, power - 1] for power in (1, 2, 3))
        first = np.minimum(first, self.cap)
        second = np.clip(second, LEAST_SPREAD * first**2, self.cap * first)
        third = np.clip(third, second**2 / first, self.cap * second)
        return np.stack([first, second, third], axis=2)

    def size(self, mrr: Floats, lead: NDArray[Any]) -> Floats:
        """Give the typical relative size, before the factors."""
        by_mrr = self.slopes[0] * (_log(mrr) - self.centres[0])
        by_lead = self.slopes[1] * (np.log(lead) - self.centres[1])
        return np.asarray(np.exp(self.level + by_mrr + by_lead))


@dataclass(frozen=True)
class Sizes:
    """Sizes of moves.

    Attributes
    ----------
    growth : Growth
        Of expansions: M(h)/M(0) - 1 given expand.
    down : array of float, (bands, 12, 3)
        First three raw moments of 1 - M(h)/M(0) given contract, by ACV band and lead.
    """

    growth: Growth
    down: Floats

    def to_json(self) -> dict[str, Any]:
        """Give the sizes as JSON."""
        return {"growth": dict(self.growth.__dict__), "down": self.down.tolist()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Sizes:
        """Read the sizes from JSON."""
        said = values["growth"]
        growth = Growth(
            float(said["level"]),
            (float(said["slopes"][0]), float(said["slopes"][1])),
            (float(said["centres"][0]), float(said["centres"][1])),
            tuple(tuple(float(v) for v in row) for row in said["factors"]),
            float(said["cap"]),
        )
        return cls(growth, np.array(values["down"]))


def fit_sizes(
    change: Floats, mrr: Floats, band: Ints, lead: Ints, expand: Ints, contract: Ints
) -> Sizes:
    """Fit the sizes of expansions and contractions.

    Parameters
    ----------
    change : array of float, (rows,)
        M(h)/M(0) - 1 at the row's lead.
    mrr : array of float, (rows,)
        Opening MRR, in units of the book's currency.
    band, lead : array of int, (rows,)
        ACV band and lead in months.
    expand, contract : array of int, (rows,)
        1 where the row is an expansion, a contraction.
    """
    grew = (expand == 1) & (change > 0)
    below = (contract == 1) & (change < 0)
    down = np.clip(-change, 1e-6, 1 - 1e-6)
    return Sizes(fit_growth(change[grew], mrr[grew], lead[grew]), _table(down, below, band, lead))


def fit_growth(size: Floats, mrr: Floats, lead: Ints) -> Growth:
    """Fit the size of expansions; without any, the size assumed before."""
    if not len(size):
        level = float(np.log(PRIOR_UP))
        return Growth(level, (0.0, 0.0), (0.0, 0.0), ((1.0, 1.5, 3.0),) * LEADS, 10.0)
    cap = float(max(np.quantile(size, CAP_QUANTILE), PRIOR_UP))
    kept = np.clip(size, 1e-6, cap)
    columns = np.column_stack([_log(mrr), np.log(lead)])
    centre = columns.mean(axis=0)
    design, target = columns - centre, np.log(kept)
    slopes = np.linalg.solve(
        design.T @ design + RIDGE * np.eye(2), design.T @ (target - target.mean())
    )
    share = len(size) / (len(size) + PRIOR_MOVES)
    level = float(share * target.mean() + (1 - share) * np.log(PRIOR_UP))
    bare = Growth(
        level,
        (float(slopes[0]), float(slopes[1])),
        (float(centre[0]), float(centre[1])),
        ((1.0, 1.0, 1.0),) * LEADS,
        cap,
    )
    return replace(bare, factors=_factors(kept, bare.size(mrr, lead), mrr, lead))


def _factors(
    size: Floats, typical: Floats, mrr: Floats, lead: Ints
) -> tuple[tuple[float, ...], ...]:
    """Give the factors by which predicted powers of expansion MRR come out right in sum.

    A lead's own factor leans on that of all leads as on twenty moves of average weight.
    """
    table = np.ones((LEADS, 3))
    for power in (1, 2, 3):
        real, told = (mrr * size) ** power, (mrr * typical) ** power
        overall = _ratio(real, told, 1.0)
        for month in range(1, LEADS + 1):
            here = lead == month
            table[month - 1, power - 1] = _ratio(real[here], told[here], overall)
    return tuple(tuple(float(v) for v in row) for row in table)


def _ratio(real: Floats, told: Floats, prior: float) -> float:
    lean = PRIOR_MOVES * float(told.mean()) if len(told) else 1.0
    return (float(real.sum()) + prior * lean) / (float(told.sum()) + lean)


def _log(mrr: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(mrr, 1e-6)))


def _table(size: Floats, moved: NDArray[np.bool_], band: Ints, lead: Ints) -> Floats:
    """Give moments by band and lead, shrunk to the book's at that lead, and that to all leads'."""
    powers = np.stack([size, size**2, size**3], axis=1)
    assumed = np.array([PRIOR_DOWN, 1.5 * PRIOR_DOWN**2, 3.0 * PRIOR_DOWN**3])
    overall = _shrunk(powers[moved], assumed)
    table = np.zeros((len(BANDS), LEADS, 3))
    for month in range(1, LEADS + 1):
        here = moved & (lead == month)
        at_lead = _shrunk(powers[here], overall)
        for code in range(len(BANDS)):
            table[code, month - 1] = _shrunk(powers[here & (band == code)], at_lead)
    return table


def _shrunk(powers: Floats, prior: Floats) -> Floats:
    return np.asarray((powers.sum(axis=0) + PRIOR_MOVES * prior) / (len(powers) + PRIOR_MOVES))
