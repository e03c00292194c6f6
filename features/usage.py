"""Usage: how much an account does, by how many people, and which way it is going.

Event rows, daily rows and weekly rows are measured alike, in weeks that end where the feed ends.
"""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from features.rollup import SCALE
from features.signal import Signal
from features.sums import share, total
from features.view import View

__all__ = ["SIGNALS", "measure"]

SLOPE_WEEKS = 13
YEAR = 364  # 52 whole weeks, so that the same weekdays are compared
QUARTER = 91
GAP_DAYS = 364
FEWEST_GAPS = 3
SUM_OF_SQUARES = 182  # of the weeks 0..12 around their mean, 6
SILENT = "no usage rows for the account yet, or the whole feed is behind"
NO_USERS = "the feed does not say who or how many used it"


def _usage(
    slug: str,
    unit: str,
    window: int | None,
    signs: tuple[Any, Any],
    meaning: str,
    phrase: str,
    missing: str = SILENT,
) -> Signal:
    churn, expansion = signs
    return Signal(slug, "usage", "usage", unit, window, churn, expansion, meaning, missing, phrase)


SIGNALS = (
    *(
        _usage(
            f"usage_events_{days}d",
            "events",
            days,
            (-1, 1),
            f"events in the last {days} days",
            "{value:,.0f} events in the last " + f"{days} days",
        )
        for days in (7, 28, 91)
    ),
    *(
        _usage(
            f"usage_active_days_{days}d",
            "days",
            days,
            (-1, 1),
            f"days with any event in the last {days} days (weeks, where rows are weekly)",
            "active on {value:.0f} days of the last " + f"{days}",
        )
        for days in (7, 28, 91)
    ),
    *(
        _usage(
            f"usage_users_{days}d",
            "users",
            days,
            (-1, 1),
            f"distinct users in the last {days} days (the largest count, where rows are totals)",
            "{value:,.0f} active users in the last " + f"{days} days",
            NO_USERS,
        )
        for days in (7, 28, 91)
    ),
    _usage(
        "usage_ratio_28d",
        "ratio",
        56,
        (-1, 1),
        "events of the last 28 days / the 28 days before",
        "usage of the last 28 days at {value:.0%} of the 28 days before",
        "fewer than 56 days of usage, or none in the 28 days before",
    ),
    _usage(
        "usage_slope_13w",
        "share a week",
        91,
        (-1, 1),
        "slope of 13 weekly totals / their mean",
        "usage moving by {value:+.1%} a week over 13 weeks",
        "no usage in 13 weeks",
    ),
    _usage(
        "usage_days_since_last",
        "days",
        None,
        (1, -1),
        "days since the last event",
        "no activity for {value:.0f} days",
    ),
    _usage(
        "usage_gap_ratio",
        "ratio",
        GAP_DAYS,
        (1, -1),
        "days since the last event / the 95th percentile of the account's own gaps",
        "quiet for {value:.1f} times its own usual gap",
        "too few active days to know the account's rhythm",
    ),
    _usage(
        "usage_wau_before",
        "users",
        35,
        (-1, 1),
        "median weekly users of the four weeks before the last",
        "{value:.0f} users in a usual week",
        NO_USERS,
    ),
    _usage(
        "usage_wau_ratio",
        "ratio",
        35,
        (-1, 1),
        "users of the last week / median of the four weeks before",
        "weekly users at {value:.0%} of their 4-week level",
        "nobody active in the four weeks before, or users not known",
    ),
    _usage(
        "usage_wau_vs_segment",
        "ratio",
        35,
        (-1, 1),
        "usage_wau_ratio / the median of its segment: a holiday of all is no drop of one",
        "weekly users at {value:.0%} of what its segment's change would leave",
        "usage_wau_ratio is missing, or zero in the median of the segment",
    ),
    _usage(
        "usage_weeks_before_quiet",
        "weeks",
        None,
        (-1, 1),
        "active weeks among the four that end with the last activity",
        "active in {value:.0f} of the 4 weeks before it went quiet",
    ),
    _usage(
        "usage_active_weeks_8w",
        "weeks",
        56,
        (-1, 1),
        "active weeks of the last 8",
        "active in {value:.0f} of the last 8 weeks",
    ),
    _usage(
        "usage_year_on_year",
        "ratio",
        YEAR + QUARTER,
        (-1, 1),
        "events of the last 91 days / the same 91 days a year before",
        "usage at {value:.0%} of a year ago",
        "no usage a year before",
    ),
    _usage(
        "usage_billable_ratio_28d",
        "ratio",
        56,
        (-1, 1),
        "billable quantity of the last 28 days / the 28 days before",
        "billable usage at {value:.0%} of the 28 days before",
        "no usage-priced line in force, or no billable quantity in the 28 days before",
    ),
)


def measure(view: View, so_far: pd.DataFrame) -> pd.DataFrame:
    """Measure the family: one row per paying account, one column per signal."""
    slugs = [signal.slug for signal in SIGNALS]
    if not view.fresh("usage"):
        return view.empty(slugs)
    sums = view.collect(_sums(view))
    named = view.collect(_named(view))
    columns = _events(view, sums) | _trend(sums) | _rhythm(view, sums) | _users(_heads(sums, named))
    columns["usage_wau_vs_segment"] = _against(columns["usage_wau_ratio"], view.standing["segment"])
    return pd.DataFrame(columns, index=sums.index).reindex(columns=slugs)


def _sums(view: View) -> nw.LazyFrame[Any]:
    """Sum the weeks of each account: w0 is the last week that the feed covers."""
    age, some = nw.col("age"), nw.col("count") > 0
    weeks = [_weeks("count", k, k + 1).alias(f"w{k}") for k in range(SLOPE_WEEKS)]
    users = [nw.when(_between(k, k + 1)).then("users").max().alias(f"u{k}") for k in range(5)]
    spans = {"u7": 7, "u28": 28, "u91": QUARTER}
    return (
        _days(view)
        .group_by("account_id")
        .agg(
            *weeks,
            *users,
            *(nw.when(age < n).then("users").max().alias(name) for name, n in spans.items()),
            *(total(some & (age < n)).alias(f"days{n}") for n in (7, 28, QUARTER)),
            total((age >= YEAR) & (age < YEAR + QUARTER), "count").alias("year_before"),
            _weeks("quantity", 0, 4).alias("quantity"),
            _weeks("quantity", 4, 8).alias("quantity_before"),
            nw.when(some).then(age).min().cast(nw.Float64).alias("last"),
            age.max().cast(nw.Float64).alias("first"),
            nw.col("users").max().alias("users"),
        )
    )


def _days(view: View) -> nw.LazyFrame[Any]:
    """Give one row per account and day, with its age counted from the end of the feed."""
    feed = view.feeds["usage"]
    rows = view.book.rolled("usage_by_day").filter(
        nw.col("known_day") < view.today, nw.col("day") <= feed.end - feed.grain
    )
    days = rows.group_by("account_id", "day").agg(
        nw.col("count").sum(), nw.col("quantity").sum(), nw.col("users").max()
    )
    return days.with_columns(age=feed.end - feed.grain - nw.col("day"))


def _between(first: int, last: int) -> nw.Expr:
    return (nw.col("age") >= 7 * first) & (nw.col("age") < 7 * last)


def _weeks(column: str, first: int, last: int) -> nw.Expr:
    return total(_between(first, last), column)


def _named(view: View) -> nw.LazyFrame[Any]:
    """Count distinct named users: over 7, 28 and 91 days, and in each of the last five weeks."""
    feed = view.feeds["usage"]
    rows = view.book.rolled("usage_by_user").filter(
        nw.col("known_day") < view.today, nw.col("day") <= feed.end - feed.grain
    )
    rows = rows.with_columns(age=feed.end - feed.grain - nw.col("day"))
    weeks = (nw.when(_between(k, k + 1)).then(1).max().alias(f"k{k}") for k in range(5))
    people = rows.group_by("account_id", "user_id").agg(nw.col("age").min(), *weeks)
    return people.group_by("account_id").agg(
        *(total(nw.col("age") < n).alias(f"u{n}") for n in (7, 28, QUARTER)),
        *(nw.col(f"k{k}").sum().cast(nw.Float64).alias(f"u{k}") for k in range(5)),
    )


def _gaps(view: View) -> nw.LazyFrame[Any]:
    """Give the 95th percentile of the days between active days, and the weeks before the quiet."""
    active = _days(view).filter(nw.col("count") > 0)
    before = nw.col("day").shift(1).over("account_id", order_by="day")
    quiet = nw.col("age").min().over("account_id")
    active = active.with_columns(
        gap=nw.when(nw.col("age") < GAP_DAYS).then(nw.col("day") - before),
        week=(nw.col("age") - quiet) // 7,
    )
    weeks = (nw.when(nw.col("week") == k).then(1).otherwise(0).max() for k in range(4))
    return active.group_by("account_id").agg(
        nw.col("gap").quantile(0.95, "linear").cast(nw.Float64).alias("usual"),
        nw.col("gap").count().alias("gaps"),
        *(week.cast(nw.Float64).alias(f"active{k}") for k, week in enumerate(weeks)),
    )


def _events(view: View, sums: pd.DataFrame) -> dict[str, pd.Series]:
    weeks = sums[[f"w{k}" for k in range(SLOPE_WEEKS)]] / SCALE
    before = weeks.iloc[:, 4:8].sum(axis=1, min_count=1)
    billed = sums["quantity_before"].where(view.standing["usage_lines"] > 0)
    return {
        "usage_events_7d": weeks["w0"],
        "usage_events_28d": weeks.iloc[:, :4].sum(axis=1, min_count=1),
        "usage_events_91d": weeks.sum(axis=1, min_count=1),
        **{f"usage_active_days_{n}d": sums[f"days{n}"] for n in (7, 28, QUARTER)},
        "usage_ratio_28d": share(weeks.iloc[:, :4].sum(axis=1), before).where(sums["first"] >= 55),
        "usage_year_on_year": share(weeks.sum(axis=1), sums["year_before"] / SCALE),
        "usage_billable_ratio_28d": share(sums["quantity"], billed),
    }


def _trend(sums: pd.DataFrame) -> dict[str, pd.Series]:
    weeks = sums[[f"w{k}" for k in range(SLOPE_WEEKS)]] / SCALE
    pull = 6 - np.arange(SLOPE_WEEKS)
    active = weeks > 0
    known = weeks["w0"].notna()
    return {
        "usage_slope_13w": share((weeks * pull).sum(axis=1) / SUM_OF_SQUARES, weeks.mean(axis=1)),
        "usage_active_weeks_8w": active.iloc[:, :8].sum(axis=1).where(known),
    }


def _rhythm(view: View, sums: pd.DataFrame) -> dict[str, pd.Series]:
    gaps = view.collect(_gaps(view))
    usual = gaps["usual"].clip(lower=view.feeds["usage"].grain)
    weeks = gaps[[f"active{k}" for k in range(4)]]
    return {
        "usage_weeks_before_quiet": weeks.sum(axis=1, min_count=1),
        "usage_days_since_last": sums["last"],
        "usage_gap_ratio": share(sums["last"], usual.where(gaps["gaps"] >= FEWEST_GAPS)),
    }


def _heads(sums: pd.DataFrame, named: pd.DataFrame) -> pd.DataFrame:
    """Take named users where the account has any, else the totals of its rows (silent: zero)."""
    columns = list(named.columns)
    totals = sums[columns].fillna(0.0).where(sums["users"].notna(), axis=0)
    return named.fillna(totals)


def _users(heads: pd.DataFrame) -> dict[str, pd.Series]:
    before = pd.Series(np.median(heads[["u1", "u2", "u3", "u4"]], axis=1), index=heads.index)
    return {
        **{f"usage_users_{n}d": heads[f"u{n}"] for n in (7, 28, QUARTER)},
        "usage_wau_before": before,
        "usage_wau_ratio": share(heads["u0"], before),
    }


def _against(ratio: pd.Series, segment: pd.Series) -> pd.Series:
    """Divide by the segment's median, over the whole book (no segment: as it is)."""
    return share(ratio, ratio.groupby(segment).transform("median").fillna(1.0))
