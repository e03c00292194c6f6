"""How far the tables of a book reach at an as-of date: published beside the run's scores."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from features.book import Book
from features.coverage import DATED
from features.rollup import FEEDS, number_of
from features.view import days_of, feed_of

__all__ = ["freshness", "notes"]


def notes(book: Book, as_of: date, warnings: Sequence[str] = ()) -> dict[str, Any]:
    """Give what a run says of its own footing: warnings, and how far its tables reach."""
    return {"warnings": list(warnings), "tables": freshness(book, as_of)}


def freshness(book: Book, as_of: date) -> list[dict[str, Any]]:
    """Tell of each table with days of its own how far it reached before an as-of date.

    Returns
    -------
    list of dict
        ``table``; ``last``: the last day that it tells of, ISO, None where nothing was known yet;
        ``age_days``: days from then to the day before the as-of date; ``behind``: whether that is
        longer than the feed is used to be silent, so that its signals were taken as missing.

    Examples
    --------
    >>> import pandas as pd
    >>> lines = pd.DataFrame({"account_id": ["a"], "starts_on": [date(2025, 6, 1)]})
    >>> freshness(Book.of({"subscriptions": lines}), date(2025, 7, 1))
    [{'table': 'subscriptions', 'last': '2025-06-01', 'age_days': 29, 'behind': False}]
    """
    dated = [_dated(book, name, as_of) for name in DATED if book.has(name)]
    return dated + [_fed(book, name, as_of) for name in FEEDS if book.has(name)]


def _dated(book: Book, table: str, as_of: date) -> dict[str, Any]:
    column = DATED[table]
    asked = f"select max({column})::date from {table} where {column}::date < ?"
    found = book.connection.execute(asked, [as_of]).fetchone()
    return _told(table, found[0] if found else None, as_of, behind=False)


def _fed(book: Book, table: str, as_of: date) -> dict[str, Any]:
    today = number_of(as_of)
    days = book.once(f"days of {table}", lambda: days_of(book, table))
    known = days[(days["known_day"] < today) & (days["day"] < today)]["day"]
    feed = feed_of(book, table, as_of)
    if feed is None:
        return _told(table, None, as_of, behind=False)
    grain = feed.grain if table == "usage" else 1
    ago = max(today - int(known.max()) - grain, 0)
    return _told(table, as_of - timedelta(days=1 + ago), as_of, behind=feed.stale)


def _told(table: str, last: date | None, as_of: date, *, behind: bool) -> dict[str, Any]:
    age = None if last is None else (as_of - last).days - 1
    told = None if last is None else last.isoformat()
    return {"table": table, "last": told, "age_days": age, "behind": behind}
