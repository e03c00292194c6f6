"""The database of a backup: always one SQLite file, whatever the store is kept in.

A file is copied by SQLite itself while others write to it; a PostgreSQL is read table by table in
one state of it. So a backup of the one may be put back into the other.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from features.faults import Busy
from serving import tables
from serving.database import FILE, POSTGRES, opened, reading, writing

__all__ = ["copied_file", "copied_rows", "copied_store", "empty", "filled", "sealed_engine"]

_AT_ONCE = 2000
_WAIT_SECONDS = 30.0


def copied_store(engine: sa.Engine, folder: Path) -> None:
    """Copy the store's database into a folder, as ``perennial.db``, in one state of it.

    Raises
    ------
    Busy
        ``busy`` where the file stays locked (exit code 75).
    """
    if engine.dialect.name == POSTGRES:
        copy = opened(folder)
        try:
            copied_rows(engine, copy)
        finally:
            copy.dispose()
        (folder / "store.lock").unlink()
        _one_file(folder / FILE)
        return
    copied_file(Path(str(engine.url.database)), folder / FILE)


def copied_file(source: Path, target: Path) -> None:
    """Copy an SQLite database while others write to it: as it was at one moment.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with closing(sqlite3.connect(folder / "one.db")) as one:
    ...     _ = one.execute("CREATE TABLE t (a)")
    >>> copied_file(folder / "one.db", folder / "two.db")
    >>> oct((folder / "two.db").stat().st_mode)[-3:]
    '600'
    """
    target.touch(mode=0o600)
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as found,
            closing(sqlite3.connect(target)) as copy,
        ):
            found.execute(f"PRAGMA busy_timeout = {round(1000 * _WAIT_SECONDS)}")
            found.backup(copy)
    except sqlite3.OperationalError as refused:
        raise Busy("busy", f"{source}: {refused}", "try again later") from refused
    _one_file(target)


def copied_rows(source: sa.Engine, target: sa.Engine) -> None:
    """Put every row of one store in the place of all rows of another, in one transaction.

    Both have the tables of this Perennial. JSON is copied as it was written, letter by letter.
    """
    with reading(source) as found, writing(target) as connection:
        empty(connection)
        for table in tables.metadata.sorted_tables:
            insert = _inserted(table, target.dialect.name)
            rows = found.execution_options(yield_per=_AT_ONCE).execute(_as_written(table))
            for part in rows.partitions():
                connection.execute(insert, [dict(row._mapping) for row in part])
            _counted_on(connection, table)


def empty(connection: sa.Connection) -> None:
    """Remove every row, in a transaction that is open for writing."""
    for table in reversed(tables.metadata.sorted_tables):
        connection.execute(sa.delete(table))


def filled(engine: sa.Engine) -> list[str]:
    """Name the tables that hold what somebody did: runs, keys, calls and their like."""
    with reading(engine) as connection:
        return [
            table.name
            for table in (tables.runs, tables.keys, tables.calls, tables.actions, tables.audit)
            if connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first()
        ]


def sealed_engine(path: Path) -> sa.Engine:
    """Give an engine for a file that nobody writes to and that is not to change by being read."""
    address = f"{path.absolute().as_uri()}?immutable=1"
    return sa.create_engine(
        f"sqlite:///{path}",
        creator=lambda: sqlite3.connect(address, uri=True, check_same_thread=False),
        json_deserializer=orjson.loads,
    )


def _as_written(table: sa.Table) -> sa.Select[Any]:
    told = [
        sa.cast(column, sa.Text).label(column.name) if _is_json(column) else column
        for column in table.columns
    ]
    return sa.select(*told)


def _inserted(table: sa.Table, dialect: str) -> sa.Insert:
    given: dict[str, Any] = {}
    for column in table.columns:
        if not _is_json(column):
            given[column.name] = sa.bindparam(column.name, type_=column.type)
            continue
        text = sa.bindparam(column.name, type_=sa.Text)
        given[column.name] = sa.cast(text, postgresql.JSON) if dialect == POSTGRES else text
    return sa.insert(table).values(given)


def _is_json(column: sa.Column[Any]) -> bool:
    return isinstance(column.type, sa.JSON)


def _counted_on(connection: sa.Connection, table: sa.Table) -> None:
    """Let PostgreSQL number new rows after those that were copied."""
    column = table.autoincrement_column
    if connection.dialect.name != POSTGRES or column is None or column.autoincrement is False:
        return
    last = sa.select(sa.func.max(column)).scalar_subquery()
    sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
    connection.execute(
        sa.select(sa.func.setval(sequence, sa.func.coalesce(last, 1), last.is_not(None)))
    )


def _one_file(path: Path) -> None:
    """Let a database be one file, without a journal beside it."""
    with closing(sqlite3.connect(path)) as copy:
        copy.execute("PRAGMA journal_mode = DELETE")
    path.chmod(0o600)
