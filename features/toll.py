"""The toll: what the breaches of a book cost, in rows, accounts and MRR, the most costly first.

Breaches of accounts and revenue come first: they make the figures themselves wrong. Of a table of revenue the MRR is what the lines set aside say themselves; of any other it is the
MRR of the accounts whose rows are missing. A row with two codes counts under both.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.amounts import money
from features.asof import first_of_month
from features.breaches import CURES
from features.mapping import Workspace
from features.report import IngestReport, TableReport
from features.units import money_shift

__all__ = ["MOST", "toll"]

MOST = 10
REVENUE = ("subscriptions", "mrr_by_month")

FORCE = {
    "subscriptions": """coalesce(TRY_CAST(starts_on AS DATE) <= $day, true)
        AND coalesce(TRY_CAST(ends_on AS DATE) > $day, true)
        AND coalesce(kind, '') NOT IN ('one_time', 'trial')""",
    "mrr_by_month": "coalesce(TRY_CAST(month AS DATE) >= $last, true)",
}
"""Which lines would be in force on the book's day; an unreadable date counts as one."""


def toll(
    report: IngestReport, aside: Path, paying: pd.Series, workspace: Workspace
) -> list[dict[str, Any]]:
    """Name the most costly breaches of a book.

    Parameters
    ----------
    report : IngestReport
        What an ingest found, with the book's day in its coverage.
    aside : Path
        Folder of the rows that it set aside; where a book is refused there are none.
    paying : Series
        Index account_id: MRR in micro-units on the book's day.
    workspace : Workspace
        For the units of amounts, and the book's currency.

    Returns
    -------
    list of dict
        At most ten: ``table``, ``code``, ``rows`` (set aside), ``accounts`` (paying ones among
        them; null where no row says whose it is, and where the book is refused), ``mrr`` (units of
        the book's currency; null likewise, and where no line can be read), ``mrr_of`` (``lines`` or ``accounts``), ``file``, ``row``, ``column``,
        ``found`` (of the first), ``cure``.
    """
    told = []
    for table, one in report.tables.items():
        costs = _costs(table, one, aside / f"{table}.parquet", paying, report, workspace)
        told += [
            {"table": table, "code": code} | costs[code] | _first(one, code) for code in one.codes
        ]
    return sorted(told, key=_dearest)[:MOST]


def _dearest(cost: Mapping[str, Any]) -> tuple[bool, float, int, str, str]:
    """Rank what makes the figures wrong before what signals lack; then by MRR, then by rows."""
    table = str(cost["table"])
    money_first = table not in (*REVENUE, "accounts")
    return money_first, -(cost["mrr"] or 0.0), -cost["rows"], table, str(cost["code"])


def _first(report: TableReport, code: str) -> dict[str, Any]:
    found = next((each for each in report.errors if each.code == code), None)
    place = {name: getattr(found, name, None) for name in ("file", "row", "column", "found")}
    return place | {"cure": found.cure if found else CURES.get(code, "")}


def _costs(
    table: str,
    told: TableReport,
    aside: Path,
    paying: pd.Series,
    report: IngestReport,
    workspace: Workspace,
) -> dict[str, dict[str, Any]]:
    """Sum up the rows of one table by code."""
    unknown: dict[str, Any] = {"accounts": None, "mrr": None, "mrr_of": None}
    found = {code: {"rows": rows} | unknown for code, rows in told.codes.items()}
    if not found or not aside.is_file():
        return found
    with duckdb.connect() as desk:
        known = {"account_id": paying.index.astype(str), "micros": paying.to_numpy("int64")}
        desk.register("paying", pa.table(known))
        days = _days(table, report) | {"path": str(aside)}
        desk.execute(_bad(table, aside, workspace), days)
        for code, *sums in desk.execute(SUMS).fetchall():
            if code in found:
                found[code] = _cost(table, *sums)
    return found


def _bad(table: str, aside: Path, workspace: Workspace) -> str:
    """Write the rows set aside, once for each of their codes."""
    named = "account_id" in pq.read_schema(aside).names
    account = "account_id" if named else "CAST(NULL AS VARCHAR) AS account_id"
    line = _line(table, workspace)
    return f"""CREATE TABLE bad AS SELECT unnest(list_distinct(codes)) AS code, {account},
        {line} AS line FROM read_parquet($path)"""


def _cost(
    table: str, rows: int, named: int, accounts: int, micros: int, lines: int | None
) -> dict[str, Any]:
    """Tell the sums of one code; whose rows they are is unknown where none of them says it."""
    mrr, of = (lines, "lines") if table in REVENUE else (micros, "accounts")
    return {
        "rows": rows,
        "accounts": accounts if named else None,
        "mrr": money(int(mrr)) if named and mrr is not None else None,
        "mrr_of": of,
    }


SUMS = """
SELECT code, max(rows), count(account_id), count(micros), coalesce(sum(micros), 0), max(lines)
FROM (
    SELECT code, account_id, sum(count(*)) OVER (PARTITION BY code) AS rows,
        sum(sum(line)) OVER (PARTITION BY code) AS lines
    FROM bad GROUP BY code, account_id
) LEFT JOIN paying USING (account_id) GROUP BY code"""


def _days(table: str, report: IngestReport) -> dict[str, Any]:
    """Give the days by which lines are judged to be in force."""
    if table not in REVENUE:
        return {}
    day = date.fromisoformat(report.coverage["as_of"])
    if table == "subscriptions":
        return {"day": day}
    return {"last": first_of_month(day - timedelta(days=1))}


def _line(table: str, workspace: Workspace) -> str:
    """Write what a line says that it brings a month, in micro-units of the book's currency."""
    if table not in REVENUE:
        return "CAST(NULL AS HUGEINT)"
    ours = f"coalesce(currency, '') IN ('', '{workspace.book.currency}')"
    whole = _amount("mrr", table, workspace)
    if table == "subscriptions":
        months = "greatest(coalesce(TRY_CAST(interval_months AS INTEGER), 1), 1)"
        whole = f"coalesce({whole}, {_amount('amount', table, workspace)} / {months})"
    return f"CASE WHEN {ours} AND {FORCE[table]} THEN CAST(round({whole}) AS HUGEINT) END"


def _amount(column: str, table: str, workspace: Workspace) -> str:
    """Write an amount in micro-units; null where it is none, or beyond all bounds."""
    unit = workspace.table(table).units.get(column, "major")
    shift = 6 + money_shift(unit, workspace.book.currency)
    value = f"TRY_CAST({column} AS DOUBLE)"
    return f"CASE WHEN abs({value}) < 1e12 THEN {value} * 1e{shift} END"
