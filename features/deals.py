"""Deals: the opportunities of accounts that already pay, as far as they were known on a day.

Exports show today's state, so what became of a deal is known from the day on which it was closed.
Its stage and its probability are those of the export; on an earlier day they are known only where
the row says that it was written before.
"""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from features.asof import instant, month_index
from features.book import Book, engine
from features.fx import conversion, rate_on, valuation
from features.holders import holdings
from features.rules import Rules
from features.scope import last_month_end

__all__ = ["deals", "seen_on"]


def seen_on(book: Book, as_of: date | None) -> date:
    """Give the day before which things must have happened: the as-of date, else the book's own."""
    return as_of or book.facts.as_of


def deals(
    book: Book,
    rules: Rules,
    journeys: pa.Table,
    *,
    as_of: date | None = None,
    opening: date | None = None,
) -> pa.Table:
    """Give one row per opportunity that was known.

    Parameters
    ----------
    book : Book
        With a table ``opportunities``.
    rules, as_of, opening
        As for `features.ledger.month_table`.
    journeys : pyarrow.Table
        As `features.journeys.journeys` gives them: they say who paid before a deal was opened.

    Returns
    -------
    pyarrow.Table
        ``account_id`` (or its holder), ``opened_on``, ``qualified_on`` (where no deal has
        one: ``opened_on``), ``closed_on``, ``won`` (null: still open), ``stage``,
        ``probability``, ``owner``, ``source``, ``micros`` (int64, the book's currency, null if
        not given) and ``expands`` (the account paid before the deal was opened; else it is a
        new logo's).

    Raises
    ------
    DataRejected
        ``fx.missing`` if a deal is in a currency for which the book has no rate.
    """
    connection = engine()
    known = book.connection.execute(_known(book, as_of)).to_arrow_table()
    held = holdings(book, rules, as_of=as_of, opening=opening)
    connection.register("known", known)
    connection.register("journeys", journeys)
    connection.register("held", held if held is not None else _NOBODY)
    rates = _rates(book, rules, known, as_of, opening)
    return connection.execute(_DEALS.format(rates=rates)).to_arrow_table()


def _known(book: Book, as_of: date | None) -> str:
    day = seen_on(book, as_of)
    ended = f"won IS NOT NULL AND closed_on < DATE '{day}'"
    told = "true"
    if as_of is None:
        ended = f"won IS NOT NULL AND coalesce(won OR closed_on < DATE '{day}', true)"
    elif as_of < book.facts.as_of:
        told = f"coalesce(recorded_at < TIMESTAMPTZ '{instant(day)}', false)"
    return f"""
    SELECT account_id, opened_on, currency, amount_mrr_micros, owner, source,
        CASE WHEN count(qualified_on) OVER () > 0 THEN qualified_on ELSE opened_on END AS qualified_on,
        CASE WHEN {ended} THEN closed_on END AS closed_on, CASE WHEN {ended} THEN won END AS won,
        CASE WHEN {told} THEN stage END AS stage, CASE WHEN {told} THEN probability END AS probability
    FROM (SELECT * REPLACE (CASE WHEN qualified_on < DATE '{day}' THEN qualified_on END AS qualified_on)
        FROM opportunities WHERE {f"known_at < TIMESTAMPTZ '{instant(as_of)}'" if as_of else "true"})"""


def _rates(
    book: Book, rules: Rules, known: pa.Table, as_of: date | None, opening: date | None
) -> str:
    """Write the rate of every currency in which a deal is, that of the last month-end."""
    own = book.facts.currency
    foreign = sorted({c for c in known["currency"].unique().to_pylist() if c and c != own})
    if not foreign:
        return "(CAST(NULL AS VARCHAR), CAST(NULL AS HUGEINT))"
    last = last_month_end(seen_on(book, as_of))
    valued = valuation(book, rules, opening, last)
    day = valued.day_of(month_index(last))
    return ", ".join(f"('{c}', CAST({rate_on(book, c, day)} AS HUGEINT))" for c in foreign)


_NOBODY = pa.table(
    {
        "account_id": pa.array([], pa.string()),
        "holder": pa.array([], pa.string()),
        "since": pa.array([], pa.date32()),
        "till": pa.array([], pa.date32()),
    }
)

_DEALS = f"""
    SELECT deal.* EXCLUDE (currency, amount_mrr_micros, account_id),
        coalesce(holder, deal.account_id) AS account_id,
        {conversion("amount_mrr_micros", "rate")} AS micros,
        coalesce(first_on < opened_on, false) AS expands
    FROM known AS deal
    LEFT JOIN (FROM (VALUES {{rates}}) AS rates (currency, rate)) AS rates
        ON rates.currency = deal.currency
    LEFT JOIN held ON held.account_id = deal.account_id AND since <= opened_on AND till > opened_on
    LEFT JOIN journeys ON journeys.account_id = coalesce(holder, deal.account_id)
    ORDER BY ALL"""
