"""Expansion: how near an account is to its limits, and what it shows interest in."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from features.allowances import ALLOWANCES, IS_SEATS, NO_LIMITS, QUARTER, tightest
from features.contract_moves import seats_before
from features.growth import GROWTH, signs
from features.moments import EVENTS, NO_EVENTS, events_of
from features.signal import Family, Part, Rows, signal
from features.sums import total
from features.view import View

__all__ = ["FAMILY"]

MONTH = 30
GOVERNANCE = (
    "(^|[^a-z])(sso|saml|scim|sla|slas|role|roles|rbac)([^a-z]|$)"
    "|audit|permission|retention|compliance"
)
ASKS = ["gate_hit", "locked_search", "pricing_view"]
SIGNS_OF_GROWTH = ["headcount", "funding", "hiring", "region", "intent"]
QUOTED = ("limit_metric", "limit_days", "gate_feature")


def _gates(view: View) -> nw.LazyFrame[Any]:
    """Give one row per account and locked feature that was hit in 30 days, with its hits."""
    recent = view.rows("events").filter(nw.col("kind") == "gate_hit", nw.col("age") < MONTH)
    named = recent.filter(~nw.col("feature").is_null())
    return named.group_by("account_id", "feature").agg(hits=nw.col("count").sum())


def _gate_users(view: View) -> nw.LazyFrame[Any]:
    """Give one row per account and user who hit a locked feature in 30 days."""
    recent = view.rows("events").filter(nw.col("kind") == "gate_hit", nw.col("age") < MONTH)
    return recent.filter(~nw.col("user_id").is_null()).select("account_id", "user_id").unique()


GATES = Rows("locked features", ("events",), _gates, NO_EVENTS)
GATE_USERS = Rows("users at locked features", ("events",), _gate_users, NO_EVENTS)
GOVERNED = (
    nw.col("kind").is_in(ASKS) & nw.col("about").str.contains(GOVERNANCE) & (nw.col("age") < MONTH)
)


def _then(view: View) -> dict[str, pd.Series]:
    """Count the paid seats of 30 days before."""
    return {"expansion__paid_then": seats_before(view, MONTH)}


def _quoted(view: View) -> dict[str, pd.Series]:
    """Name the tightest limit, and the locked feature that was hit most often."""
    told = {name: pd.Series(None, view.standing.index, "object") for name in QUOTED}
    if view.fresh("limits"):
        metrics = view.collect(tightest(view))
        told |= {"limit_metric": metrics["metric"], "limit_days": metrics["days"]}
    if view.fresh("events"):
        gates = _gates(view).with_columns(fewer=-nw.col("hits"))
        most = gates.unique("account_id", keep="first", order_by=["fewer", "feature"])
        told["gate_feature"] = view.collect(most.select("account_id", "feature"))["feature"]
    return told


PARTS = (
    Part("expansion__seats_left", nw.when(IS_SEATS).then("left").max(), ALLOWANCES),
    Part("expansion__seats_added",
         nw.when(IS_SEATS).then(nw.col("used") - nw.col("used_before")).max(), ALLOWANCES),
)  # fmt: skip


def _else(seen: str, instead: nw.Expr) -> nw.Expr:
    """Take what was observed, else what stands in for it."""
    return nw.when(~nw.col(seen).is_null()).then(nw.col(seen)).otherwise(instead)


SIGNALS = (
    signal("expansion_limit_share", "share", QUARTER, 0, 1,
           "used / limit, the largest over all metrics but seats",
           "{value:.0%} of its tightest limit used", nw.when(~IS_SEATS).then("share").max(),
           rows=ALLOWANCES, missing=NO_LIMITS,
           zero="none of its limits used"),
    signal("expansion_limit_growth_28d", "share", 28, 0, 1,
           "rise of used / limit per 28 days, at the pace of the readings of 28 days (resets "
           "aside), the largest over all metrics but seats",
           "use of a limit up by {value:.0%} of that limit in 28 days",
           nw.when(~IS_SEATS).then("growth").max(), rows=ALLOWANCES,
           missing="no reading in 28 days that another came before, or no limit of this kind",
           zero="use of its limits level over 28 days"),
    signal("expansion_days_to_limit", "days", QUARTER, 0, -1,
           "days until the first limit is reached at the pace of 28 days (365: not in sight, or "
           "reset before)",
           "at today's pace a limit is reached in {value:.0f} days",
           nw.when(~IS_SEATS).then("days").min(), rows=ALLOWANCES, missing=NO_LIMITS,
           zero="a limit is reached",
           fuller="{expansion_limit_share:.0%} of its tightest limit used; at today's pace reached "
                  "in {value:.0f} days"),
    signal("expansion_seats_left", "seats", None, 1, -1,
           "seats allowed less seats in use (paid seats less active users of 28 days, where use "
           "is not observed)",
           "{value:,.0f} paid seats not in use",
           _else("expansion__seats_left", nw.col("paid_seats") - nw.col("usage_users_28d")),
           group="seats", missing="seats or users not known",
           zero="no paid seat left",
           fuller="{value:,.0f} of {commercial_seats:,.0f} paid seats not in use"),
    signal("expansion_seat_velocity_30d", "seats", MONTH, -1, 1,
           "seats in use now less 30 days before (paid seats, where use is not observed)",
           "{value:+,.0f} seats in use against 30 days ago",
           _else("expansion__seats_added", nw.col("paid_seats") - nw.col("expansion__paid_then")),
           group="seats", missing="seats not known now or then",
           zero="as many seats in use as 30 days ago"),
    signal("expansion_gate_hits_30d", "events", MONTH, 0, 1, "hits on locked features in 30 days",
           "{value:.0f} hits on locked features in 30 days", events_of(["gate_hit"], MONTH),
           rows=EVENTS,
           fuller="{value:.0f} hits on locked features in 30 days, by "
                  "{expansion_gate_users_30d:.0f} users"),
    signal("expansion_gate_users_30d", "users", MONTH, 0, 1,
           "distinct users who hit a locked feature",
           "{value:.0f} users hit a locked feature in 30 days", nw.len().cast(nw.Float64),
           rows=GATE_USERS, given=("events.user_id",)),
    signal("expansion_gate_features_30d", "features", MONTH, 0, 1,
           "distinct locked features hit in 30 days", "{value:.0f} locked features hit in 30 days",
           nw.len().cast(nw.Float64), rows=GATES, given=("events.feature",)),
    signal("expansion_gate_most_30d", "events", MONTH, 0, 1,
           "hits in 30 days on the locked feature that was hit most",
           "{value:.0f} hits on one locked feature in 30 days",
           nw.col("hits").max().cast(nw.Float64), rows=GATES, given=("events.feature",)),
    signal("expansion_limit_hits_30d", "events", MONTH, 0, 1, "hits on a limit in 30 days",
           "{value:.0f} times at a limit in 30 days", events_of(["limit_hit"], MONTH), rows=EVENTS,
           zero="not at a limit in 30 days"),
    signal("expansion_pricing_views_30d", "events", MONTH, 0, 1,
           "views of the pricing page in 30 days",
           "{value:.0f} views of the pricing page in 30 days", events_of(["pricing_view"], MONTH),
           rows=EVENTS),
    signal("expansion_locked_searches_30d", "events", MONTH, 0, 1,
           "searches for locked features in 30 days",
           "{value:.0f} searches for locked features in 30 days",
           events_of(["locked_search"], MONTH), rows=EVENTS),
    signal("expansion_invites_30d", "events", MONTH, -1, 1, "invitations sent in 30 days",
           "{value:.0f} invitations in 30 days", events_of(["invite_sent"], MONTH), rows=EVENTS),
    signal("expansion_shares_30d", "events", MONTH, -1, 1,
           "shares with non-members and invitations bounced in 30 days",
           "{value:.0f} shares outside the account in 30 days",
           events_of(["external_share", "invite_bounced"], MONTH), rows=EVENTS),
    signal("expansion_governance_30d", "events", MONTH, 0, 1,
           "interest in sign-on, audit, roles, retention or SLA features in 30 days",
           "{value:.0f} signs of interest in sign-on, audit, roles or retention in 30 days", total(GOVERNED, "count"), rows=EVENTS,
           given=("events.feature",)),
    signal("expansion_business_growth_91d", "events", QUARTER, -1, 1,
           "signs of business growth in 91 days (headcount, funding, hiring, region, intent), "
           "unless their value is negative", "{value:.0f} signs of business growth in 91 days",
           signs(SIGNS_OF_GROWTH), rows=GROWTH),
)  # fmt: skip

FAMILY = Family("expansion", SIGNALS, PARTS, (_then, _quoted), QUOTED)
