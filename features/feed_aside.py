"""What is set aside of a feed: its bad rows, streamed to one file as they are found.

Bad rows of files that did not change come from the last quarantine, so that each quarantine tells
the whole feed; rows of unknown accounts wait in the snapshot instead (``_waiting``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.breaches import CURES, Breach, echo
from features.contracts import TableContract
from features.report import ERRORS_SHOWN

__all__ = ["FeedAside", "conflicts"]

CONFLICT = "key.conflict"


def _schema(contract: TableContract) -> pa.Schema:
    mapped = [(column.name, pa.string()) for column in contract.columns]
    head = [("file", pa.string()), ("__line", pa.int64()), ("codes", pa.list_(pa.string()))]
    return pa.schema([*head, *mapped, ("__raw", pa.string()), ("__month", pa.string())])


@dataclass
class FeedAside:
    """The file of a feed's bad rows; it exists once there is one.

    Attributes
    ----------
    path : Path
        Where it is written, for its owner alone.
    contract : TableContract
        The feed.
    """

    path: Path
    contract: TableContract
    _writer: Any = field(default=None, repr=False)

    def add(self, rows: pa.Table) -> None:
        """Write rows; columns that they lack are empty."""
        if not rows.num_rows:
            return
        schema = _schema(self.contract)
        if self._writer is None:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            self._sink = os.fdopen(handle, "wb")
            self._writer = pq.ParquetWriter(self._sink, schema, compression="zstd")
        columns = [
            rows[column.name].cast(column.type)
            if column.name in rows.column_names
            else pa.nulls(rows.num_rows, column.type)
            for column in schema
        ]
        self._writer.write_table(pa.table(columns, schema=schema))

    def carry(self, last: Path, keep: Callable[[str, str | None], bool]) -> None:
        """Take over the rows of an earlier quarantine whose file and month are still as they were.

        ``keep`` is asked with the file's label and, for rows that contradict one another, their
        month. Where the earlier quarantine was cleared away there is nothing to take over.
        """
        if not last.is_file() or last == self.path:
            return
        for batch in pq.ParquetFile(last).iter_batches():
            rows = pa.Table.from_batches([batch])
            asked = zip(rows["file"].to_pylist(), rows["__month"].to_pylist(), strict=True)
            self.add(rows.filter(pa.array([keep(*each) for each in asked], pa.bool_())))

    def close(self) -> Path | None:
        """Finish the file; None if there was no row."""
        if self._writer is None:
            return None
        self._writer.close()
        self._sink.close()
        return self.path


def conflicts(
    contract: TableContract, lost: pa.Table, labels: list[str], month: str
) -> tuple[pa.Table, list[Breach]]:
    """Give the rows that contradict one another as they are set aside, and their breaches.

    ``lost`` are typed rows with ``__f``, ``__line`` and ``__stamp``; what they held is told in the
    contract's form, and ``updated_at`` by the stamp that was compared.
    """
    files = pa.array(labels, pa.string()).take(lost["__f"].combine_chunks())
    names = [column.name for column in contract.columns if column.name in lost.column_names]
    text = {name: lost[name].cast(pa.string()) for name in names}
    if "recorded_at" in text:
        recorded = pc.equal(lost["__stamp"], lost["recorded_at"]).fill_null(False)
        text["updated_at"] = pc.if_else(recorded, None, lost["__stamp"].cast(pa.string()))
    codes = pa.array([[CONFLICT]] * lost.num_rows, pa.list_(pa.string()))
    months = pa.array([month] * lost.num_rows, pa.string())
    rows = pa.table(
        {"file": files, "__line": lost["__line"], "codes": codes, **text, "__month": months}
    )
    return rows, list(_breaches(contract, rows.slice(0, ERRORS_SHOWN)))


def _breaches(contract: TableContract, rows: pa.Table) -> Iterator[Breach]:
    for row in rows.to_pylist():
        found = ", ".join(
            f"{name} {echo(row[name], contract.column(name).personal)}"
            for name in contract.key
            if row.get(name)
        )
        yield Breach(row["file"], row["__line"], None, CONFLICT, found, CURES[CONFLICT])
