"""Usage: how much an account does, by how many people, and which way it is going.

Event rows, daily rows and weekly rows are measured alike, in weeks that end where the feed ends.
"""

from __future__ import annotations

import narwhals.stable.v2 as nw
import pandas as pd

from features.rhythm import RHYTHM
from features.rollup import SCALE
from features.signal import Family, Part, Rows, Signal, signal
from features.sums import ratio, total
from features.usage_rows import (
    EVER,
    HALF_YEAR,
    MONTH,
    PEOPLE,
    PEOPLE_YEAR_AGO,
    QUARTER,
    RECENT,
    TOLD,
    YEAR,
    YEAR_AGO,
    known_usage,
    weeks,
)
from features.view import View

__all__ = ["FAMILY", "known_usage"]

WEEKS = 13
SUM_OF_SQUARES = 182  # of the weeks 0..12 around their mean, 6
FEWEST_GAPS = 3
SILENT = "no usage rows for the account yet, or the whole feed is behind"
NO_USERS = "the feed does not say who or how many used it"
NO_YEAR = "no usage a year before"
age, some = nw.col("age"), nw.col("count") > 0
seen = ~nw.col("usage__first").is_null()
totals = [nw.col(f"usage__week{k}") for k in range(WEEKS)]


def _added(columns: list[nw.Expr]) -> nw.Expr:
    return sum(columns[1:], columns[0])


def _heads(name: str) -> nw.Expr:
    """Take named users where the account ever had any, else the totals of its rows."""
    told = nw.col(f"usage__told_{name}").fill_null(0.0)
    totals = nw.when(~nw.col("usage__told").is_null()).then(told)
    return nw.when(nw.col("usage__named") > 0).then(f"usage__named_{name}").otherwise(totals)


def _told(name: str, within: nw.Expr, rows: Rows = TOLD) -> Part:
    return Part(f"usage__told_{name}", nw.when(within).then("users").max(), rows)


def _named(name: str, value: nw.Expr, rows: Rows = PEOPLE) -> Part:
    return Part(f"usage__named_{name}", value.cast(nw.Float64), rows, silent=0.0)


def _summed(name: str, column: str, within: nw.Expr, rows: Rows = RECENT) -> Part:
    return Part(f"usage__{name}", total(within, column) / SCALE, rows, silent=0.0)


BEFORE = ("week1", "week2", "week3", "week4", "month1")
PARTS = (
    Part("usage__first", age.max(), EVER),
    Part("usage__told", nw.col("users").max(), EVER),
    *(_summed(f"week{k}", "count", weeks(k, k + 1)) for k in range(WEEKS)),
    _summed("quantity", "quantity", weeks(0, 4)),
    _summed("quantity_before", "quantity", weeks(4, 8)),
    _summed("quantity_91d", "quantity", weeks(0, WEEKS)),
    _summed("year_ago", "count", age >= YEAR, YEAR_AGO),
    _summed("quantity_year_ago", "quantity", age >= YEAR, YEAR_AGO),
    *(Part(f"usage__active_{days}d", total(some & (age < days)), RECENT, silent=0.0)
      for days in (7, MONTH, QUARTER)),
    *(_told(f"{days}d", age < days) for days in (7, MONTH, QUARTER)),
    *(_told(f"week{k}", weeks(k, k + 1)) for k in range(1, 5)),
    _told("month1", weeks(4, 8)),
    _told("year_ago", age >= YEAR, YEAR_AGO),
    *(_named(f"{days}d", total(age < days)) for days in (7, MONTH, QUARTER)),
    *(_named(name, nw.col(name).sum()) for name in BEFORE),
    _named("year_ago", nw.len(), PEOPLE_YEAR_AGO),
    *(Part(f"usage__users_{name}", _heads(name)) for name in (*BEFORE, "year_ago")),
    *(Part(f"usage__{name}", nw.col(name).max(), RHYTHM)
      for name in ("gaps", "between", "shorter", "longer")),
)  # fmt: skip


def _feed(view: View) -> dict[str, pd.Series]:
    """Say whether an account ever had a named user, and how many days a row covers."""
    nobody = pd.Series(0.0, index=view.standing.index)
    if not view.has("usage"):
        return {"usage__named": nobody, "usage__grain": nobody}
    since = view.book.once("named users since", lambda: _since(view)).reindex(view.standing.index)
    grain = nobody + view.feeds["usage"].grain
    return {"usage__named": (since < view.today).astype(float), "usage__grain": grain}


def _since(view: View) -> pd.Series:
    """Find the day from which a named user of each account is known: it holds for every date."""
    rows = view.book.rolled("usage_by_user")
    rows = rows.select("account_id", since=nw.max_horizontal("day", "known_day"))
    first = rows.group_by("account_id").agg(nw.col("since").min()).collect("pyarrow").to_native()
    return first.to_pandas().set_index("account_id")["since"]


def _active_days(days: int) -> Signal:
    return signal(f"usage_active_days_{days}d", "days", days, -1, 1,
                  f"days with any event in the last {days} days (weeks, where rows are weekly)",
                  f"active on {{value:.0f}} days of the last {days}",
                  nw.when(seen).then(f"usage__active_{days}d"), missing=SILENT)  # fmt: skip


def _all_events(days: int) -> Signal:
    said = f"{{value:,.0f}} events in the last {days} days"
    beside = f"{said}, {{usage_ratio_28d:.0%}} of the 28 days before" if days == MONTH else ""
    return signal(f"usage_events_{days}d", "events", days, -1, 1, f"events in the last {days} days",
                  said, nw.when(seen).then(_added(totals[: days // 7])), missing=SILENT,
                  fuller=beside)  # fmt: skip


def _users(days: int) -> Signal:
    return signal(f"usage_users_{days}d", "users", days, -1, 1,
                  f"distinct users in the last {days} days (the largest count, where rows are "
                  "totals)", f"{{value:,.0f}} active users in the last {days} days",
                  _heads(f"{days}d"), missing=NO_USERS)  # fmt: skip


def _slope(levels: list[nw.Expr]) -> nw.Expr:
    return _added([level * (6 - k) for k, level in enumerate(levels)]) / SUM_OF_SQUARES


def _flags(sums: list[nw.Expr]) -> nw.Expr:
    return _added([(each > 0).cast(nw.Float64) for each in sums])


def _median_of_four(columns: list[str]) -> nw.Expr:
    four = [nw.col(name) for name in columns]
    middle = _added(four) - nw.max_horizontal(*four) - nw.min_horizontal(*four)
    return middle / 2


usual = nw.col("usage__shorter") + nw.col("usage__between") * (
    nw.col("usage__longer") - nw.col("usage__shorter")
)
SIGNALS = (
    *(_all_events(days) for days in (7, MONTH, QUARTER)),
    *(_active_days(days) for days in (7, MONTH, QUARTER)),
    *(_users(days) for days in (7, MONTH, QUARTER)),
    signal("usage_ratio_28d", "ratio", 56, -1, 1, "events of the last 28 days / the 28 days before",
           "usage of the last 28 days at {value:.0%} of the 28 days before",
           nw.when(nw.col("usage__first") + nw.col("usage__grain") >= 2 * MONTH).then(
               ratio("usage_events_28d", _added(totals[4:8]))),
           missing="fewer than 56 days of usage, or none in the 28 days before",
           fuller="{usage_events_28d:,.0f} events in the last 28 days, {value:.0%} of the 28 days "
                  "before"),
    signal("usage_slope_13w", "share a week", QUARTER, -1, 1,
           "slope of 13 weekly totals / their mean",
           "usage changing by {value:+.1%} of its mean a week over 13 weeks",
           ratio(_slope(totals), nw.col("usage_events_91d") / WEEKS),
           missing="no usage in 13 weeks",
           zero="usage level over 13 weeks"),
    signal("usage_trend_13w", "log a week", QUARTER, -1, 1,
           "slope of the logarithm of 13 weekly totals (each with 1 added): one wild week hardly "
           "moves it",
           "usage trending by {value:+.1%} a week over 13 weeks, single odd weeks aside",
           nw.when(seen).then(_slope([(week + 1).log() for week in totals])), missing=SILENT,
           zero="no trend in usage over 13 weeks"),
    signal("usage_days_since_last", "days", None, 1, -1, "days since the last event",
           "no activity for {value:.0f} days", nw.when(some).then(age).min(), rows=EVER,
           missing=SILENT,
           zero="active to the last day seen"),
    signal("usage_gap_ratio", "ratio", HALF_YEAR, 1, -1,
           "days since the last event / the 95th percentile of the gaps between the account's "
           "active days of 182 days",
           "quiet for {value:.1f} times its own longest usual pause",
           nw.when(nw.col("usage__gaps") >= FEWEST_GAPS).then(
               ratio("usage_days_since_last", usual)),
           missing="fewer than 3 gaps: too few active days to know the account's rhythm",
           zero="active to the last day seen",
           fuller="no activity for {usage_days_since_last:.0f} days, {value:.1f} times its own "
                  "longest usual pause"),
    signal("usage_wau_before", "users", 35, -1, 1,
           "median weekly users of the four weeks before the last",
           "{value:,.0f} active users in a usual week",
           _median_of_four([f"usage__users_week{k}" for k in range(1, 5)]), missing=NO_USERS),
    signal("usage_wau_ratio", "ratio", 35, -1, 1,
           "users of the last week / median of the four weeks before",
           "weekly active users at {value:.0%} of their own 4-week median",
           ratio("usage_users_7d", "usage_wau_before"),
           missing="nobody active in the four weeks before, or users not known",
           fuller="weekly active users {usage_wau_before:,.0f} → {usage_users_7d:,.0f} against its "
                  "own 4-week median"),
    signal("usage_wau_vs_segment", "ratio", 35, -1, 1,
           "usage_wau_ratio / the median of its peers (segment as dated in account_history, else "
           "band of contract value): a holiday of all is no drop of one",
           "weekly active users at {value:.0%} of what they would be had they moved with its "
            "segment",
           ratio("usage_wau_ratio", nw.col("usage_wau_ratio").median().over("peers")),
           missing="usage_wau_ratio is missing, or zero in the median of its peers", across=("usage_wau_ratio", "peers"),
           fuller="weekly active users {usage_wau_before:,.0f} → {usage_users_7d:,.0f}, {value:.0%} "
                  "of what moving with its segment would leave"),
    signal("usage_users_added_28d", "users", 56, -1, 1,
           "users of the last 28 days less those of the 28 days before",
           "{value:+,.0f} active users against the 28 days before",
           nw.col("usage_users_28d") - nw.col("usage__users_month1"), missing=NO_USERS,
           zero="as many active users as in the 28 days before",
           fuller="{usage_users_28d:,.0f} active users in the last 28 days, {value:+,.0f} against "
                  "the 28 days before"),
    signal("usage_weeks_before_quiet", "weeks", None, -1, 1,
           "active weeks among the four that end with the last activity",
           "active in {value:.0f} of the 4 weeks up to its last activity",
           nw.col("weeks").max(), rows=RHYTHM, missing="no activity in 364 days"),
    signal("usage_active_weeks_8w", "weeks", 56, -1, 1, "active weeks of the last 8",
           "active in {value:.0f} of the last 8 weeks", nw.when(seen).then(_flags(totals[:8])),
           missing=SILENT),
    signal("usage_year_on_year", "ratio", YEAR + QUARTER, -1, 1,
           "events of the last 91 days / the same 91 days a year before",
           "usage of the last 91 days at {value:.0%} of a year ago", ratio("usage_events_91d", "usage__year_ago"),
           missing=NO_YEAR),
    signal("usage_users_year_on_year", "ratio", YEAR + QUARTER, -1, 1,
           "users of the last 91 days / the same 91 days a year before",
           "active users of the last 91 days at {value:.0%} of a year ago",
           ratio("usage_users_91d", "usage__users_year_ago"), missing="no user a year before",
           fuller="{usage_users_91d:,.0f} active users in 91 days, {value:.0%} of a year ago"),
    signal("usage_quantity_year_on_year", "ratio", YEAR + QUARTER, -1, 1,
           "quantity of the last 91 days / the same 91 days a year before",
           "quantity used in the last 91 days at {value:.0%} of a year ago",
           ratio("usage__quantity_91d", "usage__quantity_year_ago"),
           missing="no quantity a year before"),
    signal("usage_quantity_ratio_28d", "ratio", 56, -1, 1,
           "quantity of the last 28 days / the 28 days before",
           "quantity used in the last 28 days at {value:.0%} of the 28 days before",
           ratio("usage__quantity", "usage__quantity_before"),
           missing="no quantity in the 28 days before"),
    signal("usage_billable_ratio_28d", "ratio", 56, -1, 1,
           "billable quantity of the last 28 days / the 28 days before, on usage-priced lines",
           "billable quantity of the last 28 days at {value:.0%} of the 28 days before",
           nw.when(nw.col("usage_lines") > 0).then(nw.col("usage_quantity_ratio_28d")),
           missing="no usage-priced line in force, or no billable quantity in the 28 days before"),
)  # fmt: skip

FAMILY = Family("usage", SIGNALS, PARTS, (_feed,))
