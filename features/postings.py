"""Postings: the steps from lines to movements, one row where something moves.

What pieces add and take away is summed into positions; the difference between a month-end and
the one before has a class by account and levers by product. `features.ledger` asks; this file
writes the query. Nothing is written for months in which nothing moves, so that the cost follows
the number of changes and not the length of the book.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from features.asof import first_of_month, opening_day
from features.book import Book
from features.fx import Valuation, conversion, has_foreign, valuation
from features.holders import holdings
from features.levers import LEVERS, LEVERS_OF_CHURN, lever_steps
from features.lines import line_steps, revenue_table
from features.pieces import AMOUNTS, event_steps, held_steps, piece_steps
from features.rules import Rules
from features.steps import Steps, month_number

__all__ = [
    "EARLIEST",
    "MONTH_END",
    "Scope",
    "last_month_end",
    "ledger_steps",
    "mrr_steps",
    "position_steps",
]

EARLIEST = date(1900, 1, 1)
"""No line that starts before it is valued by rates of earlier days."""

MONTH_END = "last_day(make_date(CAST(m // 12 AS INTEGER), CAST(m % 12 + 1 AS INTEGER), 1))"


@dataclass(frozen=True)
class Scope:
    """What a ledger covers, and how it is kept.

    Attributes
    ----------
    as_of : date or None
        Only what was known before it counts; None for the latest knowledge.
    until : date or None
        Last month-end; None for the last one before ``as_of``, else before the book's own.
    lines : tuple of str
        Columns of lines (``product``, ``plan``) by which each account is split.
    opening : date or None
        Opening of the window that it is read for, where the rules ask for it.
    """

    as_of: date | None = None
    until: date | None = None
    lines: tuple[str, ...] = ()
    opening: date | None = None

    def end(self, book: Book) -> date:
        """Give the last month-end that is covered."""
        if self.until:
            return last_month_end(self.until + timedelta(days=1))
        return last_month_end(self.as_of or book.facts.as_of)


def last_month_end(as_of: date) -> date:
    """Give the last month-end that lies before an as-of date.

    Examples
    --------
    >>> last_month_end(date(2025, 7, 1)), last_month_end(date(2025, 7, 31))
    (datetime.date(2025, 6, 30), datetime.date(2025, 6, 30))
    """
    return opening_day(first_of_month(as_of))


def position_steps(book: Book, rules: Rules, scope: Scope, carry: int = 0) -> Steps:
    """Write the steps from the book to ``pieces`` and ``rates``.

    ``carry`` is a number of months after which a position is valued once more.
    """
    end = scope.end(book)
    steps = line_steps(book, rules, end, scope.as_of)
    valued = valuation(book, rules, scope.opening, end)
    steps |= valued.steps(book, steps, EARLIEST, end, carry)
    steps |= held_steps(scope.lines, _register_holdings(book, rules, scope))
    return steps | piece_steps(book, valued, _number(end), pauses=_pauses(book, rules))


def mrr_steps(book: Book, rules: Rules, day: date, as_of: date | None) -> Steps:
    """Write the steps to ``alive``: what each line pays on one day (entity, micros)."""
    steps = line_steps(book, rules, day, as_of)
    valued = valuation(book, rules, None, day)
    steps |= valued.steps(book, steps, day, day)
    steps |= held_steps((), _register_holdings(book, rules, Scope(as_of)))
    period = valued.period(month_number(f"DATE '{day}'"))
    return steps | {
        "alive": f"""
    SELECT entity, {conversion("total", "rate")} AS micros FROM entity_lines AS line
    LEFT JOIN rates ON rates.currency = line.currency AND rates.period = {period}
    WHERE starts_on <= DATE '{day}' AND (ends_on IS NULL OR ends_on > DATE '{day}')
        AND NOT coalesce(paused_from <= DATE '{day}'
            AND (paused_to IS NULL OR paused_to > DATE '{day}'), false)"""
    }


def ledger_steps(book: Book, rules: Rules, scope: Scope) -> Steps:
    """Write the steps of the ledger, for queries that go on from them.

    Returns
    -------
    dict of str to str
        The last ones are ``entities`` (entity, account_id, the columns of ``scope.lines``),
        ``moves`` (entity, m, movement, lever, product, micros) and ``stands``: one row per
        entity and month ``m`` in which anything moves, in force before month ``until_m``, with
        opening, closing, the movements by class and lever, and parts of the closing.
    """
    end = scope.end(book)
    last = _number(end)
    steps = position_steps(book, rules, scope)
    idle = _idle(book, rules, holdings="held_lines" in steps)
    steps |= event_steps(last) | _change_steps(book, idle)
    valued = valuation(book, rules, scope.opening, end)
    return steps | lever_steps() | _movement_steps(valued, rules, last) | _stand_steps(last)


def _number(day: date) -> int:
    return day.year * 12 + day.month - 1


def _pauses(book: Book, rules: Rules) -> bool:
    paused = "paused_from" in book.provided.get("subscriptions", frozenset())
    return paused and rules.pause == "zero"


def _register_holdings(book: Book, rules: Rules, scope: Scope) -> str | None:
    """Lay out who holds what as a table of the book's engine, named by what it depends on."""
    found = holdings(book, rules, as_of=scope.as_of, opening=scope.opening)
    if found is None:
        return None
    name = f"holdings {rules.merger} {rules.rollup} {scope.as_of} {scope.opening}"
    book.connection.register(name, found)
    return f'"{name}"'


def _change_steps(book: Book, idle: frozenset[str]) -> Steps:
    """Sum events into positions, before and after each month in which something happens.

    ``idle`` are the columns that no event of this book fills.
    """
    keys = "entity, product, usage"
    summed = ", ".join(
        f"0 AS {name}" if name in idle else f"CAST(sum({name}) AS BIGINT) AS {name}"
        for name in _COUNTED
    )
    running = ("n", "unseated", "ramps", "seats", *AMOUNTS)
    after = ", ".join(
        f"0 AS n_{name}" if name in idle else f"CAST(sum({name}) OVER story AS BIGINT) AS n_{name}"
        for name in running
    )
    plans = "plan" in book.provided[revenue_table(book)]
    return (_tier_steps(keys) if plans else {"tiers": _NO_TIERS}) | {
        "by_month": f"""
    SELECT {keys}, m, {summed}, bool_or(involuntary) AS involuntary FROM events
    GROUP BY {keys}, m""",
        "running": f"""
    SELECT *, {after} FROM by_month WINDOW story AS (PARTITION BY {keys} ORDER BY m)""",
        "changes": f"""
    SELECT {keys}, m, tiers.m IS NOT NULL AS tier, involuntary, in_grace,
        total_merged - paused_merged AS merger,
        {", ".join(map(_both_sides, AMOUNTS))}, n_total - total - n_paused + paused AS b_own,
        CASE WHEN n_n > 0 AND n_unseated = 0 THEN n_seats END AS n_seats,
        CASE WHEN n_n - n > 0 AND n_unseated - unseated = 0 THEN n_seats - seats + seats_merged END
            AS b_seats, n_ramps > 0 AS n_ramp
    FROM running LEFT JOIN tiers USING ({keys}, m)
    WHERE total <> 0 OR list <> 0 OR paused <> 0 OR seats <> 0 OR unseated <> 0 OR in_grace <> 0
        OR tiers.m IS NOT NULL OR total_merged <> 0 OR {" OR ".join(f"{a}_fx <> 0" for a in AMOUNTS)}""",
    }


def _tier_steps(keys: str) -> Steps:
    """Write the months in which a product gains or loses a plan."""
    return {
        "by_plan": f"SELECT {keys}, plan, m, sum(n) AS n FROM events GROUP BY {keys}, plan, m",
        "plan_runs": f"""
    SELECT *, sum(n) OVER (PARTITION BY {keys}, plan ORDER BY m) AS alive FROM by_plan""",
        "tiers": f"SELECT DISTINCT {keys}, m FROM plan_runs WHERE (alive = 0) <> (alive - n = 0)",
    }


_NO_TIERS = "SELECT 0 AS entity, '' AS product, false AS usage, 0 AS m WHERE false"

_FX = tuple(f"{amount}_fx" for amount in AMOUNTS)
_MERGING = (*(f"{amount}_merged" for amount in AMOUNTS), "seats_merged")
_COUNTED = ("n", "unseated", "ramps", "seats", *AMOUNTS, *_FX, *_MERGING, "in_grace")


def _idle(book: Book, rules: Rules, *, holdings: bool) -> frozenset[str]:
    """List the columns of events that a book without foreign currency, mergers … leaves at 0."""
    idle = set() if has_foreign(book) else set(_FX)
    if not holdings:
        idle |= set(_MERGING)
    if not _pauses(book, rules):
        idle |= {"paused", "paused_fx", "paused_merged"}
    if not rules.late_renewal_days:
        idle.add("in_grace")
    columns = book.provided[revenue_table(book)]
    idle |= {
        name for name, column in (("ramps", "ramp"), ("seats", "seats")) if column not in columns
    }
    return frozenset(idle)


def _both_sides(amount: str) -> str:
    before = f"n_{amount} - {amount} + {amount}_fx + {amount}_merged"
    return f"{before} AS b_{amount}, n_{amount}"


def _movement_steps(valued: Valuation, rules: Rules, last: int) -> Steps:
    start, end = month_number("starts_on"), month_number("ends_on")
    return {
        "account_changes": """
    SELECT entity, m, sum(n_total - n_paused - b_own) AS change,
        sum(b_total - b_paused - b_own - merger) AS fx,
        sum(CASE WHEN usage THEN n_total - n_paused - b_own ELSE 0 END) AS usage_change,
        sum(in_grace) AS grace_change, bool_or(involuntary) AS involuntary
    FROM changes GROUP BY entity, m""",
        "levels": """
    SELECT entity, m, CAST(fx AS BIGINT) AS fx, involuntary,
        CAST(sum(change) OVER story AS BIGINT) AS closing,
        CAST(sum(change) OVER story - change AS BIGINT) AS opening,
        CAST(sum(usage_change) OVER story AS BIGINT) AS metered,
        CAST(sum(grace_change) OVER story AS BIGINT) AS grace
    FROM account_changes WINDOW story AS (PARTITION BY entity ORDER BY m)""",
        "account_moves": """
    SELECT * FROM levels WHERE opening > 0 OR closing > 0""",
        # Lines that begin and end between two month-ends of an account that pays at neither.
        "passing": f"""
    SELECT line.entity, line.product, {start} AS m, starts_on, {conversion("total", "rate")} AS micros
    FROM entity_lines AS line
    LEFT JOIN rates ON rates.currency = line.currency AND rates.period = {valued.period(start)}
    WHERE {start} = {end} AND starts_on < ends_on AND {start} <= {last}""",
        "paying": """
    SELECT entity, m, opening, closing,
        lead(m, 1, 1000000) OVER (PARTITION BY entity ORDER BY m) AS until_m FROM account_moves""",
        "lonely": """
    SELECT * FROM passing WHERE NOT EXISTS (
        FROM paying WHERE paying.entity = passing.entity AND passing.m >= paying.m
            AND passing.m < paying.until_m
            AND (paying.closing > 0 OR (passing.m = paying.m AND paying.opening > 0)))""",
        "blips": """
    SELECT entity, product, m, min(starts_on) AS starts_on, CAST(sum(micros) AS BIGINT) AS micros
    FROM lonely WHERE starts_on = (SELECT min(starts_on) FROM lonely AS first
        WHERE first.entity = lonely.entity AND first.m = lonely.m)
    GROUP BY entity, product, m""",
        "firsts": """
    SELECT entity, min(m) AS first FROM (
        SELECT entity, m FROM account_moves UNION ALL SELECT entity, m FROM blips)
    GROUP BY entity""",
        "returns": _returns(rules),
        "classed": """
    SELECT account_moves.*, CASE WHEN opening = 0 AND (m = first OR anew.entity IS NOT NULL)
            THEN 'new' WHEN opening = 0 THEN 'reactivation' WHEN closing = 0 THEN 'churn'
            WHEN closing > opening + fx THEN 'expansion'
            WHEN closing < opening + fx THEN 'contraction' ELSE 'flat' END AS movement
    FROM account_moves JOIN firsts USING (entity) LEFT JOIN returns AS anew USING (entity, m)""",
        "moves": """
    SELECT entity, m, movement, CASE WHEN movement IN ('expansion', 'contraction', 'flat')
            OR lever IN ('pause', 'merger') THEN lever
            WHEN movement = 'churn' AND involuntary THEN 'involuntary' END AS lever, product, micros
    FROM parts JOIN classed USING (entity, m)
    UNION ALL
    SELECT entity, m, 'fx', NULL, product, b_total - b_paused - b_own - merger
    FROM changes WHERE b_total - b_paused - merger <> b_own
    UNION ALL
    SELECT entity, m, CASE WHEN m = first OR anew.entity IS NOT NULL THEN 'new'
        ELSE 'reactivation' END, NULL, product, micros
    FROM blips JOIN firsts USING (entity) LEFT JOIN returns AS anew USING (entity, m)
    UNION ALL
    SELECT entity, m, 'churn', NULL, product, -micros FROM blips""",
    }


def _returns(rules: Rules) -> str:
    """Write the months in which an account comes back as new, after a long absence.

    A paused line is service: who returns from a pause was not away.
    """
    if rules.reactivation != "new":
        return "SELECT 0 AS entity, 0 AS m WHERE false"
    return f"""
    SELECT entity, m FROM (
        SELECT back.entity, back.m, back.on_day, max(least(coalesce({_LEFT}, on_day), on_day)) AS left_on
        FROM (
            SELECT entity, s AS m, min(CASE WHEN usage THEN CAST(date_trunc('month', on_day) AS DATE) ELSE on_day END)
                AS on_day
            FROM pieces JOIN account_moves USING (entity) WHERE s = m AND opening = 0 GROUP BY entity, s
            UNION ALL SELECT entity, m, min(starts_on) FROM blips GROUP BY entity, m) AS back
        JOIN entity_lines AS line ON line.entity = back.entity AND line.starts_on < back.on_day
        GROUP BY back.entity, back.m, back.on_day)
    WHERE on_day - left_on >= {rules.gap_days}"""


# Usage of a month holds until the next month's last day; it was served until the month's end.
_LEFT = """CASE WHEN line.usage AND line.ends_on = last_day(line.ends_on)
            THEN CAST(date_trunc('month', line.ends_on) AS DATE) ELSE line.ends_on END"""


def _stand_steps(last: int) -> Steps:
    classes = {"new": "", "reactivation": "", "expansion": "", "contraction": "-", "churn": "-"}
    flows = {name: _flow(name, sign) for name, sign in (classes | {"fx": ""}).items()}
    flows |= {lever: _lever_flow(lever) for lever in LEVERS}
    flows |= {f"{lever}_churn": _churn_flow(lever) for lever in LEVERS_OF_CHURN}
    sums = ", ".join(f"CAST({amount} AS BIGINT) AS {name}" for name, amount in flows.items())
    numbers = {name: f"coalesce({name}, 0)" for name in (*flows, *_LEVELS)} | _churn_kinds()
    told = ", ".join(f"{number} AS {name}" for name, number in numbers.items())
    return {
        "flows": f"SELECT entity, m, {sums} FROM moves GROUP BY entity, m",
        "stands": f"""
    SELECT *, CAST(lead(m, 1, {last + 1}) OVER (PARTITION BY entity ORDER BY m) AS INTEGER) AS until_m
    FROM (SELECT entity, m, {told}
        FROM (SELECT * EXCLUDE (fx) FROM account_moves) FULL JOIN flows USING (entity, m))""",
    }


_LEVELS = ("opening", "closing", "metered", "grace")


def _churn_kinds() -> dict[str, str]:
    """Write the parts of a churn by kind; together they never exceed what churned.

    A product can end in the month in which another one leaves its pause: the parts of such a
    churn have both signs, and what is named is at most what was lost.
    """
    kinds: dict[str, str] = {}
    left = "coalesce(churn, 0)"
    for lever in reversed(LEVERS_OF_CHURN):
        kind = f"least(greatest(coalesce({lever}_churn, 0), 0), {left})"
        kinds[f"{lever}_churn"] = kind
        left += f" - {kind}"
    return kinds


def _flow(movement: str, sign: str) -> str:
    return f"{sign}sum(micros) FILTER (movement = '{movement}')"


def _lever_flow(lever: str) -> str:
    changes = "movement IN ('expansion', 'contraction', 'flat')"
    return f"sum(micros) FILTER (lever = '{lever}' AND {changes})"


def _churn_flow(lever: str) -> str:
    return f"-sum(micros) FILTER (lever = '{lever}' AND movement = 'churn')"
