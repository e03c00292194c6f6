"""The ledger of a period as it is frozen: one row per account and month in which it pays or moves.

Amounts are int64 micro-units of the book's currency. The law of every row is checked before it
is given: opening and movements make the closing, and a month opens where the one before closed.
"""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from features.asof import add_months, month_end
from features.book import Book, engine
from features.faults import InternalFault
from features.holders import varies
from features.ledger import month_table, mrr_on
from features.levers import LEVERS
from features.rules import Rules
from features.steps import month_end_sql
from features.windows import Window

__all__ = [
    "AMOUNTS",
    "by_account",
    "closed_ledger",
    "differences",
    "held_to_law",
    "totals",
    "trailing",
]

AMOUNTS = (
    "opening",
    "new",
    "reactivation",
    "expansion",
    "contraction",
    "churned",
    "fx",
    "closing",
)
"""The amounts of a row, in the order of the identity."""


def trailing(closing: date, months: int = 12) -> Window:
    """Give the window of so many months that closes at a month-end.

    Examples
    --------
    >>> trailing(date(2025, 5, 31)).opening
    datetime.date(2024, 5, 31)
    """
    return Window(month_end(add_months(closing.replace(day=1), -months)), closing)


def closed_ledger(
    book: Book, rules: Rules, closing: date, *, as_of: date | None = None
) -> pa.Table:
    """Give the ledger up to a month-end, by account and month.

    Parameters
    ----------
    book : Book
        With a table ``subscriptions`` or ``mrr_by_month``.
    rules : Rules
        The choices of ``[revenue]``. Where they depend on a window's opening, it is that of the
        trailing twelve months.
    closing : date
        Last month-end.
    as_of : date, optional
        Only what was known before it counts; None for the latest knowledge.

    Returns
    -------
    pyarrow.Table
        ``account_id`` (text), ``month_end`` (date) and, int64, ``<amount>_micros`` for each of
        `AMOUNTS`, for ``organic`` and for every lever; sorted by account and month. Months in
        which an account neither pays nor moves have no row.

    Raises
    ------
    InternalFault
        ``identity.broken`` if the ledger does not hold its law.
    """
    opening = trailing(closing).opening
    table = month_table(book, rules, as_of=as_of, until=closing, opening=opening)
    frozen = _spread(table)
    held_to_law(frozen)
    if as_of is None and not varies(book, rules):
        _same_as_on_the_day(book, rules, frozen, closing)
    return frozen


def held_to_law(ledger: pa.Table) -> None:
    """Check every row's identity and that each account's months follow on each other.

    Raises
    ------
    InternalFault
        ``identity.broken``, naming the account and the month.
    """
    connection = engine()
    connection.register("ledger", ledger)
    broken = connection.execute(_BROKEN).fetchone()
    if broken is not None:
        where = f"account {broken[0]}, {broken[1]}"
        raise InternalFault("identity.broken", f"{where}: movements do not make the closing MRR")


def totals(ledger: pa.Table, closing: date) -> dict[str, int]:
    """Add up the accounts in one month: how many pay, and every amount in micro-units.

    Examples
    --------
    >>> row = {"account_id": ["a"], "month_end": [date(2025, 5, 31)]}
    >>> amounts = {f"{name}_micros": [7 if name in ("new", "closing") else 0] for name in AMOUNTS}
    >>> found = totals(pa.table(row | amounts), date(2025, 5, 31))
    >>> found["accounts"], found["new_micros"], found["churned_micros"]
    (1, 7, 0)
    """
    connection = engine()
    connection.register("ledger", ledger)
    sums = ", ".join(f"coalesce(sum({n}_micros), 0)::BIGINT AS {n}_micros" for n in AMOUNTS)
    result = connection.execute(
        f"""SELECT count(*) FILTER (closing_micros > 0) AS accounts, {sums} FROM ledger
        WHERE month_end = DATE '{closing}'"""
    )
    names = [column[0] for column in result.description]
    return dict(zip(names, result.fetchall()[0], strict=True))


def differences(closed: pa.Table, today: pa.Table) -> pa.Table:
    """Lay two ledgers side by side, and keep the accounts and months in which they differ.

    Returns
    -------
    pyarrow.Table
        ``account_id``, ``month_end``, ``status`` (``added``: the closed ledger has no row of the
        account at all; ``removed``: today's has none; else ``changed``), ``closed_micros``,
        ``restated_micros`` (both closing MRR), ``difference_micros``, and the differences of the
        other amounts, ``<amount>_micros``; largest difference first.
    """
    connection = engine()
    connection.register("closed", closed)
    connection.register("today", today)
    return connection.execute(_DIFFERENCES).to_arrow_table()


def by_account(apart: pa.Table, closing: date) -> pa.Table:
    """Give one row per account of `differences`, the largest difference in one month first.

    Returns
    -------
    pyarrow.Table
        ``account_id``, ``status``, ``closed_micros``, ``restated_micros`` and
        ``difference_micros`` at the month-end ``closing`` (where the account reads the same in
        that month the first two are null and the last is 0), ``months`` (in how many months it
        reads differently).
    """
    connection = engine()
    connection.register("apart", apart)
    return connection.execute(_BY_ACCOUNT.format(closing=closing)).to_arrow_table()


def _spread(table: pa.Table) -> pa.Table:
    """Give every month in which an account pays or moves a row of its own."""
    names = [f"{name}_micros" for name in (*AMOUNTS, "organic", *LEVERS)]
    flows = [name for name in names if name not in _STANDING]
    moved = ", ".join(f"CASE WHEN month = m THEN {name} ELSE 0 END AS {name}" for name in flows)
    anything = " OR ".join(f"{name} <> 0" for name in names)
    connection = engine()
    connection.register("ledger", table)
    return connection.execute(
        f"""WITH months AS (
            SELECT * REPLACE (CAST(account_id AS VARCHAR) AS account_id),
                unnest(range(m, until_m)) AS month FROM ledger),
        spread AS (
            SELECT account_id, {month_end_sql("month")} AS month_end,
                CASE WHEN month = m THEN opening_micros ELSE closing_micros END AS opening_micros,
                closing_micros, {moved} FROM months)
        SELECT * FROM spread WHERE {anything} ORDER BY account_id, month_end"""
    ).to_arrow_table()


def _same_as_on_the_day(book: Book, rules: Rules, ledger: pa.Table, closing: date) -> None:
    """Add up what accounts pay on the day itself: another way to the same sum."""
    paid = int(mrr_on(book, closing, rules)["mrr_micros"].sum())
    summed = totals(ledger, closing)["closing_micros"]
    if paid != summed:
        message = f"{closing}: accounts pay {paid} micro-units that day, the ledger says {summed}"
        raise InternalFault("identity.broken", message)


_STANDING = ("opening_micros", "closing_micros")

# An account's months follow on each other: a row that is left out stands for a month at zero.
_BROKEN = """
    SELECT account_id, month_end FROM (
        SELECT *, lag(closing_micros) OVER account AS before,
            lag(month_end) OVER account = last_day(month_end - INTERVAL 1 MONTH) AS follows,
            lead(month_end) OVER account IS NULL AND month_end < max(month_end) OVER () AS ends
        FROM ledger WINDOW account AS (PARTITION BY account_id ORDER BY month_end))
    WHERE opening_micros + new_micros + reactivation_micros + expansion_micros
            - contraction_micros - churned_micros + fx_micros <> closing_micros
        OR opening_micros <> CASE WHEN follows THEN before ELSE 0 END
        OR (follows IS DISTINCT FROM true AND before > 0) OR (ends AND closing_micros > 0)
        OR opening_micros < 0 OR closing_micros < 0
    ORDER BY ALL LIMIT 1"""

_COMPARED = [f"{name}_micros" for name in AMOUNTS]
_LESS = ", ".join(
    f"coalesce(today.{name}, 0) - coalesce(closed.{name}, 0) AS {name}" for name in _COMPARED
)
_OTHER = ", ".join(name for name in _COMPARED if name != "closing_micros")

_DIFFERENCES = f"""
    WITH pairs AS (
        SELECT account_id, month_end, coalesce(closed.closing_micros, 0) AS closed_micros,
            coalesce(today.closing_micros, 0) AS restated_micros, {_LESS}
        FROM closed FULL OUTER JOIN today USING (account_id, month_end))
    SELECT account_id, month_end, CASE
            WHEN account_id NOT IN (SELECT account_id FROM closed) THEN 'added'
            WHEN account_id NOT IN (SELECT account_id FROM today) THEN 'removed'
            ELSE 'changed' END AS status,
        closed_micros, restated_micros, closing_micros AS difference_micros, {_OTHER}
    FROM pairs WHERE {" OR ".join(f"{name} <> 0" for name in _COMPARED)}
    ORDER BY abs(closing_micros) DESC, account_id, month_end"""

_BY_ACCOUNT = """
    SELECT account_id, any_value(status) AS status,
        any_value(closed_micros) FILTER (here) AS closed_micros,
        any_value(restated_micros) FILTER (here) AS restated_micros,
        coalesce(any_value(difference_micros) FILTER (here), 0) AS difference_micros,
        count(*) AS months
    FROM (SELECT *, month_end = DATE '{closing}' AS here FROM apart) GROUP BY account_id
    ORDER BY max(abs(difference_micros)) DESC, account_id"""
