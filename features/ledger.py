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

from features.asof import month_end, month_of
from features.book import Book
from features.faults import InternalFault
from features.levers import LEVERS, LEVERS_OF_CHURN, ORGANIC
from features.postings import ledger_steps, mrr_steps
from features.rules import Rules
from features.scope import Scope
from features.steps import Steps, month_end_sql, run

__all__ = [
    "account_months",
    "month_table",
    "movements",
    "mrr_on",
]


def mrr_on(
    book: Book,
    day: date,
    rules: Rules,
    *,
    as_of: date | None = None,
    lines: Steps | None = None,
) -> pd.DataFrame:
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
    lines : dict of str to str, optional
        What `features.lines.lines_put_by` gave for that knowledge and these choices (holders and
        exchange rates may be others).

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
    steps = mrr_steps(book, rules, day, as_of, lines)
    ending = f"""
    SELECT account_id, CAST(sum(micros) AS BIGINT) AS mrr_micros FROM ({steps.pop("alive")})
    JOIN entities USING (entity) GROUP BY account_id HAVING sum(micros) > 0 ORDER BY account_id"""
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
    SELECT account_id, {month_end_sql("m")} AS month_end, movement AS class, lever, product,
        CAST(sum(micros) AS BIGINT) AS amount_micros
    FROM moves JOIN entities USING (entity) GROUP BY ALL ORDER BY ALL"""
    return _frame(book, ledger_steps(book, rules, Scope(as_of, until)), ending)


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
    steps = ledger_steps(book, rules, Scope(as_of, until))
    table = run(book, steps, _EVERY_MONTH)
    _check(table)
    return table.to_pandas(date_as_object=True)


def month_table(
    book: Book,
    rules: Rules,
    *,
    as_of: date | None = None,
    until: date | None = None,
    lines: tuple[str, ...] = (),
    opening: date | None = None,
) -> pa.Table:
    """Give the ledger with only the months in which something moves.

    Parameters
    ----------
    book, rules, as_of, until
        As for `account_months`.
    lines : tuple of str
        ``product``, ``plan`` or both: every account is split by them, and each part is treated
        as an account of its own.
    opening : date, optional
        Opening of the window that it is read for; matters where `features.holders.varies`.

    Returns
    -------
    pyarrow.Table
        ``account_id``, the columns of ``lines``, ``m`` (int32: 12 · year + month − 1),
        ``until_m`` (int32: the row holds before that month) and, int64: ``opening_micros``,
        ``closing_micros``, ``new_micros``, ``reactivation_micros``, ``expansion_micros``,
        ``contraction_micros``, ``churned_micros``, ``fx_micros``, ``organic_micros``; for each
        lever ``<lever>_micros`` (signed; of expansions and contractions only);
        ``metered_micros`` and ``grace_micros`` (parts of the closing: billed by usage, held over a
        late renewal); ``involuntary_churn_micros``, ``pause_churn_micros``,
        ``merger_churn_micros`` (parts of what churned). In order of account and month.

    Raises
    ------
    InternalFault
        ``identity.broken`` if opening and movements of a row do not make its closing, or a
        row's opening is not the closing before it.
    """
    steps = ledger_steps(book, rules, Scope(as_of, until, lines, opening))
    keys = ", ".join(["account_id", *(f"entities.{name}" for name in lines)])
    ending = f"""
    SELECT {keys}, CAST(m AS INTEGER) AS m, until_m, {_AMOUNTS}, {_PARTS}
    FROM stands JOIN entities USING (entity) ORDER BY {keys}, m"""
    table = run(book, steps, ending)
    _check(table)
    return table


def _check(table: pa.Table) -> None:
    """Refuse a ledger in which a row's movements do not make its closing MRR."""
    get = {name: table.column(f"{name}_micros").to_numpy() for name in _FLOWS}
    closing = get["opening"] + get["new"] + get["reactivation"] + get["expansion"] + get["fx"]
    broken = closing - get["contraction"] - get["churned"] != get["closing"]
    if broken.any():
        row = table.slice(int(np.flatnonzero(broken)[0]), 1).to_pylist()[0]
        where = (
            f"account {row['account_id']}, {row.get('month_end') or month_end(month_of(row['m']))}"
        )
        raise InternalFault("identity.broken", f"{where}: movements do not make the closing MRR")


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
_CLASSES = {"churned": "churn"}
_AMOUNTS = ", ".join(f"stands.{_CLASSES.get(name, name)} AS {name}_micros" for name in _FLOWS)
_ORGANIC = " + ".join(f"stands.{lever}" for lever in ORGANIC)
_AMOUNTS += f", {_ORGANIC} AS organic_micros"
_PARTS = ", ".join(
    [f"stands.{lever} AS {lever}_micros" for lever in LEVERS]
    + ["metered AS metered_micros", "grace AS grace_micros"]
    + [f"{lever}_churn AS {lever}_churn_micros" for lever in LEVERS_OF_CHURN]
)

# A stand holds for months: its movements are those of the first, and then it stays as it closed.
_MOVING = ", ".join(
    f"CASE WHEN m = from_m THEN {_CLASSES.get(name, name)} ELSE {'closing' if name in ('opening', 'closing') else 0} END"
    f" AS {name}_micros"
    for name in _FLOWS
)
_EVERY_MONTH = f"""
    SELECT account_id, {month_end_sql("m")} AS month_end, {_MOVING},
        CASE WHEN m = from_m THEN {" + ".join(ORGANIC)} ELSE 0 END AS organic_micros
    FROM (SELECT * EXCLUDE (m), m AS from_m, unnest(range(m, until_m)) AS m FROM stands)
    JOIN entities USING (entity) ORDER BY account_id, m"""


def _frame(book: Book, steps: Steps, ending: str) -> pd.DataFrame:
    return run(book, steps, ending).to_pandas(date_as_object=True)
