"""Changes: what every product of an account was before a month-end and is on it.

What pieces add and take away is summed into positions. There is a row only where something
changes: the cost follows the number of changes and not the length of the book.
"""

from __future__ import annotations

from features.book import Book
from features.fx import has_foreign
from features.lines import revenue_table
from features.pieces import AMOUNTS
from features.rules import Rules
from features.steps import Steps

__all__ = ["change_steps", "idle_columns", "pauses"]


def change_steps(book: Book, idle: frozenset[str]) -> Steps:
    """Write the steps from ``events`` to ``changes``, one row per product and month.

    Parameters
    ----------
    book : Book
        Whether its lines have plans.
    idle : frozenset of str
        The columns that no event of this book fills; see `idle_columns`.

    Returns
    -------
    dict of str to str
        ``changes``: what `features.levers.lever_steps` reads, and ``b_own`` (what the account
        paid before, at the rates of then), involuntary, in_grace.
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


def idle_columns(book: Book, rules: Rules, *, holdings: bool) -> frozenset[str]:
    """List the columns of events that a book without foreign currency, mergers … leaves at 0."""
    idle = set() if has_foreign(book) else set(_FX)
    if not holdings:
        idle |= set(_MERGING)
    if not pauses(book, rules):
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


def pauses(book: Book, rules: Rules) -> bool:
    """Say whether any line of the book may be paused."""
    may = "paused_from" in book.provided.get("subscriptions", frozenset())
    return may and rules.pause == "zero"
