"""Support: how many tickets, how grave, how well answered.

A ticket's outcome (close, satisfaction, escalation) is read only if it was closed before the
as-of date. An account without tickets has counted zero; means over no tickets are missing.
"""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from features.rollup import SCALE
from features.signal import Sign, Signal
from features.sums import share, total
from features.view import View

__all__ = ["SIGNALS", "measure"]

WEEK, MONTH, QUARTER = 7, 30, 91
FUNDAMENTAL = "bug|outage|login|data.?loss"
GRAVE = ["high", "urgent"]
NO_FEED = "the book has no tickets, or their feed is behind"
NO_CLOSED = "no ticket closed in 91 days"


def _signal(
    slug: str,
    unit: str,
    window: int | None,
    churn: Sign,
    meaning: str,
    phrase: str,
    missing: str = NO_FEED,
) -> Signal:
    name = f"support_{slug}"
    return Signal(name, "support", "support", unit, window, churn, 0, meaning, missing, phrase)


SIGNALS = (
    _signal("tickets_7d", "tickets", WEEK, 0, "tickets opened in 7 days",
            "{value:.0f} tickets in 7 days"),
    _signal("tickets_30d", "tickets", MONTH, 0, "tickets opened in 30 days",
            "{value:.0f} tickets in 30 days"),
    _signal("tickets_91d", "tickets", QUARTER, 0, "tickets opened in 91 days",
            "{value:.0f} tickets in 91 days"),
    _signal("tickets_per_user", "tickets", QUARTER, 0, "tickets of 91 days / users of 91 days",
            "{value:.2f} tickets per active user", "no active user, or users not known"),
    _signal("burst_7d", "ratio", QUARTER, 0, "tickets of 7 days / what 91 days' rate would bring",
            "{value:.1f} times its usual number of tickets", "no ticket in 91 days"),
    _signal("open", "tickets", None, 0, "tickets open now", "{value:.0f} open tickets"),
    _signal("urgent_open_days", "days", None, 1, "age of the oldest open urgent ticket (0: none)",
            "an urgent ticket open for {value:.0f} days"),
    _signal("reopened_91d", "tickets", QUARTER, 1, "tickets closed in 91 days that were reopened",
            "{value:.0f} reopened tickets"),
    _signal("escalated_91d", "tickets", QUARTER, 1, "tickets closed in 91 days after escalation",
            "{value:.0f} escalated tickets"),
    _signal("fundamental_91d", "share", QUARTER, 1, "share of the tickets of 91 days that are high "
            "or urgent and about bugs, outages, log-in or lost data",
            "{value:.0%} of its tickets are about fundamental issues", "no ticket in 91 days"),
    _signal("first_response_91d", "minutes", QUARTER, 1, "median first response of tickets closed "
            "in 91 days", "first answers after {value:,.0f} minutes", NO_CLOSED),
    _signal("resolution_91d", "days", QUARTER, 1, "median days from open to close, tickets closed "
            "in 91 days", "tickets take {value:.1f} days", NO_CLOSED),
    _signal("csat_91d", "points", QUARTER, -1, "mean satisfaction (1 to 5), tickets closed in 91 "
            "days", "satisfaction {value:.1f} of 5", "nobody answered"),
    _signal("csat_worst_91d", "points", QUARTER, -1, "lowest satisfaction, tickets closed in 91 "
            "days", "lowest satisfaction {value:.0f} of 5", "nobody answered"),
    _signal("csat_missing_91d", "share", QUARTER, 1, "share of the tickets closed in 91 days "
            "without an answer", "{value:.0%} of closed tickets unrated", NO_CLOSED),
)  # fmt: skip

MEANS = ("first_response_91d", "resolution_91d", "csat_worst_91d")


def measure(view: View, so_far: pd.DataFrame) -> pd.DataFrame:
    """Measure the family: one row per paying account, one column per signal."""
    slugs = [signal.slug for signal in SIGNALS]
    if not view.fresh("tickets"):
        return view.empty(slugs)
    found = view.collect(_tickets(view))
    counted = [name for name in found.columns if name not in MEANS]
    found = found.assign(**{name: found[name].fillna(0.0) for name in counted})
    found["burst_7d"] = share(found["tickets_7d"], found["tickets_91d"] * WEEK / QUARTER)
    found["tickets_per_user"] = share(found["tickets_91d"], so_far["usage_users_91d"])
    found["fundamental_91d"] = share(found["fundamental"], found["tickets_91d"])
    found["csat_91d"] = share(found["csat_sum"] / SCALE, found["rated"])
    found["csat_missing_91d"] = share(found["closed"] - found["rated"], found["closed"])
    return found.add_prefix("support_").reindex(columns=slugs)


def _tickets(view: View) -> nw.LazyFrame[Any]:
    """Count what was opened, what is open, and how what was closed came out."""
    rows = view.rows("tickets").with_columns(
        open=nw.col("closed_day").is_null(),
        closed_age=view.today - 1 - nw.col("closed_day"),
        severity=nw.col("severity").str.to_lowercase().fill_null(""),
        about=nw.col("category").str.to_lowercase().fill_null(""),
    )
    age, lately = nw.col("age"), nw.col("closed_age").fill_null(QUARTER) < QUARTER
    rated = lately & ~nw.col("csat").is_null()
    grave = nw.col("severity").is_in(GRAVE) & nw.col("about").str.contains(FUNDAMENTAL)
    urgent = nw.col("open") & (nw.col("severity") == "urgent")
    scaled = (nw.col("csat") * SCALE).round().cast(nw.Int64)
    return rows.group_by("account_id").agg(
        *(total(age < n).alias(f"tickets_{n}d") for n in (WEEK, MONTH, QUARTER)),
        total(nw.col("open")).alias("open"),
        nw.when(urgent).then(age + 1).otherwise(0).max().cast(nw.Float64).alias("urgent_open_days"),
        total(lately & nw.col("reopened")).alias("reopened_91d"),
        total(lately & nw.col("escalated")).alias("escalated_91d"),
        total((age < QUARTER) & grave).alias("fundamental"),
        nw.when(lately).then("first_response_minutes").median().alias("first_response_91d"),
        nw.when(lately).then(age - nw.col("closed_age")).median().alias("resolution_91d"),
        nw.when(rated).then(scaled).otherwise(0).sum().cast(nw.Float64).alias("csat_sum"),
        nw.when(rated).then("csat").min().cast(nw.Float64).alias("csat_worst_91d"),
        total(rated).alias("rated"),
        total(lately).alias("closed"),
    )
