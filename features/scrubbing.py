"""Scrubbing: kept rows of a database without those that may not, or need not, be kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.copies import Staged
from features.digest import file_digest
from features.erased import Erased
from features.faults import DataRejected
from features.mapping import TableSettings
from features.partitions import Kept

__all__ = ["keys_of", "renewed", "scrubbed"]

Stay = Callable[[pa.Table], pa.ChunkedArray | None]


def scrubbed(part: Staged, settings: TableSettings, erased: Erased) -> Staged | None:
    """Write staged rows anew without those of erased accounts.

    Parameters
    ----------
    part : Staged
        Rows of a query, as Parquet, under the names of the source.
    settings : TableSettings
        Says which column holds the account.
    erased : Erased
        Whose rows may not be kept.

    Returns
    -------
    Staged or None
        The same where nobody was erased; None where no column says whose the rows are: then
        they may not be kept at all.
    """
    if not erased:
        return part
    column = settings.columns.get("account_id", "account_id")
    if column not in pq.read_schema(part.path).names:
        return None
    words = settings.values.get("account_id")
    left = part.path.with_suffix(".left.parquet")
    _write(part.path, left, lambda rows: erased.rows_left(_text(rows, column), words))
    left.replace(part.path)
    return replace(part, sha256=file_digest(part.path) or "")


def keys_of(parts: Sequence[Staged], key: str) -> pa.Array:
    """Collect the keys of staged rows, as text.

    Raises
    ------
    DataRejected
        ``extract.watermark`` where they have no such column.
    """
    found = []
    for part in parts:
        if key not in pq.read_schema(part.path).names:
            message = f'{part.label}: key "{key}" is none of its columns'
            raise DataRejected(
                "extract.watermark", message, "name the column that tells rows apart"
            )
        found.append(pc.unique(_text(pq.read_table(part.path, columns=[key]), key)))
    return pc.unique(pa.chunked_array(found, pa.string())).drop_null()


def renewed(part: Kept, key: str, newer: pa.Array, target: Path) -> Kept | None:
    """Write a part anew without the rows that came again.

    Parameters
    ----------
    part : Kept
        Older rows.
    key : str
        Column that tells rows apart.
    newer : pyarrow.Array
        Keys of the rows that came now.
    target : Path
        Where to write.

    Returns
    -------
    Kept or None
        The part itself where none of its rows came again; None where all did.
    """
    stay = pc.invert(pc.is_in(_text(pq.read_table(part.at, columns=[key]), key), newer))
    rows = pc.sum(stay, min_count=0).as_py()
    if rows == len(stay):
        return part
    if not rows:
        return None
    _write(part.at, target, lambda some: pc.invert(pc.is_in(_text(some, key), newer)))
    sha256 = file_digest(target) or ""
    return Kept(f"{sha256}.parquet", sha256, target, rows)


def _text(rows: pa.Table, column: str) -> pa.ChunkedArray:
    return rows[column].cast(pa.string())


def _write(source: Path, target: Path, stay: Stay) -> None:
    """Copy those rows that stay, a batch at a time."""
    target.touch(mode=0o600)
    with pq.ParquetFile(source) as held, pq.ParquetWriter(target, held.schema_arrow) as writer:
        for batch in held.iter_batches():
            rows = pa.Table.from_batches([batch])
            mask = stay(rows)
            writer.write_table(rows if mask is None else rows.filter(mask))
