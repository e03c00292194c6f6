"""The input of the signals' benchmark: seeded usage events, one Parquet file per week.

Every week has a seed of its own, so a run that was stopped goes on where it stood, and memory
holds one week. ``benchmarks.feature_book`` adds the other tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

__all__ = [
    "AS_OF_DATES",
    "FEATURES",
    "FIRST",
    "SEED",
    "SEGMENTS",
    "WEEKS",
    "Crowd",
    "crowd_of",
    "epoch_micros",
    "features",
    "increment",
    "named",
    "once",
    "usage_week",
    "write_usage",
]

SEED = 20_260_102
FIRST, WEEKS = date(2024, 10, 7), 65
AS_OF_DATES = tuple(date(2025 + (1 + n) // 12, (1 + n) % 12 + 1, 1) for n in range(12))

EVENTS_PER_VISIT = 4.0
WEEKDAYS = np.array([0.19, 0.2, 0.2, 0.19, 0.16, 0.03, 0.03])
FEATURES = 40
SEGMENTS, SHARES = ("smb", "mid_market", "enterprise", "strategic"), (0.62, 0.25, 0.10, 0.03)
FIRST_DAY = (FIRST - date(1970, 1, 1)).days
DAY_MICROS = 86_400_000_000
Numbers = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Crowd:
    """Who uses: per account its weight, growth, days alive, and its slice of all users.

    Attributes
    ----------
    ids : pyarrow.Array
        Account ids.
    users : pyarrow.Array
        User ids, those of one account side by side.
    weight, growth : array of float
        Share of the visits at the start, and how it changes per week (as an exponent).
    starts, ends : array of int
        First day and the day after the last one, counted from ``FIRST``.
    first_user, how_many : array of int
    reach : array of int
        How many of the features, the commonest first, an account uses at all.
    size : array of int
        Number of the segment.
    """

    ids: pa.Array
    users: pa.Array
    weight: Numbers
    growth: Numbers
    starts: Numbers
    ends: Numbers
    first_user: Numbers
    how_many: Numbers
    reach: Numbers
    size: Numbers


def crowd_of(accounts: int) -> Crowd:
    """Draw the accounts of a book; large ones have many users and most of the events."""
    rng = np.random.default_rng([SEED, accounts])
    size = rng.choice(4, accounts, p=SHARES)
    how_many = np.maximum(
        1, rng.poisson(np.array([4, 15, 60, 200])[size] * rng.gamma(2, 0.5, accounts))
    )
    days = 7 * WEEKS
    starts = np.where(
        rng.random(accounts) < 0.75,
        -rng.integers(0, 900, accounts),
        rng.integers(0, days, accounts),
    )
    leaves = rng.random(accounts) < 0.12
    ends = np.where(leaves, np.maximum(starts, 0) + rng.integers(30, days, accounts), 10 * days)
    total = int(how_many.sum())
    return Crowd(
        ids=named("acc-", np.arange(accounts), 6),
        users=named("user-", rng.permutation(total), 8),
        weight=how_many**0.8 * rng.lognormal(0, 0.6, accounts),
        growth=rng.normal(0.001, 0.008, accounts),
        starts=starts,
        ends=ends,
        first_user=np.cumsum(how_many) - how_many,
        how_many=how_many,
        reach=rng.integers(4, FEATURES + 1, accounts),
        size=size,
    )


def usage_week(crowd: Crowd, week: int, rows: int) -> pa.Table:
    """Draw so many events of one week, in the order of their time."""
    rng = np.random.default_rng([SEED, len(crowd.ids), week])
    alive = (crowd.starts < 7 * week + 7) & (crowd.ends > 7 * week)
    weight = crowd.weight * np.exp(crowd.growth * week) * alive
    visits = int(rows / EVENTS_PER_VISIT * 1.1) + 50
    account = rng.choice(len(weight), visits, p=weight / weight.sum())
    user = crowd.first_user[account] + (rng.random(visits) ** 2 * crowd.how_many[account]).astype(
        np.int64
    )
    lowest, highest = (
        np.maximum(crowd.starts - 7 * week, 0),
        np.minimum(crowd.ends - 7 * week, 7) - 1,
    )
    day = np.clip(rng.choice(7, visits, p=WEEKDAYS), lowest[account], highest[account])
    events = rng.geometric(1 / EVENTS_PER_VISIT, visits)
    visit = np.repeat(np.arange(visits), events)[:rows]
    assert len(visit) == rows
    time = rng.integers(6 * 3600, 20 * 3600, visits)[visit] + rng.integers(0, 3600, rows)
    stamp = epoch_micros(7 * week + day[visit]) + time * 1_000_000
    stamp += rng.integers(0, 1_000_000, rows)
    feature = (rng.random(rows) ** 1.7 * crowd.reach[account[visit]]).astype(np.int64)
    order = np.argsort(stamp, kind="stable")
    visit = visit[order]
    return pa.table(
        {
            "event_id": named("e", week * 10_000_000 + np.arange(rows), 10),
            "account_id": crowd.ids.take(pa.array(account[visit])),
            "occurred_at": pa.array(stamp[order]).cast(pa.timestamp("us", "UTC")),
            "feature": features().take(pa.array(feature[order])),
            "user_id": crowd.users.take(pa.array(user[visit])),
            "count": pa.array(rng.geometric(0.6, rows).astype(np.float64)),
        }
    )


def write_usage(folder: Path, rows: int, crowd: Crowd) -> None:
    """Write the events, one file per week; files that stand already are left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for week in range(WEEKS):
        path = folder / f"usage_{FIRST + timedelta(weeks=week)}.parquet"
        once(path, partial(usage_week, crowd, week, rows // WEEKS))


def increment(folder: Path, rows: int, crowd: Crowd) -> Path:
    """Write the week that comes after the book, with 1/52 of its rows."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"usage_{FIRST + timedelta(weeks=WEEKS)}.parquet"
    once(path, partial(usage_week, crowd, WEEKS, rows // 52))
    return path


def once(path: Path, made: Callable[[], pa.Table]) -> None:
    """Write a file unless it stands already; a half-written one never bears its name."""
    if not path.exists():
        unfinished = path.with_suffix(".unfinished")
        pq.write_table(made(), unfinished, row_group_size=122_880)
        unfinished.replace(path)


def epoch_micros(days: Numbers) -> Numbers:
    """Give the midnights of days counted from ``FIRST``, in microseconds since 1970."""
    midnights: Numbers = (FIRST_DAY + days.astype(np.int64)) * DAY_MICROS
    return midnights


def named(prefix: str, numbers: Numbers, digits: int) -> pa.Array:
    """Give ids such as ``acc-000017``."""
    text = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), digits, "0")
    return pc.binary_join_element_wise(prefix, text, "")


def features() -> pa.Array:
    """Give the names of the features, the commonest first."""
    return pa.array([f"feature_{n:02d}" for n in range(FEATURES)])
