"""Simulated paths of a small or lumpy group of accounts, from a fixed seed.

A sum of few accounts is lumpy: it has atoms (nobody leaves) and gaps (the large one leaves) that
no smooth curve follows. The largest accounts are then simulated one by one; what the rest adds is
drawn from its shifted gamma. The factor runs through equally likely strata, so that the paths
spend no luck on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from models.factor import Chances, Leaning, factor_nodes, factor_strata
from models.flows import QUANTITIES, Cohort, own_cumulants, sums_given_factor
from models.laws import Drift, Sizes

__all__ = ["SINGLE", "simulate"]

Floats = NDArray[np.float64]
Draw = Callable[[NDArray[np.int64], np.random.Generator], Floats]

SINGLE = 500
"""How many of the largest accounts are simulated one by one at most; of a larger group, as few as
leave to the rest little skewness and nobody with a large part of its variance."""

FEWER, SLIGHT, SMALL = (50, 100, 200, 300, 400), 0.4, 0.02

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
    cohort, leaning = cohort.of(order), leaning.of(order)
    count = _one_by_one(cohort, leaning, names)
    big, rest = slice(0, count), slice(count, len(order))
    strata = max(1, min(STRATA, paths // PER_STRATUM))
    z, each = factor_strata(strata), -(-paths // strata)
    single = cohort.of(big)
    moves = Moves.of(single, leaning.of(big).at(z), names)
    crowd = _crowd(cohort.of(rest), leaning.of(rest), z, names) if count < len(order) else {}
    parts = []
    for stratum in range(strata):
        sums = _singles(single, moves, stratum, each, rng)
        for name, cumulant in crowd.items():
            sums[name] = sums[name] + _draw(name, cumulant[:, stratum], each, rng)
        parts.append(sums)
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


@dataclass(frozen=True)
class Moves:
    """Who moves at each value of the factor, and how far.

    One number per account and path decides: below the first edge it leaves, below the next it
    falls, then it rises, then it drifts down or up, and above all edges it stays. An event that
    no sum asks for has no room between its edges, so that nobody is played for nothing.
    """

    edges: NDArray[np.float32]  # (values of the factor, 5 events, accounts)
    sizes: Sizes
    drift: Sizes

    @classmethod
    def of(cls, cohort: Cohort, chances: Chances, names: tuple[str, ...]) -> Moves:
        """Take the events that the sums named ask for; what counts as flat may drift."""
        asked = {event for name in names for event in EVENTS[name]}
        sizes, drift = Sizes.of(cohort.up, cohort.down), Drift.of(cohort.flat_up, cohort.flat_down)
        chance = np.zeros((chances.churn.shape[1], 5, len(cohort.mrr)))
        for place, event in enumerate(("churn", "contract", "expand")):
            if event in asked:
                chance[:, place] = getattr(chances, event).T
        if cohort.drifts:
            flat = chances.flat.T
            chance[:, 3] = flat * drift.down * ("contract" in asked)
            chance[:, 4] = flat * drift.up * ("expand" in asked)
        edges = np.cumsum(chance, axis=1).astype(np.float32)
        return cls(edges, sizes, drift.sizes)


def _singles(
    cohort: Cohort, moves: Moves, stratum: int, each: int, rng: np.random.Generator
) -> dict[str, Floats]:
    """Play every account on its own, at one value of the factor; only those that move cost time."""
    mrr, edges = cohort.mrr, moves.edges[stratum]
    luck = rng.random((each, len(mrr)), dtype=np.float32)
    gone, down, up, less, more = _events(luck, edges)

    def added(moved: NDArray[np.int64], size: Draw | None) -> Floats:
        path, who = np.divmod(moved, len(mrr))
        amount = mrr[who] if size is None else mrr[who] * size(who, rng)
        return np.asarray(np.bincount(path, amount, minlength=each))

    expansion = added(up, moves.sizes.rises) + cohort.signed_up.sum()
    contraction = added(down, moves.sizes.falls) + cohort.signed_down.sum()
    if len(more) or len(less):
        expansion = expansion + added(more, moves.drift.rises)
        contraction = contraction + added(less, moves.drift.falls)
    churned = added(gone, None)
    return {
        "expansion": expansion,
        "contraction": contraction,
        "churned": churned,
        "closing": mrr.sum() + expansion - contraction - churned,
        "loss": contraction + churned,
        "logos": np.bincount(gone // len(mrr), minlength=each).astype(np.float64),
    }


def _one_by_one(cohort: Cohort, leaning: Leaning, names: tuple[str, ...]) -> int:
    """Give how many accounts to simulate one by one, of accounts that come largest first."""
    if len(cohort.mrr) <= SINGLE:
        return len(cohort.mrr)
    own = own_cumulants(cohort, leaning.at(np.zeros(1)), names)
    sums = np.stack([own[name][:, 0] for name in names])
    at = np.array(FEWER)
    head = np.cumsum(sums, axis=2)[:, :, at - 1]
    variance, third = np.moveaxis(sums.sum(axis=2)[:, 1:, None] - head[:, 1:], 1, 0)
    largest = np.maximum.accumulate(sums[:, 1, ::-1], axis=1)[:, ::-1][:, at]
    mild = np.abs(third) <= SLIGHT * np.maximum(variance, 0.0) ** 1.5
    smooth = (mild & (largest <= SMALL * variance)).all(axis=0)
    return FEWER[int(np.argmax(smooth))] if smooth.any() else SINGLE


def _events(luck: NDArray[np.float32], edges: NDArray[np.float32]) -> list[NDArray[np.int64]]:
    """Give where luck lies between each edge and the one before, by position in the matrix."""
    found, under, before = [], np.zeros(luck.shape, dtype=bool), np.zeros_like(edges[0])
    for edge in edges:
        if np.array_equal(edge, before):
            found.append(np.zeros(0, dtype=np.int64))
            continue
        below = luck < edge
        found.append(np.flatnonzero(below > under))
        under, before = below, edge
    return found


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
