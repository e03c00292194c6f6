"""A row file: the rows of a query, written to a private Parquet file as they come."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from features.faults import DataRejected

__all__ = ["RowFile"]

ROWS = 100_000
BYTES = 32 << 20
PLAIN = frozenset({str, type(None)})


class RowFile:
    """A Parquet file that takes rows in columns; what is held in memory is bounded.

    Parameters
    ----------
    path : Path
        The file; only its owner may read it.
    label : str
        How messages call its rows.
    schema : pyarrow.Schema
        Its columns; a column of text takes every value, written exactly.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "limits.parquet"
    >>> schema = pa.schema([("used", pa.string()), ("observed_on", pa.date32())])
    >>> with RowFile(path, "limits", schema) as held:
    ...     held.add([(Decimal("12.50"), 7, None), (date(2025, 7, 1), None, None)])
    >>> pq.read_table(path)["used"].to_pylist()
    ['12.50', '7', None]
    """

    def __init__(self, path: Path, label: str, schema: pa.Schema) -> None:
        self.label, self.schema = label, _distinct(schema, label)
        self.held: list[pa.RecordBatch] = []
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self.sink = os.fdopen(handle, "wb")
        self.writer = pq.ParquetWriter(self.sink, schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self.sink:
            if kind is None:
                self._flush()
            self.writer.close()

    def add(self, columns: Sequence[Sequence[Any]]) -> None:
        """Take some rows.

        Parameters
        ----------
        columns : sequence of sequences
            One per column of the schema, all of one height.

        Raises
        ------
        DataRejected
            ``schema.type`` for bytes, lists and records.
        """
        arrays = [
            self._array(field, values) for field, values in zip(self.schema, columns, strict=True)
        ]
        self.held.append(pa.record_batch(arrays, schema=self.schema))
        rows = sum(batch.num_rows for batch in self.held)
        if rows >= ROWS or sum(batch.nbytes for batch in self.held) >= BYTES:
            self._flush()

    def _flush(self) -> None:
        if self.held:
            self.writer.write_table(pa.Table.from_batches(self.held).combine_chunks())
        self.held = []

    def _array(self, field: pa.Field, values: Sequence[Any]) -> pa.Array:
        if not pa.types.is_string(field.type):
            return pa.array(values, field.type)
        if not PLAIN.issuperset(map(type, values)):
            values = [self._text(field.name, value) for value in values]
        return pa.array(values, pa.string())

    def _text(self, column: str, value: Any) -> str | None:
        if isinstance(value, str) or value is None:
            return value
        if isinstance(value, bytes | bytearray | memoryview | list | tuple | dict | set):
            message = f'{self.label}: column "{column}" is {type(value).__name__}'
            cure = "leave it out of the query, or select text, a number or a date"
            raise DataRejected("schema.type", message, cure)
        return _exact(value)


def _exact(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return value.isoformat() if isinstance(value, date) else str(value)


def _distinct(schema: pa.Schema, label: str) -> pa.Schema:
    seen: dict[str, int] = {}
    for at, name in enumerate(schema.names, 1):
        first = seen.setdefault(name.strip().casefold(), at)
        if first != at:
            message = f'{label}: "{name}" at positions {first} and {at}'
            raise DataRejected("schema.duplicate_column", message, "name one of them otherwise")
    return schema
