"""The tickets of a simulated book: bursts that feed themselves, some of trouble, some of zeal.

Healthy, growing accounts ask how-to questions; ailing ones report faults. Who is unhappy
answers the survey less often, so satisfaction is missing, and not at random.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.worlds.accounts import Roster
from training.worlds.past import History
from training.worlds.timeline import Timeline

__all__ = ["tickets_table"]

Floats = NDArray[np.float64]
TROUBLE = ("bug", "outage", "login", "data_loss", "billing")
ZEAL = ("how_to", "feature_request", "integration")
SEVERITIES = ("low", "normal", "high", "urgent")
BREEDING = 0.35
MINUTE = 60.0


def tickets_table(
    roster: Roster, history: History, time: Timeline, rng: np.random.Generator
) -> pd.DataFrame:
    """Write the source table ``tickets``, as an export of the last day."""
    opened, account, trouble = _openings(roster, history, time, rng)
    month = time.month_of((opened // 1440).astype(np.int64))
    health = roster.soundness[account] + history.mood[month, account]
    severity = _severity(trouble, health, rng)
    first = np.rint(np.exp(4.6 - 0.5 * severity + 0.8 * rng.standard_normal(len(opened)))) + 1
    hours = np.exp(3.0 + 0.25 * severity + 0.4 * trouble + 1.0 * rng.standard_normal(len(opened)))
    closed = opened + first + hours * MINUTE
    known = closed < (time.last + 1) * 1440
    csat = _csat(trouble, health, severity, rng)
    reopened = rng.random(len(opened)) < 0.04 + 0.05 * trouble
    escalated = rng.random(len(opened)) < 0.01 + 0.05 * (severity >= 2)
    frame = pd.DataFrame(
        {
            "ticket_id": [f"T{number + 1:06d}" for number in range(len(opened))],
            "account_id": roster.ids[account],
            "opened_at": _stamps(opened),
            "closed_at": _stamps(np.where(known, closed, np.nan)),
            "severity": np.array(SEVERITIES, dtype=object)[severity],
            "category": _category(trouble, rng),
            "first_response_minutes": np.where(known, first, np.nan),
            "csat": np.where(known, csat, np.nan),
            "reopened": pd.array(reopened, dtype="boolean"),
            "escalated": escalated,
        }
    )
    frame.loc[~known, "reopened"] = pd.NA
    return frame


def _openings(
    roster: Roster, history: History, time: Timeline, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.int64], NDArray[np.bool_]]:
    """Draw when tickets are opened (minutes since 1970): first ones, then those they breed."""
    size = np.sqrt(history.seats[: time.months] / 20.0)
    health = roster.soundness + history.mood[: time.months]
    young = (np.arange(time.months)[:, None] - history.first_month) < 3
    served = history.alive[: time.months]
    zeal = served * 0.10 * np.sqrt(size) * np.exp(0.25 * health + 0.15 * roster.growth + young)
    bother = served * 0.10 * np.sqrt(size) * np.exp(-0.55 * health)
    first = [_first(rate, time, rng) for rate in (zeal, bother)]
    opened = np.concatenate([part[0] for part in first])
    account = np.concatenate([part[1] for part in first])
    trouble = np.repeat([False, True], [len(part[0]) for part in first])
    return _bred(opened, account, trouble, history, time, rng)


def _first(rate: Any, time: Timeline, rng: np.random.Generator) -> tuple[Floats, NDArray[np.int64]]:
    """Spread Poisson counts over the working minutes of their months."""
    counts = rng.poisson(rate)
    month, account = np.nonzero(counts)
    times = counts[month, account]
    month, account = np.repeat(month, times), np.repeat(account, times)
    day = time.start(month) + np.floor(rng.random(len(month)) * 28)
    return day * 1440.0 + rng.integers(7 * 60, 20 * 60, size=len(month)), account


def _bred(
    opened: Floats,
    account: NDArray[np.int64],
    trouble: NDArray[np.bool_],
    history: History,
    time: Timeline,
    rng: np.random.Generator,
) -> tuple[Floats, NDArray[np.int64], NDArray[np.bool_]]:
    """Let each ticket breed others within days, for four generations, while service lasts."""
    parts = [(opened, account, trouble)]
    for _ in range(4):
        opened, account, trouble = parts[-1]
        children = rng.poisson(BREEDING, size=len(opened))
        later = rng.exponential(4.0 * 1440, size=int(children.sum()))
        parts.append(
            (
                np.rint(np.repeat(opened, children) + later),
                np.repeat(account, children),
                np.repeat(trouble, children),
            )
        )
    opened, account, trouble = (np.concatenate([part[k] for part in parts]) for k in range(3))
    inside = opened < (time.last + 1) * 1440
    opened, account, trouble = opened[inside], account[inside], trouble[inside]
    day = (opened // 1440).astype(np.int64)
    served = history.in_service(time.month_of(day), day, account)
    order = np.lexsort((account, opened))
    order = order[served[order]]
    return opened[order], account[order], trouble[order]


def _severity(trouble: Any, health: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    weight = 0.9 * trouble - 0.25 * health + rng.standard_normal(len(health))
    return np.digitize(weight, [-0.6, 1.2, 2.3])


def _category(trouble: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.object_]:
    bad = rng.choice(np.array(TROUBLE, dtype=object), len(trouble), p=[0.5, 0.1, 0.2, 0.05, 0.15])
    good = rng.choice(np.array(ZEAL, dtype=object), len(trouble), p=[0.6, 0.25, 0.15])
    return np.asarray(np.where(trouble, bad, good))


def _csat(trouble: Any, health: Floats, severity: Any, rng: np.random.Generator) -> Floats:
    """Give scores from 1 to 5; the unhappy answer less."""
    feeling = 4.1 - 0.7 * trouble + 0.45 * health - 0.15 * severity
    score = np.clip(np.rint(feeling + 0.9 * rng.standard_normal(len(health))), 1, 5)
    answers = rng.random(len(health)) < 0.12 + 0.08 * score
    return np.where(answers, score, np.nan)


def _stamps(minutes: Floats) -> Any:
    """Turn minutes since 1970 into UTC timestamps to the second; not-a-number stays missing."""
    missing = np.isnan(minutes)
    seconds = np.rint(np.where(missing, 0.0, minutes) * 60).astype(np.int64)
    stamps = seconds.astype("datetime64[s]")
    stamps[missing] = np.datetime64("NaT")
    return pd.to_datetime(stamps, utc=True)
