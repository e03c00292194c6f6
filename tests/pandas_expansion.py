"""The oracle's page on expansion: how near an account is to its limits, what it shows interest in."""

from __future__ import annotations

import math

import pandas as pd

from tests.pandas_commercial import commercial_seats, seats_before
from tests.pandas_growth import signs
from tests.pandas_known import Known
from tests.pandas_limits import days_left, meters, pace
from tests.pandas_page import MISSING, Page
from tests.pandas_usage import usage_users

SIGNALS = Page()
GOVERNANCE = ("sso", "audit", "role", "roles", "retention", "sla")


def metered(known: Known, account: str) -> list[pd.DataFrame]:
    """Give the readings of every metric but seats whose last limit is above zero."""
    found = [rows for metric, rows in meters(known, account).items() if metric != "seats"]
    return [rows for rows in found if rows["limit"].iloc[-1] > 0]


@SIGNALS.signal
def expansion_limit_share(known: Known, account: str) -> float:
    """used / limit, the largest over all metrics but seats."""
    shares = [rows["used"].iloc[-1] / rows["limit"].iloc[-1] for rows in metered(known, account)]
    return max(shares) if shares else MISSING


@SIGNALS.signal
def expansion_limit_growth_28d(known: Known, account: str) -> float:
    """Rise of used / limit per 28 days, at the pace of the readings of 28 days, the largest."""
    found = [28 * pace(rows) / rows["limit"].iloc[-1] for rows in metered(known, account)]
    return max((growth for growth in found if not math.isnan(growth)), default=MISSING)


@SIGNALS.signal
def expansion_days_to_limit(known: Known, account: str) -> float:
    """Days until the first limit is reached at the pace of 28 days (365: not in sight)."""
    found = [days_left(rows) for rows in metered(known, account)]
    return min(found) if found else MISSING


def seats_observed(known: Known, account: str) -> pd.DataFrame | None:
    return meters(known, account).get("seats")


@SIGNALS.signal
def expansion_seats_left(known: Known, account: str) -> float:
    """Paid seats less seats in use."""
    rows = seats_observed(known, account)
    if rows is not None and rows["limit"].iloc[-1] > 0:
        return float(rows["limit"].iloc[-1] - rows["used"].iloc[-1])
    return commercial_seats(known, account) - usage_users(known, account, 28)


@SIGNALS.signal
def expansion_seat_velocity_30d(known: Known, account: str) -> float:
    """Seats in use now less 30 days before (paid seats, where use is not observed)."""
    rows = seats_observed(known, account)
    before = None if rows is None else rows[rows["age"] >= 30]
    if rows is None or before is None or before.empty:
        return commercial_seats(known, account) - seats_before(known, account, 30)
    return float(rows["used"].iloc[-1] - before["used"].iloc[-1])


def moments(known: Known, account: str, *kinds: str) -> pd.DataFrame | None:
    """Give 30 days of events of some kinds; None: no events, or their feed is behind."""
    feed = known.fresh("events")
    if feed is None:
        return None
    rows = feed.of(account)
    return rows[rows["kind"].isin(kinds) & (rows["age"] < 30)]


def number(rows: pd.DataFrame | None) -> float:
    return MISSING if rows is None else float(len(rows))


@SIGNALS.signal
def expansion_gate_hits_30d(known: Known, account: str) -> float:
    """Hits on locked features in 30 days."""
    return number(moments(known, account, "gate_hit"))


@SIGNALS.signal
def expansion_gate_users_30d(known: Known, account: str) -> float:
    """Distinct users who hit a locked feature."""
    rows = moments(known, account, "gate_hit")
    return MISSING if rows is None else float(rows["user_id"].nunique())


def doors(known: Known, account: str) -> pd.Series | None:
    """Count 30 days of hits per locked feature."""
    rows = moments(known, account, "gate_hit")
    return None if rows is None else rows["feature"].dropna().value_counts()


@SIGNALS.signal
def expansion_gate_features_30d(known: Known, account: str) -> float:
    """Distinct locked features hit in 30 days."""
    hits = doors(known, account)
    return MISSING if hits is None else float(len(hits))


@SIGNALS.signal
def expansion_gate_most_30d(known: Known, account: str) -> float:
    """Hits in 30 days on the locked feature that was hit most."""
    hits = doors(known, account)
    return MISSING if hits is None else float(hits.max()) if len(hits) else 0.0


@SIGNALS.signal
def expansion_limit_hits_30d(known: Known, account: str) -> float:
    """Hits on a limit in 30 days."""
    return number(moments(known, account, "limit_hit"))


@SIGNALS.signal
def expansion_pricing_views_30d(known: Known, account: str) -> float:
    """Views of the pricing page in 30 days."""
    return number(moments(known, account, "pricing_view"))


@SIGNALS.signal
def expansion_locked_searches_30d(known: Known, account: str) -> float:
    """Searches for locked features."""
    return number(moments(known, account, "locked_search"))


@SIGNALS.signal
def expansion_invites_30d(known: Known, account: str) -> float:
    """Invitations sent in 30 days."""
    return number(moments(known, account, "invite_sent"))


@SIGNALS.signal
def expansion_shares_30d(known: Known, account: str) -> float:
    """Shares with non-members and invitations bounced in 30 days."""
    return number(moments(known, account, "external_share", "invite_bounced"))


@SIGNALS.signal
def expansion_governance_30d(known: Known, account: str) -> float:
    """Interest in sign-on, audit, roles, retention or SLA features in 30 days."""
    rows = moments(known, account, "gate_hit", "pricing_view", "locked_search")
    if rows is None:
        return MISSING
    names = rows["feature"].dropna().str.lower().str.findall("[a-z]+")
    return float(sum(any(word in GOVERNANCE for word in words) for words in names))


@SIGNALS.signal
def expansion_business_growth_91d(known: Known, account: str) -> float:
    """Signs of business growth in 91 days, unless their value is negative."""
    return signs(known, account, "headcount", "funding", "hiring", "region", "intent")
