"""Expansion: how near an account is to its limits, and what it shows interest in."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from features.signal import Sign, Signal
from features.sums import total
from features.terms import alive
from features.view import View

__all__ = ["FAR", "SIGNALS", "measure"]

MONTH, QUARTER = 30, 91
FAR = 365.0  # a limit that is not in sight
RATE_DAYS = 28
RESET_SHARE = 0.5  # a metered value that falls below this share of the last one was reset
RESET_EVERY = 30
SEATS = "seats"
GOVERNANCE = "sso|saml|scim|audit|role|permission|retention|compliance|sla"
NO_EVENTS = "the book has no events, or their feed is behind"
NO_LIMITS = "no limit of this kind observed for the account in 91 days"
KINDS = {
    "gate_hits_30d": ("gate_hit",),
    "limit_hits_30d": ("limit_hit",),
    "pricing_views_30d": ("pricing_view",),
    "locked_searches_30d": ("locked_search",),
    "invites_30d": ("invite_sent",),
    "shares_30d": ("external_share", "invite_bounced"),
}
GROWTH = ["headcount", "funding", "hiring", "region", "intent"]


def _signal(
    slug: str,
    unit: str,
    window: int | None,
    signs: tuple[Sign, Sign],
    meaning: str,
    phrase: str,
    missing: str = NO_EVENTS,
) -> Signal:
    group = "seats" if SEATS in slug or "seat" in slug else "usage"
    name = f"expansion_{slug}"
    if group == "seats":
        return Signal(name, "expansion", "seats", unit, window, *signs, meaning, missing, phrase)
    return Signal(name, "expansion", "usage", unit, window, *signs, meaning, missing, phrase)


SIGNALS = (
    _signal("limit_share", "share", QUARTER, (0, 1), "used / limit, the largest over all metrics but seats",
            "{value:.0%} of its tightest limit used", NO_LIMITS),
    _signal("days_to_limit", "days", QUARTER, (0, -1), "days until the first limit is reached at "
            "the pace of 28 days (365: not in sight)", "a limit is reached in {value:.0f} days",
            NO_LIMITS),
    _signal("seats_left", "seats", None, (1, -1), "paid seats less seats in use",
            "{value:.0f} seats left", "seats or users not known"),
    _signal("seat_velocity_30d", "seats", MONTH, (-1, 1), "seats in use now less 30 days before "
            "(paid seats, where use is not observed)", "{value:+.0f} seats in 30 days",
            "seats not known now or then"),
    _signal("gate_hits_30d", "events", MONTH, (0, 1), "hits on locked features in 30 days",
            "{value:.0f} hits on locked features in 30 days"),
    _signal("gate_users_30d", "users", MONTH, (0, 1), "distinct users who hit a locked feature",
            "{value:.0f} users hit a locked feature in 30 days"),
    _signal("limit_hits_30d", "events", MONTH, (0, 1), "hits on a limit in 30 days",
            "{value:.0f} hits on a limit in 30 days"),
    _signal("pricing_views_30d", "events", MONTH, (0, 1), "views of the pricing page in 30 days",
            "{value:.0f} views of the pricing page in 30 days"),
    _signal("locked_searches_30d", "events", MONTH, (0, 1), "searches for locked features",
            "{value:.0f} searches for locked features in 30 days"),
    _signal("invites_30d", "events", MONTH, (-1, 1), "invitations sent in 30 days",
            "{value:.0f} invitations in 30 days"),
    _signal("shares_30d", "events", MONTH, (-1, 1), "shares with non-members and invitations "
            "bounced in 30 days", "{value:.0f} shares outside the account in 30 days"),
    _signal("governance_30d", "events", MONTH, (0, 1), "interest in sign-on, audit, roles, "
            "retention or SLA features in 30 days", "{value:.0f} signs of interest in governance"),
    _signal("business_growth_91d", "events", QUARTER, (-1, 1), "signs of business growth in 91 "
            "days (headcount, funding, hiring, region, intent)",
            "{value:.0f} signs of business growth in 91 days", "the book has no growth table"),
)  # fmt: skip


def measure(view: View, so_far: pd.DataFrame) -> pd.DataFrame:
    """Measure the family: one row per paying account, one column per signal."""
    columns: dict[str, pd.Series] = {}
    if view.fresh("events"):
        columns |= _interest(view)
    if view.fresh("limits"):
        columns |= _limits(view)
    if view.fresh("growth"):
        columns |= _growth(view)
    columns |= _seats(view, so_far, columns)
    renamed = {f"expansion_{name}": values for name, values in columns.items()}
    frame = pd.DataFrame(renamed, index=view.standing.index)
    return frame.reindex(columns=[signal.slug for signal in SIGNALS])


def _interest(view: View) -> dict[str, pd.Series]:
    """Count 30 days of events by kind: the feed covers the book, so silence is zero."""
    events = view.rows("events").filter(nw.col("age") < MONTH)
    kind, about = nw.col("kind"), nw.col("feature").str.to_lowercase().fill_null("")
    gate, asks = kind == "gate_hit", ["gate_hit", "locked_search", "pricing_view"]
    governed = kind.is_in(asks) & about.str.contains(GOVERNANCE)
    counts = events.group_by("account_id").agg(
        *(total(kind.is_in(list(kinds))).alias(name) for name, kinds in KINDS.items()),
        total(governed).alias("governance_30d"),
    )
    users = events.filter(gate, ~nw.col("user_id").is_null()).select("account_id", "user_id")
    people = users.unique().group_by("account_id").agg(nw.len().alias("gate_users_30d"))
    found = view.collect(counts).join(view.collect(people)).fillna(0.0).astype(float)
    return {name: found[name] for name in found.columns}


def _limits(view: View) -> dict[str, pd.Series]:
    """Measure each metric's last observation, and its pace; the tightest one counts."""
    steps = _steps(view).with_columns(
        rate=nw.col("risen") / nw.col("spanned"), left=nw.col("limit") - nw.col("used")
    )
    days = nw.when(nw.col("rate") > 0).then(nw.col("left") / nw.col("rate")).otherwise(FAR)
    steps = steps.with_columns(days=days.clip(0.0, FAR))
    reset_first = nw.col("days") > RESET_EVERY - nw.col("reset_age")
    steps = steps.with_columns(days=nw.when(reset_first).then(FAR).otherwise(nw.col("days")))
    seats = nw.col("metric") == SEATS
    found = view.collect(
        steps.group_by("account_id").agg(
            nw.when(~seats).then(nw.col("used") / nw.col("limit")).max().alias("limit_share"),
            nw.when(~seats).then("days").min().alias("days_to_limit"),
            nw.when(seats).then("left").max().alias("seats_left"),
            nw.when(seats).then(nw.col("used") - nw.col("used_before")).max().alias("velocity"),
        )
    )
    names = {"velocity": "seat_velocity_30d"}
    return {names.get(name, name): found[name].astype(float) for name in found.columns}


def _steps(view: View) -> nw.LazyFrame[Any]:
    """Give one row per account and metric: last used and limit, rises of 28 days, last reset."""
    keys, order = ["account_id", "metric"], ["observed_on", "used", "limit"]
    seen = view.rows("limits").filter(
        nw.col("age") < QUARTER, nw.col("limit") > 0, ~nw.col("used").is_null()
    )
    seen = seen.unique([*keys, "day"], keep="last", order_by=order)
    before = nw.col("used").shift(1).over(*keys, order_by="day")
    since = (nw.col("day") - nw.col("day").shift(1)).over(*keys, order_by="day")
    seen = seen.with_columns(rise=nw.col("used") - before, since=since, before=before)
    reset = (nw.col("used") < RESET_SHARE * nw.col("before")) & (nw.col("metric") != SEATS)
    lately = (nw.col("age") < RATE_DAYS) & ~nw.col("rise").is_null()
    paces = seen.group_by(*keys).agg(
        nw.when(lately & (nw.col("rise") > 0)).then("rise").otherwise(0.0).sum().alias("risen"),
        nw.when(lately).then("since").sum().cast(nw.Float64).alias("spanned"),
        nw.when(reset).then("age").min().alias("reset_age"),
    )
    then = seen.filter(nw.col("age") >= MONTH).unique(keys, keep="last", order_by=["day"])
    then = then.select(*keys, used_before=nw.col("used"))
    last = seen.unique(keys, keep="last", order_by=["day"]).select(*keys, "used", "limit")
    return last.join(paces, on=keys, how="left").join(then, on=keys, how="left")


def _growth(view: View) -> dict[str, pd.Series]:
    recent = view.rows("growth").filter(nw.col("age") < QUARTER)
    signs = nw.col("kind").is_in(GROWTH) & ~(nw.col("value").fill_null(1.0) < 0)
    counts = recent.group_by("account_id").agg(total(signs).alias("n"))
    return {"business_growth_91d": view.collect(counts)["n"].fillna(0.0)}


def _seats(view: View, so_far: pd.DataFrame, seen: dict[str, pd.Series]) -> dict[str, pd.Series]:
    """Fall back on paid seats and active users where seats in use are not observed."""
    paid = view.standing["paid_seats"].astype(float)
    left = paid - so_far["usage_users_28d"]
    lines = view.lines.filter(alive(view.today - 1 - MONTH))
    then = lines.group_by("account_id").agg(nw.col("seats").sum().cast(nw.Float64))
    moved = paid - view.collect(then)["seats"]
    return {
        "seats_left": seen.get("seats_left", left).fillna(left),
        "seat_velocity_30d": seen.get("seat_velocity_30d", moved).fillna(moved),
    }
