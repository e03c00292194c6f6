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
from scipy.interpolate import CubicSpline

from models.factor import Chances, Leaning, factor_nodes, factor_strata
from models.flows import QUANTITIES, Cohort, sums_given_factor

__all__ = ["SINGLE", "simulate"]

Floats = NDArray[np.float64]

SINGLE = 500
"""How many of the largest accounts are simulated one by one."""

STRATA, PER_STRATUM = 200, 80
"""How many equally likely values of the factor the paths run through at most, and how many paths
share one at least."""

EVENTS = {
    "expansion": ("expand",),
    "contraction": ("contract",),
    "churned": ("churn",),
    "closing": ("churn", "contract", "expand"),
    "loss": ("churn", "contract"),
    "logos": ("churn",),
}


def simulate(
    cohort: Cohort,
    leaning: Leaning,
    paths: int,
    seed: int = 0,
    names: tuple[str, ...] = QUANTITIES,
) -> dict[str, Floats]:
    """Simulate the sums of a group's flows.

    Parameters
    ----------
    cohort : Cohort
        The group's accounts.
    leaning : Leaning
        How the same accounts lean on the shared factor.
    paths : int
        How many paths, rounded up to a whole number per stratum of the factor.
    seed : int
        Seed of the generator: same seed, same paths.
    names : tuple of str
        Which of `QUANTITIES` are asked for.

    Returns
    -------
    dict of str to array of float, (paths,)
        One array per name, in units of currency (logos: accounts).
    """
    rng = np.random.default_rng(seed)
    order = np.argsort(-cohort.mrr, kind="stable")
    big, rest = order[:SINGLE], order[SINGLE:]
    strata = max(1, min(STRATA, paths // PER_STRATUM))
    z, each = factor_strata(strata), -(-paths // strata)
    single, chances = cohort.of(big), _needed(leaning.of(big).at(z), names)
    crowd = _crowd(cohort.of(rest), leaning.of(rest), z, names) if len(rest) else {}
    sizes = Sizes.of(single)
    parts = []
    for stratum in range(strata):
        sums = _singles(single, chances, sizes, stratum, each, rng)
        for name, cumulant in crowd.items():
            sums[name] = sums[name] + _draw(name, cumulant[:, stratum], each, rng)
        parts.append(sums)
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def _needed(chances: Chances, names: tuple[str, ...]) -> Chances:
    """Leave out the events that no sum asks for."""
    asked = {event for name in names for event in EVENTS[name]}
    kept = {e: p if e in asked else np.zeros_like(p) for e, p in vars(chances).items()}
    return Chances(**kept)


@dataclass(frozen=True)
class Sizes:
    """Laws of the relative rise (lognormal) and fall (beta), from their first two moments."""

    log_mean: Floats
    log_sd: Floats
    fall: Floats
    strength: Floats

    @classmethod
    def of(cls, cohort: Cohort) -> Sizes:
        """Fit the laws of some accounts."""
        up, down = cohort.up, cohort.down
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
    sizes: Sizes,
    stratum: int,
    each: int,
    rng: np.random.Generator,
) -> dict[str, Floats]:
    """Play every account on its own, at one value of the factor.

    One number per account and path decides: below the chance of churn it leaves, then it falls,
    then it rises. Most accounts stay as they are, so only those that move are looked at.
    """
    leave = chances.churn[:, stratum]
    fall = leave + chances.contract[:, stratum]
    moves = fall + chances.expand[:, stratum]
    luck = rng.random((each, len(leave)), dtype=np.float32)
    path, who = np.nonzero(luck < moves.astype(np.float32))
    luck, mrr = luck[path, who], cohort.mrr
    gone, lower = luck < leave[who], luck < fall[who]
    down, up = np.flatnonzero(lower & ~gone), np.flatnonzero(~lower)
    sizes_up = mrr[who[up]] * sizes.rises(who[up], rng)
    sizes_down = mrr[who[down]] * sizes.falls(who[down], rng)
    expansion = _per_path(path[up], sizes_up, each) + cohort.signed_up.sum()
    contraction = _per_path(path[down], sizes_down, each) + cohort.signed_down.sum()
    churned = _per_path(path[gone], mrr[who[gone]], each)
    return {
        "expansion": expansion,
        "contraction": contraction,
        "churned": churned,
        "closing": mrr.sum() + expansion - contraction - churned,
        "loss": contraction + churned,
        "logos": _per_path(path[gone], np.ones(int(gone.sum())), each),
    }


def _per_path(path: NDArray[np.int64], amount: Floats, count: int) -> Floats:
    return np.asarray(np.bincount(path, amount, minlength=count))


def _crowd(
    cohort: Cohort, leaning: Leaning, strata: Floats, names: tuple[str, ...]
) -> dict[str, Floats]:
    """Give the cumulants of what the many small accounts add, (3, strata) each."""
    z, _ = factor_nodes(leaning.tau)
    group = np.ones((1, len(cohort.mrr)))
    found = sums_given_factor(cohort, leaning, z, group, names)
    return {name: CubicSpline(z, sums[0], axis=1)(strata) for name, sums in found.items()}


def _draw(name: str, three: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Draw from a shifted gamma with a mean, a variance and a third cumulant, never below 0."""
    mean, variance, third = three
    if variance <= 0.0:
        return np.full(count, mean)
    skew = third / variance**1.5
    shape = 4.0 / max(abs(skew), 1e-3) ** 2
    unit = (rng.standard_gamma(shape, count) - shape) / np.sqrt(shape)
    drawn = np.maximum(mean + np.copysign(np.sqrt(variance), skew) * unit, 0.0)
    return np.rint(drawn) if name == "logos" else drawn
