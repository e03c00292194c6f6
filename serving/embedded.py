"""The store in a file: SQLite in WAL mode, one writer at a time, and what it refuses as faults."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import orjson
import sqlalchemy as sa

from features.faults import Busy, CannotWrite, DependencyDown, Fault

__all__ = ["fault", "sqlite_engine"]

_BUSY_SECONDS = 5.0
_FULL = ("full", "disk I/O", "readonly", "unable to open")


def sqlite_engine(path: Path) -> sa.Engine:
    """Give an engine for the file; nothing is opened yet."""
    engine = sa.create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": _BUSY_SECONDS},
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
    )
    sa.event.listen(engine, "connect", _on_connect)
    sa.event.listen(engine, "begin", _on_begin)
    return engine


def fault(refused: sa.exc.SQLAlchemyError, label: str) -> Fault:
    """Say what SQLite refused, and the cure."""
    found = str(getattr(refused, "orig", None) or refused)
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


def _on_begin(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
