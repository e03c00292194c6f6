"""What a run keeps for its own monitoring: what is missing, what drifted, what is estimated.

It stands in the run's notes, beside its warnings and how far its tables reach, and is no part of
the digest of its content.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median
from typing import Any

import pandas as pd
import sqlalchemy as sa

from features.catalog import CATALOG
from models.drifting import Drift, drifts, marks
from models.foretold import foretold
from models.holding import weeks_between
from models.metered import mostly_metered
from models.missingness import gaps
from models.outcomes import Outlook
from serving import queries, tables
from serving.database import reading
from serving.gate_settings import GateSettings
from serving.gates import watched_signals
from serving.past import PastRun, usual_ratios
from serving.queries import Run
from serving.store import Store

__all__ = ["ESTIMATED", "Reference", "footing", "reference"]

ESTIMATED = 3
"""Months ahead that performance is estimated for."""
QUARTER_DAYS = 91
CLOCKWISE = ("_days_since_", "_days_to_", "_tenure_days")
CLOCKS = frozenset(each.slug for each in CATALOG if any(one in each.slug for one in CLOCKWISE))
"""Signals that count days to something or since: they move with the calendar, all at once."""
SHOWN = 10


@dataclass(frozen=True)
class Reference:
    """The run that the signals are held beside: the model's first one within a quarter.

    Attributes
    ----------
    run : Run
    bins : mapping
        How its signals were spread (`models.drifting.bins`).
    """

    run: Run
    bins: dict[str, Any]


def reference(store: Store, model_digest: str, before: date) -> Reference | None:
    """Find the first run of a model in the 13 weeks before a date; else the last run of any."""
    r, d = tables.runs.c, tables.documents.c
    told = sa.and_(d.run_id == r.run_id, d.kind == "bins")
    earlier = sa.select(tables.runs).join(tables.documents, told)
    earlier = earlier.where(r.as_of < before, r.status != "held").limit(1)
    own = (r.model_digest == model_digest, r.as_of >= before - timedelta(days=QUARTER_DAYS))
    mine = earlier.where(*own).order_by(r.as_of, r.revision.desc())
    last = earlier.order_by(r.as_of.desc(), r.revision.desc())
    with reading(store.engine) as connection:
        row = connection.execute(mine).first() or connection.execute(last).first()
        if row is None:
            return None
        run = Run(**row._mapping)
        return Reference(run, queries.document(connection, run.run_id, "bins", ""))


def footing(
    outlook: Outlook,
    frame: pd.DataFrame,
    signals: Sequence[str],
    past: Sequence[PastRun],
    since: Reference | None,
    as_of: date,
    settings: GateSettings,
) -> dict[str, Any]:
    """Give what a run keeps for its monitoring.

    Parameters
    ----------
    outlook : Outlook
        What the run says of each account.
    frame : DataFrame
        The snapshot that was scored, its rows in the order of the outlook's.
    signals : sequence of str
        What the model reads.
    past : sequence of PastRun
        Earlier runs: how much each signal usually drifts in a week.
    since : Reference or None
        What the signals are held beside; None for the first run of a book.
    as_of : date
    settings : GateSettings
        ``false_alarms`` and ``drift`` count.

    Returns
    -------
    dict
        ``since`` (``run_id``, ``as_of`` and ``weeks``, or None), ``signals`` (how many were
        compared) and ``judged`` (of how many of them the usual drift is known), ``missing`` (those
        that more accounts lack: ``signal, then, now``), ``drift`` (at most ten that are nearest
        their mark or beyond: ``signal, psi, mark, beyond``) and ``drifted`` (how many are beyond),
        ``estimated`` by event, three months ahead (`models.foretold.Foretold.estimated`).
    """
    said = foretold(outlook, ESTIMATED, mostly_metered(frame))
    told = {"horizon_months": ESTIMATED, "estimated": {k: v.estimated() for k, v in said.items()}}
    if since is None:
        return {
            "since": None,
            "signals": 0,
            "judged": 0,
            "drifted": 0,
            "missing": [],
            "drift": [],
        } | told
    weeks = weeks_between((as_of - since.run.as_of).days)
    read = frame[watched_signals(signals, frame)]
    lacking = gaps(read, since.bins)
    away = {one.signal for one in lacking} | CLOCKS
    there = read.drop(columns=sorted(away & set(read.columns)))
    found, usual = drifts(there, since.bins, _stretch(weeks, past)), _usual(past)
    mark = marks(found, usual, settings.false_alarms, settings.drift)
    rows = [_row(one, mark) for one in found if one.signal in mark]
    rows.sort(key=lambda row: (-row["psi"] / row["mark"], row["signal"]))
    named = {"run_id": since.run.run_id, "as_of": since.run.as_of.isoformat(), "weeks": weeks}
    return {
        "since": named,
        "signals": read.shape[1],
        "judged": len(rows),
        "missing": [vars(one) for one in lacking],
        "drift": rows[:SHOWN],
        "drifted": sum(row["beyond"] for row in rows),
    } | told


def _usual(past: Sequence[PastRun]) -> dict[str, list[float]]:
    """Give per signal how far it drifted from each earlier run to the next, whatever lay between."""
    usual: dict[str, list[float]] = {}
    for each in past:
        for name, ratios in usual_ratios([each]).items():
            usual.setdefault(name, []).extend(ratio * each.moves.weeks for ratio in ratios)
    return usual


def _stretch(weeks: float, past: Sequence[PastRun]) -> float:
    """Give by how much more may move since the reference than from one run to the next.

    What wanders moves by the number of steps, what swings about a level by none: the root is
    between them.
    """
    step = median(each.moves.weeks for each in past) if past else weeks
    return max(1.0, weeks / max(step, 1.0)) ** 0.5


def _row(one: Drift, mark: dict[str, float]) -> dict[str, Any]:
    at = mark[one.signal]
    return {
        "signal": one.signal,
        "psi": round(one.psi, 4),
        "mark": round(at, 4),
        "beyond": one.psi > at,
    }
