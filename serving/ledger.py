"""The ledger: every attempt to publish and what became of it, and which run is current."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import sqlalchemy as sa

from features.faults import Busy, InputMissing, UsageFault
from serving import outbox, queries, tables
from serving.queries import Run

__all__ = ["abandoned", "approve", "begin", "close", "flip", "outcomes", "published_by"]

DONE = ("published", "held")


def begin(connection: sa.Connection, run: str, now: datetime) -> int:
    """Write down that an attempt begins; the lease is ours, so those that run still are dead."""
    table = tables.attempts
    dead = sa.update(table).where(table.c.outcome == "running")
    connection.execute(dead.values(outcome="interrupted"))
    row = {"run_id": run, "started_at": now.isoformat(), "outcome": "running"}
    made = connection.execute(sa.insert(table).values(row)).inserted_primary_key
    assert made is not None
    return int(made[0])


def close(connection: sa.Connection, attempts: Sequence[int], outcome: str) -> None:
    """Write down what became of attempts; what one published stays so."""
    a = tables.attempts.c
    mine = sa.and_(a.attempt.in_(attempts), a.outcome.not_in(DONE))
    connection.execute(sa.update(tables.attempts).where(mine).values(outcome=outcome))


def outcomes(connection: sa.Connection) -> list[tuple[str, str]]:
    """List run id and outcome of every attempt, oldest first."""
    a = tables.attempts.c
    found = connection.execute(sa.select(a.run_id, a.outcome).order_by(a.attempt))
    return [(row.run_id, row.outcome) for row in found]


def published_by(connection: sa.Connection, attempts: Sequence[int]) -> Run | None:
    """Give the run that one of these attempts published, if one did."""
    a = tables.attempts.c
    done = sa.select(a.run_id).where(a.attempt.in_(attempts), a.outcome.in_(DONE))
    name = connection.scalar(done.limit(1))
    return queries.run(connection, name) if name is not None else None


def abandoned(connection: sa.Connection) -> list[str]:
    """Name the runs that were begun and never stored: their files are nobody's."""
    a = tables.attempts.c
    never = a.run_id.not_in(sa.select(tables.runs.c.run_id))
    return list(connection.scalars(sa.select(a.run_id).where(never).distinct()))


def flip(connection: sa.Connection, run: str, as_of: date, now: datetime) -> None:
    """Make a run the current one, unless the current one is of a later date.

    What held runs of its date and before would have told is closed with it.
    """
    standing = queries.current_run(connection)
    if standing is not None and standing.as_of > as_of:
        return
    connection.execute(sa.delete(tables.current))
    connection.execute(sa.insert(tables.current).values(slot=1, run_id=run))
    outbox.close_held(connection, run, as_of, now)


def approve(connection: sa.Connection, run_id: str, now: datetime, by: str | None) -> Run:
    """Let a held run through, or say why that cannot be (``serving.store.Store.approve``)."""
    run = queries.run(connection, run_id)
    if run is None:
        raise InputMissing("run.unknown", f"{run_id}: no such run", "`perennial score` names it")
    if run.status == "published":
        raise UsageFault("run.not_held", f"{run_id} is published", "nothing is to be done")
    if run.held:
        _refuse_superseded(run, queries.open_run(connection, run.as_of))
        values = {"status": "approved", "approved_at": now.isoformat(), "approved_by": by}
        mine = tables.runs.c.run_id == run_id
        connection.execute(sa.update(tables.runs).where(mine).values(values))
        flip(connection, run_id, run.as_of, now)
        if queries.current_name(connection) == run_id:
            outbox.release(connection, run_id, now)
    return queries.run(connection, run_id) or run


def _refuse_superseded(run: Run, standing: Run | None) -> None:
    if standing and standing.revision > run.revision:
        found = f"{run.run_id}: {standing.run_id} serves since"
        raise Busy("run.superseded", found, "approve nothing, or score again")
