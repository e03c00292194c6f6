"""The touchpoints of a simulated book: meetings, mail, surveys, champions that leave."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.worlds.accounts import Roster
from training.worlds.past import History
from training.worlds.timeline import Timeline

__all__ = ["touchpoints_table"]

Floats = NDArray[np.float64]
# kind, monthly rate by segment, pull of health on its logarithm
TOUCHES: tuple[tuple[str, tuple[float, float, float], float], ...] = (
    ("email_out", (0.25, 0.50, 0.90), 0.0),
    ("email_in", (0.12, 0.35, 0.70), 0.35),
    ("call", (0.03, 0.15, 0.30), 0.10),
    ("meeting", (0.01, 0.12, 0.35), 0.30),
    ("qbr", (0.005, 0.10, 0.28), 0.15),
    ("training", (0.02, 0.05, 0.08), 0.20),
    ("milestone", (0.02, 0.03, 0.04), 0.40),
    ("reference", (0.003, 0.008, 0.015), 0.80),
)


def touchpoints_table(
    roster: Roster, history: History, time: Timeline, rng: np.random.Generator
) -> pd.DataFrame:
    """Write the source table ``touchpoints``."""
    served = history.alive[: time.months]
    health = roster.soundness + history.mood[: time.months]
    parts = [
        _spread(kind, served * np.array(rates)[roster.segment] * np.exp(pull * health), time, rng)
        for kind, rates, pull in TOUCHES
    ]
    parts.append(_surveys(served, health, time, rng))
    parts.append(_champions(history, time, rng))
    table = pd.concat(parts, ignore_index=True)
    served_then = history.in_service(time.month_of(table.day), table.day, table.account)
    table = pd.concat([table[served_then], _notices(history)], ignore_index=True)
    table = table[table.day <= time.last].sort_values(["day", "account", "kind"], kind="stable")
    stamps = table.day.to_numpy() * 1440 + rng.integers(480, 1080, size=len(table))
    return pd.DataFrame(
        {
            "touch_id": [f"C{number + 1:06d}" for number in range(len(table))],
            "account_id": roster.ids[table.account],
            "occurred_at": pd.to_datetime(
                (stamps * 60).astype(np.int64).astype("datetime64[s]"), utc=True
            ),
            "kind": table.kind.to_numpy(),
            "value": table.value.to_numpy(),
        }
    )


def _spread(kind: str, rate: Any, time: Timeline, rng: np.random.Generator) -> pd.DataFrame:
    """Spread Poisson counts of one kind over their months."""
    counts = rng.poisson(rate)
    month, account = np.nonzero(counts)
    times = counts[month, account]
    return _rows(kind, np.repeat(month, times), np.repeat(account, times), time, rng)


def _rows(
    kind: str, month: Any, account: Any, time: Timeline, rng: np.random.Generator
) -> pd.DataFrame:
    day = time.start(month) + rng.integers(0, 28, size=len(month))
    return pd.DataFrame({"kind": kind, "day": day, "account": account, "value": np.nan})


def _surveys(
    served: NDArray[np.bool_], health: Floats, time: Timeline, rng: np.random.Generator
) -> pd.DataFrame:
    """Ask each account twice a year how likely it is to recommend; the unhappy answer less."""
    turn = np.arange(served.shape[1]) % 6
    asked = served & ((np.arange(time.months)[:, None] % 6) == turn)
    answers = asked & (rng.random(served.shape) < 0.35 / (1.0 + np.exp(-0.8 * health)))
    month, account = np.nonzero(answers)
    rows = _rows("nps", month, account, time, rng)
    mean = 7.2 + 1.3 * health[month, account]
    return rows.assign(value=np.clip(np.rint(mean + 1.8 * rng.standard_normal(len(rows))), 0, 10))


def _champions(history: History, time: Timeline, rng: np.random.Generator) -> pd.DataFrame:
    """Note most champions that left, some weeks late, and some changes that meant nothing."""
    lost = history.champion_lost[1 : time.months] & history.alive[2 : time.months + 1]
    seen = lost & (rng.random(lost.shape) < 0.75)
    month, account = np.nonzero(seen)
    left = _rows("champion_left", month + 1, account, time, rng)
    changed = _spread("sponsor_changed", 0.004 * history.alive[: time.months], time, rng)
    return pd.concat([left, changed], ignore_index=True)


def _notices(history: History) -> pd.DataFrame:
    """Note each notice on the day on which it was given."""
    lines = history.contracts.lines()
    told = lines[(lines["product"] == 0) & (lines.canceled_on >= 0)]
    told = told[told.canceled_on < told.ends_on]
    return pd.DataFrame(
        {
            "kind": "notice_given",
            "day": told.canceled_on.to_numpy(),
            "account": told.account.to_numpy(),
            "value": np.nan,
        }
    )
