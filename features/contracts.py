"""The contract: every source table, its key, its columns, and what they mean.

``TABLES`` is the one declaration; reading, checking, docs and tests are driven by it. A table is
declared by a few lines of ``Column``; ``known`` says from when a row counts as known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import duckdb
import pandas as pd
import pyarrow as pa

from features.columns import Column
from features.faults import DataRejected

__all__ = [
    "KNOWN_AT",
    "SQL_TYPES",
    "TABLES",
    "TableContract",
    "canonical",
    "stored_schema",
    "table_names",
]

KNOWN_AT = pa.field("known_at", pa.timestamp("us", tz="UTC"))
Stranger = Literal["quarantine", "unmatched", "none"]


@dataclass(frozen=True)
class TableContract:
    """One source table.

    Attributes
    ----------
    name, doc : str
        What it is called and what a row of it is.
    columns : tuple of Column
        Its columns, in order.
    key : tuple of str
        The columns that name a row; a row is its own key where these are absent.
    known : str or None
        SQL over the stored columns: the instant from which a row is known when it has no
        ``recorded_at``. None for tables that carry today's state only.
    stranger : str
        What becomes of a row whose account is unknown: ``quarantine`` (money), ``unmatched``
        (set aside, counted apart), ``none`` (the table has no account to look up).
    extras : bool
        Whether further columns of the source are kept, as text.
    free_text : bool
        Whether a row may hold what people wrote; such rows are never kept raw.
    """

    name: str
    doc: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    known: str | None = None
    stranger: Stranger = "unmatched"
    extras: bool = False
    free_text: bool = False

    @property
    def stored(self) -> tuple[Column, ...]:
        """Columns that a snapshot keeps."""
        return tuple(column for column in self.columns if column.stored)

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that a source must have."""
        return tuple(column.name for column in self.columns if column.required)

    @property
    def schema(self) -> pa.Schema:
        """Names and types in a snapshot, without extra columns."""
        fields = [column.field for column in self.stored]
        return pa.schema([*fields, KNOWN_AT] if self.known else fields)

    def column(self, name: str) -> Column:
        """Give a column by its name."""
        return next(column for column in self.columns if column.name == name)


ACCOUNT = Column("account_id", "id", "the customer", required=True)
RECORDED = Column("recorded_at", "timestamp", "when the source first held the row", past=True)
UPDATED = Column("updated_at", "timestamp", "which of two versions is newer", stored=False)
CURRENCY = Column("currency", "currency", "ISO 4217; empty = the book's")
HAPPENED = Column("occurred_at", "timestamp", "when it happened", required=True, past=True)
PLAN = Column("plan", "text", "tier of the product")
PRODUCT = Column("product", "text", "product line")
SEATS = Column("seats", "integer", "seats paid for", least=0)
USER = Column("user_id", "text", "who, inside the account", personal=True)
CSM = Column("csm", "text", "who looks after the account", personal=True)
KINDS = ("recurring", "usage", "one_time", "trial")
LINE_KIND = Column("kind", "choice", "what is billed", allowed=KINDS, default="recurring")


def _dated(name: str, doc: str, required: bool = False, past: bool = False) -> Column:
    return Column(name, "date", doc, required=required, past=past)


def _flag(name: str, doc: str) -> Column:
    return Column(name, "boolean", doc)


def _midnight(column: str) -> str:
    return f'CAST("{column}" AS TIMESTAMPTZ)'


_ACCOUNTS = TableContract(
    "accounts",
    "one row per customer, as it is today; further columns are kept as possible cuts",
    (
        ACCOUNT,
        Column("name", "text", "display name", personal=True),
        Column("segment", "text", "the user's own segment"),
        Column("industry", "text", "industry"),
        Column("region", "text", "region or country"),
        Column("acquisition_channel", "text", "where the account came from"),
        CSM,
        Column("parent_account_id", "id", "the account that this one belongs to"),
        Column("employees", "integer", "headcount of the customer", least=0),
        _dated("signed_on", "first signature"),
        UPDATED,
    ),
    ("account_id",),
    stranger="none",
    extras=True,
)

_SUBSCRIPTIONS = TableContract(
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
        _dated("starts_on", "first day of service", required=True),
        _dated("ends_on", "first day without service; empty = open"),
        Column("mrr", "money", "monthly run-rate, before discount", least=0),
        Column("amount", "money", "price of the whole interval", least=0, stored=False),
        Column("discount", "share", "share taken off", least=0, most=1),
        Column("interval_months", "integer", "months that amount pays for", least=1, most=120),
        Column("term_months", "integer", "months that the contract binds", least=1, most=1200),
        _dated("renews_on", "day of the next decision"),
        _flag("auto_renew", "renews unless someone acts"),
        _dated("canceled_on", "day on which notice was given"),
        Column("status", "text", "state today; never a signal"),
        _dated("signed_on", "signature of this line"),
        Column("uplift_pct", "number", "contracted yearly price rise, per cent"),
        _flag("ramp", "a contracted step"),
        _dated("paused_from", "first day of a pause"),
        _dated("paused_to", "first day after a pause"),
        Column("loss_reason", "text", "why it was lost, in one word"),
        _dated("review_on", "re-expansion review"),
        RECORDED,
        UPDATED,
    ),
    ("subscription_id", "product", "starts_on"),
    known='CAST(least(coalesce("signed_on", "starts_on"), "starts_on") AS TIMESTAMPTZ)',
    stranger="quarantine",
)

_MRR_BY_MONTH = TableContract(
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

_USAGE = TableContract(
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
_CATALOG = TableContract(
    "feature_catalog",
    "what each feature is",
    (
        Column("feature", "id", "name as in usage", required=True),
        Column("tier", "choice", "kind of feature", required=True, allowed=TIERS),
        PRODUCT,
        _flag("activation", "using it is the milestone"),
        Column("min_plan", "text", "lowest plan that has it"),
        UPDATED,
    ),
    ("feature",),
    stranger="none",
)

_LIMITS = TableContract(
    "limits",
    "how much of an allowance was used on a day",
    (
        ACCOUNT,
        Column("metric", "text", "seats, api_calls, …", required=True),
        _dated("observed_on", "day of the reading", required=True, past=True),
        Column("used", "number", "used", required=True, least=0),
        Column("limit", "number", "allowed", required=True, least=0),
        RECORDED,
        UPDATED,
    ),
    ("account_id", "metric", "observed_on"),
    known=_midnight("observed_on"),
)

_EVENTS = TableContract(
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
_TICKETS = TableContract(
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
        _flag("reopened", "opened again after it was closed"),
        _flag("escalated", "went up"),
        RECORDED,
        UPDATED,
    ),
    ("ticket_id",),
    known='"opened_at"',
    free_text=True,
)

_TOUCHPOINTS = TableContract(
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

GROWTH = ("headcount", "funding", "hiring", "region", "intent", "layoffs")
_GROWTH = TableContract(
    "growth",
    "what is seen of the customer's own growth",
    (
        ACCOUNT,
        _dated("observed_on", "day of the reading", required=True, past=True),
        Column("kind", "choice", "what was seen", required=True, allowed=GROWTH),
        Column("value", "number", "its number"),
        RECORDED,
        UPDATED,
    ),
    ("account_id", "observed_on", "kind"),
    known=_midnight("observed_on"),
)

_OUTREACH = TableContract(
    "outreach_log",
    "which play was given to which account, and what came of it",
    (
        Column("outreach_id", "id", "the assignment"),
        ACCOUNT,
        _dated("assigned_on", "when it was given", required=True, past=True),
        Column("play", "text", "which play", required=True),
        Column("arm", "choice", "drawn or held", required=True, allowed=("treated", "holdout")),
        _dated("acted_on", "when it was done", past=True),
        Column("outcome", "text", "what came of it"),
        CSM,
        RECORDED,
        UPDATED,
    ),
    ("outreach_id",),
    known=_midnight("assigned_on"),
)

_OPPORTUNITIES = TableContract(
    "opportunities",
    "deals in the pipeline",
    (
        Column("opportunity_id", "id", "the deal"),
        ACCOUNT,
        _dated("opened_on", "when it was opened", required=True, past=True),
        Column("stage", "text", "stage today", required=True),
        Column("amount_mrr", "money", "monthly run-rate at stake"),
        _dated("closed_on", "when it was closed"),
        _flag("won", "whether it was won"),
        Column("lever", "text", "what would grow"),
        Column("probability", "share", "the source's own estimate", least=0, most=1),
        Column("source", "text", "csm, sales, self_serve, trigger"),
        Column("owner", "text", "who owns it", personal=True),
        _dated("qualified_on", "when it was qualified"),
        CURRENCY,
        RECORDED,
        UPDATED,
    ),
    ("opportunity_id",),
    known=_midnight("opened_on"),
)

_FX = TableContract(
    "fx_rates",
    "what one unit of a currency is worth in the book's",
    (
        Column("currency", "currency", "ISO 4217", required=True),
        _dated("date", "day of the rate", required=True),
        Column("rate", "number", "book currency per unit", required=True, least=1e-9),
        RECORDED,
        UPDATED,
    ),
    ("currency", "date"),
    known=_midnight("date"),
    stranger="none",
)

_HISTORY = TableContract(
    "account_history",
    "the dated form of columns of accounts",
    (
        ACCOUNT,
        _dated("valid_from", "first day on which this holds", required=True),
        Column("segment", "text", "segment from that day"),
        CSM,
        Column("parent_account_id", "id", "parent from that day"),
        Column("merged_into", "id", "the account that took this one over"),
        RECORDED,
        UPDATED,
    ),
    ("account_id", "valid_from"),
    known=_midnight("valid_from"),
)

_PLANS = TableContract(
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

_CONTACTS = TableContract(
    "contacts",
    "who the people are",
    (
        Column("contact_id", "id", "the person", required=True, personal=True),
        ACCOUNT,
        Column("area", "text", "part of the customer"),
        Column("role", "choice", "role", allowed=("champion", "sponsor", "admin", "user")),
        _dated("left_on", "day on which the person left"),
        UPDATED,
    ),
    ("contact_id",),
)

_PAYMENTS = TableContract(
    "payments",
    "invoices, refunds and credits",
    (
        Column("invoice_id", "id", "the document", required=True),
        ACCOUNT,
        _dated("due_on", "day on which it is due", required=True),
        _dated("paid_on", "day on which it was paid", past=True),
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

TABLES: dict[str, TableContract] = {
    table.name: table
    for table in (
        _ACCOUNTS, _SUBSCRIPTIONS, _MRR_BY_MONTH, _USAGE, _CATALOG, _LIMITS, _EVENTS, _TICKETS,
        _TOUCHPOINTS, _GROWTH, _OUTREACH, _OPPORTUNITIES, _FX, _HISTORY, _PLANS, _CONTACTS,
        _PAYMENTS,
    )
}  # fmt: skip


def table_names() -> list[str]:
    """List the tables of the contract, accounts first.

    Examples
    --------
    >>> table_names()[:3]
    ['accounts', 'subscriptions', 'mrr_by_month']
    """
    return list(TABLES)


def stored_schema(table: str) -> pa.Schema:
    """Give the names and types of a table in a snapshot (with a line's price before discount).

    Examples
    --------
    >>> stored_schema("limits").names[-2:]
    ['recorded_at', 'known_at']
    """
    schema = TABLES[table].schema
    if table == "subscriptions":
        at = schema.get_field_index("mrr_micros") + 1
        schema = schema.insert(at, pa.field("list_mrr_micros", pa.int64()))
    return schema


def canonical(table: str, frame: pd.DataFrame, currency: str = "USD") -> pa.Table:
    """Give a hand-made frame the shape of a snapshot's table.

    Columns that are absent come as typed nulls (with the contract's default where it has one);
    ``known_at`` follows the contract's rule; ``list_mrr_micros`` is ``mrr_micros`` unless given.

    Parameters
    ----------
    table : str
        Name in the contract.
    frame : DataFrame
        Columns under their stored names (``mrr_micros``, not ``mrr``); dates as dates or text.
    currency : str
        The book's currency, for rows that name none.

    Returns
    -------
    pyarrow.Table
        All stored columns in the contract's order, extra ones of accounts last.

    Raises
    ------
    DataRejected
        ``schema.unknown_column`` for a column that the table has not.

    Examples
    --------
    >>> rows = pd.DataFrame({"account_id": ["a"], "starts_on": ["2025-01-31"], "mrr_micros": [5]})
    >>> lines = canonical("subscriptions", rows)
    >>> lines["kind"].to_pylist(), lines["list_mrr_micros"].to_pylist()
    (['recurring'], [5])
    >>> lines["known_at"].to_pandas()[0].isoformat()
    '2025-01-31T00:00:00+00:00'
    """
    contract, schema = TABLES[table], stored_schema(table)
    extras = [name for name in frame.columns if name not in schema.names]
    if extras and not contract.extras:
        message = f"{table}: {', '.join(extras)}"
        raise DataRejected("schema.unknown_column", message, f"known: {', '.join(schema.names)}")
    source = pa.Table.from_pandas(frame, preserve_index=False)
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("source", source)
    names = [f'"{name}"' for name in extras]
    defaults = {c.stored_name: c.default for c in contract.columns if c.default is not None}
    defaults |= {"currency": currency}
    given = list(frame.columns)
    typed = ", ".join([_typed(field, given, defaults) for field in schema] + names)
    known = _known(contract, "known_at" in frame.columns)
    sql = f"SELECT * {known} FROM (SELECT {typed} FROM source)"
    rows = connection.sql(sql).to_arrow_table()
    return rows.cast(pa.schema([*schema, *(rows.schema.field(name) for name in extras)]))


def _typed(field: pa.Field, given: list[str], defaults: dict[str, str]) -> str:
    name, kind = field.name, SQL_TYPES[str(field.type)]
    if name == "list_mrr_micros" and name not in given:
        name = "mrr_micros"
    value = f'CAST("{name}" AS {kind})' if name in given else f"CAST(NULL AS {kind})"
    if field.name == "subscription_id" and name not in given:
        value = "'line-' || row_number() OVER ()"
    if field.name in defaults:
        value = f"coalesce({value}, CAST('{defaults[field.name]}' AS {kind}))"
    if field.name == "month":
        value = f"date_trunc('month', {value})"
    return f'{value} AS "{field.name}"'


def _known(contract: TableContract, given: bool) -> str:
    if contract.known is None:
        return ""
    own = '"known_at", ' if given else ""
    return f'REPLACE (coalesce({own}"recorded_at", {contract.known}) AS "known_at")'


SQL_TYPES = {
    "string": "VARCHAR",
    "date32[day]": "DATE",
    "timestamp[us, tz=UTC]": "TIMESTAMPTZ",
    "double": "DOUBLE",
    "int64": "BIGINT",
    "bool": "BOOLEAN",
}
