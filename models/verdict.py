"""The verdict on a book at an as-of date: scores, cells, reasons, the list, the forecast.

Batch and API come through here alike. Money facts and signals come in as a snapshot; nothing is
read, nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from models.amounts import amounts_at
from models.basis import Basis
from models.carried import Carried
from models.census import summary
from models.choices import Choices
from models.combined import combined
from models.contacts import Contacts
from models.flows import cohort_at, means
from models.horizons import basis_of, forecasts
from models.judging import LEVERS, judge_accounts
from models.listing import listing
from models.outcomes import HORIZONS, Outlook
from models.record import Record
from models.scoring import HORIZON

__all__ = [
    "LEVERS",
    "Choices",
    "Record",
    "Verdict",
    "basis_of",
    "forecasts",
    "judge_accounts",
    "verdict",
    "weighed_amounts",
]


@dataclass(frozen=True)
class Verdict:
    """What is published.

    Attributes
    ----------
    scores : DataFrame
        CONTRACT section 3, and ``memory`` (what the next run needs of this one).
    outreach : DataFrame
    matrix : dict
    forecast : dict of str to dict
        CONTRACT section 4, by horizon in months.
    outlook : Outlook
        What the forecast was made of: kept, so that a scenario can be asked of the run.
    basis : Basis
        What else it rests on.
    holdout : dict or None
        Who is held out this quarter, and who of them was due (``models.listing``).
    """

    scores: pd.DataFrame
    outreach: pd.DataFrame
    matrix: dict[str, Any]
    forecast: dict[str, dict[str, Any]]
    outlook: Outlook
    basis: Basis
    holdout: dict[str, Any] | None = None


def verdict(
    frame: pd.DataFrame,
    carried: Carried,
    previous: pd.DataFrame | None,
    as_of: date,
    choices: Choices,
    record: Record | None = None,
    earlier: Carried | None = None,
    contacts: Contacts | None = None,
) -> Verdict:
    """Judge a whole book.

    Parameters
    ----------
    frame : DataFrame
        ``features.snapshot.snapshot`` of every paying account.
    carried : Carried
        The model that serves.
    previous : DataFrame or None
        ``account_id, memory`` of the run published before.
    as_of : date
    choices : Choices
    record : Record, optional
        What the ledger says of the past, beside the forecast and under it.
    earlier : Carried, optional
        The model of the run published before, where that was another (``judge_accounts``).
    contacts : Contacts, optional
        Past outreach, and the CSMs' own calls.
    """
    record = record or Record()
    scored, table = judge_accounts(frame, carried, previous, as_of, choices, earlier, contacts)
    outlook, weighed = combined(scored.outlook, carried.combined, record.rivals)
    table = weighed_amounts(table, outlook, weighed)
    own = table.assign(expected_expansion_mrr=table["growth_mrr"])  # a talk sells no price rise
    rest = choices.matrix.guards.cool_down_days
    listed = listing(own, choices.outreach, as_of, contacts, rest)
    basis = basis_of(outlook, carried, as_of, choices)
    levers = table["lever"].tolist()
    told = forecasts(outlook, carried, as_of, choices, record=record, levers=levers, basis=basis)
    for horizon, one in told.items():
        one["combined"] = weighed.get(horizon)
    _beside(told, _calendar_nrr(frame, carried), record.last_year)
    return Verdict(table, listed.rows, summary(table), told, outlook, basis, holdout=listed.holdout)


def weighed_amounts(table: pd.DataFrame, outlook: Outlook, weighed: object) -> pd.DataFrame:
    """Give accounts the amounts of the forecast, where that is combined with others."""
    return table.assign(**dict(amounts_at(outlook, HORIZON).items())) if weighed else table


def _calendar_nrr(frame: pd.DataFrame, carried: Carried) -> dict[str, float]:
    """Expected NRR by the calendar alone, by horizon in months."""
    model = carried.model.calendar_only()
    outlook = model.outlook(frame, model.predict(frame))
    found = {}
    for horizon in HORIZONS:
        cohort = cohort_at(outlook, horizon)
        found[str(horizon)] = float(means(cohort)["closing"].sum() / cohort.mrr.sum())
    return found


def _beside(
    told: dict[str, dict[str, Any]],
    calendar: Mapping[str, float],
    last_year: Mapping[str, float | None],
) -> None:
    """Put what simpler rules say beside each forecast of NRR."""
    for horizon, one in told.items():
        one["baselines"] = {
            "calendar": calendar[horizon],
            "same as last year": last_year.get(horizon),
            "no change": 1.0,
        }
