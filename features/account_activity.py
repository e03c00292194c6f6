"""What each account did lately: usage week by week, tickets month by month.

Facts for a reader's eye, not signals: nothing is learned from them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from features.asof import add_months, first_of_month
from features.rollup import EPOCH, SCALE, number_of
from features.usage_rows import known_usage
from features.view import View

__all__ = ["TICKET_MONTHS", "USAGE_WEEKS", "tickets_by_month", "usage_by_week"]

USAGE_WEEKS = 26
"""Weeks of usage that are kept."""
TICKET_MONTHS = 12
"""Calendar months of tickets that are kept, the running one with them."""
_WEEK = 7


def usage_by_week(view: View, accounts: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Give each account's events and active users by week, oldest week first.

    Parameters
    ----------
    view : View
        The book as it was known.
    accounts : iterable of str
        Which accounts; one without rows has zeros.

    Returns
    -------
    dict
        By account ``until`` (last day that the feed covers), ``events`` and ``users`` (26 numbers
        each; ``users`` is null where the feed does not say who used it); or nulls with a
        ``reason``. Weeks end where the feed ends.
    """
    if "usage" not in view.feeds:
        return dict.fromkeys(accounts, _no_usage("the book has no usage before this date"))
    feed = view.feeds["usage"]
    if feed.grain > _WEEK:
        return dict.fromkeys(accounts, _no_usage("usage comes by month, not by week"))
    until = str(EPOCH + timedelta(days=feed.end - 1))
    names = list(accounts)
    place = {name: at for at, name in enumerate(names)}
    events = _grid(_weekly_events(view), place) / SCALE
    users, told = _users(view, place)
    return {
        name: {
            "until": until,
            "events": _whole(events[at]),
            "users": users[at].astype(int).tolist() if told[at] else None,
        }
        for name, at in place.items()
    }


def _no_usage(reason: str) -> dict[str, Any]:
    return {"until": None, "events": None, "users": None, "reason": reason}


def _weekly_events(view: View) -> pd.DataFrame:
    rows = known_usage(view, "usage_by_day", USAGE_WEEKS * _WEEK)
    return _summed(rows.select("account_id", _WEEK_OF, value=nw.col("count")), total=True)


def _users(view: View, place: dict[str, int]) -> tuple[Any, Any]:
    """Count named users; where an account has none, take the totals that its rows tell."""
    rows = known_usage(view, "usage_by_user", USAGE_WEEKS * _WEEK)
    people = rows.select("account_id", _WEEK_OF, "user_id").unique()
    named = _grid(_summed(people.with_columns(value=nw.lit(1)), total=True), place)
    days = known_usage(view, "usage_by_day", USAGE_WEEKS * _WEEK)
    totals = days.filter(~nw.col("users").is_null())
    totalled = _summed(totals.select("account_id", _WEEK_OF, value=nw.col("users")), total=False)
    told = _grid(totalled, place)
    has_names, has_totals = named.any(axis=1), np.zeros(len(place), dtype=bool)
    has_totals[[place[name] for name in set(totalled["account_id"]) & place.keys()]] = True
    return np.where(has_names[:, None], named, told), has_names | has_totals


_WEEK_OF = (nw.col("age") // _WEEK).alias("week")


def _summed(rows: nw.LazyFrame[Any], *, total: bool) -> pd.DataFrame:
    value = nw.col("value").sum() if total else nw.col("value").max()
    found = rows.group_by("account_id", "week").agg(value).collect("pyarrow").to_native()
    return found.to_pandas()


def _grid(found: pd.DataFrame, place: dict[str, int]) -> Any:
    """Lay account, week and value out as one row of 26 weeks per account, oldest first."""
    grid = np.zeros((len(place), USAGE_WEEKS))
    known = found[found["account_id"].isin(place) & found["week"].between(0, USAGE_WEEKS - 1)]
    at = known["account_id"].map(place).to_numpy(int)
    grid[at, USAGE_WEEKS - 1 - known["week"].to_numpy(int)] = known["value"].to_numpy(float)
    return grid


def _whole(values: Any) -> list[float]:
    return [int(value) if value.is_integer() else float(value) for value in values]


def tickets_by_month(view: View, accounts: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Give each account's tickets opened and solved by calendar month, oldest month first.

    Returns
    -------
    dict
        By account ``months`` (``YYYY-MM``, the last one is that of the day before the as-of
        date), ``opened`` and ``solved`` (closed in that month, whenever opened), ``open_now``;
        or nulls with a ``reason``.
    """
    none = {"months": None, "opened": None, "solved": None, "open_now": None}
    if "tickets" not in view.feeds:
        return dict.fromkeys(accounts, none | {"reason": "the book has no tickets"})
    if not view.gives("tickets", "closed_at"):
        return dict.fromkeys(accounts, none | {"reason": "tickets came without closed_at"})
    last = first_of_month(view.as_of - timedelta(days=1))
    starts = [add_months(last, n - TICKET_MONTHS + 1) for n in range(TICKET_MONTHS)]
    edges = [number_of(day) for day in (*starts, add_months(last, 1))]
    columns = ("account_id", "day", "closed_day")
    rows = view.rows("tickets").select(*columns).collect("pyarrow").to_native().to_pandas()
    place = {name: at for at, name in enumerate(accounts)}
    opened, solved = (_counted(rows, name, edges, place) for name in ("day", "closed_day"))
    open_now = rows[rows["closed_day"].isna()]["account_id"].value_counts().to_dict()
    months = [f"{day:%Y-%m}" for day in starts]
    return {
        name: {
            "months": months,
            "opened": opened[at].tolist(),
            "solved": solved[at].tolist(),
            "open_now": int(open_now.get(name, 0)),
        }
        for name, at in place.items()
    }


def _counted(rows: pd.DataFrame, column: str, edges: list[int], place: dict[str, int]) -> Any:
    """Count the days of a column by account and month."""
    grid = np.zeros((len(place), len(edges) - 1), dtype=int)
    day = rows[column].astype(float)
    known = rows[rows["account_id"].isin(place) & (day >= edges[0]) & (day < edges[-1])]
    month = np.searchsorted(edges, known[column].to_numpy(float), side="right") - 1
    np.add.at(grid, (known["account_id"].map(place).to_numpy(int), month), 1)
    return grid
