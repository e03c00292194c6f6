"""Support: how many tickets, how grave, how well answered.

A ticket's outcome (close, satisfaction, escalation) is read only if it was closed before the
as-of date. An account without tickets has counted zero; means over no tickets are missing.
"""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw

from features.rollup import SCALE
from features.signal import Family, Part, Rows, Signal, signal
from features.sums import ratio, total
from features.view import View

__all__ = ["FAMILY"]

WEEK, MONTH, QUARTER = 7, 30, 91
FUNDAMENTAL = "bug|outage|login|data.?loss"
GRAVE = ["high", "urgent"]
NO_FEED = "the book has no tickets, or their feed is behind"
NO_CLOSED = "no ticket closed in 91 days"
NO_TICKET = "no ticket in 91 days"


def _tickets(view: View) -> nw.LazyFrame[Any]:
    """Give one row per ticket, with what is known of it now."""
    closed_age = view.today - 1 - nw.col("closed_day")
    return view.rows("tickets").with_columns(
        open=nw.col("closed_day").is_null(),
        took=nw.col("closed_day") - nw.col("day"),
        lately=closed_age.fill_null(QUARTER) < QUARTER,
        severity=nw.col("severity").str.to_lowercase().fill_null(""),
        about=nw.col("category").str.to_lowercase().fill_null(""),
    )


TICKETS = Rows("tickets", ("tickets",), _tickets, NO_FEED)
age, lately, grade = nw.col("age"), nw.col("lately"), nw.col("severity")
RATED = lately & ~nw.col("csat").is_null()
URGENT = nw.col("open") & (grade == "urgent")
FUNDAMENTALS = (age < QUARTER) & grade.is_in(GRAVE) & nw.col("about").str.contains(FUNDAMENTAL)
SCORE = (nw.col("csat") * SCALE).round().cast(nw.Int64)


CLOSED, GRADED = "tickets.closed_at", "tickets.severity"


def _part(name: str, value: nw.Expr, *given: str) -> Part:
    return Part(f"support__{name}", value, TICKETS, 0.0, given)


PARTS = (
    _part("closed", total(lately), CLOSED),
    _part("rated", total(RATED), CLOSED, "tickets.csat"),
    _part("score", nw.when(RATED).then(SCORE).otherwise(0).sum().cast(nw.Float64)),
    _part("fundamental", total(FUNDAMENTALS), GRADED, "tickets.category"),
)


def _of(severity: str) -> Signal:
    return signal(f"support_{severity}_91d", "tickets", QUARTER, 0, 0,
                  f"tickets of {severity} severity opened in 91 days",
                  f"{{value:.0f}} tickets of {severity} severity in 91 days",
                  total((age < QUARTER) & (grade == severity)), rows=TICKETS, given=(GRADED,))  # fmt: skip


SIGNALS = (
    signal("support_tickets_7d", "tickets", WEEK, 0, 0, "tickets opened in 7 days",
           "{value:.0f} tickets opened in the last 7 days", total(age < WEEK), rows=TICKETS),
    signal("support_tickets_30d", "tickets", MONTH, 0, 0, "tickets opened in 30 days",
           "{value:.0f} tickets opened in the last 30 days", total(age < MONTH), rows=TICKETS),
    signal("support_tickets_91d", "tickets", QUARTER, 0, 0, "tickets opened in 91 days",
           "{value:.0f} tickets opened in the last 91 days", total(age < QUARTER), rows=TICKETS),
    *(_of(severity) for severity in ("low", "normal", "high", "urgent")),
    signal("support_tickets_per_user", "tickets", QUARTER, 0, 0,
           "tickets of 91 days / users of 91 days",
           "{value:.2f} tickets per active user in 91 days",
           ratio("support_tickets_91d", "usage_users_91d"),
           missing="no active user, or users not known", tables=("tickets", "usage"),
           zero="no tickets in 91 days",
           fuller="{support_tickets_91d:.0f} tickets in 91 days from {usage_users_91d:,.0f} active "
                  "users, {value:.2f} a user"),
    signal("support_burst_7d", "ratio", QUARTER, 0, 0,
           "tickets of 7 days / what 91 days' rate would bring",
           "tickets at {value:.1f} times its usual pace this week",
           ratio("support_tickets_7d", nw.col("support_tickets_91d") * WEEK / QUARTER),
           missing=NO_TICKET,
           zero="no tickets this week",
           fuller="{support_tickets_7d:.0f} tickets in the last 7 days, {value:.1f} times its own "
                  "usual pace"),
    signal("support_open", "tickets", None, 0, 0, "tickets open now", "{value:.0f} open tickets",
           total(nw.col("open")), rows=TICKETS, given=(CLOSED,)),
    signal("support_urgent_open_days", "days", None, 1, 0,
           "age of the oldest open urgent ticket (0: none)",
           "an urgent ticket open for {value:.0f} days",
           nw.when(URGENT).then(age + 1).otherwise(0).max().cast(nw.Float64), rows=TICKETS,
           given=(CLOSED, GRADED), zero="no urgent ticket open"),
    signal("support_reopened_91d", "tickets", QUARTER, 1, 0,
           "tickets closed in 91 days that were reopened",
           "{value:.0f} tickets reopened in 91 days",
           total(lately & nw.col("reopened")), rows=TICKETS,
           given=(CLOSED, "tickets.reopened")),
    signal("support_escalated_91d", "tickets", QUARTER, 1, 0,
           "tickets closed in 91 days after escalation",
           "{value:.0f} tickets escalated in 91 days",
           total(lately & nw.col("escalated")), rows=TICKETS,
           given=(CLOSED, "tickets.escalated")),
    signal("support_fundamental_91d", "share", QUARTER, 1, 0,
           "share of the tickets of 91 days that are high or urgent and about bugs, outages, "
           "log-in or lost data",
           "{value:.0%} of its tickets of 91 days are grave ones about bugs, outages, log-in "
            "or lost data",
           ratio("support__fundamental", "support_tickets_91d"), missing=NO_TICKET,
           zero="none of its tickets of 91 days is a grave one about bugs, outages, log-in or "
                "lost data",
           fuller="{value:.0%} of its {support_tickets_91d:.0f} tickets of 91 days are grave ones "
                  "about bugs, outages, log-in or lost data"),
    signal("support_first_response_91d", "minutes", QUARTER, 1, 0,
           "median first response of tickets closed in 91 days",
           "tickets wait {value:minutes} for a first answer",
           nw.when(lately).then("first_response_minutes").median(), rows=TICKETS,
           missing=NO_CLOSED),
    signal("support_resolution_91d", "days", QUARTER, 1, 0,
           "median days from open to close, tickets closed in 91 days",
           "tickets take {value:.1f} days to resolve", nw.when(lately).then("took").median(), rows=TICKETS,
           missing=NO_CLOSED,
           zero="tickets are resolved on the same day"),
    signal("support_csat_91d", "points", QUARTER, -1, 0,
           "mean satisfaction (1 to 5), tickets closed in 91 days",
           "ticket satisfaction {value:.1f} of 5 in 91 days",
           ratio(nw.col("support__score") / SCALE, "support__rated"), missing="nobody answered"),
    signal("support_csat_worst_91d", "points", QUARTER, -1, 0,
           "lowest satisfaction, tickets closed in 91 days",
           "lowest ticket satisfaction {value:.0f} of 5 in 91 days",
           nw.when(RATED).then("csat").min().cast(nw.Float64), rows=TICKETS,
           missing="nobody answered"),
    signal("support_csat_missing_91d", "share", QUARTER, 1, 0,
           "share of the tickets closed in 91 days without an answer",
           "{value:.0%} of its closed tickets unrated",
           ratio(nw.col("support__closed") - nw.col("support__rated"), "support__closed"),
           missing=NO_CLOSED,
           zero="all of its closed tickets rated"),
)  # fmt: skip

FAMILY = Family("support", SIGNALS, PARTS)
