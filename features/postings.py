"""Postings: the steps from lines to movements, one row where something moves.

The difference between a month-end and the one before has a class by account and levers by
product. `features.ledger` asks; this file writes the query. Nothing is written for months in
which nothing moves.
"""

from __future__ import annotations

from datetime import date

from features.asof import month_index
from features.book import Book
from features.changes import change_steps, idle_columns, pauses
from features.fx import Valuation, conversion, valuation
from features.holders import holdings
from features.levers import LEVERS, LEVERS_OF_CHURN, lever_steps
from features.lines import line_steps
from features.pieces import event_steps, held_steps, piece_steps
from features.rules import Rules
from features.scope import EARLIEST, Scope
from features.steps import Steps, month_number

__all__ = ["ledger_steps", "mrr_steps", "position_steps"]


def position_steps(book: Book, rules: Rules, scope: Scope, carry: int = 0) -> Steps:
    """Write the steps from the book to ``pieces`` and ``rates``.

    ``carry`` is a number of months after which a position is valued once more.
    """
    end = scope.end(book)
    steps = line_steps(book, rules, end, scope.as_of)
    valued = valuation(book, rules, scope.opening, end)
    steps |= valued.steps(book, steps, EARLIEST, end, carry)
    steps |= held_steps(scope.lines, _register_holdings(book, rules, scope))
    return steps | piece_steps(book, valued, month_index(end), pauses=pauses(book, rules))


def mrr_steps(
    book: Book, rules: Rules, day: date, as_of: date | None, lines: Steps | None = None
) -> Steps:
    """Write the steps to ``alive``: what each line pays on one day (entity, micros).

    ``lines`` are steps that `features.lines.lines_put_by` gave, of the same knowledge.
    """
    steps = lines.copy() if lines else line_steps(book, rules, day, as_of)
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
    last = month_index(end)
    steps = position_steps(book, rules, scope)
    idle = idle_columns(book, rules, holdings="held_lines" in steps)
    steps |= event_steps(last) | change_steps(book, idle)
    valued = valuation(book, rules, scope.opening, end)
    steps |= lever_steps() | _level_steps() | _blip_steps(valued, last)
    return steps | _class_steps(rules) | _stand_steps(last)


def _register_holdings(book: Book, rules: Rules, scope: Scope) -> str | None:
    """Lay out who holds what as a table of the book's engine, named by what it depends on."""
    found = holdings(book, rules, as_of=scope.as_of, opening=scope.opening)
    if found is None:
        return None
    name = f"holdings {rules.merger} {rules.rollup} {scope.as_of} {scope.opening}"
    book.connection.register(name, found)
    return f'"{name}"'


def _level_steps() -> Steps:
    """Write the steps from ``changes`` to ``account_moves``: opening and closing where one pays."""
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
    }


def _blip_steps(valued: Valuation, last: int) -> Steps:
    """Write the steps to ``blips``, and when each entity first paid.

    A blip is a line that begins and ends between two month-ends of an account that pays at neither.
    """
    start, end = month_number("starts_on"), month_number("ends_on")
    return {
        "passing": f"""
    SELECT line.entity, line.product, {start} AS m, starts_on, {conversion("total", "rate")} AS micros
    FROM entity_lines AS line
    LEFT JOIN rates ON rates.currency = line.currency AND rates.period = {valued.period(start)}
    WHERE {start} = {end} AND starts_on < ends_on AND {start} <= {last}
        AND NOT coalesce(paused_from <= starts_on AND coalesce(paused_to > starts_on, true), false)""",
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
    }


def _class_steps(rules: Rules) -> Steps:
    """Write the steps to ``moves``: each part of a change under the class of its account."""
    return {
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
            SELECT entity, m, min(on_day) AS on_day FROM (
                SELECT entity, s AS m, CASE WHEN usage THEN CAST(date_trunc('month', on_day) AS DATE)
                    ELSE on_day END AS on_day FROM pieces
                UNION ALL SELECT entity, m, starts_on FROM passing)
            JOIN account_moves USING (entity, m) WHERE opening = 0 GROUP BY entity, m
            UNION ALL SELECT entity, m, min(starts_on) FROM blips GROUP BY entity, m) AS back
        JOIN entity_lines AS line ON line.entity = back.entity AND line.starts_on < back.on_day
        GROUP BY back.entity, back.m, back.on_day)
    WHERE on_day - left_on >= {rules.gap_days}"""


# Usage of a month holds for up to a month more; it was served until the month's end.
_LEFT = """CASE WHEN line.usage THEN CAST(date_trunc('month', line.ends_on) AS DATE)
            ELSE line.ends_on END"""


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
