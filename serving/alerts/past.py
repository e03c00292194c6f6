"""The past that a run's news are told against: the runs published before it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pandas as pd
import sqlalchemy as sa

from serving import outbox, queries, tables
from serving.alerts.news import Past, alerts
from serving.alerts.settings import AlertSettings
from serving.columns import native
from serving.database import reading
from serving.run_rows import rows_of
from serving.schemas import SCORE_TABLE

__all__ = ["news", "past", "undelivered"]

_ASKED = ("account_id", "name", "csm", "mrr", "currency", "cell")
_TOLD = ("triggers", "moved_because", "action")


def news(
    engine: sa.Engine,
    scores: pd.DataFrame,
    settings: AlertSettings,
    *,
    as_of: date,
    today: date,
    model_digest: str,
) -> tuple[dict[str, Any], ...]:
    """Say what a run is to tell, given its scores and what the store holds.

    Examples
    --------
    >>> engine = sa.create_engine("sqlite://")
    >>> day = date(2025, 7, 1)
    >>> news(engine, pd.DataFrame(), AlertSettings(), as_of=day, today=day, model_digest="m")
    ()
    """
    if not settings.sinks:
        return ()
    before = past(engine, as_of, settings.dwell_runs)
    table = tuple(column for column in SCORE_TABLE if column.name in _ASKED + _TOLD)
    columns = native(scores.loc[:, [column.name for column in table]], table)
    rows = [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
    return alerts(rows, before, settings, as_of=as_of, today=today, model_digest=model_digest)


def past(engine: sa.Engine, as_of: date, runs: int) -> Past:
    """Read the latest runs of earlier dates, and what serves now."""
    with reading(engine) as connection:
        current = queries.current_run(connection)
        before = connection.execute(queries.standing(as_of).limit(runs)).all()
        return Past(
            runs=[_told(connection, row.run_id) for row in before],
            model_digest=before[0].model_digest if before else None,
            current=current.as_of if current is not None else None,
            revised=_revised(connection, as_of),
        )


def undelivered(engine: sa.Engine) -> list[str]:
    """Say in one line that messages were given up; nothing where none was."""
    with reading(engine) as connection:
        dead = outbox.counts(connection)["dead"]
    return [f"alerts given up: {dead} (`perennial alerts list` says why)"] if dead else []


def _told(connection: sa.Connection, run: str) -> Mapping[str, tuple[str, Any]]:
    rows = rows_of(connection, run)
    names = ("account_id", "cell", "triggers")
    asked = sa.select(*(rows.c[name] for name in names)).where(rows.c.run_id == run)
    found = [
        dict(zip(names, row, strict=True))
        for row in connection.execute(asked.order_by(rows.c.account_id))
    ]
    told = rows.filled(connection, found)
    return {row["account_id"]: (row["cell"], row["triggers"] or ()) for row in told}


def _revised(connection: sa.Connection, as_of: date) -> bool:
    r = tables.runs.c
    same = sa.select(r.run_id).where(r.as_of == as_of, r.status != "held").limit(1)
    return connection.scalar(same) is not None
