"""Verifying: the rows of a run are counted and hashed again, and held beside the ledger."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa

from features.faults import DataRejected, InputMissing
from serving import queries, tables
from serving.columns import Columns
from serving.database import reading
from serving.publication import content_digest
from serving.queries import Run
from serving.run_rows import RunRows, rows_of
from serving.schemas import OUTREACH_COLUMNS

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
    rows = rows_of(connection, run.run_id)
    scores = rows.columns(connection)
    there = replace(run, accounts=len(scores["account_id"]))
    return there.accounts, _digest(connection, there, rows, scores)


def _agree(connection: sa.Connection, run: Run) -> None:
    rows = rows_of(connection, run.run_id)
    scores = _whole(connection, run, rows)
    found = len(scores["account_id"])
    if found != run.accounts:
        raise _mismatch(run, f"{found} accounts, the ledger says {run.accounts}")
    if rows.firing(connection) != queries.firing_rows(run.run_id, scores):
        raise _mismatch(run, "the list of what fires is not that of its accounts")
    if _digest(connection, run, rows, scores) != run.digest:
        raise _mismatch(run, "its rows are not those that were published")


def _whole(connection: sa.Connection, run: Run, rows: RunRows) -> Columns:
    try:
        return rows.columns(connection)
    except DataRejected as broken:
        raise _mismatch(run, broken.message) from broken


def _digest(connection: sa.Connection, run: Run, rows: RunRows, scores: Columns) -> str:
    listed = rows.listed(connection)
    outreach = {name: [row[name] for row in listed] for name in OUTREACH_COLUMNS}
    d = tables.documents.c
    bodies = sa.select(d.kind, d.key, d.body).where(d.run_id == run.run_id)
    documents = [(row.kind, row.key, row.body) for row in connection.execute(bodies)]
    told = scores | {"run_id": [""] * run.accounts}
    memory = rows.memories(connection)
    return content_digest((run.as_of, run.model_version), (told, outreach), documents, memory)


def _mismatch(run: Run, found: str) -> DataRejected:
    cure = "restore the last backup, or score that date again"
    return DataRejected("ledger.mismatch", f"run {run.run_id}: {found}", cure)
