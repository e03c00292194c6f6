"""Additions: what is added up over a cohort, and over all that moved, by window and cut."""

from __future__ import annotations

from typing import Any

import duckdb

from features.cuts import column
from features.rules import Rules
from features.sheets import MOVED, Sheet

__all__ = ["FLOW_NAMES", "add_up", "cohort_names"]

FLOW_NAMES = ("opening", *MOVED, "closing", "grace")
"""What is added up over all accounts."""

Row = tuple[Any, ...]


def cohort_names(rules: Rules, metered: bool) -> list[str]:
    """List what is added up over a cohort."""
    found = _cohort_sums(rules, metered) | (_RETURNS if rules.reactivation == "s002" else {})
    return [name.removeprefix("cohort ") for name in found]


def add_up(
    connection: duckdb.DuckDBPyConnection,
    sheet: Sheet,
    cut: tuple[str, ...],
    dated: list[str],
    rules: Rules,
    metered: bool,
) -> dict[Row, dict[str, int]]:
    """Add up everything by window and cut.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        With ``windows``, the sheet's tables, and ``traits`` and ``members`` as the cut needs.
    sheet, cut
        What is asked for.
    dated : list of str
        The columns that stand in ``members``.
    rules, metered
        Say what a cohort's sums are.

    Returns
    -------
    dict
        ``(b, e, values of the cut)`` -> name -> amount; a cohort's names start with "cohort ".
    """
    sources = {
        "cohort": _cohort_sums(rules, metered),
        "moved": {name: f"sum({name})" for name in MOVED},
        "opening": {"opening": "sum(closing)"},
        "closing": {"closing": "sum(closing)", "grace": "sum(grace)"},
    }
    if rules.reactivation == "s002":
        sources["strangers"] = _RETURNS
    found: dict[Row, dict[str, int]] = {}
    for source, sums in sources.items():
        by_month = source == "moved" and not set(cut) & set(dated)
        query = _query(source, sums, sheet, cut, dated, by_month)
        at = 2 + len(cut)
        for row in connection.execute(query).fetchall():
            amounts = zip(sums, (int(value or 0) for value in row[at:]), strict=True)
            found.setdefault(row[:at], {}).update(amounts)
    return found


def _query(
    source: str,
    sums: dict[str, str],
    sheet: Sheet,
    cut: tuple[str, ...],
    dated: list[str],
    by_month: bool,
) -> str:
    """Write the sums of one source; movements are first added up by month where that will do."""
    keys = "".join(f", {column(name)}" for name in cut)
    chosen = ", ".join(f'{sql} AS "{name}"' for name, sql in sums.items())
    joins = _joins(sheet, cut, dated)
    if by_month:
        return f"""SELECT b, e{keys}, {chosen} FROM windows JOIN (
            SELECT m{keys}, {chosen} FROM {sheet.name}_months {joins} GROUP BY m{keys})
            ON m > b AND m <= e GROUP BY b, e{keys}"""
    return f"""SELECT b, e{keys}, {chosen}
        FROM ({_SOURCES[source].format(s=sheet.name)}) {joins} GROUP BY b, e{keys}"""


def _joins(sheet: Sheet, cut: tuple[str, ...], dated: list[str]) -> str:
    """Write how a unit comes to its value of each cut."""
    if not cut:
        return ""
    lines = "".join(f", {key} AS {column(key)}" for key in sheet.lines)
    joins = f"JOIN (SELECT unit, account{lines} FROM {sheet.name}_units) USING (unit)"
    own = set(cut) - set(sheet.lines)
    joins += " JOIN members USING (b, account)" if own & set(dated) else ""
    return joins + (" JOIN traits USING (account)" if own - set(dated) else "")


_SOURCES = {
    "cohort": "SELECT * FROM {s}_cohort",
    "opening": "SELECT * FROM windows JOIN {s}_positions ON p = b",
    "closing": "SELECT * FROM windows JOIN {s}_positions ON p = e",
    "moved": "SELECT * FROM windows JOIN {s}_months ON m > b AND m <= e",
    "strangers": """SELECT b, e, unit, reactivation
        FROM windows JOIN {s}_months ON m > b AND m <= e AND reactivation > 0
        ANTI JOIN {s}_cohort USING (b, unit)""",
}

_RETURNS = {"cohort reactivation": "sum(reactivation)"}

_NET = {
    "expansion": "greatest(closing - opening, 0)",
    "contraction": "CASE WHEN closing > 0 THEN greatest(opening - closing, 0) ELSE 0 END",
    "churned": "CASE WHEN closing = 0 THEN opening ELSE 0 END",
    "kept": "least(opening, closing)",
    "organic": "greatest(least(organic, closing - opening), 0)",
}
_MOVEMENTS = {
    "expansion": "up",
    "contraction": "down",
    "churned": "gone",
    "kept": "opening - down - gone",
    "organic": "organic",
}


def _cohort_sums(rules: Rules, metered: bool) -> dict[str, str]:
    """Write what is added up over a cohort, by name (the flows have the same ones)."""
    plain = ("opening", "closing", *(("usage_opening", "usage_closing") if metered else ()))
    sums = dict(zip(plain, plain, strict=True))
    sums |= _MOVEMENTS if rules.losses == "movements" else _NET
    counts = {"accounts": "count(*)", "lost": "count(*) FILTER (closing = 0)"}
    named = counts | {name: f"sum({sql})" for name, sql in sums.items()}
    return {f"cohort {name}": sql for name, sql in named.items()}
