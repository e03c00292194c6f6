"""Known: the rows of a table as a snapshot keeps them, with the instant each became known."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from features.casting import quoted
from features.checks import GOOD
from features.contracts import TableContract, stored_schema
from features.mapping import TableSettings
from features.runrate import line_rates, to_micros

__all__ = ["happened", "settled"]

LINE_IDENTITY = ("account_id", "product", "plan", "kind", "currency", "starts_on")


def happened(contract: TableContract, settings: TableSettings) -> str | None:
    """Give the SQL of when a row's content was complete: the end of its grain, if it has one.

    Examples
    --------
    >>> from features.contracts import TABLES
    >>> happened(TABLES["usage"], TableSettings(grain="week"))
    '("occurred_at") + INTERVAL 1 WEEK - INTERVAL 1 MICROSECOND'
    """
    if contract.known is None or settings.grain is None or contract.name == "mrr_by_month":
        return contract.known
    return f"({contract.known}) + INTERVAL 1 {settings.grain.upper()} - INTERVAL 1 MICROSECOND"


def settled(
    connection: duckdb.DuckDBPyConnection,
    contract: TableContract,
    settings: TableSettings,
    extras: list[str],
) -> pa.Table:
    """Give the accepted rows in the contract's order, sorted by everything they hold.

    The order of rows in the source leaves no trace, so equal content gives equal bytes.
    """
    schema = stored_schema(contract.name)
    rates = dict(
        zip(("mrr_micros", "list_mrr_micros"), line_rates(settings.net_of_discount), strict=True)
    )
    special = rates if contract.name == "subscriptions" else {}
    special |= {
        column.stored_name: to_micros(quoted(column.name))
        for column in contract.stored
        if column.kind == "money" and column.stored_name not in special
    }
    moment = happened(contract, settings)
    if moment:
        special["known_at"] = f"coalesce(recorded_at, {moment})"
    names = [*schema.names, *extras]
    values = ", ".join(f"{special.get(name, quoted(name))} AS {quoted(name)}" for name in names)
    order = ", ".join(f"{quoted(name)} NULLS FIRST" for name in _order(contract, names))
    good = f"{GOOD} AND __i NOT IN (SELECT __i FROM twice)"
    sql = f"SELECT {values} FROM {good}"
    if contract.name == "subscriptions":
        sql = f"SELECT * REPLACE ({_line_id(names)} AS subscription_id) FROM ({sql})"
    rows = connection.sql(f"SELECT * FROM ({sql}) ORDER BY {order}").to_arrow_table()
    return rows.cast(pa.schema([*schema, *(pa.field(name, pa.string()) for name in extras)]))


def _order(contract: TableContract, names: list[str]) -> list[str]:
    first = [name for name in ("account_id", "occurred_at", "month", "starts_on") if name in names]
    return [*first, *(name for name in names if name not in first)]


def _line_id(names: list[str]) -> str:
    """Name a line without id by what it is; equal lines are told apart by a number."""
    parts = [f"coalesce(CAST({quoted(name)} AS VARCHAR), '')" for name in LINE_IDENTITY]
    digest = f"left(md5(concat_ws(chr(31), {', '.join(parts)})), 16)"
    group = ", ".join(
        f"subscription_id IS NULL, {quoted(name)}" if n == 0 else quoted(name)
        for n, name in enumerate(LINE_IDENTITY)
    )
    rest = ", ".join(f"{quoted(name)} NULLS FIRST" for name in names if name not in LINE_IDENTITY)
    ordinal = f"row_number() OVER (PARTITION BY {group} ORDER BY {rest})"
    return f"coalesce(subscription_id, {digest} || '-' || {ordinal})"
