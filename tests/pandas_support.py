"""The oracle's page on support: how many tickets, how grave, how well answered."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pandas as pd

from tests.pandas_known import OUTCOME, Known
from tests.pandas_page import MISSING, Page, over, remembered
from tests.pandas_usage import usage_users

SIGNALS = Page()
FUNDAMENTAL = ("bug", "outage", "login", "data_loss")
GRAVE = ("high", "urgent")


def rows_of(known: Known, account: str) -> pd.DataFrame | None:
    """Give an account's tickets; None: the book has no tickets, or their feed is behind."""
    feed = known.fresh("tickets")
    return None if feed is None else feed.of(account)


def opened(known: Known, account: str, days: int) -> pd.DataFrame | None:
    rows = rows_of(known, account)
    return None if rows is None else rows[rows["age"] < days]


@remembered
def closed(known: Known, account: str) -> pd.DataFrame | None:
    """Give the tickets closed in the last 91 days, with the days from open to close."""
    rows = rows_of(known, account)
    if rows is None:
        return None
    rows = rows[rows["closed_at"].notna()].astype(dict.fromkeys(OUTCOME, object))
    day = pd.Series(
        [at.date().toordinal() for at in rows["closed_at"]], index=rows.index, dtype=int
    )
    return rows.assign(took=day - rows["day"])[known.today - 1 - day < 91]


def of_closed(known: Known, account: str, column: str, told: Callable[[pd.Series], float]) -> float:
    """Sum up what is known of a column of the tickets closed in 91 days."""
    rows = closed(known, account)
    return MISSING if rows is None else float(told(rows[column].dropna().astype(float)))


@SIGNALS.windows(7, 30, 91)
def support_tickets(known: Known, account: str, days: int) -> float:
    """Tickets opened in N days."""
    rows = opened(known, account, days)
    return MISSING if rows is None else float(len(rows))


def of_severity(known: Known, account: str, severity: str) -> float:
    """Count the tickets of a severity opened in 91 days."""
    rows = opened(known, account, 91)
    return MISSING if rows is None else float((rows["severity"] == severity).sum())


for _severity in ("low", "normal", "high", "urgent"):
    SIGNALS[f"support_{_severity}_91d"] = partial(of_severity, severity=_severity)


@SIGNALS.signal
def support_tickets_per_user(known: Known, account: str) -> float:
    """Tickets of 91 days / users of 91 days; no active user, or users not known: missing."""
    return over(support_tickets(known, account, 91), usage_users(known, account, 91))


@SIGNALS.signal
def support_burst_7d(known: Known, account: str) -> float:
    """Tickets of 7 days / what 91 days' rate would bring; no ticket in 91 days: missing."""
    return over(support_tickets(known, account, 7), support_tickets(known, account, 91) * 7 / 91)


@SIGNALS.signal
def support_open(known: Known, account: str) -> float:
    """Tickets open now."""
    rows = rows_of(known, account)
    return MISSING if rows is None else float(rows["closed_at"].isna().sum())


@SIGNALS.signal
def support_urgent_open_days(known: Known, account: str) -> float:
    """Age of the oldest open urgent ticket (0: none); opened yesterday is 1."""
    rows = rows_of(known, account)
    if rows is None:
        return MISSING
    ages = rows[rows["closed_at"].isna() & (rows["severity"] == "urgent")]["age"]
    return 0.0 if ages.empty else float(ages.max() + 1)


@SIGNALS.signal
def support_reopened_91d(known: Known, account: str) -> float:
    """Tickets closed in 91 days that were reopened."""
    return of_closed(known, account, "reopened", pd.Series.sum)


@SIGNALS.signal
def support_escalated_91d(known: Known, account: str) -> float:
    """Tickets closed in 91 days after escalation."""
    return of_closed(known, account, "escalated", pd.Series.sum)


@SIGNALS.signal
def support_fundamental_91d(known: Known, account: str) -> float:
    """Share of the tickets of 91 days, high or urgent, about bugs, outages, log-in, lost data."""
    rows = opened(known, account, 91)
    if rows is None:
        return MISSING
    about = rows["category"].fillna("").str.lower().isin(FUNDAMENTAL)
    return over(float((about & rows["severity"].isin(GRAVE)).sum()), len(rows))


@SIGNALS.signal
def support_first_response_91d(known: Known, account: str) -> float:
    """Median first response of tickets closed in 91 days, in minutes."""
    return of_closed(known, account, "first_response_minutes", pd.Series.median)


@SIGNALS.signal
def support_resolution_91d(known: Known, account: str) -> float:
    """Median days from open to close, tickets closed in 91 days."""
    return of_closed(known, account, "took", pd.Series.median)


@SIGNALS.signal
def support_csat_91d(known: Known, account: str) -> float:
    """Mean satisfaction (1 to 5), tickets closed in 91 days."""
    return of_closed(known, account, "csat", pd.Series.mean)


@SIGNALS.signal
def support_csat_worst_91d(known: Known, account: str) -> float:
    """Lowest satisfaction, tickets closed in 91 days."""
    return of_closed(known, account, "csat", pd.Series.min)


@SIGNALS.signal
def support_csat_missing_91d(known: Known, account: str) -> float:
    """Share of the tickets closed in 91 days without an answer."""
    rows = closed(known, account)
    return MISSING if rows is None else over(float(rows["csat"].isna().sum()), len(rows))
