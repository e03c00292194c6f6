"""Billing: the bill that is coming, limits that were overrun unannounced, and what was committed.

A bill shock is a bill far above the usual one. The bill of an account is what it pays for lines
of a fixed price, and for usage-priced lines what it uses.
"""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from features.allowances import ALLOWANCES
from features.moments import EVENTS
from features.signal import Family, Part, Rows, signal
from features.sums import ratio, total
from features.terms import alive
from features.usage import known_usage
from features.view import View

__all__ = ["FAMILY"]

SPAN = 28
SPANS_BEFORE = 3
REACH = SPAN * (1 + SPANS_BEFORE)
OVERAGE, WARNED = 30, 61
COMMITTED = "commit|prepaid|credit"
NOTICES = ["limit_hit", "limit_notice", "limit_warning"]
NONE = -1.0


def _billed(view: View) -> nw.LazyFrame[Any]:
    """Give the daily quantities of 112 days."""
    return known_usage(view, "usage_by_day", REACH)


def _readings(view: View) -> nw.LazyFrame[Any]:
    over = (
        (nw.col("used") > nw.col("limit")) & (nw.col("limit") > 0) & (nw.col("metric") != "seats")
    )
    return view.rows("limits").with_columns(over=over)


BILLED = Rows("billed usage", ("usage",), _billed)
READINGS = Rows("readings of limits", ("limits",), _readings)
age = nw.col("age")
IS_COMMIT = nw.col("metric").str.to_lowercase().str.contains(COMMITTED)


def _priced(view: View) -> dict[str, pd.Series]:
    """Give the share of usage-priced lines in what the lines in force pay."""
    now = alive(view.lines, view.today - 1)
    metered = now["mrr_micros"].where(now["kind"] == "usage", 0).groupby(now["account_id"]).sum()
    paid = now.groupby("account_id")["mrr_micros"].sum()
    metered_share = (metered.astype(float) / paid.astype(float)).reindex(view.standing.index)
    return {"billing__metered": metered_share.where(metered_share > 0)}


PARTS = (
    Part("billing__now", total(age < SPAN, "quantity"), BILLED),
    Part("billing__before", total(age >= SPAN, "quantity"), BILLED),
    Part("billing__overran", nw.when(nw.col("over") & (age < OVERAGE)).then(age).otherwise(NONE)
         .max().cast(nw.Float64), READINGS),
    Part("billing__warned", nw.when(nw.col("kind").is_in(NOTICES) & (age < WARNED)).then(age)
         .otherwise(NONE).max().cast(nw.Float64), EVENTS, silent=NONE),
    Part("billing__committed", nw.when(IS_COMMIT).then("share").max(), ALLOWANCES),
)  # fmt: skip

TIMES = ratio(SPANS_BEFORE * nw.col("billing__now"), "billing__before")
REACHES = nw.col("usage__first") + nw.col("usage__grain") >= REACH
OVERRAN, SILENT = nw.col("billing__overran"), nw.col("billing__warned")
UNANNOUNCED = nw.when(~SILENT.is_null()).then(
    nw.when((OVERRAN >= 0) & (SILENT < OVERRAN)).then(1.0).otherwise(0.0)
)


SIGNALS = (
    signal("billing_projected_ratio", "ratio", REACH, 0, 1,
           "bill at the pace of the last 28 days / its mean over the three spans of 28 days "
           "before: 1 + share of usage-priced lines in MRR x (billable quantity / mean of the "
           "spans before - 1)",
           "the bill at today's pace is {value:.1f} times its usual amount",
           nw.when(REACHES).then(1 + nw.col("billing__metered") * (TIMES - 1)),
           missing="no usage-priced line in force, or usage does not reach back 16 weeks",
           tables=("usage",)),
    signal("billing_overage_unannounced", "flag", OVERAGE, 1, 0,
           "1 where a limit but seats was overrun in 30 days, and no limit_hit or limit_notice of "
           "the last 60 days came before the first such day or on it",
           "a limit overrun without a notice ({value:.0f})",
           nw.when(~OVERRAN.is_null()).then(UNANNOUNCED),
           missing="no limits or no events, or their feed is behind", tables=("limits", "events"),
           zero="no limit overrun without a notice"),
    signal("billing_commit_days", "days", 91, 0, -1,
           "days until the first commitment (a limit named commit, prepaid or credit) is used up "
           "at the pace of 28 days (365: not in sight)",
           "at today's pace its commitment lasts {value:.0f} more days",
           nw.when(IS_COMMIT).then("pace_days").min(), rows=ALLOWANCES,
           missing="no commitment observed in 91 days",
           zero="its commitment is used up"),
    signal("billing_commit_unused", "share", 91, 1, -1,
           "share of the commitment that is not used yet, the smallest over all",
           "{value:.0%} of its commitment not used yet", (1 - nw.col("billing__committed")).clip(0.0),
           missing="no commitment observed in 91 days", tables=("limits",),
           zero="its commitment is used up"),
)  # fmt: skip

FAMILY = Family("billing", SIGNALS, PARTS, (_priced,))
