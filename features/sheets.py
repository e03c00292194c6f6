"""Sheets: a ledger laid out on an engine, its accounts or lines by number.

A sheet named ``s`` is three tables: ``s_units`` (unit, account, line keys: who pays), ``s_months``
(unit, m, what moved in month m) and ``s_standings`` (unit, stay, from m until before until_m:
closing, metered, grace, and running sums of what moved so far). All are as sparse as the ledger:
nothing has a row for every month. Beside them ``accounts`` numbers the accounts.

A *stay* is what counts as one and the same customer. A return begins another stay where the
rules say that it is new, or out of NRR; the stay before then stands at zero for ever.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pyarrow as pa

from features.levers import LEVERS
from features.rules import Rules

__all__ = ["FLOWS", "FOREVER", "MOVED", "PARTS", "Sheet", "lay_out", "number_accounts", "running"]

FLOWS = ("new", "reactivation", "expansion", "contraction", "churned", "fx")
"""Classes of movements."""

PARTS = ("involuntary_churn", "pause_churn", "merger_churn")
"""Parts of what churned."""

MOVED = (*FLOWS, *LEVERS, *PARTS)
"""All that a month's row says of movements."""

FOREVER = 2**31 - 1
"""Until when the last row of a stay holds once another stay has begun."""

_STARTS = {"excluded": "new > 0 OR reactivation > 0", "new": "new > 0"}
"""What begins another stay."""


@dataclass(frozen=True)
class Sheet:
    """A ledger laid out.

    Attributes
    ----------
    name : str
        Prefix of its tables.
    lines : tuple of str
        Line keys of its units; empty where units are accounts.
    """

    name: str
    lines: tuple[str, ...] = ()

    @classmethod
    def of(cls, lines: tuple[str, ...]) -> Sheet:
        """Name the sheet of accounts, or of lines by these keys.

        Examples
        --------
        >>> Sheet.of(()).name, Sheet.of(("product", "plan")).name
        ('account', 'product_plan')
        """
        return cls("_".join(lines) or "account", lines)


def number_accounts(connection: duckdb.DuckDBPyConnection, ledger: pa.Table) -> None:
    """Write ``accounts``: account (its number, in the order of ids), account_id, first (month)."""
    connection.register("ledger", ledger)
    connection.execute("""
    CREATE TABLE accounts AS
    SELECT CAST(row_number() OVER (ORDER BY account_id) AS INTEGER) AS account, account_id,
        min(m) AS first
    FROM ledger GROUP BY account_id""")
    connection.unregister("ledger")


def lay_out(
    connection: duckdb.DuckDBPyConnection,
    ledger: pa.Table,
    sheet: Sheet,
    rules: Rules,
) -> None:
    """Write the three tables of a sheet; ``accounts`` must be there.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Where to.
    ledger : pyarrow.Table
        From `features.ledger.month_table`, with the sheet's line keys.
    sheet : Sheet
        Names the tables.
    rules : Rules
        Say what begins another stay, and which running sums are needed.
    """
    keys = "".join(f", {key}" for key in sheet.lines)
    moved = ", ".join(f"{name}_micros AS {name}" for name in MOVED)
    connection.register("ledger", ledger)
    for query in (
        f"""CREATE TABLE {sheet.name}_units AS
    SELECT CAST(row_number() OVER () AS INTEGER) AS unit, account{keys}
    FROM (SELECT DISTINCT account_id{keys} FROM ledger) JOIN accounts USING (account_id)""",
        f"""CREATE TEMP VIEW numbered AS
    SELECT unit, m, until_m, closing_micros AS closing, metered_micros AS metered,
        grace_micros AS grace, organic_micros AS organic, {moved}
    FROM ledger JOIN accounts USING (account_id)
    JOIN {sheet.name}_units USING (account{keys})""",
        f"CREATE TABLE {sheet.name}_months AS SELECT unit, m, {', '.join(MOVED)} FROM numbered",
        _standings(sheet, rules),
        "DROP VIEW numbered",
    ):
        connection.execute(query)
    connection.unregister("ledger")


def running(rules: Rules) -> tuple[str, ...]:
    """List the running sums that standings carry.

    Examples
    --------
    >>> running(Rules())
    ('organic',)
    """
    return ("organic", "up", "down", "gone") if rules.losses == "movements" else ("organic",)


def _standings(sheet: Sheet, rules: Rules) -> str:
    """Write the running sums; the last row of a stay holds for ever once another has begun."""
    starts = _STARTS.get(rules.reactivation)
    stay = f"CAST(count(*) FILTER ({starts}) OVER w AS INTEGER)" if starts else "0"
    sums = _MOVEMENTS if rules.losses == "movements" else {"organic": "organic"}
    summed = ", ".join(f"CAST(sum({sql}) OVER w AS BIGINT) AS {name}" for name, sql in sums.items())
    table = f"""
    SELECT unit, {stay} AS stay, m, until_m, closing, metered, grace, {summed}
    FROM numbered WINDOW w AS (PARTITION BY unit ORDER BY m)"""
    if starts:
        table = f"""
    SELECT * REPLACE (CASE WHEN lead(stay) OVER (PARTITION BY unit ORDER BY m) <> stay
        THEN {FOREVER} ELSE until_m END AS until_m) FROM ({table})"""
    return f"CREATE TABLE {sheet.name}_standings AS {table}"


# What a month adds to the sums of movements: a return is a rise, and so may fx be.
_MOVEMENTS = {
    "organic": "greatest(least(organic, expansion), 0)",
    "up": "expansion + reactivation + new + greatest(fx, 0)",
    "down": "contraction + greatest(-fx, 0)",
    "gone": "churned",
}
