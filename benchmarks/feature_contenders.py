"""The usage family's plain windows, as one would write them by hand, on four other engines.

All give the same sixteen columns for an as-of date: sums, active days and users of 7, 28 and 91
days, ratio, weekly slope, days since the last event, weekly users now and before, active weeks,
year on year. Each takes the form that was the fastest found for its engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

__all__ = ["PLAIN", "duckdb_raw", "pandas_raw", "polars_once", "polars_raw", "polars_rolled"]

WINDOWS = (7, 28, 91)
YEAR, PULL, SQUARES = 364, 6, 182
PLAIN = (
    *(f"usage_{what}_{n}d" for what in ("events", "active_days", "users") for n in WINDOWS),
    "usage_ratio_28d",
    "usage_slope_13w",
    "usage_days_since_last",
    "usage_wau_before",
    "usage_wau_ratio",
    "usage_active_weeks_8w",
    "usage_year_on_year",
)
EPOCH = date(1970, 1, 1)
Answers = Iterator[tuple[date, Any]]


def pandas_raw(book: Path, dates: tuple[date, ...]) -> Answers:
    """Read the columns once, and slice the rows for every date."""
    import numpy as np
    import pandas as pd

    columns = ["account_id", "occurred_at", "user_id", "count"]
    parts = []
    for path in sorted((book / "usage").glob("*.parquet")):
        part = pd.read_parquet(path, columns=columns)
        part["day"] = (part.pop("occurred_at").astype("int64") // 86_400_000_000).astype("int32")
        parts.append(part)
    names = {name: pd.concat([part.pop(name) for part in parts]) for name in columns[::2]}
    rows = pd.concat(parts, ignore_index=True)
    for name, values in names.items():
        rows[name] = pd.factorize(values, sort=True)[0].astype("int32")
    accounts = np.sort(names.pop("account_id").unique())
    del names, parts
    for as_of in dates:
        yield as_of, _sliced(rows, (as_of - EPOCH).days - 1, accounts)


def _sliced(rows: Any, last: int, accounts: Any) -> Any:
    """Sum one date's slices; the rows stand in the order of their day."""
    import pandas as pd

    def between(first: int, until: int) -> Any:
        at = rows["day"].searchsorted([first, until + 1])
        return rows.iloc[at[0] : at[1]]

    ever = between(0, last).groupby("account_id")["day"].agg(["min", "max"])
    out = pd.DataFrame(index=ever.index)

    def laid(values: Any) -> Any:
        return values.reindex(out.index).fillna(0.0)

    recent = between(last - 90, last)
    days = recent.groupby(["account_id", "day"], sort=False)["count"].sum().reset_index()
    age, by, count = last - days["day"], days["account_id"], days["count"]
    for n in WINDOWS:
        sums = count[age < n].groupby(by)
        out[f"usage_events_{n}d"], out[f"usage_active_days_{n}d"] = (
            laid(sums.sum()),
            laid(sums.size()),
        )
    before = laid(count[(age >= 28) & (age < 56)].groupby(by).sum())
    pull = laid((count * (PULL - age // 7)).groupby(by).sum())
    active = days.assign(week=age // 7)[age < 56][["account_id", "week"]].drop_duplicates()
    year_before = laid(between(last - YEAR - 90, last - YEAR).groupby("account_id")["count"].sum())
    ages = (last - recent["day"]).groupby([recent["account_id"], recent["user_id"]]).min()
    of = ages.index.get_level_values("account_id")
    for n in WINDOWS:
        out[f"usage_users_{n}d"] = laid((ages < n).groupby(of).sum())
    near = between(last - 34, last)
    seen = near.assign(week=(last - near["day"]) // 7)[["account_id", "user_id", "week"]]
    weekly = seen.drop_duplicates().groupby(["account_id", "week"]).size().unstack(fill_value=0)
    weekly = weekly.reindex(index=out.index, columns=range(5)).fillna(0)
    month, quarter = out["usage_events_28d"], out["usage_events_91d"]
    old = last - ever["min"] >= 55
    out["usage_ratio_28d"] = (month / before).where((before > 0) & old)
    out["usage_slope_13w"] = (pull / SQUARES / (quarter / 13)).where(quarter > 0)
    out["usage_days_since_last"] = last - ever["max"]
    usual = out["usage_wau_before"] = weekly[[1, 2, 3, 4]].median(axis=1)
    out["usage_wau_ratio"] = (weekly[0] / usual).where(usual > 0)
    out["usage_active_weeks_8w"] = laid(active.groupby("account_id").size())
    out["usage_year_on_year"] = (quarter / year_before).where(year_before > 0)
    return out.set_axis(accounts[out.index]).rename_axis("account_id").reset_index()


def duckdb_raw(book: Path, dates: tuple[date, ...]) -> Answers:
    """Ask one SQL statement per date, over the Parquet files."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for as_of in dates:
        yield as_of, connection.execute(_sql(book, as_of)).to_arrow_table()


def _sql(book: Path, as_of: date) -> str:
    last = (as_of - EPOCH).days - 1
    windows = ", ".join(
        f'coalesce(sum("count") FILTER (age < {n}), 0) AS usage_events_{n}d, '
        f"count(*) FILTER (age < {n}) AS usage_active_days_{n}d" for n in WINDOWS
    )  # fmt: skip
    users = ", ".join(f"count(*) FILTER (age < {n}) AS usage_users_{n}d" for n in WINDOWS)
    weeks = ", ".join(f"bool_or(age // 7 = {k}) AS k{k}" for k in range(5))
    counted = ", ".join(f"count(*) FILTER (k{k}) AS u{k}" for k in range(5))
    heads = ", ".join(f"coalesce(u{k}, 0)" for k in range(1, 5))
    zeroed = ", ".join(
        f"coalesce({table}.usage_{name}_{n}d, 0) AS usage_{name}_{n}d"
        for table, name in (("sums", "events"), ("sums", "active_days"), ("heads", "users"))
        for n in WINDOWS
    )
    active = " + ".join(
        f"CAST(coalesce(bool_or(age // 7 = {k}), false) AS INT)" for k in range(8)
    )  # fmt: skip

    def known(first: int, until: int) -> str:
        bounds = "epoch_us(occurred_at) // 86400000000 AS INTEGER"
        start, end = (
            f"TIMESTAMPTZ '{EPOCH + timedelta(days=d)} 00:00:00+00'" for d in (first, until + 1)
        )
        return f"""(SELECT *, {last} - CAST({bounds}) AS age FROM read_parquet('{book}/usage/*.parquet')
            WHERE occurred_at >= {start} AND occurred_at < {end})"""

    return f"""
    WITH days AS (
        SELECT account_id, age, sum("count") AS "count" FROM {known(last - 90, last)} GROUP BY ALL
    ), sums AS (
        SELECT account_id, {windows},
            sum("count") FILTER (age >= 28 AND age < 56) AS before,
            sum("count" * ({PULL} - age // 7)) AS pull,
            {active} AS usage_active_weeks_8w
        FROM days GROUP BY account_id
    ), ever AS (
        SELECT account_id, max(age) AS first, min(age) AS usage_days_since_last
        FROM {known(0, last)} GROUP BY account_id
    ), years AS (
        SELECT account_id, sum("count") AS year_before
        FROM {known(last - YEAR - 90, last - YEAR)} GROUP BY account_id
    ), people AS (
        SELECT account_id, min(age) AS age, {weeks} FROM {known(last - 90, last)}
        GROUP BY account_id, user_id
    ), heads AS (SELECT account_id, {users}, {counted} FROM people GROUP BY account_id)
    SELECT account_id, usage_days_since_last, coalesce(usage_active_weeks_8w, 0) AS usage_active_weeks_8w,
        {zeroed},
        CASE WHEN first >= 55 THEN sums.usage_events_28d / nullif(before, 0) END AS usage_ratio_28d,
        pull / {SQUARES} / nullif(sums.usage_events_91d / 13, 0) AS usage_slope_13w,
        list_median([{heads}]) AS usage_wau_before,
        coalesce(u0, 0) / nullif(usage_wau_before, 0) AS usage_wau_ratio,
        coalesce(sums.usage_events_91d, 0) / nullif(year_before, 0) AS usage_year_on_year
    FROM ever LEFT JOIN sums USING (account_id) LEFT JOIN heads USING (account_id)
    LEFT JOIN years USING (account_id)"""


def polars_raw(book: Path, dates: tuple[date, ...]) -> Answers:
    """Scan the Parquet files lazily for every date, on the streaming engine."""
    import polars as pl

    rows = pl.scan_parquet(book / "usage" / "*.parquet")
    day = pl.col("occurred_at").dt.epoch("d").cast(pl.Int32)

    def between(first: int, last: int) -> Any:
        start, end = (
            pl.lit(day * 86_400_000_000).cast(pl.Datetime("us", "UTC")) for day in (first, last + 1)
        )
        within = rows.filter(pl.col("occurred_at") >= start, pl.col("occurred_at") < end)
        return within.with_columns(day=day)

    for as_of in dates:
        last = (as_of - EPOCH).days - 1
        recent = between(last - 90, last)
        days = recent.group_by("account_id", "day").agg(pl.col("count").sum())
        yield as_of, _polars(between, days, recent, last, 1.0)


def polars_once(book: Path, dates: tuple[date, ...]) -> Answers:
    """Roll the raw rows up in memory once, then give every date from that."""
    import polars as pl

    day = pl.col("occurred_at").dt.epoch("d").cast(pl.Int32).alias("day")
    rows = pl.scan_parquet(book / "usage" / "*.parquet")
    rows = rows.select("account_id", "user_id", "count", day)
    days = rows.group_by("account_id", "day").agg(pl.col("count").sum())
    people = rows.select("account_id", "user_id", "day").unique()
    by_day, by_user = pl.collect_all([days, people], engine="streaming")
    for as_of in dates:
        yield as_of, _from_rolled(by_day.lazy(), by_user.lazy(), (as_of - EPOCH).days - 1, 1.0)


def polars_rolled(snapshot: Path, dates: tuple[date, ...]) -> Answers:
    """The same on the roll-ups of a published snapshot, which spare the sum by day."""
    import polars as pl

    by_day = pl.scan_parquet(snapshot / "usage_by_day" / "*.parquet")
    by_user = pl.scan_parquet(snapshot / "usage_by_user" / "*.parquet")
    for as_of in dates:
        last = (as_of - EPOCH).days - 1
        known = pl.col("known_day") <= last
        yield as_of, _from_rolled(by_day.filter(known), by_user.filter(known), last, 1_000.0)


def _from_rolled(by_day: Any, by_user: Any, last: int, scale: float) -> Any:
    import polars as pl

    def between(first: int, until: int, rows: Any = by_day) -> Any:
        return rows.filter(pl.col("day") >= first, pl.col("day") <= until)

    recent, named = (between(last - 90, last, rows) for rows in (by_day, by_user))
    return _polars(between, recent, named, last, scale)


def _polars(
    between: Callable[[int, int], Any], days: Any, named: Any, last: int, scale: float
) -> Any:
    """Sum four lazy frames, each bounded by what its windows need, and lay them side by side."""
    import polars as pl

    age, at, count = pl.lit(last, pl.Int32) - pl.col("day"), pl.col("age"), pl.col("count")
    sums = (
        days.with_columns(age=age)
        .group_by("account_id")
        .agg(
            *(count.filter(at < n).sum().alias(f"usage_events_{n}d") for n in WINDOWS),
            *((at < n).sum().alias(f"usage_active_days_{n}d") for n in WINDOWS),
            count.filter((at >= 28) & (at < 56)).sum().alias("before"),
            (count * (PULL - at // 7)).sum().alias("pull"),
            *((at // 7 == k).any().alias(f"w{k}") for k in range(8)),
        )
    )
    weeks = ((at // 7 == k).any().alias(f"k{k}") for k in range(5))
    people = named.with_columns(age=age).group_by("account_id", "user_id").agg(at.min(), *weeks)
    heads = people.group_by("account_id").agg(
        *((at < n).sum().alias(f"usage_users_{n}d") for n in WINDOWS),
        *(pl.col(f"k{k}").sum().alias(f"u{k}") for k in range(5)),
    )
    year = between(last - YEAR - 90, last - YEAR)
    years = year.group_by("account_id").agg(year_before=count.sum())
    ever = (
        between(0, last)
        .group_by("account_id")
        .agg(first=last - pl.col("day").min(), usage_days_since_last=last - pl.col("day").max())
    )
    both, *others = pl.collect_all([ever, sums, heads, years], engine="streaming")
    for other in others:
        both = both.join(other, on="account_id", how="left")
    kept = pl.exclude("account_id", "first", "usage_days_since_last")
    return _ratios(both.with_columns(kept.fill_null(strategy="zero")), scale)


def _ratios(both: Any, scale: float) -> Any:
    import polars as pl

    def over(top: Any, bottom: Any) -> Any:
        return pl.when(bottom > 0).then(top / bottom)

    month, quarter = pl.col("usage_events_28d"), pl.col("usage_events_91d")
    usual = pl.concat_list("u1", "u2", "u3", "u4").list.median()
    told = both.with_columns(
        usage_ratio_28d=pl.when(pl.col("first") >= 55).then(over(month, pl.col("before"))),
        usage_slope_13w=over(pl.col("pull") / SQUARES, quarter / 13),
        usage_wau_before=usual,
        usage_wau_ratio=over(pl.col("u0"), usual),
        usage_active_weeks_8w=pl.sum_horizontal(f"w{k}" for k in range(8)),
        usage_year_on_year=over(quarter, pl.col("year_before")),
    )
    told = told.with_columns(pl.col(f"usage_events_{n}d") / scale for n in WINDOWS)
    return told.select("account_id", *PLAIN)
