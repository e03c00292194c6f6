"""Positions: what each unit of a sheet pays where windows open and close, and their cohorts.

A row of the standings holds over a stretch of months; here it is laid on those month-ends of the
stretch on which a window opens or closes, and on no others.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from features.rules import Rules
from features.sheets import FOREVER, Sheet, running
from features.windows import Window

__all__ = ["lay_cohort", "lay_openings", "lay_positions", "lay_windows"]


def lay_windows(connection: duckdb.DuckDBPyConnection, windows: Sequence[Window]) -> None:
    """Write ``windows``: b, e (numbers of the months on whose last days they open and close)."""
    pairs = ", ".join(f"({window.b}, {window.e})" for window in windows)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE windows AS FROM (VALUES {pairs}) AS windows (b, e)"
    )


def lay_positions(connection: duckdb.DuckDBPyConnection, sheet: Sheet, rules: Rules) -> None:
    """Write ``s_positions``: p (a month in which a window opens or closes), unit, what it pays."""
    query = _POSITIONS.format(s=sheet.name, sums=", ".join(running(rules)))
    connection.execute(query)


def lay_openings(connection: duckdb.DuckDBPyConnection, sheet: Sheet) -> None:
    """Write ``openings``: unit, b, micros, usage_micros, from ``valued`` and ``valued_usage``.

    Those two are tables of `features.ledger.openings`: cohorts at the rates of their closing.
    """
    keys = "".join(f", {key}" for key in sheet.lines)
    connection.execute(_OPENINGS.format(s=sheet.name, keys=keys))


def lay_cohort(
    connection: duckdb.DuckDBPyConnection, sheet: Sheet, rules: Rules, *, revalued: bool
) -> None:
    """Write ``s_cohort``: b, e, unit, opening, closing, and what moved between them.

    Only those that paid at the opening; one whose stay has ended closes at zero. Where cohorts
    are revalued, ``openings`` has what they paid.
    """
    moved = ", ".join(f"after.{name} - before.{name} AS {name}" for name in running(rules))
    connection.execute(
        _COHORT.format(
            s=sheet.name,
            moved=moved,
            opening="micros" if revalued else "before.closing",
            usage="usage_micros" if revalued else "before.metered",
            valued="JOIN openings USING (unit, b)" if revalued else "",
        )
    )


_POSITIONS = f"""
    CREATE OR REPLACE TEMP TABLE {{s}}_positions AS
    SELECT p, unit, stay, until_m = {FOREVER} AS ended, closing, metered, grace, {{sums}} FROM (
        SELECT *, unnest(range(greatest(m, (SELECT min(b) FROM windows)),
            least(until_m, (SELECT max(e) + 1 FROM windows)))) AS p
        FROM {{s}}_standings)
    SEMI JOIN (SELECT b AS p FROM windows UNION ALL SELECT e FROM windows) AS points USING (p)"""

_COHORT = """
    CREATE OR REPLACE TEMP TABLE {s}_cohort AS
    SELECT b, e, unit, {opening} AS opening, {usage} AS usage_opening,
        after.closing, after.metered AS usage_closing, {moved}
    FROM (SELECT b, e, position.* FROM windows JOIN {s}_positions AS position ON p = b) AS before
    {valued}
    JOIN (SELECT b, position.* FROM windows JOIN {s}_positions AS position ON p = e) AS after
        USING (b, unit, stay)
    WHERE {opening} > 0 AND NOT before.ended"""

_OPENINGS = """
    CREATE OR REPLACE TEMP TABLE openings AS
    SELECT unit, b, valued.micros, coalesce(valued_usage.micros, 0) AS usage_micros
    FROM valued LEFT JOIN valued_usage USING (account_id, b{keys})
    JOIN accounts USING (account_id) JOIN {s}_units USING (account{keys})"""
