"""Chunks: a source of a feed, examined piece by piece, so that memory does not grow with it.

The story of a chunk is that of a whole table: its rows are read, placed, cast and checked, each
accounted for. What needs the whole feed is not judged here: rows that come twice, and accounts
that nobody knows. Whoever takes the chunks judges that.

Of a Parquet file the rows that are proven sound come first, taken by their types; those about
which there is any doubt come after them, by their text.
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
from features.erased import CODE, Erased, without
from features.known import happened
from features.mapping import Workspace
from features.parquet_reader import opened, reading
from features.placement import Placement, place
from features.quarantine import Aside, set_aside
from features.readers import SourceRows, read_chunks
from features.reckoning import COUNTS, reckon
from features.report import TableReport
from features.reshaping import reshaped
from features.rollup import words_of
from features.row_keys import key_hash, stamp_of
from features.staging import desk, load, stage
from features.typed import typed_rows

__all__ = ["MARKS", "ExaminedChunk", "Staged", "chunk_schema", "examined_chunks", "staged"]

MARKS = pa.schema(
    [("__key", pa.uint64()), ("__stamp", pa.timestamp("us", tz="UTC")), ("__line", pa.int64())]
)
CODED = pa.dictionary(pa.int32(), pa.string())
ASIDE = ("bad", "apart", "twice")


@dataclass(frozen=True)
class ExaminedChunk:
    """What an examination leaves of one chunk.

    Attributes
    ----------
    rows : pyarrow.Table
        Good rows: the table's stored columns with ``known_at`` (texts by which the feed is summed
        as codes), then ``__key`` (``key_hash``),
        ``__stamp`` (which of two versions is newer: ``updated_at``,
        else ``recorded_at``; null where the row has neither) and ``__line``.
    report : TableReport
        Counts, codes and breaches of this chunk alone; ``accepted`` is the height of ``rows``.
    aside : Aside or None
        Rows for quarantine.
    provided : tuple of str
        Contract columns (stored names) that the source really had.
    """

    rows: pa.Table
    report: TableReport
    aside: Aside | None = None
    provided: tuple[str, ...] = ()


def chunk_schema(table: str) -> pa.Schema:
    """Give the names and types of a chunk's rows.

    Examples
    --------
    >>> chunk_schema("usage").field("feature").type
    DictionaryType(dictionary<values=string, indices=int32, ordered=0>)
    """
    schema = stored_schema(table)
    for name in words_of(table):
        schema = schema.set(schema.get_field_index(name), pa.field(name, CODED))
    return pa.schema([*schema, *MARKS])


def examined_chunks(
    source: Staged,
    workspace: Workspace,
    contract: TableContract,
    now: datetime,
    threads: int | None = None,
) -> Iterator[ExaminedChunk]:
    """Examine a source of a feed, chunk by chunk; there is at least one, if only to be counted.

    ``threads`` is how many read a Parquet file; by default as many as there are cores.

    A file may turn out to be refused after some chunks were given (a quote that is never closed):
    what was given of it is then void.

    Raises
    ------
    Fault
        What refuses the file whole: ``schema.*``, ``encoding.*``, ``csv.*``, ``parquet.*``,
        ``file.too_expensive``; ``config`` if a ``where`` cannot be read.
    """
    settings = workspace.table(contract.name)
    book = workspace.book
    frame = Frame(settings, book.currency, book.timezone, now, workspace.erased)
    if source.kind == "parquet" and not settings.reshapes:
        yield from _parquet(source, contract, frame, threads)
    else:
        yield from _by_text(read_chunks(source, settings), contract, frame)


def _parquet(
    source: Staged, contract: TableContract, frame: Frame, threads: int | None
) -> Iterator[ExaminedChunk]:
    """Take sound rows by their types, and then all others by their text."""
    file = opened(source, frame.settings.ignore)
    placement = place(contract, frame.settings, list(file.columns), source.label)
    with reading(file, threads) as connection:
        typed = typed_rows(connection, file, placement, contract, frame)
        if typed is None or not file.rows:
            yield from _by_text(read_chunks(source, frame.settings), contract, frame)
            return
        taken = 0
        for rows in typed.sound():
            yield _sound(rows, source.label, contract, placement, frame.erased)
            taken += rows.num_rows
        if taken < file.rows:
            yield from _by_text(typed.doubtful(), contract, frame)


def _sound(
    rows: pa.Table, label: str, contract: TableContract, placement: Placement, erased: Erased
) -> ExaminedChunk:
    rows, gone = without(rows, erased)
    height = rows.num_rows
    counts = {"rows_in": height, "accepted": height, "filtered": gone}
    report = TableReport(
        **counts,
        codes={CODE: gone} if gone else {},
        files={label: dict.fromkeys(COUNTS, 0) | counts},
        ignored_columns=tuple(sorted(placement.ignored)),
    )
    return ExaminedChunk(
        rows.cast(chunk_schema(contract.name)), report, provided=_provided(contract, placement)
    )


def _by_text(
    chunks: Iterator[SourceRows], contract: TableContract, frame: Frame
) -> Iterator[ExaminedChunk]:
    with desk() as connection:
        for rows in chunks:
            yield _examined(connection, contract, frame, rows)


def _examined(
    connection: duckdb.DuckDBPyConnection, contract: TableContract, frame: Frame, rows: SourceRows
) -> ExaminedChunk:
    rows = reshaped(rows, frame.settings, contract.name)
    placement = place(contract, frame.settings, rows.rows.column_names, rows.label)
    file = load(connection, rows, placement, frame, contract.name)
    stage(connection, contract, frame, [file])
    for name in ASIDE[1:]:
        connection.execute(f"CREATE TEMP TABLE {name} (__i BIGINT)")
    good = connection.sql(_good(contract, frame)).to_arrow_table().cast(chunk_schema(contract.name))
    report = reckon(connection, contract, [file])
    aside = set_aside(connection, contract, [file])
    for name in ("typed", *ASIDE):
        connection.execute(f"DROP TABLE {name}")
    connection.unregister("text")
    return ExaminedChunk(good, report, aside, _provided(contract, placement))


def _provided(contract: TableContract, placement: Placement) -> tuple[str, ...]:
    return tuple(each.stored_name for each in contract.stored if each.name in placement.columns)


def _good(contract: TableContract, frame: Frame) -> str:
    moment = happened(contract, frame.settings)
    names = ", ".join(quoted(column.stored_name) for column in contract.stored)
    return (
        f"SELECT {names}, coalesce(recorded_at, {moment}) AS known_at, "
        f"{key_hash(contract)} AS __key, {stamp_of(contract)} AS __stamp, "
        f"__r AS __line FROM typed WHERE __i NOT IN (SELECT __i FROM bad) ORDER BY __i"
    )
