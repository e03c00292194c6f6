"""Postings: the steps from lines to movements, one row per account, month, class and lever.

Positions are sampled at month-ends, each laid beside the one before; the difference has a class
by account and levers by product. `features.ledger` asks; this file writes the query.
"""

from __future__ import annotations

from datetime import date, timedelta

from features.asof import first_of_month, opening_day
from features.book import Book
from features.fx import conversion, fiscal_year_of, rate_steps
from features.levers import LEVERS, lever_steps
from features.lines import line_steps
from features.rules import Rules
from features.steps import Steps, month_number

__all__ = ["MONTH_END", "PAUSED", "last_month_end", "ledger_steps"]

_EARLIEST = date(1900, 1, 1)

PAUSED = f"""coalesce({month_number("paused_from")} <= m
        AND (paused_to IS NULL OR {month_number("paused_to")} > m), false)"""

MONTH_END = "last_day(make_date(m // 12, m % 12 + 1, 1))"


def last_month_end(as_of: date) -> date:
    """Give the last month-end that lies before an as-of date.

    Examples
    --------
    >>> last_month_end(date(2025, 7, 1)), last_month_end(date(2025, 7, 31))
    (datetime.date(2025, 6, 30), datetime.date(2025, 6, 30))
    """
    return opening_day(first_of_month(as_of))


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
        {PAUSED} AS is_paused
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
