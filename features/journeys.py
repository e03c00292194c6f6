"""Journeys: when each account first paid, first expanded, and was last seen paying.

The ledger says in which month a movement falls; the lines say on which day of that month. An
expansion falls on the first day of its month on which the account's lines, as they start and end,
amount to more than at the month's opening; where no line says so, on the month-end.
"""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from features.acv import acv_segment_sql
from features.asof import month_end, month_of
from features.book import Book, engine
from features.cuts import dated_steps, fixed_steps, is_dated, is_stored
from features.postings import position_steps
from features.rules import Rules
from features.scope import Scope
from features.steps import month_end_sql, month_number, with_steps

__all__ = ["LEAST_RISE", "journeys", "last_month", "segments_of"]

LEAST_RISE = 5_000
"""Micro-units. A smaller rise is the rounding of a run-rate and counts as no expansion."""


def last_month(ledger: pa.Table) -> int | None:
    """Give the number of a ledger's last month; None if nobody ever paid.

    Examples
    --------
    >>> last_month(pa.table({"until_m": [24300, 24307]}))
    24306
    """
    latest = pc.max(ledger["until_m"]).as_py()
    return None if latest is None else latest - 1


def journeys(
    book: Book,
    rules: Rules,
    ledger: pa.Table,
    *,
    as_of: date | None = None,
    opening: date | None = None,
) -> pa.Table:
    """Give one row per account that ever paid.

    Parameters
    ----------
    book, rules, as_of, opening
        As for `features.ledger.month_table`, which made the ledger.
    ledger : pyarrow.Table
        By account; its last month is the last one that is seen.

    Returns
    -------
    pyarrow.Table
        ``account_id``; the days ``first_on`` (first paid), ``expanded_on`` and ``organic_on``
        (first expansion, and the first that seats, tier, product or usage brought; null for
        none) and ``last_on`` (last day seen paying); ``first_micros`` and ``paying_micros``
        (MRR of the first paid month, and at the end); the month numbers ``since_m`` (from when
        the account has paid without a break; null if it does not pay) and ``risen_m`` (its last
        expansion). A merger is no expansion.
    """
    connection = engine()
    connection.register("months", ledger)
    connection.register("turns", _turns(book, rules, ledger, as_of, opening))
    return connection.execute(with_steps(_STEPS, _JOURNEYS)).to_arrow_table()


def _turns(
    book: Book, rules: Rules, ledger: pa.Table, as_of: date | None, opening: date | None
) -> pa.Table:
    """Say by how much each account's run-rate changes on each day on which it does."""
    last = last_month(ledger) or 12
    until = month_end(month_of(last))
    steps = position_steps(book, rules, Scope(as_of=as_of, until=until, opening=opening))
    return book.connection.execute(with_steps(steps, _TURNS.format(until=until))).to_arrow_table()


_TURNS = """
    SELECT entities.account_id, turns.* EXCLUDE (entity) FROM (
        SELECT entity, day, currency, sum(micros) AS micros FROM (
            SELECT entity, starts_on AS day, currency, total AS micros FROM entity_lines
            UNION ALL
            SELECT entity, ends_on, currency, -total FROM entity_lines
            UNION ALL
            SELECT entity, greatest(paused_from, starts_on), currency, -total FROM entity_lines
            WHERE paused_from < coalesce(ends_on, DATE '9999-12-31')
            UNION ALL
            SELECT entity, paused_to, currency, total FROM entity_lines
            WHERE paused_to > paused_from AND paused_to < coalesce(ends_on, DATE '9999-12-31'))
        WHERE day <= DATE '{until}'
        GROUP BY entity, day, currency HAVING sum(micros) <> 0) AS turns
    JOIN entities USING (entity)"""

_RISE = f"expansion_micros - greatest(merger_micros, 0) > {LEAST_RISE}"

_STEPS = {
    "paths": f"""
    SELECT account_id, min(m) AS first_m, max(m) AS moved_m,
        arg_min(greatest(new_micros, closing_micros), m) AS first_micros,
        arg_max(closing_micros, m) AS paying_micros,
        max(m) FILTER (opening_micros = 0 AND closing_micros > 0) AS started_m,
        min(m) FILTER ({_RISE}) AS expanded_m, max(m) FILTER ({_RISE}) AS risen_m,
        min(m) FILTER ({_RISE} AND organic_micros > {LEAST_RISE}) AS organic_m,
        (SELECT max(until_m) - 1 FROM months) AS last_m
    FROM months GROUP BY account_id""",
    "dated_turns": f"""
    SELECT account_id, {month_number("day")} AS m, day, micros,
        sum(micros) OVER (PARTITION BY account_id, {month_number("day")}, currency
            ORDER BY day) AS risen
    FROM turns""",
    "turning_days": """
    SELECT account_id, m, min(day) FILTER (micros > 0) AS started_on,
        min(day) FILTER (risen > 0) AS risen_on,
        CAST(max(day) FILTER (micros < 0) - 1 AS DATE) AS ended_on
    FROM dated_turns GROUP BY account_id, m""",
}


def segments_of(
    book: Book, journeys: pa.Table, day: date, as_of: date | None
) -> dict[str, str | None]:
    """Give each account's segment: that of a day, else today's, else that of its first ACV.

    Where the book has no segments at all, an account's is the band of twelve times what it paid
    in its first month: that of today would put those that expanded into a segment by themselves.
    """
    connection = engine()
    connection.register("journeys", journeys)
    if not is_stored(book, "segment"):
        query = f"SELECT account_id, {acv_segment_sql('first_micros')} FROM journeys"
        return dict(connection.execute(query).fetchall())
    names = {"fixed": fixed_steps(book, ["segment"])}
    if is_dated(book, "segment"):
        names["dated"] = dated_steps(book, ["segment"], [day], as_of)
    found: dict[str, str | None] = {}
    for name, steps in names.items():
        query = with_steps(steps, f"FROM {name}")
        known = book.connection.execute(query).to_arrow_table().to_pandas()
        if "segment" in known:
            there = known[known["segment"].notna()]
            found |= dict(zip(there["account_id"], there["segment"], strict=True))
    return {account: found.get(account) for account in journeys["account_id"].to_pylist()}


_JOURNEYS = f"""
    SELECT paths.account_id, coalesce(first.started_on, {month_end_sql("first_m")}) AS first_on,
        CASE WHEN expanded_m IS NOT NULL
            THEN coalesce(expansion.risen_on, {month_end_sql("expanded_m")}) END AS expanded_on,
        CASE WHEN organic_m IS NOT NULL
            THEN coalesce(organic.risen_on, {month_end_sql("organic_m")}) END AS organic_on,
        CASE WHEN paying_micros > 0 THEN {month_end_sql("last_m")}
            ELSE coalesce(leaving.ended_on, {month_end_sql("(moved_m - 1)")}) END AS last_on,
        first_micros, paying_micros,
        CASE WHEN paying_micros > 0 THEN started_m END AS since_m, risen_m
    FROM paths
    LEFT JOIN turning_days AS first ON first.account_id = paths.account_id AND first.m = first_m
    LEFT JOIN turning_days AS expansion
        ON expansion.account_id = paths.account_id AND expansion.m = expanded_m
    LEFT JOIN turning_days AS organic
        ON organic.account_id = paths.account_id AND organic.m = organic_m
    LEFT JOIN turning_days AS leaving
        ON leaving.account_id = paths.account_id AND leaving.m = moved_m
    ORDER BY paths.account_id"""
