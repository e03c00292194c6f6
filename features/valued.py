"""Valued: at which exchange rates a ledger stands, and a window's opening at its closing's."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa

from features.book import Book
from features.fx import RATE_UNIT, conversion, has_foreign, valuation
from features.lines import line_steps
from features.postings import position_steps
from features.rules import Rules
from features.scope import EARLIEST, Scope
from features.steps import run

__all__ = ["openings", "rates_used"]


def openings(
    book: Book,
    rules: Rules,
    spans: list[tuple[int, int]],
    *,
    as_of: date | None = None,
    until: date | None = None,
    lines: tuple[str, ...] = (),
    opening: date | None = None,
) -> pa.Table:
    """Give what accounts pay at the opening of windows, at the rates of each one's closing.

    Under ``fx = "fiscal_year"`` a window's cohort is measured at one rate set, that of its
    closing. Without foreign currency this is the closing of the ledger at the opening.

    Parameters
    ----------
    spans : list of (int, int)
        Each window's opening and closing month, by number.

    Returns
    -------
    pyarrow.Table
        ``account_id``, the columns of ``lines``, ``b`` (number of the opening month), ``e``,
        ``micros`` (int64, more than 0).
    """
    scope = Scope(as_of, until, lines, opening)
    longest = max((e - b for b, e in spans), default=0)
    steps = position_steps(book, rules, scope, longest)
    one_rate = valuation(book, rules, opening, scope.end(book))
    pairs = ", ".join(f"({b}, {e})" for b, e in spans) or "(0, -1)"
    steps["spans"] = f"SELECT b, e FROM (VALUES {pairs}) AS spans (b, e)"
    value = conversion("total", "rate")
    day = "e" if rules.fx == "fiscal_year" else "b"
    keys = ", ".join(["account_id", *lines])
    ending = f"""
    SELECT {keys}, b, e, CAST(sum({value}) AS BIGINT) AS micros
    FROM spans JOIN laid_out AS piece ON s <= b AND piece.e_month > b
    LEFT JOIN rates ON rates.currency = piece.currency AND rates.period = {one_rate.period(day)}
    JOIN entities USING (entity)
    WHERE NOT is_paused GROUP BY {keys}, b, e ORDER BY ALL"""
    source = "with_pauses" if "with_pauses" in steps else "laid"
    steps["laid_out"] = f"SELECT entity, currency, total, s, e AS e_month, is_paused FROM {source}"
    wanted = {name: step for name, step in steps.items() if name not in ("by_rate", "pieces")}
    return run(book, wanted, ending)


def rates_used(
    book: Book,
    rules: Rules,
    *,
    as_of: date | None = None,
    until: date | None = None,
    opening: date | None = None,
) -> list[dict[str, Any]]:
    """List the exchange rates that a ledger is valued at, so that every output can show them.

    Returns
    -------
    list of dict
        ``currency``, ``day`` (whose rate it is) and ``rate`` (book currency per unit); empty
        for a book in one currency.
    """
    if not has_foreign(book):
        return []
    end = Scope(as_of, until).end(book)
    valued = valuation(book, rules, opening, end)
    used = valued.rates(book, line_steps(book, rules, end, as_of), EARLIEST, end)
    return [
        {"currency": currency, "day": str(valued.rate_day(period)), "rate": rate / RATE_UNIT}
        for currency, period, rate in used
    ]
