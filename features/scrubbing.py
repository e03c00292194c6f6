"""Scrubbing: rows of a database that are to be kept, without those of erased accounts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from features.copies import Staged
from features.digest import file_digest
from features.erased import Erased
from features.mapping import TableSettings

__all__ = ["scrubbed"]


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
    left = part.path.with_name(f"{part.path.name}.left")
    _write(part.path, left, column, settings, erased)
    left.replace(part.path)
    return replace(part, sha256=file_digest(part.path) or "")


def _write(
    source: Path, target: Path, column: str, settings: TableSettings, erased: Erased
) -> None:
    words = settings.values.get("account_id")
    with pq.ParquetFile(source) as held:
        target.touch(mode=0o600)
        with pq.ParquetWriter(target, held.schema_arrow) as writer:
            for batch in held.iter_batches():
                rows = pa.Table.from_batches([batch])
                stay = erased.rows_left(rows[column].cast(pa.string()), words)
                writer.write_table(rows if stay is None else rows.filter(stay))
