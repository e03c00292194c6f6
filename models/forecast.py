"""The forecast of a book: NRR, GRR and the flows behind them, with honest intervals.

A cohort opens with the accounts that pay at the as-of date. What is booked (notice given,
successors signed) comes first; the rest is modelled; opening + expansion - contraction - churned
= closing holds in every mean. NRR = closing / opening; GRR = 1 - (contraction + churned) /
opening, both over the opening cohort; a cohort without MRR has neither and says why.

Quantiles come from exact cumulants given the shared factor (``models.mixture``), or from seeded
paths where a sum is too lumpy for a curve (``models.shape`` decides).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from features.asof import lead_day
from features.configuration import Section
from features.faults import InternalFault
from models.bridge import bridge_of
from models.confidence import concentration_of, interval_note, thin_reasons
from models.flows import cohort_at
from models.outcomes import LEADS, Outlook
from models.shape import Group
from models.spread import phi_of, shared_scale
from models.view import View, groups_of, months_of, views_of

__all__ = [
    "ForecastSettings",
    "forecast",
    "phi_of",
    "shared_scale",
]


class ForecastSettings(Section):
    """Section ``[forecast]``.

    Attributes
    ----------
    nrr_target : float or None
        NRR to reach, e.g. 1.05; the forecast then carries the probability of reaching it.
    expansion_plan : float or None
        Expansion MRR planned for the horizon, shown beside the forecast and never mixed into it.
    """

    nrr_target: float | None = None
    expansion_plan: float | None = None


def forecast(
    outlook: Outlook,
    horizon: int,
    tau: float,
    *,
    as_of: date,
    definition: Mapping[str, Any],
    n_eff: float,
    cuts: Sequence[str] = (),
    reasons: Sequence[str] = (),
    stretch: float = 1.0,
    path_taus: Sequence[float] = (),
    nrr_target: float | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Forecast the opening cohort of an outlook.

    Parameters
    ----------
    outlook : Outlook
        What is expected of each account.
    horizon : int
        Months ahead, 1 to 12.
    tau : float
        Scale of the shared factor at the horizon (`shared_scale`).
    as_of : date
        The as-of date; the period ends ``horizon`` months later.
    definition : mapping
        The revenue choices, carried along.
    n_eff : float
        How many independent past periods the width rests on.
    cuts : sequence of str
        Columns of ``outlook.accounts`` to forecast by.
    reasons : sequence of str
        Why the figures are thin beyond what is seen here (e.g. a prior-driven model).
    stretch : float
        Conformal factor on every quantile's distance from its median.
    path_taus : sequence of float
        Twelve scales for the monthly path; empty: ``tau`` in every month.
    nrr_target : float or None
        NRR whose probability is asked for.
    seed : int
        Seed of the simulated groups.

    Returns
    -------
    dict
        CONTRACT section 4: money in units of currency, not rounded; ratios as fractions; ``None``
        where a cohort has no MRR to take a ratio of.

    Raises
    ------
    InternalFault
        ``forecast.input`` for a horizon, a scale or a cut that cannot be.
    """
    _check(outlook, horizon, tau, cuts, path_taus)
    book = _in_order(outlook)
    cohort = cohort_at(book, horizon)
    groups = groups_of(book.accounts, cuts)
    total, *parts = views_of(cohort, groups, tau, stretch=stretch, seed=seed)
    scales = [*(path_taus or [tau] * LEADS)]
    scales[horizon - 1] = tau
    thin = thin_reasons(cohort, n_eff, reasons)
    return {
        "as_of": as_of.isoformat(),
        "horizon_months": horizon,
        "period_end": lead_day(as_of, horizon).isoformat(),
        "definition": dict(definition),
        "opening_mrr": total.opening,
        "cohort_accounts": total.accounts,
        **total.figures(),
        "nrr_target": nrr_target,
        "p_target": total.reaches(nrr_target),
        "bridge": bridge_of(cohort),
        "by_cut": [
            _cut(group, view, thin_reasons(cohort.of(group.members), n_eff, reasons))
            for group, view in zip(groups[1:], parts, strict=True)
        ],
        "monthly_path": _path(book, total, horizon, scales, stretch, seed, as_of),
        "concentration": concentration_of(cohort, book.accounts),
        "confidence": "thin" if thin else "normal",
        "confidence_reasons": thin,
        "n_eff": float(n_eff),
        "interval_note": interval_note(n_eff),
        "shared_scale": float(tau),
    }


def _check(
    outlook: Outlook, horizon: int, tau: float, cuts: Sequence[str], path_taus: Sequence[float]
) -> None:
    absent = [cut for cut in cuts if cut not in outlook.accounts.columns]
    if absent:
        raise InternalFault("forecast.input", f"no column to cut by: {', '.join(absent)}")
    if not 1 <= horizon <= LEADS:
        raise InternalFault("forecast.input", f"horizon {horizon} is outside 1 to {LEADS}")
    if not all(0.0 <= scale <= 3.0 for scale in (tau, *path_taus)):
        raise InternalFault("forecast.input", f"scale {tau} is outside 0 to 3")
    if len(path_taus) not in (0, LEADS):
        raise InternalFault("forecast.input", f"{len(path_taus)} scales for {LEADS} months")


def _in_order(outlook: Outlook) -> Outlook:
    """Sort by account, so that the order in which accounts come changes nothing."""
    order = np.argsort(outlook.accounts["account_id"].astype(str).to_numpy(), kind="stable")
    return outlook.of(order)


def _cut(group: Group, view: View, thin: list[str]) -> dict[str, Any]:
    """Give one value of a cut in the shape of the whole, and how far it can be leaned on."""
    head = {"cut": group.cut, "cohort_accounts": view.accounts, "opening_mrr": view.opening}
    trust = {"confidence": "thin" if thin else "normal", "confidence_reasons": thin}
    return head | view.figures() | trust


def _path(
    book: Outlook,
    total: View,
    horizon: int,
    scales: Sequence[float],
    stretch: float,
    seed: int,
    as_of: date,
) -> list[dict[str, Any]]:
    """Give NRR and GRR of the same cohort month by month; the horizon's month is the forecast's."""
    others = [month for month in range(1, LEADS + 1) if month != horizon]
    cohorts = ((cohort_at(book, month), scales[month - 1]) for month in others)
    told = dict(zip(others, months_of(cohorts, stretch=stretch, seed=seed), strict=True))
    figures = total.figures()
    told[horizon] = {name: _three(figures[name]) for name in ("nrr", "grr")}
    return [
        {"month": month, "period_end": lead_day(as_of, month).isoformat()} | told[month]
        for month in range(1, LEADS + 1)
    ]


def _three(figure: dict[str, float] | None) -> dict[str, float] | None:
    """Keep the mean and the middle 80 % of a figure."""
    names = ("mean", "p10", "p50", "p90")
    return None if figure is None else {name: figure[name] for name in names}
