"""The store in a file: SQLite in WAL mode, one writer at a time, and what it refuses as faults."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from features.faults import Busy, CannotWrite, DependencyDown, Fault

__all__ = ["fault", "sqlite_engine"]

_BUSY_SECONDS = 5.0
_STEPS = 20_000
_FULL = ("full", "disk I/O", "readonly", "unable to open")


def sqlite_engine(path: Path, within: float | None = None) -> sa.Engine:
    """Give an engine for the file; nothing is opened yet.

    Parameters
    ----------
    path : Path
    within : float, optional
        Seconds after which a statement that works or waits is given up; without it, it may work
        as long as it likes.
    """
    wait = _BUSY_SECONDS if within is None else min(within, _BUSY_SECONDS)
    engine = sa.create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": wait},
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
    )
    sa.event.listen(engine, "connect", _on_connect)
    sa.event.listen(engine, "begin", _on_begin)
    if within is not None:
        sa.event.listen(engine, "before_cursor_execute", partial(_until, within))
    return engine


def fault(refused: sa.exc.SQLAlchemyError, label: str) -> Fault:
    """Say what SQLite refused, and the cure."""
    found = str(getattr(refused, "orig", None) or refused)
    if "interrupted" in found:
        return Busy("busy", f"{label}: the question took too long", "ask for less, or later")
    if "locked" in found or "busy" in found:
        return Busy("busy", f"{label}: {found}", "try again later")
    if any(word in found for word in _FULL):
        return CannotWrite("cannot_write", f"{label}: {found}", "free the disk or its permissions")
    return DependencyDown("store", f"{label}: {found}", "restore the last backup of this file")


def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions begin where _on_begin says
    with closing(connection.cursor()) as cursor:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")


def _until(seconds: float, connection: sa.Connection, *_statement: object) -> None:
    """Let SQLite look at the clock as it works at a statement."""
    driver: Any = connection.connection.driver_connection
    end = time.monotonic() + seconds
    driver.set_progress_handler(lambda: time.monotonic() > end, _STEPS)


def _on_begin(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
