"""The lines of a book: what was known of each at a date, and until when it holds.

A line is a stretch of days ``[starts_on, ends_on)`` on which an account pays a constant
run-rate for one product. This file writes the steps of a query (name -> SELECT), which
`features.ledger` completes; whatever the book was made of, its last step is ``lines``.
"""

from __future__ import annotations

from datetime import date

from features.book import Book
from features.faults import InputMissing
from features.metered import metered_steps
from features.renewals import bridge_steps
from features.rules import Rules
from features.steps import Steps, month_number, with_steps

__all__ = ["KNOWN_END", "line_steps", "unbilled"]

_MONTHLY = """
    SELECT account_id, coalesce(product, '') AS product, coalesce(plan, '') AS plan, seats,
        currency, coalesce(kind, 'recurring') AS kind, mrr_micros, mrr_micros AS list_micros,
        false AS ramp, CAST(date_trunc('month', month) AS DATE) AS starts_on,
        CAST(date_trunc('month', month) + INTERVAL 1 MONTH AS DATE) AS ends_on, 1 AS term,
        CAST(NULL AS DATE) AS paused_from, CAST(NULL AS DATE) AS paused_to
    FROM mrr_by_month WHERE mrr_micros > 0 AND {known}"""

_SUBSCRIPTIONS = """
    SELECT account_id, coalesce(product, '') AS product, coalesce(plan, '') AS plan, seats,
        currency, coalesce(kind, 'recurring') AS kind, mrr_micros,
        coalesce(list_mrr_micros, mrr_micros) AS list_micros, coalesce(ramp, false) AS ramp,
        starts_on, {end} AS ends_on,
        coalesce(term_months, interval_months, CASE WHEN ends_on = CAST(
            starts_on + to_months(CAST(datediff('month', starts_on, ends_on) AS INTEGER)) AS DATE)
            THEN datediff('month', starts_on, ends_on) END, 1) AS term,
        paused_from, paused_to
    FROM subscriptions
    WHERE mrr_micros > 0 AND (ends_on IS NULL OR ends_on > starts_on) AND {known}"""

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
        Columns of ``lines``: account_id, product, plan, seats, currency, usage (bool),
        mrr_micros, list_micros, ramp, starts_on, ends_on (null = open), paused_from, paused_to.
    """
    return (
        {"known_lines": _known_lines(book, as_of)}
        | {"recurring": "SELECT * FROM known_lines WHERE kind NOT IN ('usage','one_time','trial')"}
        | (bridge_steps(rules) if rules.late_renewal_days else {"held": "SELECT * FROM recurring"})
        | metered_steps(until)
        | {"lines": _LINES}
    )


def unbilled(book: Book, month_end: date, as_of: date | None) -> bool:
    """Say whether usage was billed for the month before this one, but not yet for this one."""
    month = month_number(f"DATE '{month_end}'")
    steps = {"known_lines": _known_lines(book, as_of)} | metered_steps(month_end)
    ending = f"SELECT max(service) = {month} - 1 FROM billed"
    wanted = {name: steps[name] for name in ("known_lines", "billed")}
    return bool(book.connection.execute(with_steps(wanted, ending)).fetchall()[0][0])


def _known_lines(book: Book, as_of: date | None) -> str:
    known = f"known_at < TIMESTAMPTZ '{as_of} 00:00:00+00'" if as_of else "true"
    if book.has("subscriptions"):
        end = KNOWN_END.format(day=as_of) if as_of else "ends_on"
        return _SUBSCRIPTIONS.format(known=known, end=end)
    if book.has("mrr_by_month"):
        return _MONTHLY.format(known=known)
    cure = "add subscriptions or mrr_by_month"
    raise InputMissing("table.missing", "the book has no table of revenue", cure)


_LINES = """
    SELECT account_id, product, plan, seats, currency, false AS usage, mrr_micros, list_micros,
        ramp, starts_on, ends_on, paused_from, paused_to FROM held
    UNION ALL
    SELECT account_id, product, '' AS plan, NULL AS seats, currency, true, mrr_micros,
        mrr_micros, false, starts_on, ends_on, NULL, NULL FROM open_usage"""
