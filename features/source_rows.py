"""Source rows: what a reader gives, every value text, with the line of every row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.breaches import CURES, Breach
from features.faults import DataRejected

__all__ = [
    "LONG_FIELD",
    "LONG_ROW",
    "SourceRows",
    "gathered",
    "header",
    "taken_out",
    "without_long",
]

LONG_ROW, LONG_FIELD = 1 << 20, 1 << 16
SHOWN = 200


@dataclass(frozen=True)
class SourceRows:
    """Rows of one file (all of them, or a chunk), as text.

    Attributes
    ----------
    label, sha256 : str
        The file and the digest of its bytes.
    rows : pyarrow.Table
        Source columns under their trimmed names, every value text.
    lines : pyarrow.Array of int64
        Line (CSV) or row number (Parquet) of each row.
    breaches : list of Breach
        Rows that were not well formed.
    raw : list of str
        What those rows held, in the same order.
    """

    label: str
    sha256: str
    rows: pa.Table
    lines: pa.Array
    breaches: list[Breach] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)


def gathered(chunks: Iterable[SourceRows]) -> SourceRows:
    """Put the chunks of one file together again.

    Examples
    --------
    >>> one = SourceRows("a.csv", "", pa.table({"a": ["x"]}), pa.array([2]))
    >>> two = SourceRows("a.csv", "", pa.table({"a": ["y"]}), pa.array([3]))
    >>> both = gathered([one, two])
    >>> both.rows["a"].to_pylist(), both.lines.to_pylist()
    (['x', 'y'], [2, 3])
    """
    parts = list(chunks)
    if len(parts) == 1:
        return parts[0]
    return replace(
        parts[0],
        rows=pa.concat_tables(part.rows for part in parts),
        lines=pa.concat_arrays([part.lines for part in parts]),
        breaches=[breach for part in parts for breach in part.breaches],
        raw=[text for part in parts for text in part.raw],
    )


def header(names: list[str], label: str) -> list[str]:
    """Trim the names of a header, and refuse what is not a plain name of its own.

    A column without a name, as a table's index is often exported, is called by its place.

    Raises
    ------
    DataRejected
        ``schema.identifier`` or ``schema.duplicate_column``, with positions.

    Examples
    --------
    >>> header(["", " account_id", "mrr "], "a.csv")
    ['column 1', 'account_id', 'mrr']
    """
    plain = [name.strip().removeprefix("\ufeff").strip() for name in names]
    trimmed = [name or f"column {at}" for at, name in enumerate(plain, 1)]
    seen: dict[str, int] = {}
    for at, name in enumerate(trimmed, 1):
        if len(name) > SHOWN or any(ord(mark) < 32 for mark in name):
            message = f"{label}: header {at} has {len(name)} characters"
            raise DataRejected("schema.identifier", message, "give the column a plain name")
        first = seen.setdefault(name.casefold(), at)
        if first != at:
            message = f'{label}: "{name}" at positions {first} and {at}'
            raise DataRejected("schema.duplicate_column", message, "keep or rename one of them")
    return trimmed


def without_long(read: SourceRows) -> SourceRows:
    """Set aside the rows of which a value is longer than 64 KB; its first 200 marks are kept.

    Examples
    --------
    >>> rows = pa.table({"a": ["x", "y" * 70_000], "b": ["1", "2"]})
    >>> read = without_long(SourceRows("a.csv", "", rows, pa.array([2, 3])))
    >>> read.rows.to_pylist(), [(each.row, each.code) for each in read.breaches]
    ([{'a': 'x', 'b': '1'}], [(3, 'row.too_long')])
    """
    long = np.zeros(read.rows.num_rows, dtype=bool)
    for column in read.rows.columns:
        if column.nbytes > LONG_FIELD:
            sizes = pc.fill_null(pc.binary_length(column), 0).to_numpy()
            long |= sizes > LONG_FIELD
    return taken_out(read, long, "row.too_long", f"a value of more than {LONG_FIELD} bytes")


def taken_out(read: SourceRows, bad: np.ndarray, code: str, found: str) -> SourceRows:
    """Set aside the rows of a mask, each as a breach of its line."""
    if not bad.any():
        return read
    keep, at = pa.array(~bad), np.flatnonzero(bad)
    lines = read.lines.take(pa.array(at)).to_pylist()
    rows = read.rows.take(pa.array(at)).to_pylist()
    return replace(
        read,
        rows=read.rows.filter(keep),
        lines=read.lines.filter(keep),
        breaches=read.breaches
        + [Breach(read.label, line, None, code, found, CURES[code]) for line in lines],
        raw=read.raw + [_beginning(row) for row in rows],
    )


def _beginning(row: dict[str, str | None]) -> str:
    held = (str(value) for value in row.values())
    return ",".join(text if len(text) <= LONG_FIELD else text[:SHOWN] for text in held)
