"""Activation: how many accounts of each signing cohort reached the milestone in their first 30 days.

It means what `features.adoption` means by it, but is asked of every account that ever paid, not of
those that pay today: else the accounts that failed and left would not be counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd
import pyarrow as pa

from features.adoption import ACTIVATION_DAYS
from features.asof import quarter_name
from features.book import Book
from features.evidence import Activation
from features.measure import Measure
from features.rollup import number_of
from features.terms import forget_terms, known_terms
from features.view import Feed, feed_of

__all__ = ["activation"]


def activation(
    book: Book, as_of: date | None, cohorts: Iterable[Measure] = ()
) -> tuple[tuple[Activation, ...], str]:
    """Count the activated accounts by the fiscal quarter of their first paid day.

    Counted are the accounts whose first 30 days are over, lie within the reach of the usage
    feed, and that have usage at all.

    Parameters
    ----------
    book : Book
        With tables ``usage`` and ``feature_catalog``, if it has them.
    as_of : date or None
        Only what was known before it counts; None for the book's own.
    cohorts : iterable of Measure
        A window by acquisition cohort (one cut, named like ``2025-Q1``): their NRR.

    Returns
    -------
    tuple
        The cohorts, the oldest first, and an empty reason; or nothing, and why.
    """
    day = as_of or book.facts.as_of
    reason = _lacking(book)
    feed = None if reason else feed_of(book, "usage", day)
    if feed is None:
        return (), reason or f"no usage is known before {day}"
    accounts = _accounts(book, day, feed)
    if accounts.empty:
        return (), "no account has usage over the whole of its first 30 days"
    nrr = {next(iter(m.cut.values())): m.nrr for m in cohorts if len(m.cut) == 1}
    starts = book.facts.fiscal_year_starts
    quarters = pd.to_datetime(accounts["first_on"]).map(lambda day: quarter_name(day, starts))
    groups = accounts.groupby(quarters, sort=True)["activated"]
    return tuple(
        Activation(str(name), len(reached), int(reached.sum()), nrr.get(str(name)))
        for name, reached in groups
    ), ""


def _lacking(book: Book) -> str:
    """Say what the book lacks for it; empty if nothing."""
    missing = [name for name in ("usage", "feature_catalog") if not book.has(name)]
    if missing:
        return f"the book has no {' and no '.join(missing)}"
    milestones = _milestones(book).select(nw.len()).collect().item()
    return "" if milestones else "feature_catalog names no activation milestone"


def _milestones(book: Book) -> nw.LazyFrame[Any]:
    catalog = book.beside("feature_catalog").filter(nw.col("activation"))
    return catalog.select("feature").unique()


def _first_paid(book: Book, day: date) -> pa.Table:
    """Give the first paid day of every account that ever paid: start (its number), first_on."""
    terms = known_terms(book, day).groupby("account_id", as_index=False)
    first = terms.agg(start=("start_day", "min"), first_on=("starts_on", "min"))
    forget_terms(book, day)
    rows = pa.Table.from_pandas(first, preserve_index=False)
    return rows.set_column(2, "first_on", rows["first_on"].cast(pa.date32()))


def _accounts(book: Book, day: date, feed: Feed) -> pd.DataFrame:
    """Give first_on and activated of the accounts that can be judged."""
    first = book.laid(_first_paid(book, day))
    rows = book.rolled("usage_by_feature").filter(
        nw.col("known_day") < number_of(day), nw.col("day") < feed.end, nw.col("count") > 0
    )
    seen = rows.select("account_id").unique()
    reached = rows.join(_milestones(book), on="feature", how="inner")
    milestone = reached.group_by("account_id").agg(nw.col("day").min().alias("reached"))
    judged = first.join(seen, on="account_id", how="inner").join(
        milestone, on="account_id", how="left"
    )
    frame = judged.collect("pyarrow").to_native().to_pandas()
    start = frame["start"]
    judged_now = (start >= feed.starts - feed.grain) & (feed.end - start > ACTIVATION_DAYS)
    frame["activated"] = (frame["reached"] - start) <= ACTIVATION_DAYS
    return frame[judged_now]
