"""The contract: every source table, its key, its columns, and what they mean.

``TABLES`` is the one list of declarations; reading, checking, docs and tests are driven by it.
"""

from __future__ import annotations

from functools import cache

import duckdb
import pandas as pd
import pyarrow as pa

from features.contract_accounts import ACCOUNTS, CONTACTS, HISTORY, OUTREACH
from features.contract_activity import CATALOG, EVENTS, GROWTH, LIMITS, TICKETS, TOUCHPOINTS, USAGE
from features.contract_money import FX, MRR_BY_MONTH, OPPORTUNITIES, PAYMENTS, PLANS, SUBSCRIPTIONS
from features.declaration import KNOWN_AT, TableContract
from features.faults import DataRejected

__all__ = [
    "KNOWN_AT",
    "SQL_TYPES",
    "TABLES",
    "TableContract",
    "canonical",
    "stored_schema",
    "table_names",
]

TABLES: dict[str, TableContract] = {
    table.name: table
    for table in (
        ACCOUNTS, SUBSCRIPTIONS, MRR_BY_MONTH, USAGE, CATALOG, LIMITS, EVENTS, TICKETS,
        TOUCHPOINTS, GROWTH, OUTREACH, OPPORTUNITIES, FX, HISTORY, PLANS, CONTACTS, PAYMENTS,
    )
}  # fmt: skip


def table_names() -> list[str]:
    """List the tables of the contract, accounts first.

    Examples
    --------
    >>> table_names()[:3]
    ['accounts', 'subscriptions', 'mrr_by_month']
    """
    return list(TABLES)


def stored_schema(table: str) -> pa.Schema:
    """Give the names and types of a table in a snapshot (with a line's price before discount).

    Examples
    --------
    >>> stored_schema("limits").names[-2:]
    ['recorded_at', 'known_at']
    """
    schema = TABLES[table].schema
    if table == "subscriptions":
        at = schema.get_field_index("mrr_micros") + 1
        schema = schema.insert(at, pa.field("list_mrr_micros", pa.int64()))
    return schema


def canonical(table: str, frame: pd.DataFrame, currency: str = "USD") -> pa.Table:
    """Give a hand-made frame the shape of a snapshot's table.

    Columns that are absent come as typed nulls (with the contract's default where it has one);
    ``known_at`` follows the contract's rule; ``list_mrr_micros`` is ``mrr_micros`` unless given.

    Parameters
    ----------
    table : str
        Name in the contract.
    frame : DataFrame
        Columns under their stored names (``mrr_micros``, not ``mrr``); dates as dates or text.
    currency : str
        The book's currency, for rows that name none.

    Returns
    -------
    pyarrow.Table
        All stored columns in the contract's order, extra ones of accounts last.

    Raises
    ------
    DataRejected
        ``schema.unknown_column`` for a column that the table has not.

    Examples
    --------
    >>> rows = pd.DataFrame({"account_id": ["a"], "starts_on": ["2025-01-31"], "mrr_micros": [5]})
    >>> lines = canonical("subscriptions", rows)
    >>> lines["kind"].to_pylist(), lines["list_mrr_micros"].to_pylist()
    (['recurring'], [5])
    >>> lines["known_at"].to_pandas()[0].isoformat()
    '2025-01-31T00:00:00+00:00'
    """
    contract, schema = TABLES[table], stored_schema(table)
    extras = [name for name in frame.columns if name not in schema.names]
    if extras and not contract.extras:
        message = f"{table}: {', '.join(extras)}"
        raise DataRejected("schema.unknown_column", message, f"known: {', '.join(schema.names)}")
    times = frame.select_dtypes("datetimetz")  # in UTC without a zone, as the connection reads them
    plain = frame.assign(**{name: times[name].dt.tz_convert(None) for name in times})
    source = pa.Table.from_pandas(plain, preserve_index=False)
    connection = _engine().cursor()
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("source", source)
    names = [f'"{name}"' for name in extras]
    defaults = {c.stored_name: c.default for c in contract.columns if c.default is not None}
    defaults |= {"currency": currency}
    given = list(frame.columns)
    typed = ", ".join([_typed(field, given, defaults) for field in schema] + names)
    known = _known(contract, "known_at" in frame.columns)
    sql = f"SELECT * {known} FROM (SELECT {typed} FROM source)"
    rows = connection.sql(sql).to_arrow_table()
    connection.close()
    return rows.cast(pa.schema([*schema, *(rows.schema.field(name) for name in extras)]))


@cache
def _engine() -> duckdb.DuckDBPyConnection:
    """Open one empty database for all hand-made tables: to open one takes 30 ms."""
    return duckdb.connect(":memory:")


def _typed(field: pa.Field, given: list[str], defaults: dict[str, str]) -> str:
    name, kind = field.name, SQL_TYPES[str(field.type)]
    if name == "list_mrr_micros" and name not in given:
        name = "mrr_micros"
    value = f'CAST("{name}" AS {kind})' if name in given else f"CAST(NULL AS {kind})"
    if field.name == "subscription_id" and name not in given:
        value = "'line-' || row_number() OVER ()"
    if field.name in defaults:
        value = f"coalesce({value}, CAST('{defaults[field.name]}' AS {kind}))"
    if field.name == "month":
        value = f"date_trunc('month', {value})"
    return f'{value} AS "{field.name}"'


def _known(contract: TableContract, given: bool) -> str:
    if contract.known is None:
        return ""
    own = '"known_at", ' if given else ""
    return f'REPLACE (coalesce({own}"recorded_at", {contract.known}) AS "known_at")'


SQL_TYPES = {
    "string": "VARCHAR",
    "date32[day]": "DATE",
    "timestamp[us, tz=UTC]": "TIMESTAMPTZ",
    "double": "DOUBLE",
    "int64": "BIGINT",
    "bool": "BOOLEAN",
}
