"""The signals of a date as an answer (rows and how they are spread), and as a file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from features.catalog import CATALOG
from features.durable import disk_watched, replace
from features.faults import UsageFault
from serving.exports import csv_text
from serving.schemas import Column

__all__ = ["FORMATS", "refuse_unwritable", "spread", "told", "write"]

FORMATS = (".parquet", ".csv")
QUANTILES = {"p10": 0.1, "median": 0.5, "p90": 0.9}


def told(table: pa.Table, out: Path | None) -> dict[str, Any]:
    """Give the answer of ``perennial features``; the rows are left to the file where there is one.

    Examples
    --------
    >>> from datetime import date
    >>> row = {"account_id": ["a"], "as_of": [date(2025, 7, 1)]}
    >>> table = pa.table(row | {signal.slug: pa.array([None], "f8") for signal in CATALOG})
    >>> answer = told(table, None)
    >>> answer["as_of"], answer["accounts"], answer["rows"][0]["usage_events_7d"]
    ('2025-07-01', 1, None)
    """
    found = {
        "as_of": table["as_of"][0].as_py().isoformat(),
        "accounts": table.num_rows,
        "summary": spread(table.to_pandas()),
    }
    if out is not None:
        return found | {"out": str(out)}
    rows = table.to_pylist()
    return found | {"rows": [row | {"as_of": row["as_of"].isoformat()} for row in rows]}


def spread(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Say of each signal how many accounts have it, and how its values are spread.

    Examples
    --------
    >>> frame = pd.DataFrame({signal.slug: [1.0, 3.0, None, None] for signal in CATALOG})
    >>> spread(frame)["support_open"]
    {'accounts': 2, 'share': 0.5, 'p10': 1.2, 'median': 2.0, 'p90': 2.8}
    """
    values = frame[[signal.slug for signal in CATALOG]].astype(float)
    known = values.notna().sum()
    quantiles = {name: values.quantile(level) for name, level in QUANTILES.items()}
    return {
        slug: {"accounts": int(known[slug]), "share": round(int(known[slug]) / len(frame), 4)}
        | {name: float(each[slug]) if known[slug] else None for name, each in quantiles.items()}
        for slug in values.columns
    }


def refuse_unwritable(path: Path) -> None:
    """Refuse a file that could not be written, before anything is computed.

    Raises
    ------
    UsageFault
        ``out.unknown`` (exit code 2).

    Examples
    --------
    >>> refuse_unwritable(Path("signals.xlsx"))
    Traceback (most recent call last):
    ...
    features.faults.UsageFault: --out signals.xlsx: not a kind of file: out.unknown: name it .parquet or .csv
    """
    if path.suffix.lower() not in FORMATS:
        cure = f"name it {' or '.join(FORMATS)}"
        raise UsageFault("out.unknown", f"--out {path}: not a kind of file", cure)
    if path.is_dir():
        raise UsageFault("out.unknown", f"--out {path}: a folder", "name a file in it")
    if not path.parent.is_dir():
        raise UsageFault("out.unknown", f"--out {path}: no such folder", "make the folder first")


def write(table: pa.Table, path: Path) -> None:
    """Put a table of signals into a file by one rename; equal tables give equal bytes.

    In CSV numbers are exact, a missing one is empty, and an id that a spreadsheet would run as
    a formula gets an apostrophe before it.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "signals.csv"
    >>> write(pa.table({"account_id": ["=a"], "usage_events_7d": pa.array([None], "f8")}), path)
    >>> path.read_text().splitlines()
    ['account_id,usage_events_7d', "'=a,"]
    """
    if path.suffix.lower() == ".csv":
        content = csv_text(table.to_pydict(), tuple(map(_column, table.schema)))
    else:
        sink = io.BytesIO()
        pyarrow.parquet.write_table(table, sink, compression="zstd")
        content = sink.getvalue()
    with disk_watched(path):
        replace(path, content)


def _column(field: pa.Field) -> Column:
    if pa.types.is_floating(field.type):
        return Column(field.name, "number", "")
    return Column(field.name, "date" if pa.types.is_date(field.type) else "text", "")
