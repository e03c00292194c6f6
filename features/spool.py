"""A spool: the rows of one ingest on disk, cut by the month in which they happened.

Rows go in chunk by chunk, in any order, and come out month by month, so that memory holds a chunk
or a month and never the feed. A spool is scratch: nothing in it outlives the ingest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc

__all__ = ["Spool", "month_name"]

HOW = ipc.IpcWriteOptions(compression="lz4", use_threads=False)


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

    def add(self, rows: pa.Table, number: int, only: frozenset[str] | None = None) -> None:
        """Take the rows of a file (of some months only)."""
        for month, part in _by_month(rows, self.happened):
            name = month_name(month)
            if only is None or name in only:
                self._write(name, part, number)

    def rows(self, month: str, columns: Iterable[str] | None = None) -> pa.Table:
        """Give the rows of a month, all of them in memory."""
        paths = self.parts.get(month, [])
        return pa.concat_tables([_read(path, columns) for path in paths])

    def drop(self, month: str) -> None:
        """Forget a month's rows."""
        for path in self.parts.pop(month, []):
            path.unlink()

    def _write(self, month: str, rows: pa.Table, number: int) -> None:
        held = self.parts.setdefault(month, [])
        path = self.folder / f"{month}-{len(held)}.arrow"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        rows = rows.append_column("__f", pa.array(np.full(rows.num_rows, number, np.int32)))
        with path.open("xb") as sink, ipc.new_file(sink, rows.schema, options=HOW) as file:
            file.write_table(rows)
        held.append(path)
        counts = self.heights.setdefault(month, {})
        counts[number] = counts.get(number, 0) + rows.num_rows


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
    when = rows[happened]
    days = when.cast(pa.date32(), safe=False) if pa.types.is_timestamp(when.type) else when
    numbers = days.combine_chunks().to_numpy(zero_copy_only=False).astype("datetime64[M]")
    months = numbers.astype(np.int64).astype(np.int16)
    if (np.diff(months) < 0).any():
        order = np.argsort(months, kind="stable")
        rows, months = rows.take(pa.array(order)), months[order]
    starts = np.flatnonzero(np.diff(months, prepend=months[0] - 1))
    for start, end in zip(starts, [*starts[1:], len(months)], strict=True):
        yield int(months[start]), rows.slice(int(start), int(end - start))


def _read(path: Path, columns: Iterable[str] | None) -> pa.Table:
    with path.open("rb") as source:
        file = ipc.open_file(source)
        if columns is None:
            return file.read_all()
        names = file.schema.names
        wanted = [names.index(name) for name in columns]
        kept = ipc.IpcReadOptions(included_fields=wanted)
    with path.open("rb") as source:
        return ipc.open_file(source, options=kept).read_all()
