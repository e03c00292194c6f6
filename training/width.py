"""How wide a forecast has to be: what the errors of past periods say of it.

Two things are learned. The *strength* of the shared factor is one figure for the book: every past
period says how many independent standard deviations it missed by, z, and by how much the usual
factor would have widened it, s; under a factor of strength m, z squared is 1 + m s on average. A
period counts the more the more of its variance is shared. What an own horizon missed by beyond that
is its *stretch*. Both are shrunk towards what is usual by the number of periods that do not overlap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import fsum, isfinite
from typing import Any

import numpy as np

from features.faults import InternalFault
from models.flows import Cohort, means
from models.independence import independent_periods
from models.outcomes import HORIZONS
from models.scale import alone_variance
from models.spread import is_open, usually_shared

__all__ = ["Miss", "factor_of", "missed_by", "strength_of", "stretch_of"]

STRENGTH_WEIGHT, STRETCH_WEIGHT = 0.5, 8.0
"""How many periods the usual strength, and a stretch of 1, weigh."""
WEAKEST, STRONGEST = 0.02, 50.0
NARROWEST, WIDEST = 0.9, 3.0
FARTHEST, LOUDEST = 9.0, 25.0
"""No squared error counts for more than so many times what was expected of it: in a stretch, and
in the strength."""
DOUBT = 0.6
"""By how much a strength that few periods tell of is raised: a law of unknown width is a wide one."""


@dataclass(frozen=True)
class Miss:
    """One past period: how far its forecast was off, and how much of its variance is shared.

    Attributes
    ----------
    origin : date
    horizon : int
        Months ahead.
    z : float
        Error of NRR over its standard deviation if accounts were independent.
    shared : float
        `models.spread.usually_shared` of the cohort: the variance that the usual factor adds.
    """

    origin: date
    horizon: int
    z: float
    shared: float

    def over(self, strength: float) -> float:
        """Give the squared error over what a factor of a strength lets expect."""
        expected = 1.0 + strength * self.shared
        return min(self.z**2 / expected, FARTHEST)


def missed_by(cohort: Cohort, nrr: float, horizon: int) -> dict[str, float]:
    """Lay what became of a cohort beside what independent accounts would have done.

    Returns
    -------
    dict
        ``z`` and ``shared`` of a period, as in `Miss`; 0 and 0 where nothing was open.
    """
    if not is_open(cohort):
        return {"z": 0.0, "shared": 0.0}
    off = nrr * float(cohort.mrr.sum()) - float(means(cohort)["closing"].sum())
    z = off / float(np.sqrt(alone_variance(cohort)))
    return {"z": z, "shared": usually_shared(cohort, horizon)}


def factor_of(periods: Sequence[Mapping[str, Any]]) -> Mapping[int, dict[str, float]]:
    """Give ``strength, n_eff, stretch`` per horizon; what is usual where there is no past.

    Parameters
    ----------
    periods : sequence of mapping
        Each with ``origin, horizon_months, z`` and ``shared`` (0 where it is not told).

    Raises
    ------
    InternalFault
        ``forecast.not_finite`` if a past error is not a number.

    Examples
    --------
    >>> factor_of([])[12]
    {'strength': 1.0, 'n_eff': 0.0, 'stretch': 1.0}
    """
    misses = [_miss(period) for period in periods]
    strength = strength_of(misses)
    told = {}
    for horizon in HORIZONS:
        mine = [miss for miss in misses if miss.horizon == horizon]
        told[horizon] = {
            "strength": strength,
            "n_eff": _n_eff(mine),
            "stretch": stretch_of(mine, strength),
        }
    return told


def _n_eff(misses: Sequence[Miss]) -> float:
    """Count the periods of one horizon that do not overlap."""
    horizon = misses[0].horizon if misses else 1
    return independent_periods([miss.origin for miss in misses], horizon)


def strength_of(misses: Sequence[Miss]) -> float:
    """Estimate the variance of the shared factor, as a multiple of the usual one's.

    z squared is 1 + m s on average. Every period gives an m of its own, and weighs by the square of
    the shared part of its variance, times what of its horizon's periods does not overlap; the usual
    m of 1 weighs half a period. What few periods say may be too little by luck, and a forecast that
    is too narrow half of the time misses more than one that is too wide half of the time: so it is
    raised by .6 x what they weigh / the square of all weights, which goes to 0 with either.

    Examples
    --------
    >>> quiet = [Miss(date(2025, month, 1), 3, 0.5, 4.0) for month in (1, 4, 7, 10)]
    >>> loud = [Miss(date(2025, month, 1), 3, 4.0, 4.0) for month in (1, 4, 7, 10)]
    >>> round(strength_of([]), 2), round(strength_of(quiet), 2), round(strength_of(loud), 2)
    (1.0, 0.02, 3.84)
    """
    said, weights = [STRENGTH_WEIGHT], [STRENGTH_WEIGHT]
    for horizon in HORIZONS:
        mine = [miss for miss in misses if miss.horizon == horizon and miss.shared > 0.0]
        each = _n_eff(mine) / len(mine) if mine else 0.0
        for miss in mine:
            whole = 1.0 + miss.shared
            square = min(miss.z**2, LOUDEST * whole)
            said.append(each * miss.shared * (square - 1.0) / whole**2)
            weights.append(each * (miss.shared / whole) ** 2)
    known = fsum(weights)
    doubt = 1.0 + DOUBT * (known - STRENGTH_WEIGHT) / known**2
    return float(np.clip(doubt * fsum(said) / known, WEAKEST, STRONGEST))


def stretch_of(misses: Sequence[Miss], strength: float) -> float:
    """Give the factor on every quantile's distance from the median, of one horizon.

    The root of the mean squared error over what was expected; an expected one of 1 weighs eight
    periods. Never below .9: few periods may have been quiet by luck.

    Examples
    --------
    >>> off = [Miss(date(2025, month, 1), 3, 3.0, 0.5) for month in (1, 4, 7, 10)]
    >>> stretch_of([], 1.0), round(stretch_of(off, 1.0), 3)
    (1.0, 1.633)
    """
    if not misses:
        return 1.0
    n_eff = _n_eff(misses)
    found = fsum(miss.over(strength) for miss in misses) / len(misses)
    square = (n_eff * found + STRETCH_WEIGHT) / (n_eff + STRETCH_WEIGHT)
    return float(np.clip(np.sqrt(square), NARROWEST, WIDEST))


def _miss(period: Mapping[str, Any]) -> Miss:
    z, shared = float(period["z"]), float(period.get("shared", 0.0))
    if not (isfinite(z) and isfinite(shared)):
        raise InternalFault("forecast.not_finite", "a backtest error is not a number")
    return Miss(date.fromisoformat(period["origin"]), period["horizon_months"], z, shared)
