"""The lines of a book: what was known of each at a date, and until when it holds.

A line is a stretch of days ``[starts_on, ends_on)`` on which an account pays a constant
run-rate for one product. This file writes the steps of a query (name -> SELECT), which
`features.ledger` completes; whatever the book was made of, its last step is ``lines``.

Accounts go by numbers inside a query: the step ``customers`` (``code``, ``name``) numbers them.
"""

from __future__ import annotations

import hashlib
from datetime import date

from features.arrears import arrears_steps
from features.book import Book
from features.faults import InputMissing
from features.metered import metered_steps
from features.renewals import bridge_steps
from features.rules import Rules
from features.steps import Steps, laid, month_number, with_steps

__all__ = [
    "KNOWN_END",
    "forget_lines",
    "line_steps",
    "lines_put_by",
    "revenue_table",
    "unbilled",
]

_MONTHLY = """
    SELECT code AS account_id, coalesce(product, '') AS product, coalesce(plan, '') AS plan, seats,
        currency, coalesce(kind, 'recurring') AS kind, mrr_micros, mrr_micros AS list_micros,
        false AS ramp, CAST(date_trunc('month', month) AS DATE) AS starts_on,
        CAST(date_trunc('month', month) + INTERVAL 1 MONTH AS DATE) AS ends_on, 1 AS term,
        CAST(NULL AS DATE) AS paused_from, CAST(NULL AS DATE) AS paused_to, false AS involuntary
    FROM mrr_by_month JOIN customers ON customers.name = mrr_by_month.account_id
    WHERE mrr_micros > 0 AND {known}"""

_SUBSCRIPTIONS = """
    SELECT code AS account_id, coalesce(product, '') AS product, coalesce(plan, '') AS plan, seats,
        currency, coalesce(kind, 'recurring') AS kind, {mrr} AS mrr_micros,
        coalesce(list_mrr_micros, mrr_micros) AS list_micros, coalesce(ramp, false) AS ramp,
        starts_on, {end} AS ends_on,
        coalesce(term_months, interval_months, CASE WHEN ends_on = CAST(
            starts_on + to_months(CAST(datediff('month', starts_on, ends_on) AS INTEGER)) AS DATE)
            THEN datediff('month', starts_on, ends_on) END, 1) AS term, {paused_from}, {paused_to},
        coalesce(loss_reason = 'involuntary', false) AS involuntary
    FROM subscriptions JOIN customers ON customers.name = subscriptions.account_id
    WHERE {mrr} > 0 AND coalesce({end} > starts_on, true) AND {known}"""

_CUSTOMERS = """
    SELECT CAST(row_number() OVER (ORDER BY account_id) AS INTEGER) AS code, account_id AS name
    FROM (SELECT DISTINCT account_id FROM {table})"""

KNOWN_END = """CASE WHEN ends_on < DATE '{day}' OR canceled_on < DATE '{day}'
            OR recorded_at < TIMESTAMPTZ '{day} 00:00:00+00' OR ends_on = renews_on
            OR ends_on = CAST(starts_on + to_months(CAST(term_months AS INTEGER)) AS DATE)
            OR ends_on = CAST(starts_on + to_months(CAST(interval_months AS INTEGER)) AS DATE)
        THEN ends_on END"""
"""An end is known before its day only if it is the term's end, or was recorded or cancelled."""


def line_steps(book: Book, rules: Rules, until: date, as_of: date | None) -> Steps:
    """Write the steps that end in ``lines``: paid lines, late renewals bridged, usage averaged.

    Parameters
    ----------
    book : Book
        With a table ``subscriptions`` or ``mrr_by_month``.
    rules : Rules
        The choices of ``[revenue]``.
    until : date
        Last day that will be asked for.
    as_of : date, optional
        Only what was known before it counts; None for the latest knowledge.

    Returns
    -------
    dict of str to str
        Columns of ``lines``: account_id (a code of ``customers``), product, plan, seats,
        currency, usage (bool), mrr_micros, list_micros, ramp, starts_on, ends_on (null = open),
        paused_from, paused_to, grace_from (end of service of a line that is held over a late
        renewal), involuntary (bool: the line ended unpaid).
    """
    steps = _known_steps(book, rules, as_of)
    steps["recurring"] = _RECURRING
    steps |= bridge_steps(rules) if rules.late_renewal_days else {"held": _UNBRIDGED}
    steps |= metered_steps(until, rules)
    lines = _LINES.format(committed=str(rules.basis != "usage").lower())
    return steps | arrears_steps(book, rules, lines, as_of)


def lines_put_by(book: Book, rules: Rules, until: date, as_of: date) -> Steps:
    """Work the steps of `line_steps` out once, for questions about several days up to ``until``.

    Returns
    -------
    dict of str to str
        ``customers`` and ``lines``, read from tables of the book's connection; see
        `forget_lines`.
    """
    steps = line_steps(book, rules, until, as_of)
    for name, table in zip(_PUT_BY, _tables(rules, as_of), strict=True):
        laid(book, steps, name, table)
        steps[name] = f"FROM {table}"
    return {name: steps[name] for name in _PUT_BY}


def forget_lines(book: Book, rules: Rules, as_of: date) -> None:
    """Drop what `lines_put_by` has put by."""
    for table in _tables(rules, as_of):
        book.connection.execute(f"DROP TABLE IF EXISTS {table}")


_PUT_BY = ("customers", "lines")


def _tables(rules: Rules, as_of: date) -> list[str]:
    """Name the tables by what their rows depend on."""
    asked = hashlib.sha256(rules.model_dump_json().encode()).hexdigest()[:16]
    return [f"_{name}_{as_of:%Y%m%d}_{asked}" for name in _PUT_BY]


def revenue_table(book: Book) -> str:
    """Name the table that the book's revenue is in.

    Raises
    ------
    InputMissing
        ``table.missing`` if it has none.
    """
    for name in ("subscriptions", "mrr_by_month"):
        if book.has(name):
            return name
    cure = "add subscriptions or mrr_by_month"
    raise InputMissing("table.missing", "the book has no table of revenue", cure)


def unbilled(book: Book, rules: Rules, month_end: date, as_of: date | None) -> bool:
    """Say whether usage was billed for the month before this one, but not yet for this one."""
    month = month_number(f"DATE '{month_end}'")
    steps = _known_steps(book, rules, as_of) | metered_steps(month_end, rules)
    ending = f"SELECT max(service) = {month} - 1 FROM billed"
    wanted = {name: steps[name] for name in ("customers", "known_lines", "billed")}
    return bool(book.connection.execute(with_steps(wanted, ending)).fetchall()[0][0])


def _known_steps(book: Book, rules: Rules, as_of: date | None) -> Steps:
    table = revenue_table(book)
    known = f"known_at < TIMESTAMPTZ '{as_of} 00:00:00+00'" if as_of else "true"
    if table == "mrr_by_month":
        lines = _MONTHLY.format(known=known)
    else:
        paused = "{0}" if rules.pause == "zero" else "CAST(NULL AS DATE) AS {0}"
        lines = _SUBSCRIPTIONS.format(
            known=known,
            end=_end(rules, as_of),
            mrr="coalesce(list_mrr_micros, mrr_micros)"
            if rules.discount == "ignored"
            else "mrr_micros",
            paused_from=paused.format("paused_from"),
            paused_to=paused.format("paused_to"),
        )
    return {"customers": _CUSTOMERS.format(table=table), "known_lines": lines}


def _end(rules: Rules, as_of: date | None) -> str:
    """Write the end of a subscription as far as it was known, or its cancellation before that."""
    end = KNOWN_END.format(day=as_of) if as_of else "ends_on"
    if rules.churn_date == "service_end":
        return f"({end})"
    cancelled = f"CASE WHEN canceled_on < DATE '{as_of}' THEN canceled_on END"
    return f"least({end}, {cancelled if as_of else 'canceled_on'})"


_RECURRING = """
    SELECT * FROM known_lines WHERE kind NOT IN ('usage', 'one_time', 'trial')"""

_UNBRIDGED = "SELECT *, CAST(NULL AS DATE) AS grace_from FROM recurring"

_LINES = """
    SELECT account_id, product, plan, seats, currency, false AS usage, mrr_micros, list_micros,
        ramp, starts_on, ends_on, paused_from, paused_to, grace_from, involuntary
    FROM held WHERE {committed}
    UNION ALL
    SELECT account_id, product, '' AS plan, NULL AS seats, currency, true, mrr_micros,
        mrr_micros, false, starts_on, ends_on, NULL, NULL, NULL, false FROM open_usage"""
