"""Week by week: what expansion and new logos brought in the last weeks, beside the months."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa

from features.amounts import money
from features.as_now import rules_as_now
from features.asof import opening_day
from features.book import Book
from features.journeys import LEAST_RISE
from features.ledger import mrr_on
from features.lines import forget_lines, lines_put_by
from features.rules import Rules

__all__ = ["DEFINITION", "expansion_by_week"]

DEFINITION = (
    "MRR at the week's end less MRR at its start: rises of accounts that paid at both (expansion), "
    "falls of those (contraction), and MRR of accounts that never paid before (new logos). At "
    "today's exchange rates. A rise that is taken back within the week is not seen."
)


def expansion_by_week(
    book: Book, rules: Rules, journeys: pa.Table, as_of: date, weeks: int
) -> dict[str, Any]:
    """Tell what each of the last weeks brought, the latest first.

    Parameters
    ----------
    book, rules : Book, Rules
    journeys : pyarrow.Table
        As `features.journeys.journeys` gives them: they say who never paid before.
    as_of : date
        The last week ends on the day before it.
    weeks : int
        How many.

    Returns
    -------
    dict
        ``definition`` and ``weeks``: ``from``, ``to`` (days at whose end MRR is read),
        ``expansion_mrr``, ``contraction_mrr``, ``net_expansion_mrr``, ``new_logo_mrr``, in units
        of the book's currency. A book that tells revenue by month has none, with a ``reason``.
    """
    if book.has("mrr_by_month"):
        return {"definition": DEFINITION, "weeks": None, "reason": "revenue comes by month"}
    last = opening_day(as_of)
    days = [last - timedelta(days=7 * n) for n in range(weeks + 1)]
    paid = _paid(book, rules, as_of, days)
    first = pd.to_datetime(journeys.select(["account_id", "first_on"]).to_pandas()["first_on"])
    since = pd.Series(first.to_numpy(), index=journeys["account_id"].to_pylist())
    told = [_week(*two, paid, since) for two in zip(days[1:], days[:-1], strict=True)]
    return {"definition": DEFINITION, "weeks": told}


def _paid(book: Book, rules: Rules, as_of: date, days: list[date]) -> dict[date, pd.Series]:
    now, lines = rules_as_now(book, rules, as_of), lines_put_by(book, rules, days[0], as_of)
    try:
        found = {day: mrr_on(book, day, now, as_of=as_of, lines=lines) for day in days}
    finally:
        forget_lines(book, rules, as_of)
    return {day: frame.set_index("account_id")["mrr_micros"] for day, frame in found.items()}


def _week(
    opening: date, closing: date, paid: dict[date, pd.Series], since: pd.Series
) -> dict[str, Any]:
    before, after = paid[opening], paid[closing]
    both = after.index.intersection(before.index)
    change = after[both] - before[both]
    expansion = int(change[change >= LEAST_RISE].sum())
    contraction = -int(change[change <= -LEAST_RISE].sum())
    fresh = after[after.index.difference(before.index)]
    new = int(fresh[since.reindex(fresh.index) > pd.Timestamp(opening)].sum())
    return {
        "from": str(opening),
        "to": str(closing),
        "expansion_mrr": money(expansion),
        "contraction_mrr": money(contraction),
        "net_expansion_mrr": money(expansion - contraction),
        "new_logo_mrr": money(new),
    }
