"""Chunks: a source of a feed, examined piece by piece, so that memory does not grow with it.

The story of a chunk is that of a whole table: its rows are read, placed, cast and checked, each
accounted for. What needs the whole feed is not judged here: rows that come twice, and accounts
that nobody knows. Whoever takes the chunks judges that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from features.casting import Frame, quoted
from features.contracts import TableContract, stored_schema
from features.copies import Staged, staged
from features.known import happened
from features.mapping import Workspace
from features.placement import place
from features.quarantine import Aside, set_aside
from features.readers import SourceRows, read_chunks
from features.reckoning import reckon
from features.report import TableReport
from features.staging import desk, load, stage

__all__ = ["MARKS", "ExaminedChunk", "Staged", "examined_chunks", "key_text", "staged"]

MARKS = pa.schema(
    [("__key", pa.uint64()), ("__stamp", pa.timestamp("us", tz="UTC")), ("__line", pa.int64())]
)
STAMPS = ("updated_at", "recorded_at")
OWN_ID = frozenset({"usage", "events", "touchpoints"})
ASIDE = ("bad", "apart", "twice")


@dataclass(frozen=True)
class ExaminedChunk:
    """What an examination leaves of one chunk.

    Attributes
    ----------
    rows : pyarrow.Table
        Good rows: the table's stored columns with ``known_at``, then ``__key`` (the first 64 bits
        of the md5 of ``key_text``), ``__stamp`` (which of two versions is newer: ``updated_at``,
        else ``recorded_at``; null where the row has neither) and ``__line``.
    report : TableReport
        Counts, codes and breaches of this chunk alone; ``accepted`` is the height of ``rows``.
    aside : Aside or None
        Rows for quarantine.
    provided : tuple of str
        Contract columns (stored names) that the source really had.
    future : int
        How many rows are set aside as ``timestamp.future``.
    """

    rows: pa.Table
    report: TableReport
    aside: Aside | None = None
    provided: tuple[str, ...] = ()

    @property
    def future(self) -> int:
        """How many rows lie in the future: another day may take them."""
        return self.report.codes.get("timestamp.future", 0)


def examined_chunks(
    source: Staged, workspace: Workspace, contract: TableContract, now: datetime
) -> Iterator[ExaminedChunk]:
    """Examine a source of a feed, chunk by chunk; there is at least one, if only to be counted.

    A file may turn out to be refused after some chunks were given (a quote that is never closed):
    what was given of it is then void.

    Raises
    ------
    Fault
        What refuses the file whole: ``schema.*``, ``encoding.*``, ``csv.*``, ``parquet.*``,
        ``file.too_expensive``; ``config`` if a ``where`` cannot be read.
    """
    settings = workspace.table(contract.name)
    frame = Frame(settings, workspace.book.currency, workspace.book.timezone, now)
    with desk() as connection:
        for rows in read_chunks(source, settings):
            yield _examined(connection, contract, frame, rows)


def key_text(contract: TableContract, row: str = "__row") -> str:
    """Give the SQL of what names a row: its id or key columns, else the digest of the whole row.

    Examples
    --------
    >>> from features.contracts import TABLES
    >>> key_text(TABLES["usage"])
    'coalesce("event_id", chr(30) || __row)'
    """
    if contract.name in OWN_ID:
        return f"coalesce({quoted(contract.key[0])}, chr(30) || {row})"
    parts = [f"coalesce(CAST({quoted(name)} AS VARCHAR), '')" for name in contract.key]
    return f"concat_ws(chr(31), {', '.join(parts)})"


def _examined(
    connection: duckdb.DuckDBPyConnection, contract: TableContract, frame: Frame, rows: SourceRows
) -> ExaminedChunk:
    placement = place(contract, frame.settings, rows.rows.column_names, rows.label)
    file = load(connection, rows, placement, frame, contract.name)
    stage(connection, contract, frame, [file])
    for name in ASIDE[1:]:
        connection.execute(f"CREATE TEMP TABLE {name} (__i BIGINT)")
    good = connection.sql(_good(contract, frame)).to_arrow_table()
    schema = pa.schema([*stored_schema(contract.name), *MARKS])
    report = reckon(connection, contract, [file])
    aside = set_aside(connection, contract, [file])
    for name in ("typed", *ASIDE):
        connection.execute(f"DROP TABLE {name}")
    connection.unregister("text")
    provided = tuple(each.stored_name for each in contract.stored if each.name in placement.columns)
    return ExaminedChunk(good.cast(schema), report, aside, provided)


def _good(contract: TableContract, frame: Frame) -> str:
    moment = happened(contract, frame.settings)
    names = ", ".join(quoted(column.stored_name) for column in contract.stored)
    had = {column.name for column in contract.columns}
    stamp = ", ".join(name for name in STAMPS if name in had)
    return (
        f"SELECT {names}, coalesce(recorded_at, {moment}) AS known_at, "
        f"md5_number_upper({key_text(contract)}) AS __key, "
        f"coalesce({stamp}) AS __stamp, __r AS __line "
        f"FROM typed WHERE __i NOT IN (SELECT __i FROM bad) ORDER BY __i"
    )
