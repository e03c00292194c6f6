"""Contract of what they do: usage, features, limits, events, tickets, contact, growth."""

from __future__ import annotations

from features.columns import Column
from features.declaration import (
    ACCOUNT,
    HAPPENED,
    PRODUCT,
    RECORDED,
    UPDATED,
    USER,
    TableContract,
    dated,
    flag,
    midnight,
)

__all__ = ["CATALOG", "EVENTS", "GROWTH", "LIMITS", "TICKETS", "TOUCHPOINTS", "USAGE"]

USAGE = TableContract(
    "usage",
    "what was used: one event, or a sum per day, week or month (`grain`)",
    (
        Column("event_id", "id", "the event"),
        ACCOUNT,
        HAPPENED,
        Column("feature", "text", "what was used", required=True),
        USER,
        Column("count", "number", "how many times", default="1", least=0),
        Column("quantity", "number", "billable amount"),
        Column("users", "number", "distinct users of an aggregated row", least=0),
        RECORDED,
        UPDATED,
    ),
    ("event_id",),
    known='"occurred_at"',
)

TIERS = ("core", "advanced", "integration", "admin", "advocacy")
CATALOG = TableContract(
    "feature_catalog",
    "what each feature is",
    (
        Column("feature", "id", "name as in usage", required=True),
        Column("tier", "choice", "kind of feature", required=True, allowed=TIERS),
        PRODUCT,
        flag("activation", "using it is the milestone"),
        Column("min_plan", "text", "lowest plan that has it"),
        UPDATED,
    ),
    ("feature",),
    stranger="none",
)

LIMITS = TableContract(
    "limits",
    "how much of an allowance was used on a day",
    (
        ACCOUNT,
        Column("metric", "text", "seats, api_calls, …", required=True),
        dated("observed_on", "day of the reading", required=True, past=True),
        Column("used", "number", "used", required=True, least=0),
        Column("limit", "number", "allowed", required=True, least=0),
        RECORDED,
        UPDATED,
    ),
    ("account_id", "metric", "observed_on"),
    known=midnight("observed_on"),
)

EVENTS = TableContract(
    "events",
    "moments that say something: gate_hit, limit_hit, pricing_view, payment_failed, …",
    (
        Column("event_id", "id", "the event"),
        ACCOUNT,
        HAPPENED,
        Column("kind", "text", "what happened", required=True),
        USER,
        Column("feature", "text", "at which feature"),
        RECORDED,
        UPDATED,
    ),
    ("event_id",),
    known='"occurred_at"',
)

SEVERITIES = ("low", "normal", "high", "urgent")
TICKETS = TableContract(
    "tickets",
    "support tickets, without their text",
    (
        Column("ticket_id", "id", "the ticket", required=True),
        ACCOUNT,
        Column("opened_at", "timestamp", "when it was opened", required=True, past=True),
        Column("closed_at", "timestamp", "when it was closed", past=True),
        Column("severity", "choice", "how bad", allowed=SEVERITIES),
        Column("category", "text", "what about"),
        Column("first_response_minutes", "number", "minutes to the first answer", least=0),
        Column("csat", "number", "satisfaction, 1 to 5", least=1, most=5),
        flag("reopened", "opened again after it was closed"),
        flag("escalated", "went up"),
        RECORDED,
        UPDATED,
    ),
    ("ticket_id",),
    known='"opened_at"',
    free_text=True,
)

TOUCHPOINTS = TableContract(
    "touchpoints",
    "contact with the customer: qbr, meeting, call, nps, champion_left, notice_given, …",
    (
        Column("touch_id", "id", "the touch"),
        ACCOUNT,
        HAPPENED,
        Column("kind", "text", "what it was", required=True),
        Column("value", "number", "its number, e.g. the NPS answer"),
        Column("contact", "text", "with whom", personal=True),
        RECORDED,
        UPDATED,
    ),
    ("touch_id",),
    known='"occurred_at"',
    free_text=True,
)

GROWTH_KINDS = ("headcount", "funding", "hiring", "region", "intent", "layoffs")
GROWTH = TableContract(
    "growth",
    "what is seen of the customer's own growth",
    (
        ACCOUNT,
        dated("observed_on", "day of the reading", required=True, past=True),
        Column("kind", "choice", "what was seen", required=True, allowed=GROWTH_KINDS),
        Column("value", "number", "its number"),
        RECORDED,
        UPDATED,
    ),
    ("account_id", "observed_on", "kind"),
    known=midnight("observed_on"),
)
