"""Roll-ups: what ingest keeps of a feed, summed once by account and day.

A roll-up bears the day on which something happened and the day on which it became known (whole
UTC days since 1970-01-01), so that one table serves every as-of date and a late row counts only
from the day on which it was recorded. Counts and quantities are whole thousandths: such a sum
does not depend on the order of the rows, and two sums of parts make the sum of the whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import narwhals.stable.v2 as nw
import pyarrow as pa

from features.casting import quoted
from features.contracts import stored_schema

__all__ = [
    "FEEDS",
    "HAPPENED",
    "ROLLUPS",
    "SCALE",
    "RollUp",
    "columns_of",
    "day_number",
    "merged",
    "number_of",
    "numbered",
    "rolled",
    "rollups_of",
    "words_of",
]

SCALE = 1_000
LARGEST = 9e12
EPOCH = date(1970, 1, 1)
HAPPENED = {
    "usage": "occurred_at",
    "events": "occurred_at",
    "tickets": "opened_at",
    "touchpoints": "occurred_at",
    "limits": "observed_on",
    "growth": "observed_on",
}
FEEDS = tuple(HAPPENED)
STAMPS = ("recorded_at", "known_at")


@dataclass(frozen=True)
class RollUp:
    """One table that a snapshot keeps of a feed.

    Attributes
    ----------
    feed : str
        The source table.
    keys : tuple of str
        One row per such key; empty: the rows of the feed are kept as they are.
    values : mapping of str to str
        Column → SQL aggregate over the rows of a key, which also merges two roll-ups.
    where : str
        Which rows count.
    """

    feed: str
    keys: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    where: str = "true"


_SUMS = {
    "count": "CAST(sum(count) AS BIGINT)",
    "quantity": "CAST(sum(quantity) AS BIGINT)",
    "users": "max(users)",
}

ROLLUPS: dict[str, RollUp] = {
    "usage_by_feature": RollUp("usage", ("account_id", "day", "known_day", "feature"), _SUMS),
    "usage_by_day": RollUp("usage", ("account_id", "day", "known_day"), _SUMS),
    "usage_by_user": RollUp(
        "usage",
        ("account_id", "day", "user_id"),
        {"known_day": "min(known_day)"},
        "user_id IS NOT NULL AND count > 0",
    ),
    "events": RollUp(
        "events",
        ("account_id", "day", "known_day", "kind", "feature", "user_id"),
        {"count": "CAST(sum(count) AS BIGINT)"},
    ),
    "tickets": RollUp("tickets"),
    "touchpoints": RollUp("touchpoints"),
    "limits": RollUp("limits"),
    "growth": RollUp("growth"),
}


def rollups_of(feed: str) -> list[str]:
    """List the roll-ups of a feed.

    Examples
    --------
    >>> rollups_of("usage"), rollups_of("tickets")
    (['usage_by_feature', 'usage_by_day', 'usage_by_user'], ['tickets'])
    """
    return [name for name, rollup in ROLLUPS.items() if rollup.feed == feed]


def words_of(feed: str) -> tuple[str, ...]:
    """List the texts by which a feed is summed: they recur, and are carried as codes.

    Examples
    --------
    >>> words_of("usage"), words_of("tickets")
    (('account_id', 'feature', 'user_id'), ())
    """
    keys = {key for name in rollups_of(feed) for key in ROLLUPS[name].keys}
    schema = stored_schema(feed)
    return tuple(
        sorted(
            key for key in keys & set(schema.names) if pa.types.is_string(schema.field(key).type)
        )
    )


def columns_of(name: str) -> list[str]:
    """List the columns of a roll-up, in the order by which its rows are sorted.

    Examples
    --------
    >>> columns_of("usage_by_day")
    ['account_id', 'day', 'known_day', 'count', 'quantity', 'users']
    """
    rollup = ROLLUPS[name]
    if rollup.keys:
        return [*rollup.keys, *rollup.values]
    kept = [column for column in stored_schema(rollup.feed).names if column not in STAMPS]
    days = ["day", "known_day", *(["closed_day"] if rollup.feed == "tickets" else [])]
    return ["account_id", *days, *(column for column in kept if column != "account_id")]


def rolled(name: str, source: str) -> str:
    """Give the SQL of a roll-up over typed rows of its feed (a table or sub-query, in UTC).

    Examples
    --------
    >>> rolled("usage_by_user", "usage").split(" GROUP BY ")[1].split(" ORDER")[0]
    'account_id, day, user_id'
    """
    rollup = ROLLUPS[name]
    return _gathered(name, f"SELECT * FROM ({numbered(rollup.feed, source)}) WHERE {rollup.where}")


def merged(name: str, sources: Sequence[str]) -> str:
    """Give the SQL that merges roll-ups of the same name (tables or sub-queries) into one.

    Examples
    --------
    >>> merged("growth", ["old", "new"]).count("UNION ALL")
    1
    """
    columns = ", ".join(map(quoted, columns_of(name)))
    return _gathered(name, " UNION ALL ".join(f"SELECT {columns} FROM {each}" for each in sources))


def number_of(day: date) -> int:
    """Number the days from 1970-01-01, so that windows are whole numbers.

    Examples
    --------
    >>> number_of(date(1970, 1, 2)), number_of(date(2025, 7, 1))
    (1, 20270)
    """
    return (day - EPOCH).days


def day_number(column: str) -> nw.Expr:
    """Give the number of the UTC day of a timestamp or date column, on every engine.

    Years and days of the year are whole-number arithmetic, and forty times faster than a
    difference of timestamps.
    """
    year, day = nw.col(column).dt.year().cast(nw.Int64), nw.col(column).dt.ordinal_day()
    leaps = (year - 1969) // 4 - (year - 1901) // 100 + (year - 1601) // 400
    return 365 * (year - 1970) + leaps + day.cast(nw.Int64) - 1


def _gathered(name: str, source: str) -> str:
    rollup, columns = ROLLUPS[name], [quoted(column) for column in columns_of(name)]
    order = ", ".join(f"{column} NULLS FIRST" for column in columns)
    if not rollup.keys:
        return f"SELECT {', '.join(columns)} FROM ({source}) ORDER BY {order}"
    keys = ", ".join(rollup.keys)
    values = ", ".join(f"{sql} AS {column}" for column, sql in rollup.values.items())
    return f"SELECT {keys}, {values} FROM ({source}) GROUP BY {keys} ORDER BY {order}"


def numbered(feed: str, source: str) -> str:
    """Give the SQL that numbers the days of a feed's rows, and scales what is summed."""
    happened = HAPPENED[feed]
    days = f"{_day(happened)} AS day, {_day('known_at')} AS known_day"
    if feed == "usage":
        count, quantity = _thousandths("coalesce(count, 1)"), _thousandths("quantity")
        return (
            f"SELECT account_id, feature, user_id, {days}, {count} AS count, "
            f"{quantity} AS quantity, users FROM {source}"
        )
    if feed == "events":
        return f"SELECT account_id, kind, feature, user_id, {days}, 1 AS count FROM {source}"
    closed = f", {_day('closed_at')} AS closed_day" if feed == "tickets" else ""
    return f"SELECT *, {days}{closed} FROM {source}"


def _day(column: str) -> str:
    return f"CAST(epoch_us(CAST({column} AS TIMESTAMPTZ)) // 86400000000 AS INTEGER)"


def _thousandths(number: str) -> str:
    within = f"least(greatest({number}, -{LARGEST}), {LARGEST})"
    return f"CASE WHEN {number} IS NOT NULL THEN CAST(round({within} * {SCALE}) AS BIGINT) END"
