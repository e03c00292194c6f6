"""Goal-seek: how much more expansion, or how much less churn, would reach an NRR.

Two levers, each pulled alone, the rest as forecast: every modelled expansion is made larger by one
multiple, or every modelled chance of churn smaller by one share (who would have left then stays as
it is). Booked things are settled, so neither touches them. Asked are three goals: the mean of NRR
at the target, and a chance of one half and of four fifths to reach it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri

from models.factor import lean
from models.flows import Cohort, cohort_at, means
from models.outcomes import Outlook
from models.shape import Group, shapes_of

__all__ = ["CHANCES", "LARGEST_MULTIPLE", "reach"]

CHANCES = {"p50": 0.5, "p80": 0.8}
"""Chances of reaching the target that are asked for, beside the mean."""

LARGEST_MULTIPLE = 10.0
"""A multiple of expansion beyond this is no plan; it is said not to be reached."""

PATHS, CLOSE, RARE = 4_000, 1e-4, 1e-6
HOW = {
    "expansion": "every modelled expansion larger by the multiple; churn and contraction as forecast",
    "churn": "every modelled chance of churn smaller by the reduction; expansion and contraction as "
    "forecast, and who would have left stays as it is",
}


def reach(
    outlook: Outlook,
    horizon: int,
    tau: float,
    target: float,
    *,
    stretch: float = 1.0,
    seed: int = 0,
) -> dict[str, Any]:
    """Say what would bring NRR to a target.

    Parameters
    ----------
    outlook : Outlook
        What is expected of each account.
    horizon : int
        Months ahead, 1 to 12.
    tau : float
        Scale of the shared factor at the horizon (`models.spread.shared_scale`).
    target : float
        NRR to reach, e.g. 1.10.
    stretch : float
        Conformal factor on every quantile's distance from its median.
    seed : int
        Seed of what is simulated.

    Returns
    -------
    dict
        ``target``, ``horizon_months``, ``opening_mrr``, ``nrr_mean``, ``p_target`` as forecast;
        ``expansion`` with ``mean``, ``p50``, ``p80``: each ``expansion_mrr`` (the mean that is
        needed, signed increases included), ``multiple`` of the modelled expansion, ``reason``;
        ``churn`` likewise with ``churned_mrr`` and ``reduction`` (0.25: a quarter of the modelled
        churn less). What nothing reaches is None with its reason.

    Examples
    --------
    >>> import pandas as pd
    >>> p, sizes = np.full((500, 12), 0.1), np.full((500, 12, 3), 0.2)
    >>> accounts = pd.DataFrame({"account_id": range(500), "mrr_micros": 10**8})
    >>> book = Outlook(accounts, p, 0 * p, p, sizes, sizes, p > 1, np.full((500, 12), np.nan))
    >>> told = reach(book, 3, 0.0, 0.94)
    >>> told["nrr_mean"], told["expansion"]["mean"], told["churn"]["mean"]["reduction"]
    (0.92, {'expansion_mrr': 2000.0, 'multiple': 2.0, 'reason': None}, 0.2)
    """
    order = np.argsort(outlook.accounts["account_id"].astype(str).to_numpy(), kind="stable")
    book = _Book(cohort_at(outlook.of(order), horizon), tau, stretch, seed)
    head = {"target": float(target), "horizon_months": horizon, "opening_mrr": book.opening}
    if book.opening <= 0.0:
        why = "no opening MRR: the cohort is empty"
        nothing = dict.fromkeys(("nrr_mean", "p_target", "expansion", "churn"))
        return head | nothing | {"reason": why}
    return head | {
        "nrr_mean": book.nrr(book.cohort),
        "p_target": book.chance(book.cohort, target),
        "expansion": {"how": HOW["expansion"]} | _by_expansion(book, target),
        "churn": {"how": HOW["churn"]} | _by_churn(book, target),
        "reason": None,
    }


@dataclass(frozen=True)
class _Book:
    """A cohort at its horizon, and how its distribution is drawn."""

    cohort: Cohort
    tau: float
    stretch: float
    seed: int

    @property
    def opening(self) -> float:
        return float(self.cohort.mrr.sum())

    def nrr(self, cohort: Cohort) -> float:
        """Give the mean of NRR."""
        return round(float(means(cohort)["closing"].sum()) / self.opening, 12)

    def chance(self, cohort: Cohort, target: float) -> float:
        """Give the probability that NRR reaches the target."""
        leaning = lean(cohort.p_churn, cohort.p_contract, cohort.p_expand, self.tau)
        everyone, asked = [Group({}, np.arange(len(cohort.mrr)))], ("closing",)
        (shape,) = shapes_of(cohort, leaning, everyone, asked, (0.5,), paths=PATHS, seed=self.seed)
        middle = float(shape.quantile["closing"][0]) / self.opening
        return shape.closing_above((middle + (target - middle) / self.stretch) * self.opening)

    def grown(self, multiple: float) -> Cohort:
        """Make every modelled expansion larger by a multiple."""
        power = multiple ** np.arange(1, 4)
        return replace(self.cohort, up=self.cohort.up * power, flat_up=self.cohort.flat_up * power)

    def kept(self, reduction: float) -> Cohort:
        """Make every modelled chance of churn smaller by a share."""
        left = np.where(self.cohort.notice, 1.0, self.cohort.p_churn * (1.0 - reduction))
        return replace(self.cohort, p_churn=left)


def _by_expansion(book: _Book, target: float) -> dict[str, Any]:
    """Solve the multiple of expansion for the mean and for the chances."""
    signed = float(book.cohort.signed_up.sum())
    modelled = float(means(book.cohort)["expansion"].sum()) - signed
    if modelled <= 1e-12 * book.opening:
        why = "no expansion is forecast that could be larger"
        return {name: _more(None, signed, modelled, why) for name in ("mean", *CHANCES)}
    without = book.nrr(book.grown(0.0))
    exact = max(target - without, 0.0) * book.opening / modelled
    chance = cache(lambda multiple: book.chance(book.grown(multiple), target))
    found = {"mean": exact if exact <= LARGEST_MULTIPLE else None}
    found |= {name: _least(chance, level, LARGEST_MULTIPLE) for name, level in CHANCES.items()}
    why = f"more than {LARGEST_MULTIPLE:g} times the modelled expansion would be needed"
    return {name: _more(multiple, signed, modelled, why) for name, multiple in found.items()}


def _by_churn(book: _Book, target: float) -> dict[str, Any]:
    """Solve the reduction of churn for the mean and for the chances."""
    best, now = book.nrr(book.kept(1.0)), book.nrr(book.cohort)
    if target <= now:
        exact: float | None = 0.0
    else:
        exact = (target - now) / (best - now) if target <= best else None
    chance = cache(lambda reduction: book.chance(book.kept(reduction), target))
    found = {"mean": exact}
    found |= {name: _least(chance, level, 1.0) for name, level in CHANCES.items()}
    return {name: _less(book, reduction, best) for name, reduction in found.items()}


def _more(multiple: float | None, signed: float, modelled: float, why: str) -> dict[str, Any]:
    """Tell a multiple of expansion."""
    if multiple is None:
        return {"expansion_mrr": None, "multiple": None, "reason": why}
    needed = round(signed + multiple * modelled, 6)
    return {"expansion_mrr": needed, "multiple": round(multiple, 6), "reason": None}


def _less(book: _Book, reduction: float | None, best: float) -> dict[str, Any]:
    """Tell a reduction of churn."""
    if reduction is None:
        why = f"not reached without any modelled churn: the mean of NRR is then {best:.1%}"
        return {"churned_mrr": None, "reduction": None, "reason": why}
    left = float(means(book.kept(reduction))["churned"].sum())
    return {"churned_mrr": round(left, 6), "reduction": round(reduction, 6), "reason": None}


def _least(chance: Callable[[float], float], level: float, most: float) -> float | None:
    """Find the least pull of a lever at which the chance reaches a level; None if none does.

    Chances are compared on the scale of a normal, where they are nearly straight.
    """
    if chance(0.0) >= level:
        return 0.0
    if chance(most) < level:
        return None

    def short(pull: float) -> float:
        return float(ndtri(np.clip(chance(pull), RARE, 1.0 - RARE)) - ndtri(level))

    return float(brentq(short, 0.0, most, xtol=CLOSE * most, rtol=CLOSE))
