"""The limits and events of a simulated book: what shows that an account wants more.

Seats used against seats paid twice a month, API calls against their allowance, and the events
of a customer that meets the edge of its plan.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.worlds.accounts import Roster
from training.worlds.past import History
from training.worlds.timeline import Timeline, as_dates
from training.worlds.usage import FEATURES

__all__ = ["events_table", "limits_table"]

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
API_ALLOWANCE = (0, 20_000, 100_000, 500_000)


def limits_table(
    roster: Roster, history: History, time: Timeline, rng: np.random.Generator
) -> pd.DataFrame:
    """Write the source table ``limits``."""
    served = history.alive[: time.months]
    middle = _seats(served, 0.5, 15, roster, history, time, rng)
    ends = _seats(served, 1.0, 31, roster, history, time, rng)
    calls = _calls(served, roster, history, time, rng)
    table = pd.concat([middle, ends, calls], ignore_index=True)
    served_then = history.in_service(time.month_of(table.day), table.day, table.account)
    table = table[served_then & (table.day <= time.last)].sort_values(
        ["day", "account", "metric"], kind="stable"
    )
    return pd.DataFrame(
        {
            "account_id": roster.ids[table.account],
            "metric": table.metric.to_numpy(),
            "observed_on": as_dates(table.day.to_numpy()),
            "used": table.used.to_numpy(),
            "limit": table.limit.to_numpy(),
        }
    )


def events_table(
    roster: Roster, history: History, time: Timeline, rng: np.random.Generator
) -> pd.DataFrame:
    """Write the source table ``events``."""
    parts = [_event(kind, rate, time, rng) for kind, rate in _rates(roster, history, time).items()]
    table = pd.concat(parts, ignore_index=True)
    day = table.minute // 1440
    served_then = history.in_service(time.month_of(day), day, table.account)
    table = table[served_then & (day <= time.last)]
    table = table.sort_values(["minute", "account", "kind"], kind="stable")
    seconds = (table.minute.to_numpy() * 60).astype(np.int64)
    locked = np.array([feature[0] for feature in FEATURES if feature[1] != "core"], dtype=object)
    gated = table.kind.isin(["gate_hit", "locked_search"]).to_numpy()
    feature = rng.choice(locked, size=len(table))
    feature[~gated] = None
    return pd.DataFrame(
        {
            "event_id": [f"E{number + 1:06d}" for number in range(len(table))],
            "account_id": roster.ids[table.account],
            "occurred_at": pd.to_datetime(seconds.astype("datetime64[s]"), utc=True),
            "kind": table.kind.to_numpy(),
            "user_id": [f"U{number}" for number in rng.integers(1, 9, size=len(table))],
            "feature": feature,
        }
    )


def _seats(
    served: Booleans,
    part: float,
    day: int,
    roster: Roster,
    history: History,
    time: Timeline,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Observe seats in use: what is wanted, as far as it is paid."""
    month, account = np.nonzero(served & roster.has_feed)
    gap = (1 - part) * history.gap[month, account] + part * history.gap[month + 1, account]
    paid = history.seats[month if part < 1.0 else month + 1, account]
    share = np.exp(gap + 0.03 * rng.standard_normal(len(month)))
    used = np.clip(np.rint(paid * share), 1, paid)
    days = np.minimum(time.start(month) + day - 1, time.end(month))
    return _limit_rows("seats", account, days, used, paid)


def _calls(
    served: Booleans, roster: Roster, history: History, time: Timeline, rng: np.random.Generator
) -> pd.DataFrame:
    """Observe API calls of the month on plans that include them."""
    allowance = np.array(API_ALLOWANCE)
    user = (np.arange(len(roster)) % 5 < 2) & roster.has_feed
    month, account = np.nonzero(served & user & (history.plan[1 : time.months + 1] > 0))
    plan = history.plan[month + 1, account]
    state = history.gap[month + 1, account] + 0.5 * history.exploring[month + 1, account]
    habit = rng.uniform(-1.4, -0.3, size=len(roster))[account]
    share = np.exp(habit + state + 0.2 * rng.standard_normal(len(month)))
    used = np.rint(np.minimum(share, 1.1) * allowance[plan])
    return _limit_rows("api_calls", account, time.end(month), used, allowance[plan])


def _limit_rows(metric: str, account: Any, day: Any, used: Any, limit: Any) -> pd.DataFrame:
    columns = {"metric": metric, "account": account, "day": day, "used": used, "limit": limit}
    return pd.DataFrame(columns)


def _rates(roster: Roster, history: History, time: Timeline) -> dict[str, Floats]:
    """Give expected events in each month, from the state at the month-end before it."""
    served = history.alive[: time.months] & roster.has_feed
    exploring = history.exploring[: time.months]
    full = np.exp(np.minimum(history.gap[: time.months], 0.4) * 6.0)
    ailing = np.exp(-0.5 * (roster.soundness + history.mood[: time.months]))
    room = np.sqrt(history.seats[: time.months] / 20.0)
    return {
        "gate_hit": served * (0.06 + 1.3 * exploring),
        "pricing_view": served * (0.04 + 0.45 * exploring + 0.03 * full),
        "locked_search": served * (0.02 + 0.35 * exploring),
        "limit_hit": served * 0.06 * full,
        "invite_sent": served * 0.20 * room,
        "invite_bounced": served * 0.05 * full,
        "external_share": served * 0.06 * room,
        "payment_failed": served * np.array([0.012, 0.006, 0.003])[roster.segment] * ailing,
    }


def _event(kind: str, rate: Floats, time: Timeline, rng: np.random.Generator) -> pd.DataFrame:
    counts = rng.poisson(rate)
    month, account = np.nonzero(counts)
    times = counts[month, account]
    month, account = np.repeat(month, times), np.repeat(account, times)
    day = time.start(month) + rng.integers(0, 28, size=len(month))
    minute = day * 1440 + rng.integers(420, 1200, size=len(month))
    return pd.DataFrame({"kind": kind, "minute": minute, "account": account})
