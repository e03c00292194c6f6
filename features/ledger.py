"""The ledger: what every account pays at every month-end, and how it got there.

MRR on a day is the sum of the run-rates of the lines alive on that day. A ledger month samples
it on its last day; between two month-ends stands a movement, with its class and its levers.
Money is int64 micro-units of the book's currency.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa

from features.book import Book
from features.faults import InternalFault
from features.fx import conversion, fiscal_year_of, rate_steps
from features.levers import LEVERS, ORGANIC
from features.lines import line_steps
from features.postings import MONTH_END, PAUSED, ledger_steps
from features.rules import Rules
from features.steps import Steps, month_number, with_steps

__all__ = ["account_months", "month_table", "movements", "mrr_on", "openings"]


def mrr_on(book: Book, day: date, rules: Rules, *, as_of: date | None = None) -> pd.DataFrame:
    """Give what each account pays on a day.

    Parameters
    ----------
    book : Book
        With a table ``subscriptions`` or ``mrr_by_month``.
    day : date
        The day; a line counts on it if ``starts_on <= day < ends_on``.
    rules : Rules
        The choices of ``[revenue]``.
    as_of : date, optional
        Only what was known before it counts; None for the latest knowledge.

    Returns
    -------
    DataFrame
        ``account_id``, ``mrr_micros`` (int64, book currency): the accounts that pay something,
        sorted by ``account_id``.

    Examples
    --------
    >>> from features.contracts import canonical
    >>> june = {"account_id": ["a"], "month": ["2025-06-01"], "mrr_micros": [10_000_000]}
    >>> book = Book.of({"mrr_by_month": canonical("mrr_by_month", pd.DataFrame(june))})
    >>> mrr_on(book, date(2025, 6, 30), Rules()).to_dict("records")
    [{'account_id': 'a', 'mrr_micros': 10000000}]
    """
    steps = line_steps(book, rules, day, as_of)
    steps |= rate_steps(book, steps, day, day)
    year = fiscal_year_of(month_number(f"DATE '{day}'"), book.facts.fiscal_year_starts)
    ending = f"""
    SELECT account_id, CAST(sum({conversion("mrr_micros", "rate")}) AS BIGINT) AS mrr_micros
    FROM lines LEFT JOIN rates ON rates.currency = lines.currency AND rates.fiscal_year = {year}
    WHERE starts_on <= DATE '{day}' AND (ends_on IS NULL OR ends_on > DATE '{day}')
        AND NOT coalesce(paused_from <= DATE '{day}'
            AND (paused_to IS NULL OR paused_to > DATE '{day}'), false)
    GROUP BY account_id ORDER BY account_id"""
    return _frame(book, steps, ending)


def movements(
    book: Book, rules: Rules, *, as_of: date | None = None, until: date | None = None
) -> pd.DataFrame:
    """Give every movement, one row per account, month, class, lever and product.

    Parameters
    ----------
    book, rules, as_of, until
        As for `account_months`.

    Returns
    -------
    DataFrame
        ``account_id``, ``month_end`` (date), ``class`` (new, reactivation, expansion,
        contraction, churn, fx, or flat where the levers of an account cancel out), ``lever``
        (of expansion, contraction and flat; "pause" also elsewhere; else missing), ``product``,
        ``amount_micros`` (int64, signed: the rows of an account and month add up to closing
        less opening).
    """
    ending = f"""
    SELECT account_id, {MONTH_END} AS month_end, movement AS class, lever, product,
        CAST(sum(micros) AS BIGINT) AS amount_micros
    FROM moves GROUP BY ALL ORDER BY ALL"""
    return _frame(book, ledger_steps(book, rules, as_of=as_of, until=until), ending)


def account_months(
    book: Book, rules: Rules, *, as_of: date | None = None, until: date | None = None
) -> pd.DataFrame:
    """Give the ledger by account: one row per account and month, no month skipped.

    Parameters
    ----------
    book : Book
        With a table ``subscriptions`` or ``mrr_by_month``.
    rules : Rules
        The choices of ``[revenue]``.
    as_of : date, optional
        Only what was known before it counts; None for the latest knowledge.
    until : date, optional
        Last month-end; default the last one before ``as_of``, else before the book's own as-of
        date.

    Returns
    -------
    DataFrame
        From each account's first paid month on: ``account_id``, ``month_end`` (date) and, int64
        in the book's currency, ``opening_micros``, ``closing_micros``, ``new_micros``,
        ``reactivation_micros``, ``expansion_micros``, ``contraction_micros``,
        ``churned_micros`` (the last two counted positive), ``fx_micros`` and ``organic_micros``
        (signed: seat, tier, product and usage levers).

    Raises
    ------
    InternalFault
        ``identity.broken`` if opening and movements of a row do not make its closing.
    """
    table = month_table(book, rules, as_of=as_of, until=until)
    return table.select(_COLUMNS).to_pandas(date_as_object=True)


def month_table(
    book: Book, rules: Rules, *, as_of: date | None = None, until: date | None = None
) -> pa.Table:
    """Give the ledger by account as a table, with every lever.

    Returns
    -------
    pyarrow.Table
        The columns of `account_months`, ``m`` (the month's number) and, for each lever of
        `features.levers.LEVERS`, ``<lever>_micros`` (signed; expansions and contractions only).

    Raises
    ------
    InternalFault
        ``identity.broken`` if opening and movements of a row do not make its closing.
    """
    steps = ledger_steps(book, rules, as_of=as_of, until=until)
    table = book.connection.execute(with_steps(steps, _ACCOUNT_MONTHS)).to_arrow_table()
    get = {name: table.column(f"{name}_micros").to_numpy() for name in _FLOWS}
    closing = get["opening"] + get["new"] + get["reactivation"] + get["expansion"] + get["fx"]
    broken = np.flatnonzero(closing - get["contraction"] - get["churned"] != get["closing"])
    if len(broken):
        row = table.slice(broken[0], 1).to_pylist()[0]
        where = f"account {row['account_id']}, {row['month_end']}"
        raise InternalFault("identity.broken", f"{where}: movements do not make the closing MRR")
    return table


def openings(
    book: Book, rules: Rules, months: int, *, as_of: date | None = None, until: date | None = None
) -> pa.Table:
    """Give what accounts pay at each month-end, at the rates of the month-end ``months`` later.

    A window's cohort is measured at one rate set, that of its closing.

    Returns
    -------
    pyarrow.Table
        ``account_id``, ``m`` (number of the opening month), ``micros`` (int64, more than 0).
    """
    steps = ledger_steps(book, rules, as_of=as_of, until=until, carry=months)
    year = fiscal_year_of(f"(m + {months})", book.facts.fiscal_year_starts)
    ending = f"""
    SELECT account_id, m, CAST(sum({conversion("total_raw", "rate")}) AS BIGINT) AS micros
    FROM line_months LEFT JOIN rates ON rates.currency = line_months.currency
        AND rates.fiscal_year = {year}
    WHERE NOT {PAUSED} GROUP BY account_id, m"""
    return book.connection.execute(with_steps(steps, ending)).to_arrow_table()


_ACCOUNT_MONTHS = f"""
    SELECT account_id, {MONTH_END} AS month_end,
        coalesce(opening, 0) AS opening_micros, coalesce(closing, 0) AS closing_micros,
        coalesce(new, 0) AS new_micros, coalesce(reactivation, 0) AS reactivation_micros,
        coalesce(expansion, 0) AS expansion_micros, coalesce(contraction, 0) AS contraction_micros,
        coalesce(churn, 0) AS churned_micros, coalesce(fx, 0) AS fx_micros,
        coalesce({") + coalesce(".join(f"{lever}, 0" for lever in ORGANIC)}) AS organic_micros,
        {", ".join(f"coalesce({lever}, 0) AS {lever}_micros" for lever in LEVERS)}, m
    FROM spine LEFT JOIN account_moves USING (account_id, m) LEFT JOIN flows USING (account_id, m)
    ORDER BY account_id, m"""


_FLOWS = (
    "opening",
    "closing",
    "new",
    "reactivation",
    "expansion",
    "contraction",
    "churned",
    "fx",
)
_COLUMNS = ["account_id", "month_end", *(f"{name}_micros" for name in (*_FLOWS, "organic"))]


def _frame(book: Book, steps: Steps, ending: str) -> pd.DataFrame:
    query = with_steps(steps, ending)
    return book.connection.execute(query).to_arrow_table().to_pandas(date_as_object=True)
