"""Outcomes: of every as-of month one run is kept beside what became of its accounts.

It is the first run of the month, and what is kept of it is counts alone: no account is named. A
horizon is told once its labels have closed, 31 days after its period's end.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from features.asof import first_of_month, lead_day
from features.book import Book
from features.faults import DataRejected, InputMissing
from features.rules import Rules
from models.foretold import foretold
from models.outcomes import HORIZONS
from serving import tables
from serving.actuals import LAG_DAYS
from serving.database import reading, writing
from serving.model_notes import bundle_told
from serving.monitoring.became import Ledger
from serving.monitoring.reading import OUTCOME
from serving.outlooks import kept_outlook
from serving.publication import NOTES
from serving.queries import Run
from serving.settled import chosen_runs
from serving.store import Store

__all__ = ["tell_outcomes"]

_ALL = 1_000_000


def tell_outcomes(store: Store, book: Book, rules: Rules, *, again: bool = False) -> int:
    """Keep what became of every month whose labels have closed since, and say of how many.

    Parameters
    ----------
    store : Store
    book : Book
        The snapshot that is known now.
    rules : Rules
        By account.
    again : bool
        Tell what was told before too: the past may be known better now.
    """
    ledger = Ledger(book, rules)
    chosen = _of_months(store)
    known = {} if again else _known(store)
    many = 0
    for run in chosen:
        told = known.get(run.run_id, {}).get("horizons", {})
        due = [h for h in HORIZONS if str(h) not in told and _closed(run.as_of, h, book)]
        if due and (found := _told(store, ledger, run, due)):
            body = {"in_hindsight": _in_hindsight(store, run), "horizons": told | found}
            _keep(store, run, body)
            many += 1
    _forget_others(store, {run.run_id for run in chosen})
    return many


def _of_months(store: Store) -> list[Run]:
    """Choose of every month the first run, oldest first."""
    first: dict[date, Run] = {}
    for run, _ in chosen_runs(store.runs(_ALL)):
        first.setdefault(first_of_month(run.as_of), run)
    return list(first.values())


def _closed(as_of: date, horizon: int, book: Book) -> bool:
    return lead_day(as_of, horizon) + timedelta(days=LAG_DAYS) < book.facts.as_of


def _told(store: Store, ledger: Ledger, run: Run, due: list[int]) -> dict[str, Any]:
    """Tell horizons of one run; nothing where its outlook was not kept, or is damaged."""
    try:
        outlook = kept_outlook(store, run.run_id).outlook
    except (InputMissing, DataRejected):
        return {}
    found = {}
    for horizon in due:
        became = ledger.of(outlook.accounts, run.as_of, horizon)
        said = foretold(outlook, horizon, became.metered)
        events = {name: said[name].judged(became.happened[name]) for name in said}
        end = lead_day(run.as_of, horizon).isoformat()
        found[str(horizon)] = {"period_end": end, "events": events}
    return found


def _in_hindsight(store: Store, run: Run) -> bool:
    """Say whether the model had seen what it foretold, or might have: then it is no test of it."""
    through = bundle_told(store.home, run.model_digest).get("trained_through")
    if through is not None:
        return date.fromisoformat(through) > run.as_of
    return run.published_at[:10] > lead_day(run.as_of, 1).isoformat()


def _known(store: Store) -> dict[str, Any]:
    d = tables.documents.c
    wanted = sa.select(d.run_id, d.body).where(d.kind == NOTES, d.key == OUTCOME)
    with reading(store.engine) as connection:
        return {row.run_id: row.body for row in connection.execute(wanted)}


def _keep(store: Store, run: Run, body: dict[str, Any]) -> None:
    row = {"run_id": run.run_id, "kind": NOTES, "key": OUTCOME, "body": body}
    with writing(store.engine) as connection:
        connection.execute(_without().where(tables.documents.c.run_id == run.run_id))
        connection.execute(sa.insert(tables.documents).values(row))


def _forget_others(store: Store, kept: set[str]) -> None:
    """Drop what was told of runs that do not stand for their month any more."""
    d = tables.documents.c
    gone = sorted(_known(store).keys() - kept)
    if gone:
        with writing(store.engine) as connection:
            connection.execute(_without().where(d.run_id.in_(gone)))


def _without() -> sa.Delete:
    d = tables.documents.c
    return sa.delete(tables.documents).where(d.kind == NOTES, d.key == OUTCOME)
