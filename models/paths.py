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
from models.laws import Drift, Sizes

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
    single = cohort.of(big)
    moves = Moves.of(single, leaning.of(big).at(z), names)
    crowd = _crowd(cohort.of(rest), leaning.of(rest), z, names) if len(rest) else {}
    parts = []
    for stratum in range(strata):
        sums = _singles(single, moves, stratum, each, rng)
        for name, cumulant in crowd.items():
            sums[name] = sums[name] + _draw(name, cumulant[:, stratum], each, rng)
        parts.append(sums)
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


@dataclass(frozen=True)
class Moves:
    """Who moves at each value of the factor, (accounts, values), and how far.

    An event that no sum asks for has chance 0, so that nobody is played for nothing.
    """

    churn: Floats
    contract: Floats
    expand: Floats
    lower: Floats
    higher: Floats
    sizes: Sizes
    drift: Sizes

    @classmethod
    def of(cls, cohort: Cohort, chances: Chances, names: tuple[str, ...]) -> Moves:
        """Take the events that the sums named ask for; what counts as flat may drift."""
        asked = {event for name in names for event in EVENTS[name]}
        kept = {e: p if e in asked else np.zeros_like(p) for e, p in vars(chances).items()}
        sizes, drift = Sizes.of(cohort.up, cohort.down), Drift.of(cohort.flat_up, cohort.flat_down)
        flat = chances.flat if cohort.drifts else np.zeros_like(chances.churn)
        lower = flat * drift.down[:, None] * ("contract" in asked)
        higher = flat * drift.up[:, None] * ("expand" in asked)
        return cls(**kept, lower=lower, higher=higher, sizes=sizes, drift=drift.sizes)


def _singles(
    cohort: Cohort, moves: Moves, stratum: int, each: int, rng: np.random.Generator
) -> dict[str, Floats]:
    """Play every account on its own, at one value of the factor.

    One number per account and path decides: below the chance of churn it leaves, then it falls,
    then it rises, then it drifts down or up. Most accounts stay as they are, so only those that
    move are looked at.
    """
    parts = (moves.churn, moves.contract, moves.expand, moves.lower, moves.higher)
    leave, fall, rise, lower, higher = np.cumsum([part[:, stratum] for part in parts], axis=0)
    luck = rng.random((each, len(leave)), dtype=np.float32)
    path, who = np.nonzero(luck < higher.astype(np.float32))
    luck, mrr = luck[path, who], cohort.mrr
    rise = np.where(higher > rise, rise, np.inf)  # an account that does not drift only rises
    lower = np.where(higher > lower, lower, np.inf)
    edges = np.array([leave[who], fall[who], rise[who], lower[who]])
    event = (luck >= edges).sum(axis=0)
    gone, down, up, less, more = (np.flatnonzero(event == one) for one in range(5))
    sizes_up = mrr[who[up]] * moves.sizes.rises(who[up], rng)
    sizes_down = mrr[who[down]] * moves.sizes.falls(who[down], rng)
    drift_up = mrr[who[more]] * moves.drift.rises(who[more], rng)
    drift_down = mrr[who[less]] * moves.drift.falls(who[less], rng)
    expansion = _per_path(path[up], sizes_up, each) + cohort.signed_up.sum()
    contraction = _per_path(path[down], sizes_down, each) + cohort.signed_down.sum()
    expansion = expansion + _per_path(path[more], drift_up, each)
    contraction = contraction + _per_path(path[less], drift_down, each)
    churned = _per_path(path[gone], mrr[who[gone]], each)
    return {
        "expansion": expansion,
        "contraction": contraction,
        "churned": churned,
        "closing": mrr.sum() + expansion - contraction - churned,
        "loss": contraction + churned,
        "logos": _per_path(path[gone], np.ones(len(gone)), each),
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
