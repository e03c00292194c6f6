"""Allowances: how much of each limit an account has used, how fast, and until when.

A metered value that falls below half of the last one was reset; a limit that is reset before it
would be reached is not in sight. A limit of zero is no limit.
"""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import pyarrow as pa

from features.signal import Rows
from features.view import View

__all__ = ["ALLOWANCES", "FAR", "IS_SEATS", "NO_LIMITS", "QUARTER", "tightest"]

MONTH, QUARTER = 30, 91
FAR = 365.0  # a limit that is not in sight
RATE_DAYS = 28
RESET_SHARE = 0.5
RESET_EVERY = 30
SEATS = "seats"
NO_LIMITS = "no limit of this kind observed for the account in 91 days"
IS_SEATS = nw.col("metric") == SEATS
KEYS = ["account_id", "metric"]


def _allowances(view: View) -> nw.LazyFrame[Any]:
    """Give the metrics of each account: worked out once, though several families read them."""
    made = view.once("allowances", lambda: view.book.laid(_projected(view)))
    rows: nw.LazyFrame[Any] = made
    return rows


def _projected(view: View) -> pa.Table:
    """Project each metric of each account: days to its limit at the pace of 28 days."""
    steps = _metrics(view).with_columns(
        rate=nw.col("risen") / nw.when(nw.col("spanned") > 0).then(nw.col("spanned")),
        left=nw.col("limit") - nw.col("used"),
        share=nw.col("used") / nw.col("limit"),
    )
    rising = nw.when(nw.col("rate") > 0).then(nw.col("left") / nw.col("rate")).otherwise(FAR)
    pace = nw.when(nw.col("left") <= 0).then(0.0).otherwise(rising)
    steps = steps.with_columns(
        pace_days=pace.clip(0.0, FAR), growth=nw.col("rate") * RATE_DAYS / nw.col("limit")
    )
    until_reset = RESET_EVERY - nw.col("reset_age")
    reset_first = (until_reset > 0) & (nw.col("left") > 0) & (nw.col("pace_days") > until_reset)
    days = nw.when(reset_first).then(FAR).otherwise(nw.col("pace_days"))
    projected: pa.Table = steps.with_columns(days=days).collect("pyarrow").to_native()
    return projected


ALLOWANCES = Rows("allowances", ("limits",), _allowances)
"""One row per account and metric: used, limit, left, share, growth, days, used_before."""


def tightest(view: View) -> nw.LazyFrame[Any]:
    """Give each account's metric with the largest share used, seats aside: metric, days."""
    metered = _allowances(view).filter(~IS_SEATS).with_columns(spare=-nw.col("share"))
    first = metered.unique("account_id", keep="first", order_by=["spare", "metric"])
    return first.select("account_id", "metric", "days")


def _metrics(view: View) -> nw.LazyFrame[Any]:
    """Give one row per account and metric: last used and limit, rises of 28 days, last reset."""
    seen = _readings(view)
    age, used = nw.col("age"), nw.col("used")
    reset = (used < RESET_SHARE * nw.col("before")) & ~IS_SEATS
    lately = (age < RATE_DAYS) & ~nw.col("rise").is_null()
    last, then = age == nw.col("last_age"), age == nw.col("then_age")
    return seen.group_by(KEYS).agg(
        nw.when(last).then("used").max().alias("used"),
        nw.when(last).then("limit").max().alias("limit"),
        nw.when(then).then("used").max().alias("used_before"),
        nw.when(lately & (nw.col("rise") > 0)).then("rise").otherwise(0.0).sum().alias("risen"),
        nw.when(lately).then("since").otherwise(0).sum().cast(nw.Float64).alias("spanned"),
        nw.when(reset).then("age").min().alias("reset_age"),
    )


def _readings(view: View) -> nw.LazyFrame[Any]:
    """Give one row per account, metric and day of 91 days, with what came before it."""
    limited = nw.when(nw.col("limit") > 0).then("limit").alias("limit")
    readings = view.rows("limits").with_columns(limited)
    readings = readings.filter(
        nw.col("age") < QUARTER, ~nw.col("used").is_null(), IS_SEATS | ~nw.col("limit").is_null()
    )
    order = ["observed_on", "used", "limit"]
    seen = readings.unique([*KEYS, "day"], keep="last", order_by=order)
    before = nw.col("used").shift(1).over(KEYS, order_by="day")
    since = nw.col("day") - nw.col("day").shift(1).over(KEYS, order_by="day")
    old = nw.when(nw.col("age") >= MONTH).then("age")
    return seen.with_columns(
        before=before,
        rise=nw.col("used") - before,
        since=since,
        last_age=nw.col("age").min().over(KEYS),
        then_age=old.min().over(KEYS),
    )
