"""The oracle's page on usage: how much, by how many, and which way it is going.

Windows end where the feed ends: ``back`` 0 is the last day (or week) that it covers. Rows that
are sums of a week or a month count on the day on which they start.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd

from tests.pandas_contracts import in_force
from tests.pandas_known import Feed, Known
from tests.pandas_page import MISSING, Page, over, quantile, remembered

SIGNALS = Page()
Span = tuple[int, int]
QUARTER, YEAR_AGO = (0, 91), (364, 455)


def rows_of(known: Known, account: str) -> pd.DataFrame | None:
    """Give an account's usage; None: no usage rows for the account yet, or the feed is behind."""
    feed = known.fresh("usage")
    rows = feed.of(account) if feed else None
    return None if rows is None or rows.empty else rows


def within(rows: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    """Keep the rows from ``first`` days back (included) to ``last`` (not included)."""
    return rows[(rows["back"] >= first) & (rows["back"] < last)]


def events(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows in which something happened: a count of zero is no event."""
    return rows[rows["count"].fillna(1.0) > 0]


def counted(rows: pd.DataFrame) -> float:
    """Add up the counts; a row without one is one event."""
    return float(rows["count"].fillna(1.0).sum())


def people(rows: pd.DataFrame, every: pd.DataFrame) -> float:
    """Count distinct users, or take the largest count where the rows are totals.

    An account that has named users at any time is counted by names; the feed says nothing if it
    gives neither names nor totals for the account.
    """
    if every["user_id"].notna().any():
        return float(events(rows)["user_id"].nunique())
    if every["users"].notna().any():
        return float(rows["users"].max()) if rows["users"].notna().any() else 0.0
    return MISSING


@remembered
def columns(known: Known, account: str) -> pd.DataFrame | None:
    """Give an account's usage with every column of the contract."""
    rows = rows_of(known, account)
    if rows is None:
        return None
    lacking = [name for name in ("user_id", "users", "count", "quantity") if name not in rows]
    return rows.assign(
        **{name: pd.Series([None] * len(rows), dtype=object, index=rows.index) for name in lacking}
    )


def reach(known: Known) -> Feed:
    feed = known.feed("usage")
    assert feed is not None
    return feed


@SIGNALS.windows(7, 28, 91)
def usage_events(known: Known, account: str, days: int) -> float:
    """Events in the last N days."""
    rows = columns(known, account)
    return MISSING if rows is None else counted(within(rows, 0, days))


@SIGNALS.windows(7, 28, 91)
def usage_active_days(known: Known, account: str, days: int) -> float:
    """Days with any event in the last N days (weeks, where rows are weekly)."""
    rows = columns(known, account)
    return MISSING if rows is None else float(events(within(rows, 0, days))["day"].nunique())


@SIGNALS.windows(7, 28, 91)
def usage_users(known: Known, account: str, days: int) -> float:
    """Distinct users in the last N days (the largest count, where rows are totals)."""
    rows = columns(known, account)
    return MISSING if rows is None else people(within(rows, 0, days), rows)


@SIGNALS.signal
def usage_ratio_28d(known: Known, account: str) -> float:
    """Events of the last 28 days / the 28 days before; fewer than 56 days of usage: missing."""
    rows = columns(known, account)
    if rows is None or reach(known).end - rows["day"].min() < 56:
        return MISSING
    return over(counted(within(rows, 0, 28)), counted(within(rows, 28, 56)))


@SIGNALS.signal
def usage_slope_13w(known: Known, account: str) -> float:
    """Slope of 13 weekly totals / their mean; no usage in 13 weeks: missing."""
    rows = columns(known, account)
    if rows is None:
        return MISSING
    weeks = [counted(within(rows, 7 * week, 7 * week + 7)) for week in range(13)]
    slope = sum((6 - week) * total for week, total in enumerate(weeks)) / 182
    return over(slope, sum(weeks) / 13)


@SIGNALS.signal
def usage_days_since_last(known: Known, account: str) -> float:
    """Days since the last event (0: on the last day that the feed covers)."""
    rows = columns(known, account)
    return MISSING if rows is None else float(events(rows)["back"].min())


@SIGNALS.signal
def usage_gap_ratio(known: Known, account: str) -> float:
    """Days since the last event / the 95th percentile of the gaps between active days of 182 days."""
    rows = columns(known, account)
    if rows is None:
        return MISSING
    gaps = events(within(rows, 0, 182))["day"].drop_duplicates().sort_values().diff().dropna()
    return (
        over(float(events(rows)["back"].min()), quantile(gaps, 0.95)) if len(gaps) >= 3 else MISSING
    )


@SIGNALS.signal
@remembered
def usage_wau_before(known: Known, account: str) -> float:
    """Median weekly users of the four weeks before the last."""
    rows = columns(known, account)
    if rows is None:
        return MISSING
    weeks = [people(within(rows, 7 * week, 7 * week + 7), rows) for week in (1, 2, 3, 4)]
    return float(pd.Series(weeks).median(skipna=False))


@SIGNALS.signal
@remembered
def usage_wau_ratio(known: Known, account: str) -> float:
    """Users of the last week / median of the four weeks before; nobody active then: missing."""
    return over(usage_users(known, account, 7), usage_wau_before(known, account))


@SIGNALS.signal
def usage_wau_vs_segment(known: Known, account: str) -> float:
    """usage_wau_ratio / the median of its peers: a holiday of all is no drop of one."""
    alike = [name for name in known.mrr.index if known.peers[name] == known.peers[account]]
    ratios = pd.Series([usage_wau_ratio(known, name) for name in alike])
    return over(usage_wau_ratio(known, account), float(ratios.median()))


@SIGNALS.signal
def usage_users_added_28d(known: Known, account: str) -> float:
    """Users of the last 28 days less those of the 28 days before."""
    rows = columns(known, account)
    if rows is None:
        return MISSING
    return people(within(rows, 0, 28), rows) - people(within(rows, 28, 56), rows)


@SIGNALS.signal
def usage_trend_13w(known: Known, account: str) -> float:
    """Slope of the logarithm of 13 weekly totals (each with 1 added)."""
    rows = columns(known, account)
    if rows is None:
        return MISSING
    weeks = [counted(within(rows, 7 * week, 7 * week + 7)) for week in range(13)]
    return sum((6 - week) * math.log1p(total) for week, total in enumerate(weeks)) / 182


@SIGNALS.signal
def usage_weeks_before_quiet(known: Known, account: str) -> float:
    """Active weeks among the four that end with the last activity."""
    rows = columns(known, account)
    if rows is None:
        return MISSING
    days = events(rows)["day"]
    since = days.max() - days
    return MISSING if days.empty else float((since[since < 28] // 7).nunique())


@SIGNALS.signal
def usage_active_weeks_8w(known: Known, account: str) -> float:
    """Active weeks of the last 8."""
    rows = columns(known, account)
    return MISSING if rows is None else float((events(within(rows, 0, 56))["back"] // 7).nunique())


def compared(
    known: Known, account: str, told: Callable[[pd.DataFrame], float], now: Span, then: Span
) -> float:
    """Compare what one span of days tells with what an earlier one does; nothing then: missing."""
    rows = columns(known, account)
    return MISSING if rows is None else over(told(within(rows, *now)), told(within(rows, *then)))


@SIGNALS.signal
def usage_year_on_year(known: Known, account: str) -> float:
    """Events of the last 91 days / the same 91 days a year (52 weeks) before."""
    return compared(known, account, counted, QUARTER, YEAR_AGO)


@SIGNALS.signal
def usage_users_year_on_year(known: Known, account: str) -> float:
    """Users of the last 91 days / the same 91 days a year before; no user then: missing."""
    rows = columns(known, account)
    if rows is None:
        return MISSING
    return over(people(within(rows, 0, 91), rows), people(within(rows, 364, 455), rows))


def quantity(rows: pd.DataFrame) -> float:
    """Add up the billable amounts."""
    return float(rows["quantity"].dropna().sum())


@SIGNALS.signal
def usage_quantity_year_on_year(known: Known, account: str) -> float:
    """Quantity of the last 91 days / the same 91 days a year before; none then: missing."""
    return compared(known, account, quantity, QUARTER, YEAR_AGO)


@SIGNALS.signal
def usage_quantity_ratio_28d(known: Known, account: str) -> float:
    """Quantity of the last 28 days / the 28 days before; none then: missing."""
    return compared(known, account, quantity, (0, 28), (28, 56))


@SIGNALS.signal
def usage_billable_ratio_28d(known: Known, account: str) -> float:
    """Billable quantity of the last 28 days / the 28 days before, on usage-priced lines."""
    priced = any(line["kind"] == "usage" for line in in_force(known, account))
    return usage_quantity_ratio_28d(known, account) if priced else MISSING
