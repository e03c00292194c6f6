"""The rows of usage: the windows of its feed, and its people.

``age`` 0 is the last day that the feed covers. Windows are read by themselves, and of the past
beyond them only what an account did first and last, so that the cost hardly grows with history.
"""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw

from features.signal import Rows
from features.view import View

__all__ = [
    "EVER",
    "FEED",
    "HALF_YEAR",
    "MONTH",
    "PEOPLE",
    "PEOPLE_YEAR_AGO",
    "QUARTER",
    "RECENT",
    "TOLD",
    "YEAR",
    "YEAR_AGO",
    "known_usage",
    "weeks",
]

MONTH, QUARTER, HALF_YEAR = 28, 91, 182
YEAR = 364  # 52 whole weeks, so that the same weekdays are compared
age, some = nw.col("age"), nw.col("count") > 0


def known_usage(
    view: View, name: str, days: int | None = None, before: int = 0
) -> nw.LazyFrame[Any]:
    """Give the known rows of a roll-up of usage with their ``age`` from the end of the feed.

    Parameters
    ----------
    view : View
        With a feed of usage.
    name : str
        The roll-up.
    days : int, optional
        Length of the window; all of history if absent.
    before : int
        How many days before the end of the feed the window ends.
    """
    feed = view.feeds["usage"]
    last = feed.end - feed.grain - before
    since = None if days is None else last - days + 1
    rows = view.book.rolled(name, since)
    rows = rows.filter(nw.col("known_day") < view.today, nw.col("day") <= last)
    if since is not None:
        rows = rows.filter(nw.col("day") >= since)
    return rows.with_columns(age=last + before - nw.col("day"))


def weeks(first: int, last: int) -> nw.Expr:
    """Say whether a row lies in the weeks from ``first`` to ``last`` (not included)."""
    return (age >= 7 * first) & (age < 7 * last)


def _ever(view: View) -> nw.LazyFrame[Any]:
    return known_usage(view, "usage_by_day")


def _recent(view: View) -> nw.LazyFrame[Any]:
    """Give each day of 91 once, though some of its rows may have become known later."""
    rows = known_usage(view, "usage_by_day", QUARTER)
    if not view.feeds["usage"].mixed:
        return rows
    sums = (nw.col(name).sum() for name in ("count", "quantity"))
    return rows.group_by("account_id", "age").agg(*sums)


def _told(view: View) -> nw.LazyFrame[Any]:
    return known_usage(view, "usage_by_day", QUARTER).filter(~nw.col("users").is_null())


def _year_ago(view: View) -> nw.LazyFrame[Any]:
    return known_usage(view, "usage_by_day", QUARTER, before=YEAR)


def _people(view: View) -> nw.LazyFrame[Any]:
    """Give one row per account and named user of 91 days: the least age, and when else seen."""
    rows = known_usage(view, "usage_by_user", QUARTER).group_by("account_id", "user_id")
    when = {f"week{k}": weeks(k, k + 1) for k in range(1, 5)} | {"month1": weeks(4, 8)}
    seen = {name: nw.when(within).then(1).otherwise(0).max() for name, within in when.items()}
    return rows.agg(age.min(), **seen)


def _people_year_ago(view: View) -> nw.LazyFrame[Any]:
    rows = known_usage(view, "usage_by_user", QUARTER, before=YEAR)
    return rows.group_by("account_id", "user_id").agg(age.min())


FEED = ("usage",)
EVER = Rows("all usage", FEED, _ever)
RECENT = Rows("usage of 91 days", FEED, _recent)
TOLD = Rows("users by totals", FEED, _told)
YEAR_AGO = Rows("usage a year before", FEED, _year_ago)
PEOPLE = Rows("users", FEED, _people)
PEOPLE_YEAR_AGO = Rows("users a year before", FEED, _people_year_ago)
