"""Staging: the files of one table as one typed DuckDB table, with what is wrong beside it.

Three tables stand in the connection while a table is worked on: ``text`` (what the files said),
``typed`` (the same rows, cast) and ``bad`` (row, column, code). ``__i`` numbers the rows,
``__f`` the files, ``__r`` is the line.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.casting import Frame, cast, literal, more_decimals, prepared, quoted
from features.contracts import TableContract
from features.desk import desk, expressed
from features.erased import Erased, without
from features.placement import Placement
from features.readers import SourceRows

__all__ = ["Loaded", "desk", "load", "matching", "stage"]


@dataclass(frozen=True)
class Loaded:
    """One file, placed and filtered.

    Attributes
    ----------
    source : SourceRows
        What was read.
    placement : Placement
        Where its columns go.
    rows : pyarrow.Table
        Contract columns (and extras) as text, ``__r`` and ``__row`` (digest of the whole row).
    filtered : int
        Rows that ``where`` left out, and those of erased accounts.
    erased : int
        How many of these are of erased accounts.
    """

    source: SourceRows
    placement: Placement
    rows: pa.Table
    filtered: int
    erased: int = 0


def matching(rows: pa.Table, where: str, table: str) -> pa.Array:
    """Say which rows a predicate keeps; it sees the source's columns as text and nothing else.

    Raises
    ------
    ConfigurationRefused
        ``config`` if the predicate is not one SQL expression over those columns.

    Examples
    --------
    >>> rows = pa.table({"product": ["base", "meetings", None]})
    >>> matching(rows, "product not in ('meetings')", "subscriptions").to_pylist()
    [True, False, False]
    """
    place = f"[tables.{table}] where"
    return pc.fill_null(expressed(rows, where, "BOOLEAN", place, "predicate"), False)


def load(
    connection: duckdb.DuckDBPyConnection,
    source: SourceRows,
    placement: Placement,
    frame: Frame,
    table: str,
) -> Loaded:
    """Filter a file's rows and give its columns the contract's names."""
    rows, lines = source.rows, source.lines
    if frame.settings.where:
        keep = matching(rows, frame.settings.where, table)
        rows, lines = rows.filter(keep), lines.filter(keep)
    names = placement.columns | placement.extras
    placed = pa.table([rows[theirs] for theirs in names.values()], names=list(names))
    placed = placed.append_column("__r", pa.array(lines, pa.int64()))
    placed = placed.append_column("__row", _digests(connection, rows))
    placed, gone = without(placed, frame.erased, frame.settings.values.get("account_id"))
    filtered = source.rows.num_rows - placed.num_rows
    return Loaded(_silenced(source, frame.erased), placement, placed, filtered, gone)


def _silenced(source: SourceRows, erased: Erased) -> SourceRows:
    """Keep nothing of the lines without form that name an erased account."""
    if not erased or not source.raw:
        return source
    return replace(source, raw=["" if erased.named_in(line) else line for line in source.raw])


def _digests(connection: duckdb.DuckDBPyConnection, rows: pa.Table) -> pa.Array:
    """Digest every row of the source, all its columns, whatever their order."""
    connection.register("source", rows)
    names = sorted(rows.column_names)
    parts = ", ".join(f"trim(coalesce({quoted(name)}, ''))" for name in names)
    sql = f"SELECT md5(concat_ws(chr(31), {parts})) AS digest FROM source"
    digests = connection.sql(sql).to_arrow_table()["digest"].combine_chunks()
    connection.unregister("source")
    return digests


def stage(
    connection: duckdb.DuckDBPyConnection,
    contract: TableContract,
    frame: Frame,
    files: list[Loaded],
) -> int:
    """Fill ``text``, ``typed`` and ``bad`` from the files of a table.

    Returns
    -------
    int
        How many amounts have more decimals than the currency (kept, and counted).
    """
    extras = _extra_names(files)
    _text(connection, contract, extras, files)
    there = {name for file in files for name in file.placement.columns}
    casts = {column.name: cast(column, frame) for column in contract.columns}
    values = [f"{made.value} AS {quoted(name)}" for name, made in casts.items()]
    codes = [f"{casts[name].code} AS {quoted('__' + name)}" for name in sorted(there)]
    listed = ", ".join([*values, *map(quoted, extras), *codes])
    words = _words(contract, frame, there, extras)
    connection.execute(
        f"CREATE TEMP TABLE typed AS SELECT __i, __f, __r, __row, {listed} FROM ({words})"
    )
    connection.execute("CREATE TEMP TABLE bad (__i BIGINT, col VARCHAR, code VARCHAR)")
    found = " UNION ALL ".join(
        f"SELECT __i, {literal(name)}, {quoted('__' + name)} AS code FROM typed "
        f"WHERE {quoted('__' + name)} IS NOT NULL"
        for name in sorted(there)
    )
    connection.execute(f"INSERT INTO bad {found}")
    return _finer(connection, contract, frame, there)


def _words(contract: TableContract, frame: Frame, there: set[str], extras: list[str]) -> str:
    """Give the SQL of the prepared text; a column that no file has is a constant null."""
    ready = [
        f"{prepared(column, frame.settings) if column.name in there else 'CAST(NULL AS VARCHAR)'} "
        f"AS {quoted(column.name)}"
        for column in contract.columns
    ]
    kept = [f"nullif(trim({quoted(name)}), '') AS {quoted(name)}" for name in extras]
    return f"SELECT __i, __f, __r, __row, {', '.join(ready + kept)} FROM text"


def _finer(
    connection: duckdb.DuckDBPyConnection, contract: TableContract, frame: Frame, there: set[str]
) -> int:
    """Count the amounts that have more decimals than the currency."""
    money = [each for each in contract.columns if each.kind == "money" and each.name in there]
    if not money:
        return 0
    counted = " + ".join(f"CAST({more_decimals(column, frame)} AS INTEGER)" for column in money)
    found = connection.execute(f"SELECT coalesce(sum({counted}), 0) FROM text").fetchone()
    return int(found[0]) if found else 0


def _extra_names(files: list[Loaded]) -> list[str]:
    return sorted({name for file in files for name in file.placement.extras})


def _text(
    connection: duckdb.DuckDBPyConnection,
    contract: TableContract,
    extras: list[str],
    files: list[Loaded],
) -> None:
    names = [*(column.name for column in contract.columns), *extras, "__r", "__row"]
    types = {name: pa.int64() if name == "__r" else pa.string() for name in names}
    schema = pa.schema([*types.items(), ("__f", pa.int64())])
    parts = []
    for number, file in enumerate(files):
        height = file.rows.num_rows
        columns = [
            file.rows[name] if name in file.rows.column_names else pa.nulls(height, types[name])
            for name in names
        ]
        parts.append(pa.table([*columns, pa.array(np.full(height, number))], schema=schema))
    rows = pa.concat_tables(parts) if parts else schema.empty_table()
    rows = rows.append_column("__i", pa.array(np.arange(rows.num_rows, dtype=np.int64)))
    connection.register("text", rows)
