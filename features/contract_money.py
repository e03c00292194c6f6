"""Contract of what they pay: lines, monthly figures, prices, rates, payments, deals."""

from __future__ import annotations

from features.columns import Column
from features.declaration import (
    ACCOUNT,
    CURRENCY,
    LINE_KIND,
    PLAN,
    PRODUCT,
    RECORDED,
    SEATS,
    UPDATED,
    TableContract,
    dated,
    flag,
    midnight,
)

__all__ = ["FX", "MRR_BY_MONTH", "OPPORTUNITIES", "PAYMENTS", "PLANS", "SUBSCRIPTIONS"]

SUBSCRIPTIONS = TableContract(
    "subscriptions",
    "one row per line of a contract and term",
    (
        Column("subscription_id", "id", "the line; made from the row where absent"),
        ACCOUNT,
        PRODUCT,
        PLAN,
        SEATS,
        CURRENCY,
        LINE_KIND,
        dated("starts_on", "first day of service", required=True),
        dated("ends_on", "first day without service; empty = open"),
        Column("mrr", "money", "monthly run-rate, before discount", least=0),
        Column("amount", "money", "price of the whole interval", least=0, stored=False),
        Column("discount", "share", "share taken off", least=0, most=1),
        Column("interval_months", "integer", "months that amount pays for", least=1, most=120),
        Column("term_months", "integer", "months that the contract binds", least=1, most=1200),
        dated("renews_on", "day of the next decision"),
        flag("auto_renew", "renews unless someone acts"),
        dated("canceled_on", "day on which notice was given"),
        Column("status", "text", "state today; never a signal"),
        dated("signed_on", "signature of this line"),
        Column("uplift_pct", "number", "contracted yearly price rise, per cent"),
        flag("ramp", "a contracted step"),
        dated("paused_from", "first day of a pause"),
        dated("paused_to", "first day after a pause"),
        Column("loss_reason", "text", "why it was lost, in one word"),
        dated("review_on", "re-expansion review"),
        RECORDED,
        UPDATED,
    ),
    ("subscription_id", "product", "starts_on"),
    known='CAST(least(coalesce("signed_on", "starts_on"), "starts_on") AS TIMESTAMPTZ)',
    stranger="quarantine",
)

MRR_BY_MONTH = TableContract(
    "mrr_by_month",
    "monthly run-rate per account and month: the other form of revenue",
    (
        ACCOUNT,
        Column("month", "month", "any day in the month", required=True),
        Column("mrr", "money", "run-rate in that month", required=True, least=0),
        PRODUCT,
        PLAN,
        SEATS,
        CURRENCY,
        LINE_KIND,
        RECORDED,
        UPDATED,
    ),
    ("account_id", "month", "product", "kind"),
    known="""CAST("month" + INTERVAL 1 MONTH AS TIMESTAMPTZ) - INTERVAL 1 MICROSECOND""",
    stranger="quarantine",
)

PLANS = TableContract(
    "plans",
    "the price list",
    (
        Column("plan", "id", "the tier", required=True),
        PRODUCT,
        Column("rank", "integer", "order of the tiers, 1 the lowest"),
        Column("list_price", "money", "price per month", least=0),
        CURRENCY,
        Column("limits", "text", "what it includes"),
        UPDATED,
    ),
    ("plan",),
    stranger="none",
)

FX = TableContract(
    "fx_rates",
    "what one unit of a currency is worth in the book's",
    (
        Column("currency", "currency", "ISO 4217", required=True),
        dated("date", "day of the rate", required=True),
        Column("rate", "number", "book currency per unit", required=True, least=1e-9, most=1e7),
        RECORDED,
        UPDATED,
    ),
    ("currency", "date"),
    known=midnight("date"),
    stranger="none",
)

PAYMENTS = TableContract(
    "payments",
    "invoices, refunds and credits",
    (
        Column("invoice_id", "id", "the document", required=True),
        ACCOUNT,
        dated("due_on", "day on which it is due", required=True),
        dated("paid_on", "day on which it was paid", past=True),
        Column("amount", "money", "amount; a refund or a credit may be negative"),
        CURRENCY,
        Column(
            "kind",
            "choice",
            "what it is",
            allowed=("invoice", "refund", "credit"),
            default="invoice",
        ),
        RECORDED,
        UPDATED,
    ),
    ("invoice_id",),
    known='CAST(least(coalesce("paid_on", "due_on"), "due_on") AS TIMESTAMPTZ)',
    stranger="quarantine",
)

OPPORTUNITIES = TableContract(
    "opportunities",
    "deals in the pipeline",
    (
        Column("opportunity_id", "id", "the deal"),
        ACCOUNT,
        dated("opened_on", "when it was opened", required=True, past=True),
        Column("stage", "text", "stage today", required=True),
        Column("amount_mrr", "money", "monthly run-rate at stake"),
        dated("closed_on", "when it was closed"),
        flag("won", "whether it was won"),
        Column("lever", "text", "what would grow"),
        Column("probability", "share", "the source's own estimate", least=0, most=1),
        Column("source", "text", "csm, sales, self_serve, trigger"),
        Column("owner", "text", "who owns it", personal=True),
        dated("qualified_on", "when it was qualified"),
        CURRENCY,
        RECORDED,
        UPDATED,
    ),
    ("opportunity_id",),
    known=midnight("opened_on"),
)
