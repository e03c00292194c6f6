"""The terms of a book's contract lines: since when, until when, and when the next decision is due.

One row per line known before the as-of date, under the account that holds it then. An end is known ahead only if it is the term's end,
or was recorded or canceled before the as-of date; otherwise the line reads as open.
"""

from __future__ import annotations

from datetime import date

import pandas as pd
import pyarrow as pa

from features.book import Book
from features.lines import KNOWN_END, revenue_table

__all__ = ["alive", "forget_terms", "known_terms", "table_of"]

_SUBSCRIPTIONS = """
    SELECT *,
        {end} AS known_end,
        CASE WHEN canceled_on < DATE '{day}' THEN canceled_on END AS known_cancel,
        coalesce(term_months, interval_months,
            datediff('month', starts_on, renews_on)) AS term
    FROM {lines} WHERE known_at < TIMESTAMPTZ '{day} 00:00:00+00'"""

_MONTHLY = """
    SELECT account_id, product, plan, seats, currency, kind, mrr_micros,
        mrr_micros AS list_mrr_micros, NULL::DOUBLE AS discount, NULL::BOOLEAN AS auto_renew,
        NULL::DOUBLE AS uplift_pct, NULL::DATE AS renews_on, NULL::DATE AS review_on,
        CAST(date_trunc('month', month) AS DATE) AS starts_on,
        CASE WHEN date_trunc('month', month) + INTERVAL 1 MONTH < DATE '{day}'
            THEN CAST(date_trunc('month', month) + INTERVAL 1 MONTH AS DATE) END AS known_end,
        NULL::DATE AS known_cancel, NULL::BIGINT AS term
    FROM {lines} WHERE known_at < TIMESTAMPTZ '{day} 00:00:00+00'"""

_ROLLED = """
    SELECT *, datesub('month', starts_on, DATE '{day}' - 1) // term + 1 AS turns FROM ({lines})"""

_TERMS = """
    SELECT account_id, coalesce(product, '') AS product, coalesce(plan, '') AS plan, seats,
        currency, coalesce(kind, 'recurring') AS kind, mrr_micros,
        coalesce(list_mrr_micros, mrr_micros) AS list_micros, discount, auto_renew, review_on,
        uplift_pct, term, starts_on, known_end, known_cancel,
        datediff('day', DATE '1970-01-01', starts_on) AS start_day,
        datediff('day', DATE '1970-01-01', known_end) AS end_day,
        CASE WHEN known_end IS NOT NULL THEN known_end
            WHEN renews_on >= DATE '{day}' THEN renews_on
            WHEN CAST(starts_on + to_months(CAST(term * turns AS INTEGER)) AS DATE) >= DATE '{day}'
            THEN CAST(starts_on + to_months(CAST(term * turns AS INTEGER)) AS DATE)
            ELSE CAST(starts_on + to_months(CAST(term * (turns + 1) AS INTEGER)) AS DATE)
            END AS due_on
    FROM ({rolled})
    WHERE mrr_micros > 0 AND coalesce(kind, 'recurring') NOT IN ('one_time', 'trial')
        AND (known_end IS NULL OR known_end > starts_on)"""


def known_terms(book: Book, as_of: date) -> pd.DataFrame:
    """Give the paid lines known before an as-of date, with what was known of their ends.

    Returns
    -------
    DataFrame
        account_id, product, plan, seats, currency, kind, mrr_micros, list_micros, discount,
        auto_renew, review_on, uplift_pct, term (months, null = unknown), starts_on, known_end,
        known_cancel, start_day, end_day (day numbers), due_on (the next date at which the
        contract must be decided: its known end, else the end of the running term).

    Raises
    ------
    InputMissing
        ``table.missing`` if the book has neither form of revenue.
    """
    name = revenue_table(book)
    lines = _SUBSCRIPTIONS if name == "subscriptions" else _MONTHLY
    known = lines.format(day=as_of, end=KNOWN_END.format(day=as_of), lines=_held(book, name))
    rolled = _ROLLED.format(day=as_of, lines=known)
    terms = _TERMS.format(day=as_of, rolled=rolled)
    book.connection.execute(f"CREATE OR REPLACE TEMP TABLE {table_of(as_of)} AS {terms}")
    lines = book.connection.table(table_of(as_of)).to_arrow_table()
    return lines.to_pandas(date_as_object=False)


def forget_terms(book: Book, as_of: date) -> None:
    """Drop what ``known_terms`` has put by."""
    book.connection.execute(f"DROP TABLE IF EXISTS {table_of(as_of)}")


def _held(book: Book, table: str) -> str:
    """Give the SQL of the lines, each under the account that holds it."""
    if not book.holders:
        return table
    who = pa.table({"account_id": list(book.holders), "holder": list(book.holders.values())})
    book.connection.register("_holders", who)
    return (
        f"(SELECT line.* REPLACE (coalesce(holder, line.account_id) AS account_id) "
        f"FROM {table} AS line LEFT JOIN _holders USING (account_id))"
    )


def table_of(as_of: date) -> str:
    """Name the table in which the terms of an as-of date are put by."""
    return f"_terms_{as_of:%Y%m%d}"


def alive(lines: pd.DataFrame, day: int | pd.Series) -> pd.DataFrame:
    """Pick the lines that are in force on a day (its number).

    Examples
    --------
    >>> lines = pd.DataFrame({"start_day": [1, 1, 9], "end_day": [5.0, None, None]})
    >>> alive(lines, 5).index.tolist()
    [1]
    """
    open_still = lines["end_day"].isna() | (lines["end_day"] > day)
    return lines[(lines["start_day"] <= day) & open_still]
