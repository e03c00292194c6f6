"""Goal-seek: how much more expansion, or how much less churn, would reach an NRR.

Two levers, each pulled alone, the rest as forecast: every modelled expansion is made more likely by
one multiple (taken from the chance of staying as it is), or every modelled chance of churn smaller
by one share (who would have left then stays as it is). Booked things are settled, so neither touches them. Asked are three goals: the mean of NRR
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

__all__ = ["CHANCES", "MOST_LIKELIER", "reach"]

CHANCES = {"p50": 0.5, "p80": 0.8}
"""Chances of reaching the target that are asked for, beside the mean."""

MOST_LIKELIER = 10.0
"""Expansion likelier than this many times is no plan; the target is said not to be reached."""

PATHS, CLOSE, RARE = 4_000, 1e-4, 1e-6
HOW = {
    "expansion": "every modelled expansion so many times as likely, of the size that is forecast; "
    "churn and contraction as forecast",
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
        needed, signed increases included), ``multiple`` of the modelled expansion MRR,
        ``times_as_likely`` (what every modelled chance of expansion is multiplied with, as far
        as the account has room), ``reason``; of the mean the amount is always told;
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
    (0.92, {'expansion_mrr': 2000.0, 'multiple': 2.0, 'times_as_likely': 2.0, 'reason': None}, 0.2)
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

    def grown(self, likelier: float) -> Cohort:
        """Make every modelled expansion more likely, as far as the account has room."""
        room = np.maximum(1.0 - self.cohort.p_churn - self.cohort.p_contract, 0.0)
        return replace(self.cohort, p_expand=np.minimum(self.cohort.p_expand * likelier, room))

    def expansion(self, cohort: Cohort) -> float:
        """Give the mean of expansion MRR, signed increases included."""
        return float(means(cohort)["expansion"].sum())

    def kept(self, reduction: float) -> Cohort:
        """Make every modelled chance of churn smaller by a share."""
        left = np.where(self.cohort.notice, 1.0, self.cohort.p_churn * (1.0 - reduction))
        return replace(self.cohort, p_churn=left)


def _by_expansion(book: _Book, target: float) -> dict[str, Any]:
    """Solve how much likelier expansion must be, for the mean and for the chances."""
    if not (book.cohort.p_expand * book.cohort.mrr * book.cohort.up[:, 0]).any():
        why = "no expansion is forecast that could be likelier"
        found = {name: _more(book, None, why) for name in ("mean", *CHANCES)}
    else:
        chance = cache(lambda likelier: book.chance(book.grown(likelier), target))
        pulled = {"mean": _mean(book, target)}
        pulled |= {name: _least(chance, level, MOST_LIKELIER) for name, level in CHANCES.items()}
        best = book.nrr(book.grown(MOST_LIKELIER))
        why = (
            f"not reached if every modelled expansion were {MOST_LIKELIER:g} times as likely: "
            f"the mean of NRR is then {best:.1%}"
        )
        found = {name: _more(book, likelier, why) for name, likelier in pulled.items()}
    return found | {"mean": found["mean"] | _needed(book, target)}


def _needed(book: _Book, target: float) -> dict[str, float | None]:
    """Give the expansion that the mean needs, whether or not it can come about."""
    told = book.expansion(book.cohort)
    others = float(means(book.cohort)["closing"].sum()) - told
    needed = max(target * book.opening - others, 0.0)
    return _amounts(book, needed)


def _amounts(book: _Book, needed: float) -> dict[str, float | None]:
    """Tell an amount of expansion, and how many times the modelled one that is."""
    signed = float(book.cohort.signed_up.sum())
    modelled = book.expansion(book.cohort) - signed
    multiple = max(needed - signed, 0.0) / modelled if modelled > 1e-12 * book.opening else None
    rounded = None if multiple is None else round(multiple, 6)
    return {"expansion_mrr": round(needed, 6), "multiple": rounded}


def _mean(book: _Book, target: float) -> float | None:
    """Find how much likelier expansion brings the mean of NRR to the target."""

    def short(likelier: float) -> float:
        return book.nrr(book.grown(likelier)) - target

    if short(0.0) >= 0.0:
        return 0.0
    return float(brentq(short, 0.0, MOST_LIKELIER)) if short(MOST_LIKELIER) >= 0.0 else None


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


def _more(book: _Book, likelier: float | None, why: str) -> dict[str, Any]:
    """Tell how much more expansion there is where it is likelier."""
    if likelier is None:
        return dict.fromkeys(("expansion_mrr", "multiple", "times_as_likely")) | {"reason": why}
    amounts = _amounts(book, book.expansion(book.grown(likelier)))
    return amounts | {"times_as_likely": round(likelier, 6), "reason": None}


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
