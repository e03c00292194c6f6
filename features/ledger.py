"""The ledger: what every account pays at every month-end, and how it got there.

MRR on a day is the sum of the run-rates of the lines alive on that day. A ledger month samples
it on its last day; between two month-ends stands a movement, with its class and its levers.
Money is int64 micro-units of the book's currency.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa

from features.asof import first_of_month, opening_day
from features.book import Book
from features.faults import InternalFault
from features.fx import conversion, fiscal_year_of, rate_steps
from features.levers import LEVERS, ORGANIC, lever_steps
from features.lines import Steps, line_steps, month_number, with_steps
from features.rules import Rules

__all__ = [
    "account_months",
    "last_month_end",
    "ledger_steps",
    "month_table",
    "movements",
    "mrr_on",
    "openings",
]


def last_month_end(as_of: date) -> date:
    """Give the last month-end that lies before an as-of date.

    Examples
    --------
    >>> last_month_end(date(2025, 7, 1)), last_month_end(date(2025, 7, 31))
    (datetime.date(2025, 6, 30), datetime.date(2025, 6, 30))
    """
    return opening_day(first_of_month(as_of))


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
    >>> book = Book.of({"mrr_by_month": pd.DataFrame({
    ...     "account_id": ["a"], "month": [pd.Timestamp("2025-06-01")], "mrr_micros": [10_000_000],
    ...     "product": [None], "plan": [None], "seats": [None], "currency": ["USD"],
    ...     "kind": [None], "known_at": [pd.Timestamp("2025-06-30 23:59:59", tz="UTC")]})})
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
    SELECT account_id, {_MONTH_END} AS month_end, movement AS class, lever, product,
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
    WHERE NOT {_PAUSED} GROUP BY account_id, m"""
    return book.connection.execute(with_steps(steps, ending)).to_arrow_table()


def ledger_steps(
    book: Book,
    rules: Rules,
    *,
    as_of: date | None = None,
    until: date | None = None,
    carry: int = 0,
) -> Steps:
    """Write the steps of the ledger, for queries that go on from them.

    Returns
    -------
    dict of str to str
        The last ones are ``account_moves`` (opening, carried, closing by account and month
        number ``m``), ``moves`` (account_id, m, movement, lever, product, micros) and ``spine``
        (account_id, m from the first paid month to ``until``).
    """
    end = last_month_end(until + timedelta(days=1) if until else as_of or book.facts.as_of)
    last = end.year * 12 + end.month - 1
    steps = line_steps(book, rules, end, as_of)
    steps |= rate_steps(book, steps, _EARLIEST, end, carry)
    steps |= _position_steps(last, book.facts.fiscal_year_starts)
    return steps | lever_steps() | _movement_steps(last, book.facts.fiscal_year_starts)


def _position_steps(last: int, fiscal_year_starts: int) -> Steps:
    """Sample the lines at month-ends, and lay each month beside the one before.

    A month's position is carried into the next month at the next month's rates: what that
    changes is fx, and all other movements are measured from there.
    """
    start, end = month_number("starts_on"), month_number("ends_on")
    values = ("total", "list")
    now = ", ".join(f"{conversion(v + '_raw', 'now.rate')} AS {v}" for v in values)
    then = ", ".join(f"{conversion(v + '_raw', 'next.rate')} AS {v}_carried" for v in values)
    year, next_year = (fiscal_year_of(m, fiscal_year_starts) for m in ("m", "m + 1"))
    return {
        "line_months": f"""
    SELECT * RENAME (mrr_micros AS total_raw, list_micros AS list_raw),
        unnest(range({start}, least(coalesce({end}, {last + 1}), {last + 1}))) AS m
    FROM lines""",
        "valued": f"""
    SELECT account_id, product, usage, plan, seats, ramp, m, {now}, {then},
        {_PAUSED} AS is_paused
    FROM line_months
    LEFT JOIN rates AS now ON now.currency = line_months.currency AND now.fiscal_year = {year}
    LEFT JOIN rates AS next ON next.currency = line_months.currency
        AND next.fiscal_year = {next_year}""",
        "positions": """
    SELECT account_id, product, usage, m, CASE WHEN count(seats) = count(*) THEN sum(seats) END AS seats,
        CASE WHEN min(plan) = max(plan) THEN min(plan) ELSE min(plan) || ' … ' || max(plan) END AS plan,
        bool_or(ramp) AS ramp, sum(total) AS total, sum(total) FILTER (is_paused) AS paused,
        sum(list) AS list, sum(total_carried) AS total_carried,
        sum(total_carried) FILTER (is_paused) AS paused_carried, sum(list_carried) AS list_carried
    FROM valued GROUP BY ALL""",
        "changes": f"""
    SELECT account_id, product, usage, month AS m, {_both_sides()}
    FROM (SELECT *, false AS was, m AS month FROM positions
        UNION ALL SELECT *, true, m + 1 FROM positions WHERE m < {last})
    GROUP BY account_id, product, usage, month""",
    }


def _both_sides() -> str:
    """Write what a product was before and is now, each zero or empty where it is not there."""
    money = {"total": "total_carried", "paused": "paused_carried", "list": "list_carried"}
    parts = []
    for name, carried in money.items():
        parts.append(f"CAST(coalesce(sum({carried}) FILTER (was), 0) AS BIGINT) AS b_{name}")
        parts.append(f"CAST(coalesce(sum({name}) FILTER (NOT was), 0) AS BIGINT) AS n_{name}")
    for name in ("seats", "plan", "ramp"):
        parts.append(f"any_value({name}) FILTER (was) AS b_{name}")
        parts.append(f"any_value({name}) FILTER (NOT was) AS n_{name}")
    parts.append(
        "CAST(coalesce(sum(total - coalesce(paused, 0)) FILTER (was), 0) AS BIGINT) AS b_own"
    )
    return ", ".join(parts)


def _movement_steps(last: int, fiscal_year_starts: int) -> Steps:
    start, end = month_number("starts_on"), month_number("ends_on")
    year = fiscal_year_of(start, fiscal_year_starts)
    return {
        "account_moves": """
    SELECT account_id, m, CAST(sum(b_own) AS BIGINT) AS opening,
        CAST(sum(b_total - b_paused) AS BIGINT) AS carried,
        CAST(sum(n_total - n_paused) AS BIGINT) AS closing
    FROM changes GROUP BY account_id, m HAVING sum(b_own) > 0 OR sum(n_total - n_paused) > 0""",
        # Lines that begin and end between two month-ends of an account that pays at neither.
        "passing": f"""
    SELECT line.account_id, line.product, {start} AS m, starts_on,
        {conversion("mrr_micros", "rate")} AS micros
    FROM lines AS line
    LEFT JOIN rates ON rates.currency = line.currency AND rates.fiscal_year = {year}
    WHERE {start} = {end} AND {start} <= {last} AND NOT EXISTS (FROM account_moves AS paying
        WHERE paying.account_id = line.account_id AND paying.m = {start})""",
        "blips": """
    SELECT account_id, product, m, CAST(sum(micros) AS BIGINT) AS micros FROM passing
    WHERE starts_on = (SELECT min(starts_on) FROM passing AS first
        WHERE first.account_id = passing.account_id AND first.m = passing.m)
    GROUP BY account_id, product, m""",
        "firsts": """
    SELECT account_id, min(m) AS first FROM (
        SELECT account_id, m FROM account_moves UNION ALL SELECT account_id, m FROM blips)
    GROUP BY account_id""",
        "classed": """
    SELECT *, CASE WHEN opening = 0 AND m = first THEN 'new' WHEN opening = 0 THEN 'reactivation'
        WHEN closing = 0 THEN 'churn' WHEN closing > carried THEN 'expansion'
        WHEN closing < carried THEN 'contraction' ELSE 'flat' END AS movement
    FROM account_moves JOIN firsts USING (account_id)""",
        "moves": """
    SELECT account_id, m, movement, CASE WHEN movement IN ('expansion', 'contraction', 'flat')
        OR lever = 'pause' THEN lever END AS lever, product, micros
    FROM parts JOIN classed USING (account_id, m)
    UNION ALL
    SELECT account_id, m, 'fx', NULL, product, b_total - b_paused - b_own
    FROM changes WHERE b_total - b_paused <> b_own
    UNION ALL
    SELECT account_id, m, CASE WHEN m = first THEN 'new' ELSE 'reactivation' END, NULL, product,
        micros FROM blips JOIN firsts USING (account_id)
    UNION ALL
    SELECT account_id, m, 'churn', NULL, product, -micros FROM blips""",
        "spine": f"""
    SELECT account_id, unnest(range(first, {last + 1})) AS m FROM firsts""",
        "flows": f"""
    SELECT account_id, m, {_flow("new")}, {_flow("reactivation")}, {_flow("expansion")},
        {_flow("contraction", "-")}, {_flow("churn", "-")}, {_flow("fx")},
        {", ".join(map(_lever_flow, LEVERS))}
    FROM moves GROUP BY account_id, m""",
    }


def _flow(movement: str, sign: str = "") -> str:
    return f"CAST({sign}sum(micros) FILTER (movement = '{movement}') AS BIGINT) AS {movement}"


def _lever_flow(lever: str) -> str:
    changes = "movement IN ('expansion', 'contraction', 'flat')"
    return f"CAST(sum(micros) FILTER (lever = '{lever}' AND {changes}) AS BIGINT) AS {lever}"


_EARLIEST = date(1900, 1, 1)

_PAUSED = f"""coalesce({month_number("paused_from")} <= m
        AND (paused_to IS NULL OR {month_number("paused_to")} > m), false)"""

_MONTH_END = "last_day(make_date(m // 12, m % 12 + 1, 1))"

_ACCOUNT_MONTHS = f"""
    SELECT account_id, {_MONTH_END} AS month_end,
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
