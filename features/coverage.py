"""Coverage: what a book holds, and in plain words what it cannot answer."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from features.asof import add_months, first_of_month, month_end, months_between
from features.feed_reach import FeedReach

__all__ = ["cover", "default_as_of", "limits_of", "month_ends", "without_history"]

DATED = {
    "subscriptions": "starts_on",
    "mrr_by_month": "month",
}
YEAR = 13
FEW, NEARLY_ALL, CYCLE = 20, 0.9, timedelta(days=31)


def _days(table: pa.Table, column: str) -> pa.ChunkedArray:
    values = table[column]
    return (
        values
        if pa.types.is_date32(values.type)
        else values.cast(pa.timestamp("us")).cast(pa.date32(), safe=False)
    )


def _extent(table: pa.Table, column: str) -> tuple[date | None, date | None]:
    ends = pc.min_max(_days(table, column)).as_py()
    return ends["min"], ends["max"]


def _share(table: pa.Table, accounts: set[str]) -> float | None:
    if "account_id" not in table.column_names or not accounts:
        return None
    covered = set(table["account_id"].unique().to_pylist()) & accounts
    return round(len(covered) / len(accounts), 4)


def cover(tables: dict[str, pa.Table], reaches: dict[str, FeedReach]) -> dict[str, Any]:
    """Give rows, share of accounts covered, first and last date of every table.

    Examples
    --------
    >>> accounts = pa.table({"account_id": ["a", "b"]})
    >>> covered = cover({"accounts": accounts}, {"usage": FeedReach(9, 1)})
    >>> covered["accounts"]
    {'rows': 2, 'accounts_covered': 1.0, 'first': None, 'last': None}
    >>> covered["usage"]["accounts_covered"]
    0.5
    """
    accounts = set(tables["accounts"]["account_id"].to_pylist()) if "accounts" in tables else set()
    covered = {name: _covered(name, table, accounts) for name, table in tables.items()}
    return covered | {name: _reached(reach, len(accounts)) for name, reach in reaches.items()}


def _reached(reach: FeedReach, accounts: int) -> dict[str, Any]:
    told = reach.to_json()
    share = round(reach.accounts / accounts, 4) if accounts else None
    return {
        "rows": reach.rows,
        "accounts_covered": share,
        "first": told["first"],
        "last": told["last"],
    }


def _covered(name: str, table: pa.Table, accounts: set[str]) -> dict[str, Any]:
    first, last = _extent(table, DATED[name]) if name in DATED else (None, None)
    return {
        "rows": table.num_rows,
        "accounts_covered": _share(table, accounts),
        "first": first.isoformat() if first else None,
        "last": last.isoformat() if last else None,
    }


def default_as_of(
    tables: dict[str, pa.Table],
    reaches: dict[str, FeedReach],
    now: datetime,
    grains: dict[str, str],
) -> date:
    """Give the day after the latest thing that happened, never after today.

    Aggregated rows count to the end of their grain. A book of monthly figures snaps back to a
    month's start.

    Examples
    --------
    >>> from datetime import UTC
    >>> months = pa.table({"month": pa.array([date(2025, 5, 1)])})
    >>> default_as_of({"mrr_by_month": months}, {}, datetime(2026, 1, 9, tzinfo=UTC), {})
    datetime.date(2025, 6, 1)
    """
    today = now.date()
    last = {name: _last(tables[name], DATED[name], today) for name in DATED if name in tables}
    last |= {name: min(each.last, today) for name, each in reaches.items() if each.last}
    ends = [_end(name, day, grains.get(name)) for name, day in last.items() if day]
    as_of = min(max(ends, default=today) + timedelta(days=1), today)
    return first_of_month(as_of) if "mrr_by_month" in tables else as_of


def _last(table: pa.Table, column: str, today: date) -> date | None:
    days = _days(table, column)
    found: date | None = pc.max(days.filter(pc.less_equal(days, today))).as_py()
    return found


def _end(name: str, day: date, grain: str | None) -> date:
    """Give the last day of what begins on a day."""
    if grain == "month" or name == "mrr_by_month":
        return add_months(day, 1) - timedelta(days=1)
    return day + timedelta(days=6) if grain == "week" else day


def limits_of(tables: dict[str, pa.Table], as_of: date) -> list[str]:
    """Say what the book cannot answer: no ended line, no history, too few month-ends.

    Examples
    --------
    >>> line = {"starts_on": [date(2025, 5, 3)], "ends_on": pa.array([None], pa.date32())}
    >>> for said in limits_of({"subscriptions": pa.table(line)}, date(2025, 7, 1)):
    ...     print(said)
    no line has ended: a book of today's subscriptions has no churn in it, and NRR would be overstated
    2 month-ends (2025-05-31 to 2025-06-30): month exists; quarter needs 4, trailing 12 months needs 13
    """
    if not {"subscriptions", "mrr_by_month"} & set(tables):
        return []
    first = _first_paid(tables)
    said = without_history(tables, as_of)
    return said + (_windows(first, as_of) if first else ["nobody ever paid"])


def month_ends(tables: dict[str, pa.Table], as_of: date) -> int:
    """Count the month-ends that have passed since revenue begins.

    Examples
    --------
    >>> line = {"starts_on": [date(2025, 5, 3)]}
    >>> month_ends({"subscriptions": pa.table(line)}, date(2025, 7, 1))
    2
    """
    first = _first_paid(tables)
    return 0 if first is None else max(months_between(first, _last_month(as_of)) + 1, 0)


def without_history(tables: dict[str, pa.Table], as_of: date) -> list[str]:
    """Say why the past may be missing: no line has ended, or nearly all of them are new.

    Examples
    --------
    >>> line = {"starts_on": [date(2025, 5, 3)], "ends_on": pa.array([None], pa.date32())}
    >>> without_history({"subscriptions": pa.table(line)}, date(2025, 7, 1))[0][:17]
    'no line has ended'
    """
    return _history(tables["subscriptions"], as_of) if "subscriptions" in tables else []


def _first_paid(tables: dict[str, pa.Table]) -> date | None:
    """Give the first day of revenue."""
    if "subscriptions" in tables:
        return _extent(tables["subscriptions"], "starts_on")[0]
    if "mrr_by_month" not in tables:
        return None
    months = tables["mrr_by_month"]
    return _extent(months.filter(pc.greater(months["mrr_micros"], 0)), "month")[0]


def _last_month(as_of: date) -> date:
    """Give the last day of the last month that has closed."""
    end = month_end(as_of)
    return end if end < as_of else as_of.replace(day=1) - timedelta(days=1)


def _history(lines: pa.Table, as_of: date) -> list[str]:
    starts, ends = lines["starts_on"], lines["ends_on"]
    if lines.num_rows and not pc.any(pc.less_equal(ends, as_of), min_count=0).as_py():
        later = pc.sum(pc.greater(ends, as_of), min_count=0).as_py()
        if later:
            return [
                f"no line has ended by {as_of}, {later} of {lines.num_rows} end later: "
                "where the export is of a later day, say which in [book] as_of"
            ]
        return [
            "no line has ended: a book of today's subscriptions has no churn in it, "
            "and NRR would be overstated"
        ]
    _, last = _extent(lines, "starts_on")
    if lines.num_rows < FEW or last is None:
        return []
    recent = pc.mean(pc.greater(starts, last - CYCLE).cast(pa.float64())).as_py()
    if recent <= NEARLY_ALL:
        return []
    return [
        f"{recent:.0%} of lines start in the last cycle: there is no history, "
        "and NRR would be overstated"
    ]


def _windows(first: date, as_of: date) -> list[str]:
    last = _last_month(as_of)
    ends = months_between(first, last) + 1
    if ends >= YEAR:
        return []
    if ends < 1:
        return ["no month has closed yet: no window exists"]
    spans = {"month": 2, "quarter": 4, "trailing 12 months": YEAR}
    there = [name for name, needed in spans.items() if ends >= needed]
    lacking = [f"{name} needs {needed}" for name, needed in spans.items() if ends < needed]
    have = (
        f"{' and '.join(there)} exist{'s' if len(there) == 1 else ''}" if there else "none exists"
    )
    span = f"{month_end(first)} to {last}"
    return [f"{ends} month-ends ({span}): {have}; {', '.join(lacking)}"]
