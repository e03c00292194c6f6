"""The shape of a group's sums: their quantiles, by curve or by simulated paths.

A curve (``models.mixture``) is exact enough where a sum has many parts: against brute force its
quantiles are then within .008 in probability. It misses the atoms and gaps of a sum of few parts
(up to .4 in a group of 40 accounts), so these are simulated (``models.paths``): every sum of a
group of at most 400 accounts or of one that a few accounts dominate, and in a larger group each
sum that is still skewed given the factor (few expansions in a month, say).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.factor import Leaning, factor_nodes
from models.flows import Cohort, sums_given_factor
from models.mixture import mixture, quantiles_together
from models.paths import SINGLE, simulate
from models.together import together

__all__ = ["Draft", "Group", "Shape", "draft_of", "finished", "is_lumpy", "shapes_of"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

FEW, EVEN, SKEWED = 400, 100.0, 0.6
FEWEST_PATHS, CELLS, CELLS_OF_A_PART = 3_000, 2_500_000, 1_000_000


@dataclass(frozen=True)
class Group:
    """Some accounts of the book, by position, and the cut that they are."""

    cut: dict[str, str]
    members: NDArray[np.int64]


@dataclass(frozen=True)
class Shape:
    """Quantiles of a group's sums, in units of currency, and P(closing >= x)."""

    quantile: dict[str, Floats]
    closing_above: Callable[[float], float]


@dataclass(frozen=True)
class Draft:
    """Shapes of which all is known but the quantiles that a curve gives.

    Attributes
    ----------
    names : tuple of str
        The sums asked for.
    z : array of float, (m,)
        The factor's nodes.
    sums : array of float, (groups, sums, 3, m)
        Their cumulants.
    curved : array of bool, (groups, sums)
        Which of them a curve fits.
    quantiles : array of float, (groups, sums, levels)
        Of those that were played.
    above : list of callable
        P(closing >= x) of each group.
    """

    names: tuple[str, ...]
    z: Floats
    sums: Floats
    curved: Bools
    quantiles: Floats
    above: list[Callable[[float], float]]

    def shapes(self, found: Floats) -> list[Shape]:
        """Put the curves' quantiles in, (curved sums, levels)."""
        quantiles = self.quantiles.copy()
        quantiles[self.curved] = found
        if "logos" in self.names:
            whole = self.curved & (np.array(self.names) == "logos")
            quantiles[whole] = np.ceil(quantiles[whole] - 0.5)
        return [
            Shape(dict(zip(self.names, values, strict=True)), above)
            for values, above in zip(quantiles, self.above, strict=True)
        ]


def is_lumpy(mrr: Floats) -> bool:
    """Say whether any sum over these accounts has too few parts for a curve.

    Examples
    --------
    >>> is_lumpy(np.ones(400)), is_lumpy(np.ones(1000)), is_lumpy(np.array([500.0] + [1.0] * 999))
    (True, False, True)
    """
    return len(mrr) <= FEW or bool(mrr.sum() ** 2 < EVEN * np.square(mrr).sum())


def shapes_of(
    cohort: Cohort,
    leaning: Leaning,
    groups: Sequence[Group],
    names: tuple[str, ...],
    levels: tuple[float, ...],
    *,
    paths: int,
    seed: int = 0,
) -> list[Shape]:
    """Give every group's quantiles, each sum by the way that fits it.

    Parameters
    ----------
    cohort : Cohort
        The accounts at one horizon.
    leaning : Leaning
        How they lean on the shared factor.
    groups : sequence of Group
        Which of them belong together.
    names : tuple of str
        The sums asked for, "closing" among them.
    levels : tuple of float
        The quantiles asked for.
    paths : int
        Simulated paths per group; fewer, but not below 3,000, where many accounts are simulated.
    seed : int
        Seed of the paths.
    """
    draft = draft_of(cohort, leaning, groups, names, levels, paths=paths, seed=seed)
    return finished([draft], levels)[0]


def finished(drafts: Sequence[Draft], levels: tuple[float, ...]) -> list[list[Shape]]:
    """Draw the curves of several drafts at once: what each has does not depend on the others."""
    found = quantiles_together([(one.z, one.sums[one.curved]) for one in drafts], levels)
    return [draft.shapes(values) for draft, values in zip(drafts, found, strict=True)]


def draft_of(
    cohort: Cohort,
    leaning: Leaning,
    groups: Sequence[Group],
    names: tuple[str, ...],
    levels: tuple[float, ...],
    *,
    paths: int,
    seed: int = 0,
) -> Draft:
    """Give every group's shape but for its curves, which `finished` draws (see `shapes_of`)."""
    z, _ = factor_nodes(leaning.tau)
    found = sums_given_factor(cohort, leaning, z, _membership(groups, len(cohort.mrr)), names)
    sums = np.stack([found[name] for name in names], axis=1)
    curved = _curved(cohort, groups, sums)
    quantiles = np.zeros((len(groups), len(names), len(levels)))
    closing = names.index("closing")
    above = [_above_curve(z, one[closing]) for one in sums]
    lumpy = [g for g, one in enumerate(groups) if len(one.members) and not curved[g].all()]

    def played(g: int) -> dict[str, Floats]:
        asked = tuple(name for name, fits in zip(names, curved[g], strict=True) if not fits)
        part, count = cohort.of(groups[g].members), _paths(groups[g], paths)
        return simulate(part, leaning.of(groups[g].members), count, seed, asked)

    for g, drawn in zip(lumpy, together(played, lumpy), strict=True):
        for name, values in drawn.items():
            quantiles[g, names.index(name)] = np.quantile(values, levels, method="inverted_cdf")
        if not curved[g, closing]:
            above[g] = _above_paths(drawn["closing"])
    return Draft(names, z, sums, curved, quantiles, above)


def _paths(group: Group, most: int) -> int:
    """Give how many paths a group is played on; the same whatever else is asked for beside it."""
    cells = CELLS if not group.cut else CELLS_OF_A_PART
    count = cells / min(len(group.members), SINGLE)
    return int(np.clip(count, min(FEWEST_PATHS, most), most))


def _membership(groups: Sequence[Group], accounts: int) -> Floats:
    member = np.zeros((len(groups), accounts))
    for row, group in enumerate(groups):
        member[row, group.members] = 1.0
    return member


def _curved(cohort: Cohort, groups: Sequence[Group], sums: Floats) -> Bools:
    """Say which sums a curve fits: (groups, sums)."""
    _, variance, third = np.moveaxis(sums[:, :, :, sums.shape[-1] // 2], 2, 0)
    skewed = np.abs(third) >= SKEWED * np.maximum(variance, 0.0) ** 1.5
    smooth = ~skewed | (variance <= 0.0)
    even = np.array([not is_lumpy(cohort.mrr[group.members]) for group in groups])
    return np.asarray(smooth & even[:, None])


def _above_curve(z: Floats, sums: Floats) -> Callable[[float], float]:
    row = np.zeros(1, dtype=np.int64)

    def above(x: float) -> float:
        return max(float(1.0 - mixture(z, sums[None]).cdf(np.array([x]), row)[0]), 0.0)

    return above


def _above_paths(closing: Floats) -> Callable[[float], float]:
    return lambda x: float(np.mean(closing >= x - 1e-9 * abs(x)))
