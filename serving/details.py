"""The details of accounts: kept for the newest two dates, since pages show today and the run before."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from serving import tables

__all__ = ["DATES", "detail", "forget"]

DATES = 2
"""As-of dates whose details are kept."""


def detail(connection: sa.Connection, run: str | None, account_id: str) -> dict[str, Any] | None:
    """Give an account's detail in a run; None where none is kept."""
    d = tables.details.c
    found: dict[str, Any] | None = connection.scalar(
        sa.select(d.body).where(d.run_id == run, d.account_id == account_id)
    )
    return found


def forget(connection: sa.Connection) -> None:
    """Delete the details of all dates but the newest, and of revisions that nobody is served.

    Of each date that counts, the newest revision that is not held keeps its details, and those
    that are held and newer, as they may be approved yet.
    """
    r, d = tables.runs.c, tables.details.c
    dates = sa.select(r.as_of).distinct().order_by(r.as_of.desc()).limit(DATES)
    recent = sa.select(r.run_id, r.as_of, r.revision, r.status).where(r.as_of.in_(dates))
    runs = connection.execute(recent).all()
    standing: dict[Any, int] = {}
    for run in runs:
        if run.status != "held":
            standing[run.as_of] = max(run.revision, standing.get(run.as_of, 0))
    kept = [run.run_id for run in runs if run.revision >= standing.get(run.as_of, 0)]
    connection.execute(sa.delete(tables.details).where(d.run_id.not_in(kept)))
