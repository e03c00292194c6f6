"""The Parquet reader: a file's schema judged first, then its rows in batches, as text.

DuckDB reads, in a connection that reaches no file but the copy, within one gigabyte of memory and
a minute per batch: a file that inflates beyond that is refused, and this process lives on. That
is cheaper than a process of its own under a limit, and holds for a file that lies about its size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Timer

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.casting import literal, quoted
from features.copies import INFLATED, Staged
from features.faults import DataRejected
from features.source_rows import LONG_FIELD, SourceRows, header, without_long

__all__ = ["ParquetCopy", "batches", "grouped", "opened", "parquet_chunks", "reading", "texts"]

ROWS, SIZE, STEP = 250_000, 64 << 20, 4096
MEMORY, SECONDS = "1GB", 60.0
GROWTH, ROWS_PER_BYTE, MANY_ROWS = 1000, 100, 10_000_000
MARK = b"PAR1"


@dataclass(frozen=True)
class ParquetCopy:
    """A Parquet file whose schema may be read.

    Attributes
    ----------
    source : Staged
        The copy.
    columns : dict of str to str
        Trimmed name → the name that the file has.
    rows, size : int
        Rows by its footer; bytes on disk.
    """

    source: Staged
    columns: dict[str, str]
    rows: int
    size: int

    @property
    def scan(self) -> str:
        """The SQL that reads it."""
        return f"read_parquet({literal(str(self.source.path))})"


def opened(source: Staged, ignore: Sequence[str] = ()) -> ParquetCopy:
    """Read the footer of a copy and refuse what cannot be a table.

    A column that is to be ignored may be of any type: where it cannot be read, it is not.

    Raises
    ------
    DataRejected
        ``parquet.truncated``, ``schema.type``, ``schema.duplicate_column``,
        ``schema.identifier``, ``file.too_expensive`` (by what its footer claims).
    """
    label, size = source.label, source.path.stat().st_size
    with source.path.open("rb") as file:
        marks = (file.read(4), file.seek(max(size - 4, 0)) and file.read(4))
    if marks != (MARK, MARK):
        raise DataRejected("parquet.truncated", f"{label}: no PAR1 mark", "copy the file again")
    try:
        with pq.ParquetFile(source.path) as held:
            schema, footer = held.schema_arrow, held.metadata
    except (pa.ArrowException, OSError) as cut:
        raise DataRejected("parquet.truncated", f"{label}: {cut}", "copy the file again") from cut
    claimed = sum(footer.row_group(n).total_byte_size for n in range(footer.num_row_groups))
    if claimed > max(INFLATED, GROWTH * size):
        raise _too_expensive(label, f"inflates to {claimed} bytes by its own account")
    if footer.num_rows > max(MANY_ROWS, ROWS_PER_BYTE * size):
        raise _too_expensive(label, f"{footer.num_rows} rows in {size} bytes")
    columns = dict(zip(header(schema.names, label), schema.names, strict=True))
    readable = _readable(columns, schema, label, {name.strip().casefold() for name in ignore})
    return ParquetCopy(source, readable, footer.num_rows, size)


def _readable(
    columns: dict[str, str], schema: pa.Schema, label: str, ignore: set[str]
) -> dict[str, str]:
    """Keep the columns that can be read; one that cannot must be ignored, or is refused."""
    kept = {}
    for mine, theirs in columns.items():
        kind = schema.field(theirs).type
        if not _is_unreadable(kind):
            kept[mine] = theirs
        elif mine.casefold() not in ignore:
            cure = "export it as text, a number or a date, or name it under `ignore`"
            raise DataRejected("schema.type", f'{label}: column "{mine}" is {kind}', cure)
    return kept


def _is_unreadable(kind: pa.DataType) -> bool:
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    bytes_only = binary or pa.types.is_fixed_size_binary(kind)
    return pa.types.is_nested(kind) or bytes_only or pa.types.is_decimal256(kind)


def _too_expensive(label: str, said: str) -> DataRejected:
    return DataRejected("file.too_expensive", f"{label}: {said}", "split the export")


@contextmanager
def reading(file: ParquetCopy, threads: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB that reaches the copy and nothing else, within bounded memory.

    ``threads`` are as many as there are cores, unless it is said: hands beside one another are
    cheaper with one each.
    """
    off = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    with duckdb.connect(":memory:", config=off) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"SET memory_limit = '{MEMORY}'")
        if threads is not None:
            connection.execute(f"SET threads = {threads}")
        connection.execute(f"SET allowed_paths = [{literal(str(file.source.path))}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection


def batches(
    connection: duckdb.DuckDBPyConnection, file: ParquetCopy, sql: str, size: int
) -> Iterator[pa.RecordBatch]:
    """Give the rows of a query over a copy, in their order, in batches.

    Raises
    ------
    DataRejected
        ``file.too_expensive`` if memory, time or growth go beyond all bounds;
        ``parquet.truncated`` if the file is damaged.
    """
    label, bytes_made = file.source.label, 0
    cursor = connection.cursor()
    try:
        with _minute(cursor):
            reader = cursor.execute(sql).to_arrow_reader(size)
        while True:
            with _minute(cursor):
                batch = next(reader, None)
            if batch is None:
                return
            bytes_made += batch.nbytes
            if bytes_made > max(INFLATED, GROWTH * file.size):
                raise _too_expensive(label, f"inflates beyond {bytes_made} bytes")
            yield batch
    except (duckdb.OutOfMemoryException, duckdb.InterruptException, pa.ArrowMemoryError) as spent:
        said = f"takes more than {MEMORY} of memory or {SECONDS:.0f} s"
        raise _too_expensive(label, said) from spent
    except (duckdb.Error, pa.ArrowException) as cut:
        first = str(cut).splitlines()[0]
        cure = "copy the file again"
        raise DataRejected("parquet.truncated", f"{label}: {first}", cure) from cut
    finally:
        cursor.close()


@contextmanager
def _minute(cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
    timer = Timer(SECONDS, cursor.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def parquet_chunks(
    source: Staged, rows: int = ROWS, size: int = SIZE, ignore: Sequence[str] = ()
) -> Iterator[SourceRows]:
    """Read a Parquet file as text, chunk by chunk; the first chunk may have no rows."""
    file, done = opened(source, ignore), 0
    with reading(file) as connection:
        sql = f"SELECT {', '.join(texts(file))} FROM {file.scan}"
        for part in grouped(batches(connection, file, sql, STEP), rows, size):
            lines = pa.array(np.arange(done + 1, done + 1 + part.num_rows, dtype=np.int64))
            yield without_long(SourceRows(source.label, source.sha256, part, lines))
            done += part.num_rows
    if not done:
        empty = pa.table({name: pa.array([], pa.string()) for name in file.columns})
        yield SourceRows(source.label, source.sha256, empty, pa.array([], pa.int64()))


def grouped(
    parts: Iterator[pa.RecordBatch], rows: int = ROWS, size: int = SIZE
) -> Iterator[pa.Table]:
    """Put small batches together until a chunk is full."""
    held: list[pa.RecordBatch] = []
    for part in parts:
        held.append(part)
        if sum(len(each) for each in held) >= rows or sum(each.nbytes for each in held) >= size:
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)


def texts(file: ParquetCopy) -> list[str]:
    """Give the SQL of every column as text; of a value that is too long only its beginning."""
    return [
        f"left(CAST({quoted(theirs)} AS VARCHAR), {LONG_FIELD + 1}) AS {quoted(mine)}"
        for mine, theirs in file.columns.items()
    ]
