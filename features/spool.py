"""A spool: the rows of one ingest on disk, cut by the month in which they happened.

Rows go in chunk by chunk, in any order, and come out month by month, so that memory holds a chunk
or a month and never the feed. A spool is scratch: nothing in it outlives the ingest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.ipc as ipc

__all__ = ["Spool", "month_name", "spelled"]

DAY = 86_400_000_000
FEW = 1 << 16


@dataclass
class Spool:
    """Rows by month.

    Attributes
    ----------
    folder : Path
        Where they are kept.
    happened : str
        The column that says when a row happened.
    parts : dict of str to list of Path
        Month → its files, in the order in which they came.
    heights : dict of str to dict of int to int
        Month → file number → rows.

    Examples
    --------
    >>> import tempfile
    >>> from datetime import UTC, datetime
    >>> spool = Spool(Path(tempfile.mkdtemp()), "occurred_at")
    >>> days = [datetime(2025, month, 1, tzinfo=UTC) for month in (6, 5, 6)]
    >>> when = pa.array(days, pa.timestamp("us", tz="UTC"))
    >>> spool.add(pa.table({"occurred_at": when, "n": [1, 2, 3]}), 0)
    >>> sorted(spool.heights), spool.rows("2025-06")["n"].to_pylist()
    (['2025-05', '2025-06'], [1, 3])
    """

    folder: Path
    happened: str
    parts: dict[str, list[Path]] = field(default_factory=dict)
    heights: dict[str, dict[int, int]] = field(default_factory=dict)
    _schema: pa.Schema | None = field(default=None, repr=False)

    def add(self, rows: pa.Table, number: int, only: frozenset[str] | None = None) -> None:
        """Take the rows of a file (of some months only)."""
        for month, part in _by_month(rows, self.happened):
            name = month_name(month)
            if only is None or name in only:
                self._write(name, part, number)

    def rows(self, month: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Give the rows of a month; they are read from the disk as they are needed."""
        return pa.concat_tables([self._whole(_mapped(path), columns) for path in self.parts[month]])

    def drop(self, month: str) -> None:
        """Forget a month's rows."""
        for path in self.parts.pop(month, []):
            path.unlink()

    def _write(self, month: str, rows: pa.Table, number: int) -> None:
        held = self.parts.setdefault(month, [])
        path = self.folder / f"{month}-{len(held)}.arrow"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        rows = rows.append_column("__f", pa.array(np.full(rows.num_rows, number, np.int32)))
        self._schema = self._schema or rows.schema
        empty = [name for name in rows.column_names if rows[name].null_count == rows.num_rows]
        said = rows.drop_columns(empty)
        with path.open("xb") as sink, ipc.new_file(sink, said.schema) as file:
            file.write_table(_tight(said).combine_chunks())
        held.append(path)
        counts = self.heights.setdefault(month, {})
        counts[number] = counts.get(number, 0) + rows.num_rows

    def _whole(self, rows: pa.Table, columns: Sequence[str] | None) -> pa.Table:
        """Give back the columns that held nothing."""
        schema = self._schema or rows.schema
        if columns is not None:
            schema = pa.schema([schema.field(name) for name in columns])
        names = set(rows.column_names)
        made = [
            rows[each.name] if each.name in names else _nothing(rows.num_rows, each.type)
            for each in schema
        ]
        return pa.table(made, schema=schema)


def _nothing(height: int, kind: pa.DataType) -> pa.ChunkedArray:
    """Give a column without a value; it takes the room of a few rows."""
    few = pa.nulls(min(height, FEW), kind)
    whole, rest = divmod(height, FEW)
    return pa.chunked_array([few] * whole + [few.slice(0, rest)], kind)


def spelled(rows: pa.Table) -> pa.Table:
    """Give coded texts as texts.

    Examples
    --------
    >>> spelled(pa.table({"a": pa.array(["x", "x"]).dictionary_encode()}))["a"].type
    DataType(string)
    """
    for at, each in enumerate(rows.schema):
        if pa.types.is_dictionary(each.type):
            rows = rows.set_column(at, each.name, rows[each.name].cast(each.type.value_type))
    return rows


def _tight(rows: pa.Table) -> pa.Table:
    """Leave out the words of a few rows cut from many: there may be more of them than rows."""
    for at, each in enumerate(rows.schema):
        column = rows[each.name]
        if pa.types.is_dictionary(each.type) and any(
            len(part.dictionary) > len(part) for part in column.chunks
        ):
            rows = rows.set_column(
                at, each.name, column.cast(each.type.value_type).dictionary_encode()
            )
    return rows


def month_name(month: int) -> str:
    """Name a month that is numbered from 1970-01.

    Examples
    --------
    >>> month_name(0), month_name(665)
    ('1970-01', '2025-06')
    """
    return f"{1970 + month // 12}-{month % 12 + 1:02}"


def _by_month(rows: pa.Table, happened: str) -> Iterable[tuple[int, pa.Table]]:
    """Cut rows by month; where they are in order nothing is moved."""
    if not rows.num_rows:
        return
    numbers = _days(rows[happened])
    first, last = int(numbers.min()), int(numbers.max())
    calendar = np.arange(first, last + 1).astype("datetime64[D]").astype("datetime64[M]")
    if calendar[0] == calendar[-1]:
        yield int(calendar[0].astype(np.int64)), rows
        return
    months = calendar.astype(np.int16)[numbers - first]
    if (months[1:] < months[:-1]).any():
        order = np.argsort(months, kind="stable")
        rows, months = rows.take(pa.array(order)), months[order]
    starts = np.flatnonzero(np.diff(months, prepend=months[0] - 1))
    for start, end in zip(starts, [*starts[1:], len(months)], strict=True):
        yield int(months[start]), rows.slice(int(start), int(end - start))


def _days(when: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Number the UTC days of instants, or of days."""
    if pa.types.is_timestamp(when.type):
        return np.asarray(when.cast(pa.int64()).to_numpy() // DAY)
    return np.asarray(when.cast(pa.int32()).to_numpy(), np.int64)


def _mapped(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source:
        return ipc.open_file(source).read_all()
