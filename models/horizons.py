"""The horizons of a run: a month, a quarter and a year, each with what stands beside its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from models.basis import Basis
from models.carried import Carried
from models.choices import Choices
from models.confidence import rests_on
from models.flows import cohort_at
from models.forecast import phi_of, shared_scale
from models.levers import by_lever
from models.outcomes import HORIZONS, LEADS, Outlook
from models.past_periods import past_periods
from models.record import Record
from models.ttm import ttm_at

__all__ = ["basis_of", "forecasts"]


def basis_of(outlook: Outlook, carried: Carried, as_of: date, choices: Choices) -> Basis:
    """Give what the forecast of an outlook rests on, the factor's scale in every month first."""
    months = range(1, LEADS + 1)
    return Basis(
        as_of=as_of,
        taus=tuple(_tau(outlook, carried, month) for month in months),
        n_eff={str(horizon): carried.factor[str(horizon)]["n_eff"] for horizon in HORIZONS},
        definition=choices.definition,
        cuts=choices.cuts,
        reasons=tuple(carried.thin_reasons),
        nrr_target=choices.forecast.nrr_target,
        stretches=tuple(_learned(carried, "stretch", month) for month in months),
    )


def forecasts(
    outlook: Outlook,
    carried: Carried,
    as_of: date,
    choices: Choices,
    *,
    record: Record | None = None,
    levers: Sequence[str | None] = (),
    basis: Basis | None = None,
) -> dict[str, dict[str, Any]]:
    """Forecast the book at every horizon, with the backtest beside it.

    Parameters
    ----------
    outlook : Outlook
    carried : Carried
    as_of : date
    choices : Choices
    record : Record, optional
        What the ledger says of the past; without it no trailing-twelve-month figure is told.
    levers : sequence of str or None
        Likely lever of each account, in the outlook's order; empty if none was looked for.
    basis : Basis, optional
        Of this outlook (`basis_of`), where it is known already.

    Returns
    -------
    dict of str to dict
        CONTRACT section 4, by horizon in months.
    """
    record = record or Record()
    basis = basis or basis_of(outlook, carried, as_of, choices)
    target = basis.nrr_target
    ttm = ttm_at(
        outlook,
        record.endings,
        basis.taus,
        as_of=as_of,
        nrr_target=target,
        stretches=basis.stretches,
    )
    ttm = {end: one | rests_on(basis.n_eff, one["months_forecast"]) for end, one in ttm.items()}
    told = {}
    for horizon in HORIZONS:
        one = basis.told(outlook, horizon)
        told[str(horizon)] = one | {
            "ttm_at": ttm,
            "expansion_by_lever": _levers(outlook, horizon, record, levers, one["expansion_mrr"]),
            "expansion_plan": choices.forecast.expansion_plan,
            "backtest": past_periods(carried.periods, horizon),
        }
    return told


def _levers(
    outlook: Outlook,
    horizon: int,
    record: Record,
    levers: Sequence[str | None],
    expansion: Mapping[str, float] | None,
) -> dict[str, float] | None:
    """Split the expansion of a horizon over the levers; None where the cohort has no MRR."""
    if expansion is None:
        return None
    accounts = outlook.accounts
    segments = accounts["segment"] if "segment" in accounts else pd.Series(None, accounts.index)
    of_account = dict(zip(accounts["account_id"].astype(str), segments, strict=True))
    past = record.expansions.assign(segment=record.expansions["account_id"].map(of_account))
    cohort = cohort_at(outlook, horizon)
    return by_lever(cohort, segments.tolist(), past, levers, mean=expansion["mean"])


def _tau(outlook: Outlook, carried: Carried, month: int) -> float:
    """Give the factor's scale in a month, from how strong it was in the past."""
    phi = phi_of(outlook, month, _learned(carried, "strength", month))
    return shared_scale(outlook, month, phi)


def _learned(carried: Carried, name: str, month: int) -> float:
    """Give what past periods say of a month: of the horizons, and between them."""
    known = [carried.factor[str(horizon)][name] for horizon in HORIZONS]
    return float(np.interp(month, HORIZONS, known))
