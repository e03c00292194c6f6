"""The oracle's page on the relationship: who spoke with whom, how long ago, what they said."""

from __future__ import annotations

import math
from datetime import date

import pandas as pd

from tests.pandas_known import Known
from tests.pandas_page import MISSING, Page

SIGNALS = Page()
REVIEWS = ("qbr", "executive_meeting")
MEETINGS = (*REVIEWS, "meeting")
TWO_WAY = (*MEETINGS, "call", "email_in", "training")
ADVOCACY = ("reference", "review")
DEPARTED = ("champion_left", "sponsor_changed")


def rows_of(
    known: Known, account: str, kinds: tuple[str, ...], days: int = 10**6
) -> pd.DataFrame | None:
    """Give an account's touches of some kinds; None: no touchpoints, or their feed is behind."""
    feed = known.fresh("touchpoints")
    if feed is None:
        return None
    rows = feed.of(account)
    return rows[rows["kind"].isin(kinds) & (rows["age"] < days)]


def days_since(rows: pd.DataFrame | None) -> float:
    """Count the days since the last row: yesterday is 1."""
    return MISSING if rows is None or rows.empty else float(rows["age"].min() + 1)


def number(rows: pd.DataFrame | None) -> float:
    return MISSING if rows is None else float(len(rows))


def answers(known: Known, account: str) -> pd.DataFrame | None:
    """Give the answers to the recommendation question, the oldest first."""
    rows = rows_of(known, account, ("nps",))
    if rows is None:
        return None
    return rows[rows["value"].notna()].sort_values("moment", kind="stable")


@SIGNALS.signal
def relationship_days_since_meeting(known: Known, account: str) -> float:
    """Days since the last business review or meeting."""
    return days_since(rows_of(known, account, MEETINGS))


@SIGNALS.signal
def relationship_days_since_contact(known: Known, account: str) -> float:
    """Days since the last two-way contact."""
    return days_since(rows_of(known, account, TWO_WAY))


@SIGNALS.signal
def relationship_meetings_91d(known: Known, account: str) -> float:
    """Meetings in 91 days."""
    return number(rows_of(known, account, MEETINGS, 91))


@SIGNALS.signal
def relationship_nps(known: Known, account: str) -> float:
    """Last answer to the recommendation question (0 to 10)."""
    rows = answers(known, account)
    return MISSING if rows is None or rows.empty else float(rows["value"].iloc[-1])


@SIGNALS.signal
def relationship_nps_change(known: Known, account: str) -> float:
    """Last answer less the one before."""
    rows = answers(known, account)
    if rows is None or len(rows) < 2:
        return MISSING
    return float(rows["value"].iloc[-1] - rows["value"].iloc[-2])


@SIGNALS.signal
def relationship_days_since_nps(known: Known, account: str) -> float:
    """Days since any answer."""
    return days_since(answers(known, account))


def departed(known: Known, account: str) -> float:
    """Count the champions and sponsors whose day of leaving lies in the last 91 days."""
    if not known.has("contacts"):
        return MISSING
    left = [
        date.fromisoformat(row["left_on"]).toordinal() for row in known.tables["contacts"]
        if row["account_id"] == account and row["role"] in ("champion", "sponsor") and row["left_on"]
    ]  # fmt: skip
    return float(sum(0 < known.today - day <= 91 for day in left))


@SIGNALS.signal
def relationship_champion_left_91d(known: Known, account: str) -> float:
    """Champions or sponsors who left or changed in 91 days, by touchpoints or by contacts."""
    told = [number(rows_of(known, account, DEPARTED, 91)), departed(known, account)]
    return max((count for count in told if not math.isnan(count)), default=MISSING)


@SIGNALS.signal
def relationship_days_since_review(known: Known, account: str) -> float:
    """Days since the last business review (QBR) or executive meeting."""
    return days_since(rows_of(known, account, REVIEWS))


@SIGNALS.signal
def relationship_contacts_365d(known: Known, account: str) -> float:
    """People of the account named in the touchpoints of a year; nobody named: missing."""
    feed = known.fresh("touchpoints")
    rows = feed.of(account) if feed else None
    if rows is None or "contact" not in rows:
        return MISSING
    people = rows[rows["age"] < 365]["contact"].dropna().nunique()
    return float(people) if people else MISSING


@SIGNALS.signal
def relationship_advocacy_365d(known: Known, account: str) -> float:
    """References, reviews and the like in a year."""
    return number(rows_of(known, account, ADVOCACY, 365))


@SIGNALS.signal
def relationship_milestones_91d(known: Known, account: str) -> float:
    """Milestones reached in 91 days."""
    return number(rows_of(known, account, ("milestone",), 91))


@SIGNALS.signal
def relationship_notice_91d(known: Known, account: str) -> float:
    """Notices given in 91 days by word."""
    return number(rows_of(known, account, ("notice_given",), 91))
