"""One group of accounts as a forecast sees it: its figures, coherent with each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.factor import lean
from models.figures import FIGURES, LEVELS
from models.flows import QUANTITIES, Cohort, means
from models.shape import Draft, Group, Shape, draft_of, finished, shapes_of
from models.stretch import stretched, stretched_loss
from models.together import together

__all__ = ["View", "groups_of", "months_of", "views_of"]

Floats = NDArray[np.float64]

FLOWS = {"expansion_mrr": "expansion", "contraction_mrr": "contraction", "churned_mrr": "churned"}
PATHS = 20_000
MONTH_PATHS, MONTH_LEVELS = 4_000, (0.10, 0.50, 0.90)


@dataclass(frozen=True)
class View:
    """One group's distribution: means, quantiles at `LEVELS`, and a way to ask for more."""

    accounts: int
    opening: float
    mean: dict[str, float]
    quantile: dict[str, Floats]
    closing_above: Callable[[float], float]
    stretch: float

    def figures(self) -> dict[str, Any]:
        """Give the seven figures of CONTRACT section 4."""
        if self.opening <= 0.0:
            why = "no opening MRR: the cohort is empty"
            return dict.fromkeys(FIGURES) | {"reason": why}
        return {name: _figure(self.mean[name], self.quantile[name], LEVELS) for name in FIGURES}

    def reaches(self, target: float | None) -> float | None:
        """Give the probability of an NRR of at least ``target``."""
        if target is None or self.opening <= 0.0:
            return None
        middle = float(self.quantile["nrr"][LEVELS.index(0.5)])
        asked = middle + (target - middle) / self.stretch
        return float(self.closing_above(asked * self.opening))


def groups_of(accounts: pd.DataFrame, cuts: Sequence[str]) -> list[Group]:
    """List the whole book first, then every value of every cut; a missing value is "unknown".

    Examples
    --------
    >>> accounts = pd.DataFrame({"segment": ["smb", None, "smb"]})
    >>> [(group.cut, group.members.tolist()) for group in groups_of(accounts, ["segment"])]
    [({}, [0, 1, 2]), ({'segment': 'smb'}, [0, 2]), ({'segment': 'unknown'}, [1])]
    """
    groups = [Group({}, np.arange(len(accounts)))]
    for cut in cuts:
        code, values = _labelled(accounts[cut])
        groups += [Group({cut: v}, np.flatnonzero(code == at)) for at, v in enumerate(values)]
    return groups


def _labelled(column: pd.Series) -> tuple[NDArray[np.int64], list[str]]:
    """Give each row's label by number, and the labels in order; a missing value is "unknown"."""
    kind, kinds = pd.factorize(column)  # few kinds are made words of, not every row
    labels = [str(one) for one in kinds] + ["unknown"] * bool((kind < 0).any())
    values = sorted(set(labels))
    return np.array([values.index(one) for one in labels], dtype=np.int64)[kind], values


def views_of(
    cohort: Cohort,
    groups: Sequence[Group],
    tau: float,
    *,
    stretch: float = 1.0,
    seed: int = 0,
) -> list[View]:
    """Give every group's distribution.

    Parameters
    ----------
    cohort : Cohort
        The accounts at one horizon.
    groups : sequence of Group
        Which of them belong together.
    tau : float
        Scale of the shared factor.
    stretch : float
        Conformal factor on every quantile's distance from its median.
    seed : int
        Seed of what is simulated.
    """
    leaning = lean(cohort.p_churn, cohort.p_contract, cohort.p_expand, tau)
    shapes = shapes_of(cohort, leaning, groups, QUANTITIES, LEVELS, paths=PATHS, seed=seed)
    flows = means(cohort)
    return [
        _view(cohort, flows, group, shape, stretch)
        for group, shape in zip(groups, shapes, strict=True)
    ]


def months_of(
    months: Iterable[tuple[Cohort, float]], *, stretch: float = 1.0, seed: int = 0
) -> list[dict[str, dict[str, float] | None]]:
    """Give NRR and GRR of a whole cohort month by month: mean, p10, p50, p90.

    Parameters
    ----------
    months : iterable of tuple
        The cohort at each month, and the scale of the shared factor there.
    stretch : float
        Conformal factor on every quantile's distance from its median.
    seed : int
        Seed of what is simulated.

    Examples
    --------
    >>> one, no = np.ones(2), np.zeros(2, dtype=bool)
    >>> flat = np.zeros((2, 3))
    >>> still = Cohort(one, 0 * one, 0 * one, 0 * one, flat, flat, no, 0 * one, 0 * one, no)
    >>> months_of([(still, 0.2)])[0]["grr"]
    {'mean': 1.0, 'p10': 1.0, 'p50': 1.0, 'p90': 1.0}
    """
    # few cohorts at a time: twelve of a large book are half a gigabyte
    drawn = list(together(lambda month: _month_sums(*month, seed), months))
    sums, shapes = [one for one, _ in drawn], finished([draft for _, draft in drawn], MONTH_LEVELS)
    return [_month(*one, shape, stretch) for one, (shape,) in zip(sums, shapes, strict=True)]


def _month_sums(cohort: Cohort, tau: float, seed: int) -> tuple[tuple[float, float, float], Draft]:
    """Give opening, closing and loss of a month, and the draft of their shape."""
    flows = means(cohort)
    sums = float(cohort.mrr.sum()), float(flows["closing"].sum()), float(flows["loss"].sum())
    return sums, _month_draft(cohort, tau, seed)


def _month_draft(cohort: Cohort, tau: float, seed: int) -> Draft:
    leaning = lean(cohort.p_churn, cohort.p_contract, cohort.p_expand, tau)
    everyone, asked = [Group({}, np.arange(len(cohort.mrr)))], ("closing", "loss")
    return draft_of(cohort, leaning, everyone, asked, MONTH_LEVELS, paths=MONTH_PATHS, seed=seed)


def _month(
    opening: float, closing: float, loss: float, shape: Shape, stretch: float
) -> dict[str, dict[str, float] | None]:
    """Bring the sums of a month into ratios; nobody has none."""
    if opening <= 0.0:
        return {"nrr": None, "grr": None}
    nrr, grr = _ratios(shape.quantile, opening, stretch)
    return {
        "nrr": _figure(_tidy_one(float(closing) / opening), nrr, MONTH_LEVELS),
        "grr": _figure(_tidy_one(1.0 - float(loss) / opening), grr, MONTH_LEVELS),
    }


def _view(
    cohort: Cohort, flows: dict[str, Floats], group: Group, shape: Shape, stretch: float
) -> View:
    """Bring a group's sums into the figures of a forecast, coherent with each other."""
    opening = float(cohort.mrr[group.members].sum())
    sums = {name: float(flow[group.members].sum()) for name, flow in flows.items()}
    if opening <= 0.0:
        return View(len(group.members), 0.0, {}, {}, shape.closing_above, stretch)
    mean = {
        "nrr": _tidy_one(sums["closing"] / opening),
        "grr": _tidy_one(1.0 - sums["loss"] / opening),
        "closing_mrr": sums["closing"],
        "logos_lost": sums["logos"],
        **{figure: sums[name] for figure, name in FLOWS.items()},
    }
    quantile = _coherent(shape.quantile, opening, len(group.members), stretch)
    return View(len(group.members), opening, mean, quantile, shape.closing_above, stretch)


def _coherent(
    raw: dict[str, Floats], opening: float, accounts: int, stretch: float
) -> dict[str, Floats]:
    """Stretch the quantiles and keep what must hold: flows >= 0, churned <= opening."""
    nrr, grr = _ratios(raw, opening, stretch)
    flows = {
        figure: _tidy(np.maximum(stretched(raw[name] / opening, stretch), 0.0)) * opening
        for figure, name in FLOWS.items()
    }
    flows["churned_mrr"] = np.minimum(flows["churned_mrr"], opening)
    logos = np.clip(np.rint(stretched(raw["logos"], stretch)), 0.0, accounts)
    return {"nrr": nrr, "grr": grr, "closing_mrr": nrr * opening, "logos_lost": logos, **flows}


def _ratios(raw: dict[str, Floats], opening: float, stretch: float) -> tuple[Floats, Floats]:
    """Give the quantiles of NRR and GRR; GRR is never above 1 nor above NRR."""
    nrr = _tidy(np.maximum(stretched(raw["closing"] / opening, stretch), 0.0))
    loss = stretched_loss(raw["loss"] / opening, stretch)
    return nrr, np.minimum(_tidy(np.clip(1.0 - loss[::-1], 0.0, 1.0)), nrr)


def _tidy(ratio: Floats) -> Floats:
    """Round ratios to 12 digits, so that a book in which nothing moves reads exactly 1."""
    return np.asarray(np.round(ratio, 12) + 0.0)


def _tidy_one(ratio: float) -> float:
    return round(ratio, 12) + 0.0


def _figure(mean: float, quantiles: Floats, at: tuple[float, ...]) -> dict[str, float]:
    """Name a mean and its quantiles."""
    named = {f"p{round(100 * q):02d}": float(x) for q, x in zip(at, quantiles, strict=True)}
    return {"mean": mean, **named}
