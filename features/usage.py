"""Usage: how much an account does, by how many people, and which way it is going.

Event rows, daily rows and weekly rows are measured alike, in weeks that end where the feed ends:
``age`` 0 is the last day that the feed covers. Windows are read by themselves, and of the past
beyond them only what an account did first and last, so that the cost does not grow with history.
"""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from features.rollup import SCALE
from features.signal import Family, Part, Rows, Sign, Signal
from features.sums import ratio, total
from features.view import View

__all__ = ["FAMILY", "known_usage"]

MONTH, QUARTER = 28, 91
YEAR = 364  # 52 whole weeks, so that the same weekdays are compared
SLOPE_WEEKS = 13
SUM_OF_SQUARES = 182  # of the weeks 0..12 around their mean, 6
FEWEST_GAPS = 3
LONG_AGO = 1_000_000
age, some = nw.col("age"), nw.col("count") > 0
SILENT = "no usage rows for the account yet, or the whole feed is behind"
NO_USERS = "the feed does not say who or how many used it"
NO_YEAR = "no usage a year before"


def known_usage(
    view: View, name: str, days: int | None = None, before: int = 0
) -> nw.LazyFrame[Any]:
    """Give the known rows of a roll-up of usage with their ``age`` from the end of the feed.

    Parameters
    ----------
    view : View
        With a feed of usage.
    name : str
        The roll-up.
    days : int, optional
        Length of the window; all of history if absent.
    before : int
        How many days before the end of the feed the window ends.
    """
    feed = view.feeds["usage"]
    last = feed.end - feed.grain - before
    since = None if days is None else last - days
    rows = view.book.rolled(name, since).filter(
        nw.col("known_day") < view.today, nw.col("day") <= last
    )
    if since is not None:
        rows = rows.filter(nw.col("day") > since)
    return rows.with_columns(age=last + before - nw.col("day"))


def _recent(view: View) -> nw.LazyFrame[Any]:
    """Give the days of 91, and a row per account ever seen, so that silence is zero."""
    by_day = known_usage(view, "usage_by_day", QUARTER).group_by("account_id", "age")
    days = by_day.agg(nw.col("count").sum(), nw.col("quantity").sum(), nw.col("users").max())
    days = days.with_columns(last=nw.when(some).then("age"), first=age)
    by_account = known_usage(view, "usage_by_day").group_by("account_id")
    ever = by_account.agg(
        nw.col("users").max(), last=nw.when(some).then("age").min(), first=age.max()
    )
    ever = ever.with_columns(age=nw.lit(LONG_AGO), count=nw.lit(0), quantity=nw.lit(0))
    whole = [nw.col(name).cast(nw.Int64) for name in ("age", "count", "quantity", "last", "first")]
    return nw.concat([part.select("account_id", "users", *whole) for part in (days, ever)])


def _year_ago(view: View) -> nw.LazyFrame[Any]:
    return known_usage(view, "usage_by_day", QUARTER, before=YEAR)


def _people(view: View) -> nw.LazyFrame[Any]:
    """Give one row per account and named user of 91 days: the least age, and when else seen."""
    rows = known_usage(view, "usage_by_user", QUARTER)
    seen = {f"week{k}": _weeks(k, k + 1) for k in range(5)} | {"month1": _weeks(4, 8)}
    flags = {name: nw.when(within).then(1).otherwise(0).max() for name, within in seen.items()}
    return rows.group_by("account_id", "user_id").agg(nw.col("age").min(), **flags)


def _people_year_ago(view: View) -> nw.LazyFrame[Any]:
    return (
        known_usage(view, "usage_by_user", QUARTER, before=YEAR)
        .select("account_id", "user_id")
        .unique()
    )


def _gaps(view: View) -> nw.LazyFrame[Any]:
    """Give how often each gap between active days was seen, and how often it or a shorter one."""
    active = known_usage(view, "usage_by_day", YEAR).filter(some)
    before = nw.col("day").shift(1).over("account_id", order_by="day")
    gaps = active.select("account_id", gap=nw.col("day") - before).filter(nw.col("gap") > 0)
    often = gaps.group_by("account_id", "gap").agg(nw.len().cast(nw.Int64).alias("often"))
    return often.with_columns(
        through=nw.col("often").cum_sum().over("account_id", order_by="gap"),
        all=nw.col("often").sum().over("account_id"),
    ).with_columns(place=95 * (nw.col("all") - 1))


def _before_quiet(view: View) -> nw.LazyFrame[Any]:
    """Give the active days of each account with their age from its last."""
    active = known_usage(view, "usage_by_day", YEAR).filter(some)
    last = active.group_by("account_id").agg(nw.col("age").min().alias("last"))
    both = active.join(last, on="account_id", how="inner")
    return both.with_columns(age=age - nw.col("last")).filter(age < MONTH)


def _usage_rows(name: str, of: Any) -> Rows:
    return Rows(name, ("usage",), of)


RECENT = _usage_rows("days of usage", _recent)
YEAR_AGO = _usage_rows("days of usage a year before", _year_ago)
PEOPLE = _usage_rows("users", _people)
PEOPLE_YEAR_AGO = _usage_rows("users a year before", _people_year_ago)
GAPS = _usage_rows("gaps between active days", _gaps)
BEFORE_QUIET = _usage_rows("days before the quiet", _before_quiet)


def _weeks(first: int, last: int) -> nw.Expr:
    return (age >= 7 * first) & (age < 7 * last)


def _events(first: int, last: int) -> nw.Expr:
    """Add up the counts of some weeks."""
    return total(_weeks(first, last), "count") / SCALE


def _active_weeks(weeks: int) -> nw.Expr:
    flags = [nw.when(_weeks(k, k + 1) & some).then(1).otherwise(0).max() for k in range(weeks)]
    return sum(flags[1:], flags[0]).cast(nw.Float64)


def _heads(name: str) -> nw.Expr:
    """Take named users where the account ever had any, else the totals of its rows."""
    told = nw.when(~nw.col("usage__told").is_null()).then(
        nw.col(f"usage__told_{name}").fill_null(0.0)
    )
    named = nw.col(f"usage__named_{name}").fill_null(0.0)
    return nw.when(nw.col("usage__named") > 0).then(named).otherwise(told)


def _told(name: str, within: nw.Expr, rows: Rows = RECENT) -> Part:
    return Part(f"usage__told_{name}", nw.when(within).then("users").max(), rows)


def _named(name: str, value: nw.Expr, rows: Rows = PEOPLE) -> Part:
    return Part(f"usage__named_{name}", value.cast(nw.Float64), rows)


def _at(place: nw.Expr, name: str) -> Part:
    """Find the gap that stands at a place when all are in order."""
    return Part(f"usage__{name}", nw.when(nw.col("through") > place).then("gap").min(), GAPS)


PLACE, WEEK_COLUMNS = nw.col("place"), [f"usage__week{k}" for k in range(SLOPE_WEEKS)]
WEEKS = [nw.col(name) for name in WEEK_COLUMNS]
PARTS = (
    *(Part(name, _events(k, k + 1), RECENT) for k, name in enumerate(WEEK_COLUMNS)),
    Part("usage__first", nw.col("first").max(), RECENT),
    Part("usage__told", nw.col("users").max(), RECENT),
    Part("usage__quantity", total(_weeks(0, 4), "quantity"), RECENT),
    Part("usage__quantity_before", total(_weeks(4, 8), "quantity"), RECENT),
    Part("usage__quantity_91d", total(_weeks(0, SLOPE_WEEKS), "quantity"), RECENT),
    Part("usage__year_ago", total(age >= YEAR, "count") / SCALE, YEAR_AGO),
    Part("usage__quantity_year_ago", total(age >= YEAR, "quantity"), YEAR_AGO),
    *(_told(f"{n}d", age < n) for n in (7, 28, QUARTER)),
    *(_told(f"week{k}", _weeks(k, k + 1)) for k in range(1, 5)),
    _told("month1", _weeks(4, 8)),
    _told("year_ago", age >= YEAR, YEAR_AGO),
    *(_named(f"{n}d", total(age < n)) for n in (7, 28, QUARTER)),
    *(_named(name, nw.col(name).sum()) for name in (*(f"week{k}" for k in range(1, 5)), "month1")),
    _named("year_ago", nw.len(), PEOPLE_YEAR_AGO),
    *(Part(f"usage__users_{name}", _heads(name)) for name in ("month1", "year_ago", "week1", "week2", "week3", "week4")),
    Part("usage__gaps", nw.col("all").max().cast(nw.Float64), GAPS),
    Part("usage__over", (PLACE % 100).max() / 100, GAPS),
    _at(PLACE // 100, "shorter"),
    _at((PLACE + 99) // 100, "longer"),
)  # fmt: skip


def _named_ever(view: View) -> dict[str, pd.Series]:
    """Say whether an account ever had a named user, and how many lines are priced by usage."""
    if not view.has("usage"):
        return {"usage__named": pd.Series(0.0, index=view.standing.index)}
    since = view.book.once("named users since", lambda: _since(view)).reindex(view.standing.index)
    return {"usage__named": (since < view.today).astype(float)}


def _since(view: View) -> pd.Series:
    """Find the day from which a named user of each account is known: it holds for every date."""
    rows = view.book.rolled("usage_by_user")
    rows = rows.select("account_id", since=nw.max_horizontal("day", "known_day"))
    first = rows.group_by("account_id").agg(nw.col("since").min()).collect("pyarrow").to_native()
    return first.to_pandas().set_index("account_id")["since"]


def _usage(
    slug: str,
    unit: str,
    window: int | None,
    meaning: str,
    phrase: str,
    value: nw.Expr,
    missing: str = SILENT,
    *,
    rows: Rows | None = None,
    signs: tuple[Sign, Sign] = (-1, 1),
) -> Signal:
    return Signal(
        f"usage_{slug}", "usage", "usage", unit, window, *signs, meaning, missing, phrase,
        value, rows, tables=("usage",),
    )  # fmt: skip


def _active_days(days: int) -> Signal:
    return _usage(f"active_days_{days}d", "days", days, f"days with any event in the last {days} "
                  "days (weeks, where rows are weekly)", "active on {value:.0f} days of the last "
                  f"{days}", total(some & (age < days)), rows=RECENT)  # fmt: skip


def _all_events(days: int) -> Signal:
    return _usage(f"events_{days}d", "events", days, f"events in the last {days} days",
                  "{value:,.0f} events in the last " + f"{days} days", _events(0, days // 7),
                  rows=RECENT)  # fmt: skip


def _users(days: int) -> Signal:
    return _usage(f"users_{days}d", "users", days, f"distinct users in the last {days} days (the "
                  "largest count, where rows are totals)", "{value:,.0f} active users in the last "
                  f"{days} days", _heads(f"{days}d"), NO_USERS)  # fmt: skip


def _slope(weeks: list[nw.Expr]) -> nw.Expr:
    pulls = [week * (6 - k) / SUM_OF_SQUARES for k, week in enumerate(weeks)]
    return sum(pulls[1:], pulls[0])


def _median_of_four(columns: list[str]) -> nw.Expr:
    four = [nw.col(name) for name in columns]
    middle = sum(four[1:], four[0]) - nw.max_horizontal(*four) - nw.min_horizontal(*four)
    return middle / 2


GAP = nw.col("usage__shorter") + nw.col("usage__over") * (
    nw.col("usage__longer") - nw.col("usage__shorter")
)
SIGNALS = (
    *(_all_events(days) for days in (7, MONTH, QUARTER)),
    *(_active_days(days) for days in (7, MONTH, QUARTER)),
    *(_users(days) for days in (7, MONTH, QUARTER)),
    _usage("ratio_28d", "ratio", 56, "events of the last 28 days / the 28 days before",
           "usage of the last 28 days at {value:.0%} of the 28 days before",
           nw.when(nw.col("usage__first") >= 55).then(
               ratio("usage_events_28d", sum(WEEKS[5:8], WEEKS[4]))),
           "fewer than 56 days of usage, or none in the 28 days before"),
    _usage("slope_13w", "share a week", QUARTER, "slope of 13 weekly totals / their mean",
           "usage moving by {value:+.1%} a week over 13 weeks",
           ratio(_slope(WEEKS), nw.col("usage_events_91d") / SLOPE_WEEKS), "no usage in 13 weeks"),
    _usage("trend_13w", "log a week", QUARTER, "slope of the logarithm of 13 weekly totals (each "
           "with 1 added): one wild week hardly moves it",
           "usage trending by {value:+.1%} a week, whatever single weeks say",
           _slope([(week + 1).log() for week in WEEKS])),
    _usage("days_since_last", "days", None, "days since the last event",
           "no activity for {value:.0f} days", nw.col("last").min().cast(nw.Float64),
           rows=RECENT, signs=(1, -1)),
    _usage("gap_ratio", "ratio", YEAR, "days since the last event / the 95th percentile of the "
           "gaps between the account's active days of 364 days",
           "quiet for {value:.1f} times its own usual gap",
           nw.when(nw.col("usage__gaps") >= FEWEST_GAPS).then(ratio("usage_days_since_last", GAP)),
           "fewer than 3 gaps: too few active days to know the account's rhythm", signs=(1, -1)),
    _usage("wau_before", "users", 35, "median weekly users of the four weeks before the last",
           "{value:.0f} users in a usual week",
           _median_of_four([f"usage__users_week{k}" for k in range(1, 5)]), NO_USERS),
    _usage("wau_ratio", "ratio", 35, "users of the last week / median of the four weeks before",
           "weekly users at {value:.0%} of their 4-week level",
           ratio("usage_users_7d", "usage_wau_before"),
           "nobody active in the four weeks before, or users not known"),
    _usage("wau_vs_segment", "ratio", 35, "usage_wau_ratio / the median of its peers (segment as "
           "dated in account_history, else band of contract value): a holiday of all is no drop "
           "of one", "weekly users at {value:.0%} of what its segment's change would leave",
           ratio("usage_wau_ratio", nw.col("usage_wau_ratio").median().over("peers")),
           "usage_wau_ratio is missing, or zero in the median of its peers"),
    _usage("users_added_28d", "users", 56, "users of the last 28 days less those of the 28 days "
           "before", "{value:+.0f} users against the 28 days before",
           nw.col("usage_users_28d") - nw.col("usage__users_month1"), NO_USERS),
    _usage("weeks_before_quiet", "weeks", None, "active weeks among the four that end with the "
           "last activity", "active in {value:.0f} of the 4 weeks before it went quiet",
           _active_weeks(4), rows=BEFORE_QUIET),
    _usage("active_weeks_8w", "weeks", 56, "active weeks of the last 8",
           "active in {value:.0f} of the last 8 weeks", _active_weeks(8), rows=RECENT),
    _usage("year_on_year", "ratio", YEAR + QUARTER, "events of the last 91 days / the same 91 days "
           "a year before", "usage at {value:.0%} of a year ago",
           ratio("usage_events_91d", "usage__year_ago"), NO_YEAR),
    _usage("users_year_on_year", "ratio", YEAR + QUARTER, "users of the last 91 days / the same 91 "
           "days a year before", "active users at {value:.0%} of a year ago",
           ratio("usage_users_91d", "usage__users_year_ago"), "no user a year before"),
    _usage("quantity_year_on_year", "ratio", YEAR + QUARTER, "quantity of the last 91 days / the "
           "same 91 days a year before", "quantity at {value:.0%} of a year ago",
           ratio("usage__quantity_91d", "usage__quantity_year_ago"), "no quantity a year before"),
    _usage("quantity_ratio_28d", "ratio", 56, "quantity of the last 28 days / the 28 days before",
           "quantity of the last 28 days at {value:.0%} of the 28 days before",
           ratio("usage__quantity", "usage__quantity_before"),
           "no quantity in the 28 days before"),
    _usage("billable_ratio_28d", "ratio", 56, "billable quantity of the last 28 days / the 28 days "
           "before, on usage-priced lines", "billable usage at {value:.0%} of the 28 days before",
           nw.when(nw.col("usage_lines") > 0).then(nw.col("usage_quantity_ratio_28d")),
           "no usage-priced line in force, or no billable quantity in the 28 days before"),
)  # fmt: skip

FAMILY = Family("usage", SIGNALS, PARTS, (_named_ever,))
