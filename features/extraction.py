"""Extraction: the rows of several queries, as of one moment of a database, streamed to Parquet."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa

from features.connecting import connected, named
from features.copies import Staged
from features.faults import DataRejected
from features.mapping import Workspace
from features.row_file import RowFile
from features.scrubbing import scrubbed
from features.selecting import Question, one_select
from features.shelf import Shelf
from features.watermark import Asked, Selection

__all__ = ["staged_rows"]

BATCH = 10_000
WHOLE = ("SNAPSHOT", "SERIALIZABLE")
POSTGRES = {
    16: pa.bool_(),
    **dict.fromkeys((20, 21, 23), pa.int64()),
    **dict.fromkeys((700, 701), pa.float64()),
    1082: pa.date32(),
    1114: pa.timestamp("us"),
    1184: pa.timestamp("us", tz="UTC"),
}


def staged_rows(
    url: str, questions: list[Question], workspace: Workspace, shelf: Shelf | None
) -> dict[str, Staged]:
    """Ask one database all its queries in one read-only transaction, and stage the rows.

    Parameters
    ----------
    url : str
        The database's URL, with its secrets.
    questions : list of Question
        What is asked of it.
    workspace : Workspace
        For the folder that a file of SQLite is relative to, and for the book's time zone.
    shelf : Shelf or None
        What was read before of queries with a watermark; takes what is settled now. None: they
        are asked whole.

    Raises
    ------
    Fault
        As ``features.databases.extract`` says.
    """
    staged = {}
    with connected(url, questions[0].label, workspace.book_dir) as connection:
        with named(connection.engine.url, questions[0].label):
            _begin(connection, questions, workspace.book.timezone)
        for question in questions:
            with named(connection.engine.url, question.label):
                if shelf is None or question.source.watermark is None:
                    staged[question.table] = _staged(connection, question)
                else:
                    staged[question.table] = _newer(connection, question, workspace, shelf)
    return staged


def _staged(connection: sa.Connection, question: Question) -> Staged:
    return _written(connection, Asked(_sql(connection, question)), question.path, question.label)


def _newer(
    connection: sa.Connection, question: Question, workspace: Workspace, shelf: Shelf
) -> Staged:
    """Put what is settled now on the shelf, and stage what is still open.

    Rows of erased accounts are not kept; where it cannot be told whose they are, none is.
    """
    since, asked = shelf.since(question, _address(connection)), _selection(connection, question)
    until = asked.until(since, _scalar(connection, asked.highest(since)))
    part = None
    if until is not None and until != since:
        told = asked.settled(since, until)
        settled = _written(connection, told, question.settled, question.label)
        part = scrubbed(settled, workspace.table(question.table), workspace.erased)
        if part is None:
            return _staged(connection, question)
    left = _written(connection, asked.open(until), question.path, question.label)
    shelf.take(question, part, left, until)
    return left


def _address(connection: sa.Connection) -> str:
    """Name the database; there is no secret in it."""
    return str(connection.engine.url)


def _selection(connection: sa.Connection, question: Question) -> Selection:
    source, sql = question.source, _sql(connection, question)
    column = str(source.watermark)
    return Selection(connection.dialect, question.label, sql, column, source.overlap)


def _scalar(connection: sa.Connection, asked: Asked) -> object:
    return _run(connection, asked, {}).scalar()


def _run(
    connection: sa.Connection, asked: Asked, how: dict[str, bool]
) -> sa.CursorResult[tuple[object, ...]]:
    """Ask; a statement without values is passed on as it is written."""
    options = how | {"no_parameters": not asked.values}
    return connection.exec_driver_sql(asked.sql, asked.values or None, execution_options=options)


def _written(connection: sa.Connection, asked: Asked, path: Path, label: str) -> Staged:
    """Stream the rows to a file."""
    result = _run(connection, asked, {"stream_results": True}).yield_per(BATCH)
    with RowFile(path, label, _schema(connection, result)) as held:
        for rows in result.partitions():
            held.add(list(zip(*rows, strict=True)))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Staged(label, path, digest, "parquet", None)


def _sql(connection: sa.Connection, question: Question) -> str:
    if question.source.query is not None:
        return one_select(question.source.query)
    quote = connection.dialect.identifier_preparer.quote
    return f"SELECT * FROM {'.'.join(map(quote, str(question.source.table).split('.')))}"


def _schema(connection: sa.Connection, result: sa.CursorResult[tuple[object, ...]]) -> pa.Schema:
    """Take the types that PostgreSQL says; elsewhere, and for exact decimals, all is text."""
    known = POSTGRES if connection.dialect.name == "postgresql" else {}
    described = result.cursor.description if result.cursor else []
    return pa.schema([(str(each[0]), known.get(each[1], pa.string())) for each in described])


def _begin(connection: sa.Connection, questions: list[Question], timezone: str) -> None:
    begin = BEGINNINGS.get(connection.dialect.name, _begin_elsewhere)
    begin(connection, questions, timezone)


def _begin_postgresql(connection: sa.Connection, questions: list[Question], timezone: str) -> None:
    """Let the database refuse writes, and read timestamps without offset as the book does."""
    connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    zone = sa.func.set_config("TimeZone", timezone, True)
    connection.execute(sa.select(zone))


def _begin_sqlite(connection: sa.Connection, questions: list[Question], timezone: str) -> None:
    connection.exec_driver_sql("PRAGMA query_only = ON")
    connection.exec_driver_sql("BEGIN")


def _begin_mysql(connection: sa.Connection, questions: list[Question], timezone: str) -> None:
    zone = "+00:00" if timezone == "UTC" else timezone
    connection.execute(sa.text("SET time_zone = :zone"), {"zone": zone})
    connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")


def _begin_elsewhere(connection: sa.Connection, questions: list[Question], timezone: str) -> None:
    """One query is one moment; several need a level that shows all of them as of one.

    A watermark is several queries.
    """
    if len(questions) == 1 and questions[0].source.watermark is None:
        return
    offered = _levels(connection)
    level = next((level for level in WHOLE if level in offered), None)
    if level is None:
        labels = ", ".join(question.label for question in questions)
        message = f"{labels}: {connection.dialect.name} shows each at another moment"
        cure = "export these tables to files, all in one go"
        raise DataRejected("extract.inconsistent", message, cure)
    connection.execution_options(isolation_level=level)


def _levels(connection: sa.Connection) -> list[str]:
    raw = connection.connection.dbapi_connection
    try:
        return list(connection.dialect.get_isolation_level_values(raw)) if raw else []
    except NotImplementedError:
        return []


BEGINNINGS: dict[str, Callable[[sa.Connection, list[Question], str], None]] = {
    "postgresql": _begin_postgresql,
    "sqlite": _begin_sqlite,
    "mysql": _begin_mysql,
    "mariadb": _begin_mysql,
}
