"""Readers: a source's rows as text, with the line of every row, whatever kind of file it is."""

from __future__ import annotations

from collections.abc import Iterator

from features.copies import Staged
from features.csv_reader import csv_chunks
from features.mapping import TableSettings
from features.parquet_reader import parquet_chunks
from features.source_rows import SourceRows, gathered

__all__ = ["SourceRows", "read_chunks", "read_whole"]


def read_chunks(source: Staged, settings: TableSettings) -> Iterator[SourceRows]:
    """Read the rows of a copy, chunk by chunk; the first chunk may have no rows.

    Raises
    ------
    DataRejected
        ``parquet.truncated``, ``schema.type``, ``schema.duplicate_column``,
        ``schema.identifier``, ``encoding.not_utf8``, ``csv.delimiter``,
        ``csv.unterminated_quote``, ``file.too_expensive``; some of it may come after chunks
        were given.
    """
    if source.kind == "parquet":
        return parquet_chunks(source, ignore=settings.ignore)
    return csv_chunks(source, settings)


def read_whole(source: Staged, settings: TableSettings) -> SourceRows:
    """Read all rows of a copy at once, for a table that is not a feed.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "a.csv"
    >>> _ = path.write_bytes(b"account_id, mrr\\r\\na,1\\r\\nb\\r\\nc,3\\r\\n")
    >>> read = read_whole(Staged("a.csv", path, "", "csv", None), TableSettings())
    >>> read.rows.to_pydict(), read.lines.to_pylist()
    ({'account_id': ['a', 'c'], 'mrr': ['1', '3']}, [2, 4])
    >>> read.breaches[0].code, read.breaches[0].row
    ('row.missing_columns', 3)
    """
    return gathered(read_chunks(source, settings))
