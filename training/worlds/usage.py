"""The usage of a simulated book: one row per account, ISO week and feature, with users.

A row carries the Monday of its week. Use follows hidden health, seats wanted, fading and the
season, through noise of its own; some accounts have no feed, some feeds stop for weeks, and a
few rows arrive late (``recorded_at``). In an outage nothing arrives of anybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from training.worlds.accounts import Roster
from training.worlds.parameters import Laws
from training.worlds.past import History
from training.worlds.timeline import Timeline

__all__ = ["FEATURES", "catalog_table", "usage_table"]

Floats = NDArray[np.float64]
DAY = 86_400_000_000

# feature, tier, least plan, share of active users, actions a user a week, weeks until adopted
FEATURES: tuple[tuple[str, str, int, float, float, float], ...] = (
    ("workspace", "core", 0, 1.00, 14.0, 0.0),
    ("boards", "core", 0, 0.25, 8.0, 1.0),
    ("projects", "core", 0, 0.07, 2.0, 2.0),
    ("comments", "core", 0, 0.14, 6.0, 4.0),
    ("dashboards", "advanced", 1, 0.10, 3.0, 16.0),
    ("automations", "advanced", 1, 0.06, 5.0, 22.0),
    ("forecasts", "advanced", 2, 0.06, 2.0, 30.0),
    ("api", "integration", 1, 0.04, 40.0, 20.0),
    ("chat_sync", "integration", 0, 0.07, 6.0, 14.0),
    ("crm_sync", "integration", 2, 0.04, 9.0, 28.0),
    ("roles", "admin", 1, 0.015, 1.5, 12.0),
    ("audit_log", "admin", 3, 0.015, 1.5, 30.0),
)
ACTIVATION = "projects"


@dataclass(frozen=True)
class Weeks:
    """The account-weeks in which an account is a customer with a feed, in long form."""

    account: NDArray[np.int64]
    week: NDArray[np.int64]
    monday: NDArray[np.int64]
    row: NDArray[np.int64]
    users: Floats
    health: Floats


def catalog_table() -> pd.DataFrame:
    """Write the source table ``feature_catalog``.

    Examples
    --------
    >>> catalog_table().query("activation").feature.tolist()
    ['projects']
    """
    from_plan = np.array(["starter", "team", "business", "enterprise"], dtype=object)
    return pd.DataFrame(
        {
            "feature": [feature[0] for feature in FEATURES],
            "tier": [feature[1] for feature in FEATURES],
            "product": "core",
            "activation": [feature[0] == ACTIVATION for feature in FEATURES],
            "min_plan": from_plan[[feature[2] for feature in FEATURES]],
        }
    )


def usage_table(
    roster: Roster, history: History, time: Timeline, laws: Laws, rng: np.random.Generator
) -> pd.DataFrame:
    """Write the source table ``usage``.

    Returns
    -------
    DataFrame
        ``account_id``, ``occurred_at`` (Monday, UTC), ``feature``, ``count`` (actions),
        ``users`` (distinct in the week), ``recorded_at`` (late rows only).
    """
    weeks = _weeks(roster, history, time, rng)
    users, count = _cells(weeks, roster, history, time, rng)
    which, feature = np.nonzero(users)
    table = {
        "account_id": pd.Categorical.from_codes(weeks.account[which], roster.ids),
        "occurred_at": _instants(weeks.monday[which] * DAY),
        "feature": pd.Categorical.from_codes(feature, [name[0] for name in FEATURES]),
        "count": count[which, feature],
        "users": users[which, feature],
        "recorded_at": _recorded(weeks.monday[which], laws.late_row_share, rng),
    }
    frame = pd.DataFrame(table)
    known = frame.recorded_at.isna() | (frame.recorded_at < _instants((time.last + 1) * DAY))
    arrived = ~_silenced(weeks.monday[which], time, laws)
    return frame[known & arrived].reset_index(drop=True)


def _silenced(monday: NDArray[np.int64], time: Timeline, laws: Laws) -> NDArray[np.bool_]:
    """Say which weeks fall into the outage of the whole feed."""
    begins = time.start(0) + round(laws.outage_at * (time.last + 1 - time.start(0)))
    return np.asarray((monday >= begins) & (monday < begins + 7 * laws.outage_weeks))


def _weeks(roster: Roster, history: History, time: Timeline, rng: np.random.Generator) -> Weeks:
    """List the whole weeks inside the book in which an account pays and its feed runs."""
    first = -(-(time.start(0) - 4) // 7) * 7 + 4
    mondays = np.arange(first, time.last - 5, 7)
    month = time.month_of(mondays + 3)
    runs = _feed(roster, len(mondays), rng)
    active = history.alive[month] | history.alive[month + 1]
    health, level = _level(roster, history, time, mondays, rng)
    week, account = np.nonzero(active & runs & _inside(history, time, mondays))
    users = history.seats[month[week], account] * level[week, account]
    return Weeks(account, week, mondays[week], month[week], users, health[week, account])


def _inside(history: History, time: Timeline, mondays: Any) -> NDArray[np.bool_]:
    """Keep the weeks that overlap an account's first to last day of service."""
    lines = history.contracts.lines()
    spans = lines.groupby("account").agg(starts=("starts_on", "min"), ends=("ends_on", "max"))
    spans = spans.reindex(range(history.alive.shape[1]))
    still = history.alive[time.months]
    starts = spans.starts.fillna(1e9).to_numpy()
    ends = np.where(still, 1e9, spans.ends.fillna(-1).to_numpy())
    return np.asarray((mondays[:, None] + 6 >= starts) & (mondays[:, None] < ends))


def _feed(roster: Roster, weeks: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Switch feeds off: for good where none exists, for two to eight weeks in a few accounts."""
    runs = np.broadcast_to(roster.has_feed, (weeks, len(roster))).copy()
    dropped = np.flatnonzero(rng.random(len(roster)) < 0.04)
    begins = rng.integers(0, weeks, size=len(dropped))
    for account, begin, length in zip(
        dropped, begins, rng.integers(2, 9, size=len(dropped)), strict=True
    ):
        runs[begin : begin + length, account] = False
    return runs


def _level(
    roster: Roster, history: History, time: Timeline, mondays: Any, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Share of the seats that is active in a week, and the health that shows through noise."""
    month = time.month_of(mondays + 3)
    part = (mondays + 3 - time.start(month)) / 30.5
    blend = np.clip(part, 0.0, 1.0)[:, None]
    health = roster.soundness + (1 - blend) * history.mood[month] + blend * history.mood[month + 1]
    gap = (1 - blend) * history.gap[month] + blend * history.gap[month + 1]
    fade = (1 - blend) * history.fading[month] + blend * history.fading[month + 1]
    long_fade = history.fading[month] & history.fading[np.maximum(month - 1, 0)]
    noise = _slow_noise(len(mondays), len(roster), rng)
    habit = 0.35 * rng.standard_normal(len(roster))
    log_level = -0.45 + habit + 0.9 * gap + 0.20 * health + 0.16 * noise
    log_level = log_level - 0.60 * fade - 0.70 * long_fade + _season(mondays)[:, None]
    return health + 0.8 * noise, np.minimum(np.exp(log_level), 0.98)


def _slow_noise(weeks: int, n: int, rng: np.random.Generator) -> Floats:
    """Noise of unit variance that lasts some weeks."""
    draws = rng.standard_normal((weeks, n))
    noise = np.empty((weeks, n))
    noise[0] = draws[0]
    for week in range(1, weeks):
        noise[week] = 0.8 * noise[week - 1] + 0.6 * draws[week]
    return noise


def _season(mondays: Any) -> Floats:
    """Summer is a little quieter, the last two weeks of the year much."""
    dates = np.asarray(mondays).astype("datetime64[D]")
    year_day = (dates - dates.astype("datetime64[Y]")).astype(np.int64)
    summer = -0.10 * np.exp(-(((year_day - 220) / 25.0) ** 2))
    holidays = np.where((year_day >= 355) | (year_day < 1), -0.8, 0.0)
    return np.asarray(summer + holidays)


def _cells(
    weeks: Weeks, roster: Roster, history: History, time: Timeline, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw users and actions for every account-week and feature."""
    share = np.array([feature[3] for feature in FEATURES])
    rate = np.array([feature[4] for feature in FEATURES])
    adopted = _adoption(weeks, roster, history, time, rng)
    active = rng.poisson(weeks.users)
    users = rng.binomial(active[:, None], np.clip(share * adopted, 0.0, 1.0))
    intensity = rate * np.exp(0.15 * weeks.health)[:, None]
    return users, users + rng.poisson(users * intensity)


def _adoption(
    weeks: Weeks, roster: Roster, history: History, time: Timeline, rng: np.random.Generator
) -> Floats:
    """S-curves: how far each feature has been adopted, by an account's age, health and plan."""
    n = len(roster)
    share = np.array([feature[3] for feature in FEATURES])
    delay = np.array([feature[5] for feature in FEATURES])
    least = np.array([feature[2] for feature in FEATURES])
    tiers = np.array([feature[1] for feature in FEATURES])
    pace = np.exp(0.5 * rng.standard_normal((n, len(FEATURES))) - 0.30 * roster.soundness[:, None])
    starts = time.start(history.first_month)
    age = (weeks.monday - starts[weeks.account]) / 7.0
    midpoint = delay * pace[weeks.account]
    curve = expit((age[:, None] - midpoint) / (1.0 + 0.25 * midpoint))
    leaning = np.where(tiers == "core", 1.0, 0.2) + 0.6 * roster.soundness[:, None]
    taste = (rng.random((n, len(FEATURES))) < expit(leaning)) | (share == 1.0)
    entitled = history.plan[weeks.row, weeks.account][:, None] >= least
    exploring = history.exploring[weeks.row, weeks.account][:, None]
    reach = (taste[weeks.account] & entitled) | (exploring & (tiers == "advanced") & entitled)
    wanted = 1.0 + 0.8 * exploring * (tiers == "advanced")
    breadth = np.exp(0.15 * weeks.health)[:, None]
    return np.asarray(np.where(tiers == "core", 1.0, breadth) * curve * reach * wanted)


def _recorded(monday: NDArray[np.int64], share: float, rng: np.random.Generator) -> Any:
    """Give late rows the instant at which they arrived: one to ten days after their week."""
    late = rng.random(len(monday)) < share
    after = (7 + rng.uniform(1.0, 10.0, size=len(monday))) * DAY
    instants = (monday * DAY + after).astype(np.int64)
    instants[~late] = np.iinfo(np.int64).min
    return _instants(instants)


def _instants(microseconds: Any) -> Any:
    """Turn microseconds since 1970 into UTC timestamps."""
    stamps = np.asarray(microseconds, dtype=np.int64).astype("datetime64[us]")
    return pd.to_datetime(stamps, utc=True)
