"""Quarantine: rows that were set aside, with their file, line and codes, to be read again later."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from features.contracts import TableContract
from features.report import TableReport
from features.staging import Loaded

__all__ = ["Aside", "set_aside", "write_quarantine"]


@dataclass(frozen=True)
class Aside:
    """The rows of one table that are not in the snapshot.

    Attributes
    ----------
    bad : pyarrow.Table
        ``file, row, codes``, the mapped columns as text, and ``raw`` for rows without form.
    unmatched : pyarrow.Table
        The same for rows of accounts that nobody knows (``codes`` empty).
    """

    bad: pa.Table
    unmatched: pa.Table


def set_aside(
    connection: duckdb.DuckDBPyConnection, contract: TableContract, files: list[Loaded]
) -> Aside | None:
    """Collect the rows in ``bad`` and ``apart`` (None if there are none); what people wrote is never kept raw."""
    broken = any(file.source.breaches for file in files)
    found = connection.execute(
        "SELECT count(*) FROM (SELECT __i FROM bad UNION ALL SELECT __i FROM apart)"
    ).fetchone()
    if not broken and found == (0,):
        return None
    labels = pa.table(
        {"__f": pa.array(range(len(files)), pa.int64()), "file": [f.source.label for f in files]}
    )
    connection.register("labels", labels)
    rows = "text.* EXCLUDE (__i, __f, __r, __row)"
    bad = connection.sql(
        f"""
        SELECT file, __r AS "__line", codes, {rows}, CAST(NULL AS VARCHAR) AS "__raw"
        FROM (SELECT __i, list(code ORDER BY code) AS codes FROM bad GROUP BY 1)
        JOIN text USING (__i) JOIN labels USING (__f) ORDER BY __i
        """
    ).to_arrow_table()
    unmatched = connection.sql(
        f"""
        SELECT file, __r AS "__line", CAST([] AS VARCHAR[]) AS codes, {rows}, CAST(NULL AS VARCHAR) AS "__raw"
        FROM apart JOIN text USING (__i) JOIN labels USING (__f) ORDER BY __i
        """
    ).to_arrow_table()
    connection.unregister("labels")
    formless = _broken(contract, files, bad.schema)
    return Aside(pa.concat_tables([bad, formless]), unmatched)


def _broken(contract: TableContract, files: list[Loaded], schema: pa.Schema) -> pa.Table:
    rows = [
        {
            "file": breach.file,
            "__line": breach.row,
            "codes": [breach.code],
            "__raw": None if contract.free_text else raw,
        }
        for file in files
        for breach, raw in zip(file.source.breaches, file.source.raw, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=schema)


def write_quarantine(
    folder: Path,
    asides: dict[str, Aside],
    files: dict[str, Path],
    reports: dict[str, TableReport],
) -> None:
    """Write ``<table>.parquet``, ``<table>.unmatched.parquet`` and ``errors.jsonl``, 0600.

    ``files`` are those of feeds, written already: they are moved to their place.
    """
    kept = {name: aside.bad for name, aside in asides.items() if aside.bad.num_rows}
    kept |= {
        f"{name}.unmatched": aside.unmatched
        for name, aside in asides.items()
        if aside.unmatched.num_rows
    }
    if not kept and not files:
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, path in files.items():
        path.replace(folder / f"{name}.parquet")
    for name, rows in kept.items():
        with _private(folder / f"{name}.parquet") as sink:
            pq.write_table(rows, sink, compression="zstd")
    with _private(folder / "errors.jsonl") as sink:
        for table, report in reports.items():
            for breach in report.errors:
                line = json.dumps({"table": table} | breach.to_json(), ensure_ascii=False)
                sink.write(line.encode("utf-8") + b"\n")


def _private(path: Path) -> pa.NativeFile:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    return os.fdopen(handle, "wb")
