"""The desk: a DuckDB that reaches nothing but the rows laid on it, and the words of a mapping there.

A mapping may hold SQL (a predicate, a computed column). It is one expression over the columns of
the source, all of them text; it sees no file, no network and no other table.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from features.faults import ConfigurationRefused

__all__ = ["desk", "expressed"]


def desk() -> duckdb.DuckDBPyConnection:
    """Open a DuckDB that reaches no file, no network, and cannot be told otherwise."""
    off = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    connection = duckdb.connect(":memory:", config=off)
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def expressed(rows: pa.Table, expression: str, kind: str, place: str, what: str) -> pa.Array:
    """Evaluate one expression of a mapping for every row.

    Parameters
    ----------
    rows : pyarrow.Table
        The source's columns, all text.
    expression : str
        One SQL expression over them.
    kind : str
        SQL type of the result.
    place : str
        Where it stands, as messages say it: ``[tables.usage] where``.
    what : str
        What it is: ``predicate``.

    Raises
    ------
    ConfigurationRefused
        ``config`` if it is not one SQL expression over those columns, one value per row.

    Examples
    --------
    >>> rows = pa.table({"seats": ["2", "3"], "price": ["9.90", "1"]})
    >>> sql = "CAST(seats AS INTEGER) * CAST(price AS DECIMAL(18, 2))"
    >>> expressed(rows, sql, "VARCHAR", "[tables.subscriptions] computed.mrr", "x").to_pylist()
    ['19.80', '3.00']
    """
    where = f"perennial.toml {place}"
    sql = f"SELECT CAST(({expression}\n) AS {kind}) AS value FROM source"
    with desk() as connection:
        connection.register("source", rows)
        try:
            if len(connection.extract_statements(sql)) != 1:
                raise ConfigurationRefused("config", where, f"one {what} only")
            values = connection.sql(sql).to_arrow_table()["value"].combine_chunks()
        except duckdb.Error as refused:
            first = str(refused).splitlines()[0]
            cure = f"write one SQL {what} over the source's columns (all text)"
            raise ConfigurationRefused("config", f"{where}: {first}", cure) from refused
    if len(values) != rows.num_rows:
        raise ConfigurationRefused("config", where, f"one {what} only")
    return values
