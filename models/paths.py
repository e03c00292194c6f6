"""Simulated paths of a small or lumpy group of accounts, from a fixed seed.

A sum of few accounts is lumpy: it has atoms (nobody leaves) and gaps (the large one leaves) that
no smooth curve follows. The largest accounts are then simulated one by one; what the rest adds is
drawn from its shifted gamma. The factor runs through equally likely strata, so that the paths
spend no luck on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.factor import Chances, Leaning, factor_strata
from models.flows import QUANTITIES, Cohort, cumulants

__all__ = ["SINGLE", "STRATA", "simulate"]

Floats = NDArray[np.float64]

SINGLE = 400
"""How many of the largest accounts are simulated one by one."""

STRATA = 200
"""How many equally likely values of the factor the paths run through."""


def simulate(cohort: Cohort, leaning: Leaning, paths: int, seed: int = 0) -> dict[str, Floats]:
    """Simulate the sums of a group's flows.

    Parameters
    ----------
    cohort : Cohort
        The group's accounts.
    leaning : Leaning
        How the same accounts lean on the shared factor.
    paths : int
        How many paths, rounded up to a multiple of `STRATA`.
    seed : int
        Seed of the generator: same seed, same paths.

    Returns
    -------
    dict of str to array of float, (paths,)
        One array per name of `QUANTITIES`, in units of currency (logos: accounts).
    """
    rng = np.random.default_rng(seed)
    order = np.argsort(-cohort.mrr, kind="stable")
    big, rest = order[:SINGLE], order[SINGLE:]
    z, each = factor_strata(STRATA), -(-paths // STRATA)
    chances = leaning.at(z)
    crowd = _crowd(cohort, chances, rest) if len(rest) else None
    sizes = Sizes.of(cohort, big)
    parts = []
    for stratum in range(STRATA):
        sums = _singles(cohort, chances, big, sizes, stratum, each, rng)
        if crowd is not None:
            sums = {q: sums[q] + _draw(crowd[q][0, :, stratum], each, rng) for q in QUANTITIES}
        parts.append(sums)
    return {q: np.concatenate([part[q] for part in parts]) for q in QUANTITIES}


@dataclass(frozen=True)
class Sizes:
    """Laws of the relative rise (lognormal) and fall (beta), from their first two moments."""

    log_mean: Floats
    log_sd: Floats
    fall: Floats
    strength: Floats

    @classmethod
    def of(cls, cohort: Cohort, who: NDArray[np.int64]) -> Sizes:
        """Fit the laws of some accounts."""
        up, down = cohort.up[who], cohort.down[who]
        mean = np.maximum(up[:, 0], 1e-12)
        spread = np.log(np.maximum(up[:, 1] / mean**2, 1.0))
        fall = np.clip(down[:, 0], 0.0, 1.0)
        room = fall * (1.0 - fall)
        variance = np.clip(down[:, 1] - fall**2, 1e-9 * room, 0.999 * room)
        strength = np.divide(room, variance, out=np.ones_like(room), where=variance > 0.0) - 1.0
        return cls(np.log(mean) - spread / 2.0, np.sqrt(spread), fall, strength)

    def rises(self, who: NDArray[np.int64], rng: np.random.Generator) -> Floats:
        """Draw a relative rise for each account named."""
        return np.exp(self.log_mean[who] + self.log_sd[who] * rng.standard_normal(len(who)))

    def falls(self, who: NDArray[np.int64], rng: np.random.Generator) -> Floats:
        """Draw a relative fall for each account named."""
        fall, strength = self.fall[who], self.strength[who]
        inner = (fall > 0.0) & (fall < 1.0)
        out = fall.copy()
        a = fall[inner] * strength[inner]
        out[inner] = rng.beta(a, strength[inner] - a)
        return out


def _singles(
    cohort: Cohort,
    chances: Chances,
    big: NDArray[np.int64],
    sizes: Sizes,
    stratum: int,
    each: int,
    rng: np.random.Generator,
) -> dict[str, Floats]:
    """Play every large account on its own, at one value of the factor."""
    mrr = cohort.mrr[big]
    leave = chances.churn[big, stratum]
    fall = leave + chances.contract[big, stratum]
    luck = rng.random((each, len(big)))
    gone = luck < leave
    down_path, down = np.nonzero((luck < fall) & ~gone)
    up_path, up = np.nonzero(luck >= 1.0 - chances.expand[big, stratum])
    rises = np.bincount(up_path, mrr[up] * sizes.rises(up, rng), minlength=each)
    falls = np.bincount(down_path, mrr[down] * sizes.falls(down, rng), minlength=each)
    expansion = rises + cohort.signed_up[big].sum()
    contraction = falls + cohort.signed_down[big].sum()
    churned = gone @ mrr
    return {
        "expansion": expansion,
        "contraction": contraction,
        "churned": churned,
        "closing": mrr.sum() + expansion - contraction - churned,
        "loss": contraction + churned,
        "logos": gone.sum(axis=1).astype(np.float64),
    }


def _crowd(cohort: Cohort, chances: Chances, rest: NDArray[np.int64]) -> dict[str, Floats]:
    """Cumulants of what the many small accounts add, at each stratum."""
    group = np.zeros((1, len(cohort.mrr)))
    group[0, rest] = 1.0
    return cumulants(cohort, chances, group)


def _draw(three: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Draw from a shifted gamma with a mean, a variance and a third cumulant."""
    mean, variance, third = three
    if variance <= 0.0:
        return np.full(count, mean)
    skew = third / variance**1.5
    shape = 4.0 / max(abs(skew), 1e-3) ** 2
    unit = (rng.standard_gamma(shape, count) - shape) / np.sqrt(shape)
    return np.asarray(mean + np.copysign(np.sqrt(variance), skew) * unit)
