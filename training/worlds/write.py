"""Write a simulated book to a directory, the same bytes every time, with its truth apart."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from training.worlds.timeline import Timeline

__all__ = ["WORKSPACE", "write_book"]

PARQUET = frozenset({"usage"})
WORKSPACE = """\
# A simulated book, written by `perennial simulate`. The truth beside it is read by no command.
[book]
path = "."
currency = "USD"
timezone = "UTC"
fiscal_year_starts = {fiscal_year_starts}
as_of = "{as_of}"

[tables.usage]
grain = "week"
"""


def write_book(
    tables: dict[str, pd.DataFrame],
    truths: dict[str, pd.DataFrame],
    time: Timeline,
    fiscal_year_starts: int,
    directory: Path,
) -> None:
    """Write each table under its own name, ``perennial.toml``, and the truths in ``truth/``."""
    (directory / "truth").mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        _write(table, directory / f"{name}.{'parquet' if name in PARQUET else 'csv'}")
    for name, table in truths.items():
        _write(table, directory / "truth" / f"{name}.parquet")
    settings = WORKSPACE.format(
        fiscal_year_starts=fiscal_year_starts, as_of=time.date_of(time.last + 1).isoformat()
    )
    (directory / "perennial.toml").write_text(settings, encoding="utf-8")


def _write(table: pd.DataFrame, path: Path) -> None:
    arrow = _arrow(_dated(table))
    if path.suffix == ".parquet":
        pa.parquet.write_table(_plain(arrow), path, compression="zstd")
    else:
        pa.csv.write_csv(arrow, path)


def _arrow(table: pd.DataFrame) -> pa.Table:
    """Hand over a table, its zone named by Arrow itself: pandas warns where Arrow asks for it."""
    zoned = table.select_dtypes("datetimetz")
    plain = table.assign(**{name: zoned[name].dt.tz_convert(None) for name in zoned})
    arrow = pa.Table.from_pandas(plain, preserve_index=False).replace_schema_metadata(None)
    utc = [pa.timestamp(f.type.unit, "UTC") if f.name in zoned else f.type for f in arrow.schema]
    return arrow.cast(pa.schema(list(zip(arrow.column_names, utc, strict=True))))


def _dated(table: pd.DataFrame) -> pd.DataFrame:
    """Turn whole-day columns into dates, so that files say 2025-12-31 and no hour."""
    days = [name for name in table.columns if table[name].dtype.kind == "M" and name[-3:] == "_on"]
    days += [name for name in ("as_of", "date") if name in table.columns]
    return table.assign(**{name: table[name].dt.date for name in days})


def _plain(arrow: pa.Table) -> pa.Table:
    """Write categories as plain text columns."""
    fields = [
        pa.field(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type)
        for f in arrow.schema
    ]
    return arrow.cast(pa.schema(fields))
