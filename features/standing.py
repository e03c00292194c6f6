"""How each paying account's contract stands at an as-of date: facts, not signals.

The main line is the recurring line in force with the largest MRR; for an account that is held in
grace, the line that ended last.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from features.rollup import number_of
from features.sums import total
from features.terms import alive

__all__ = ["main_lines", "standing"]

MONTHLY = 1


def standing(
    lines: nw.LazyFrame[Any], as_of: date, paying: pd.DataFrame, late_days: int = 31
) -> pd.DataFrame:
    """Tell the contract facts of the paying accounts.

    Parameters
    ----------
    lines : LazyFrame
        What ``features.terms.known_terms`` gives.
    as_of : date
        What was known before it counts.
    paying : DataFrame
        Index account_id, column ``mrr_micros`` in the book's currency.
    late_days : int
        A successor that starts up to so many days after service ends withdraws a notice.

    Returns
    -------
    DataFrame
        Index as ``paying``; product, plan, currency, seats, discount, auto_renew, list_micros,
        line_micros, start_day, review_on, term_months (NaN = unknown), decision, next_renewal_on (NaT unless
        there is a term), first_paid_on, lines, usage_lines, products, paid_seats, notice_ends_on,
        successor_on, successor_mrr_micros (NaN where nothing is signed).
    """
    today = number_of(as_of)
    known = _first(lines, today)
    for part in (_main, _alive, _successor):
        known = known.join(part(lines, today), on="account_id", how="left")
    facts = known.collect("pyarrow").to_native().to_pandas().set_index("account_id")
    facts = facts.reindex(paying.index).assign(mrr_micros=paying["mrr_micros"])
    return _decided(facts, late_days)


def main_lines(lines: nw.LazyFrame[Any], today: int) -> nw.LazyFrame[Any]:
    """Pick each account's main line, as it stood on the day before ``today`` (a day number)."""
    started = lines.filter(nw.col("start_day") < today)
    ended = nw.when(alive(today - 1)).then(0).otherwise(today - nw.col("end_day"))
    ranked = started.with_columns(
        ended=ended,
        second=nw.when(nw.col("kind") == "usage").then(1).otherwise(0),
        smaller=-nw.col("mrr_micros"),
        older=-nw.col("start_day"),
    )
    order = ["ended", "second", "smaller", "older", "product", "plan", "due_on"]
    return ranked.unique("account_id", keep="first", order_by=order)


def _main(lines: nw.LazyFrame[Any], today: int) -> nw.LazyFrame[Any]:
    """Tell the terms of each account's main line."""
    return main_lines(lines, today).select(
        "account_id", "product", "plan", "currency", "seats", "discount", "auto_renew",
        "list_micros", "term", "start_day", "due_on", "review_on",
        line_micros=nw.col("mrr_micros"),
    )  # fmt: skip


def _alive(lines: nw.LazyFrame[Any], today: int) -> nw.LazyFrame[Any]:
    """Add up the lines in force; where all of them are canceled, none is kept."""
    now = lines.filter(alive(today - 1)).group_by("account_id")
    return now.agg(
        nw.len().cast(nw.Float64).alias("lines"),
        nw.col("product").n_unique().cast(nw.Float64).alias("products"),
        nw.col("seats").sum().cast(nw.Float64).alias("paid_seats"),
        nw.col("seats").count().alias("seated"),
        nw.col("mrr_micros").sum().cast(nw.Float64).alias("native_micros"),
        nw.col("currency").n_unique().alias("currencies"),
        total(nw.col("kind") == "usage").alias("usage_lines"),
        nw.col("known_cancel").is_null().cast(nw.Int64).sum().alias("kept"),
        nw.col("due_on").max().alias("service_ends"),
    )


def _first(lines: nw.LazyFrame[Any], today: int) -> nw.LazyFrame[Any]:
    started = lines.filter(nw.col("start_day") < today).group_by("account_id")
    return started.agg(nw.col("starts_on").min().alias("first_paid_on"))


def _successor(lines: nw.LazyFrame[Any], today: int) -> nw.LazyFrame[Any]:
    """Find the first signed line that is still to start, and what is in force on its day."""
    coming = lines.filter(nw.col("start_day") >= today).group_by("account_id")
    first = coming.agg(
        nw.col("start_day").min().alias("next_day"), nw.col("starts_on").min().alias("next_on")
    )
    then = lines.join(first, on="account_id", how="inner")
    until = nw.col("end_day").is_null() | (nw.col("end_day") > nw.col("next_day"))
    then = then.filter(nw.col("start_day") <= nw.col("next_day"), until)
    return then.group_by("account_id").agg(
        nw.col("next_on").min(),
        nw.col("mrr_micros").sum().cast(nw.Float64).alias("then_micros"),
    )


def _decided(facts: pd.DataFrame, late_days: int) -> pd.DataFrame:
    """Conclude: the kind of decision, the renewal, the notice and the successor."""
    term = facts["term"].astype(float)
    due = pd.to_datetime(facts["due_on"])
    following = pd.to_datetime(facts["next_on"])
    ends = pd.to_datetime(facts["service_ends"]).where(facts["kept"] == 0)
    succeeded = following.notna() & (due <= following)
    withdrawn = following.notna() & (following <= ends + timedelta(days=late_days))
    decision = pd.Series("unknown", index=facts.index).mask(term > MONTHLY, "term")
    in_book = facts["mrr_micros"] / facts["native_micros"].where(facts["currencies"] == 1)
    return facts.assign(
        term_months=term,
        decision=decision.mask(term <= MONTHLY, "monthly"),
        next_renewal_on=due.where(term > MONTHLY),
        first_paid_on=pd.to_datetime(facts["first_paid_on"]),
        paid_seats=facts["paid_seats"].where(facts["seated"] > 0),
        notice_ends_on=ends.mask(withdrawn),
        successor_on=following.where(succeeded),
        successor_mrr_micros=(facts["then_micros"] * in_book).round().where(succeeded),
    )
