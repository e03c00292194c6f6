"""Scouring: deleted rows leave their bytes behind; they are gone when the store is written anew."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

import sqlalchemy as sa

from features.faults import Busy
from serving.database import POSTGRES, label

__all__ = ["scoured"]

_STEP_SECONDS = 0.1


def scoured(engine: sa.Engine, within: float) -> None:
    """Write the store anew, so that no free page and no log of writes holds what was deleted.

    In PostgreSQL the tables alone are written anew, each behind its lock; its own log of writes
    is recycled by the server, and what is archived of it is the operator's.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    within : float
        Seconds to wait for whoever reads.

    Raises
    ------
    Busy
        ``erase.reader`` while somebody reads on (exit code 75): run the erasure again.
    """
    if engine.dialect.name == POSTGRES:
        _server(engine)
        return
    deadline = time.monotonic() + within
    while not _file(str(engine.url.database)):
        if time.monotonic() > deadline:
            found = f"{label(engine)}: somebody reads what was there before"
            raise Busy("erase.reader", found, "run it again when the reader has ended")
        time.sleep(_STEP_SECONDS)


def _file(path: str) -> bool:
    """Write a file anew and empty its log; whether nobody was in the way."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=1.0)) as connection:
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("VACUUM")
            in_the_way, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError as refused:
        if "locked" in str(refused) or "busy" in str(refused):
            return False
        raise
    return not in_the_way


def _server(engine: sa.Engine) -> None:
    quoted = engine.dialect.identifier_preparer.quote
    alone = engine.execution_options(isolation_level="AUTOCOMMIT")
    with alone.connect() as connection:
        for table in sa.inspect(connection).get_table_names():
            connection.exec_driver_sql(f"VACUUM (FULL) {quoted(table)}")
