"""Verifying: the rows of a run are counted and hashed again, and held beside the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from features.faults import DataRejected, InputMissing
from serving import queries, tables
from serving.columns import Columns
from serving.database import reading
from serving.publication import content_digest
from serving.queries import Run
from serving.schemas import OUTREACH_COLUMNS, SCORE_COLUMNS

__all__ = ["sealed", "verify"]

_ALL = 1_000_000


def verify(engine: sa.Engine, name: str | None = None) -> list[str]:
    """Hold the rows of a run, or of all, beside the ledger; give the runs that agree.

    Each run is read in one state of the store, one run at a time.

    Raises
    ------
    DataRejected
        ``ledger.mismatch`` naming the first run that does not agree (exit code 65).
    InputMissing
        ``run.unknown`` (exit code 66).
    """
    with reading(engine) as connection:
        known = queries.runs(connection, _ALL, held=True)
    chosen = [run for run in known if name in (None, run.run_id)]
    if name is not None and not chosen:
        raise InputMissing("run.unknown", f"{name}: no such run", "`perennial score` names it")
    for run in chosen:
        with reading(engine) as connection:
            _agree(connection, run)
    return [run.run_id for run in chosen]


def sealed(connection: sa.Connection, run: Run) -> tuple[int, str]:
    """Count a run's accounts and digest its rows, as they are now."""
    scores = _columns(connection, tables.scores, SCORE_COLUMNS, run, "account_id")
    there = replace(run, accounts=len(scores["account_id"]))
    return there.accounts, _digest(connection, there, scores)


def _agree(connection: sa.Connection, run: Run) -> None:
    scores = _columns(connection, tables.scores, SCORE_COLUMNS, run, "account_id")
    found = len(scores["account_id"])
    if found != run.accounts:
        raise _mismatch(run, f"{found} accounts, the ledger says {run.accounts}")
    if _firing(connection, run) != queries.firing_rows(run.run_id, scores):
        raise _mismatch(run, "the list of what fires is not that of its accounts")
    if _digest(connection, run, scores) != run.digest:
        raise _mismatch(run, "its rows are not those that were published")


def _digest(connection: sa.Connection, run: Run, scores: Columns) -> str:
    listed = _columns(connection, tables.outreach, OUTREACH_COLUMNS, run, "position")
    d, m = tables.documents.c, tables.memories.c
    bodies = sa.select(d.kind, d.key, d.body).where(d.run_id == run.run_id)
    documents = [(row.kind, row.key, row.body) for row in connection.execute(bodies)]
    kept = sa.select(m.account_id, m.body).where(m.run_id == run.run_id)
    memory = {row.account_id: row.body for row in connection.execute(kept)}
    told = scores | {"run_id": [""] * run.accounts}
    return content_digest((run.as_of, run.model_version), (told, listed), documents, memory)


def _columns(
    connection: sa.Connection, table: sa.Table, names: Sequence[str], run: Run, order: str
) -> Columns:
    chosen = sa.select(*(table.c[name] for name in names)).where(table.c.run_id == run.run_id)
    rows = connection.execute(chosen.order_by(table.c[order])).all()
    return {name: [row[n] for row in rows] for n, name in enumerate(names)}


def _firing(connection: sa.Connection, run: Run) -> list[dict[str, Any]]:
    chosen = sa.select(tables.firing).where(tables.firing.c.run_id == run.run_id)
    found = [dict(row._mapping) for row in connection.execute(chosen)]
    return sorted(found, key=lambda row: (row["trigger"], row["account_id"]))


def _mismatch(run: Run, found: str) -> DataRejected:
    cure = "restore the last backup, or score that date again"
    return DataRejected("ledger.mismatch", f"run {run.run_id}: {found}", cure)
