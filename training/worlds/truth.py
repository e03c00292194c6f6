"""The truth of a simulated world: the probabilities that follow from what nobody can see.

The next month is exact. Later ones walk the hidden state and the common factor forward on a few
dozen paths and average the *probabilities* along them (not the events), so that little noise is
left. Both moves in one window (up and down) count half for each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.worlds.accounts import Roster
from training.worlds.hidden import Situation, State, chances, moved, next_factor
from training.worlds.parameters import Laws
from training.worlds.past import History
from training.worlds.timeline import Timeline, as_dates

__all__ = ["HORIZONS", "truth_table"]

HORIZONS = (1, 3, 12)
PATHS = 16
Floats = NDArray[np.float64]


@dataclass
class Walk:
    """Where the probability of an account stands, on every path."""

    gone: Any
    no_rise: Any
    no_fall: Any
    told: Any

    @classmethod
    def start(cls, shape: tuple[int, int], noticed: Any) -> Walk:
        """Begin with everybody there and nothing moved."""
        ones = np.ones(shape)
        return cls(np.zeros(shape), ones.copy(), ones.copy(), np.broadcast_to(noticed * 1.0, shape))


def truth_table(
    roster: Roster, history: History, time: Timeline, laws: Laws, rng: np.random.Generator
) -> pd.DataFrame:
    """Give, per customer and as-of date, the true probabilities and what then happened.

    Returns
    -------
    DataFrame
        ``account_id``, ``as_of`` (the first of a month), ``health``, ``growth``, ``fading``,
        ``exploring``, ``demand_gap``, ``factor``; for each horizon h of 1, 3 and 12 months
        ``p_churn_h``, ``p_contract_h``, ``p_expand_h`` and ``state_h`` (churn, contract, flat
        or expand).
    """
    frames = [
        _truth_at(row, roster, history, time, laws, rng)
        for row in range(time.months + 1)
        if int(time.start(row)) <= time.last + 1
    ]
    return pd.concat(frames, ignore_index=True)


def _truth_at(
    row: int, roster: Roster, history: History, time: Timeline, laws: Laws, rng: np.random.Generator
) -> pd.DataFrame:
    who = np.flatnonzero(history.alive[row])
    frame: dict[str, Any] = {
        "account_id": roster.ids[who],
        "as_of": as_dates(np.full(len(who), time.start(row))),
        "health": roster.soundness[who] + history.mood[row, who],
        "growth": roster.growth[who],
        "fading": history.fading[row, who],
        "exploring": history.exploring[row, who],
        "demand_gap": history.gap[row, who],
        "factor": history.factor[row],
    }
    for horizon, walk in _walks(row, who, roster, history, laws, rng):
        frame |= _probabilities(walk, horizon)
        frame[f"state_{horizon}"] = _states(row, who, horizon, history)
    return pd.DataFrame(frame)


def _walks(
    row: int,
    who: NDArray[np.int64],
    roster: Roster,
    history: History,
    laws: Laws,
    rng: np.random.Generator,
) -> list[tuple[int, Walk]]:
    """Walk all accounts forward and keep a copy at each horizon."""
    shape = (len(who), PATHS)
    state = _state_at(row, who, history, shape)
    sound, growth, segment = (
        values[who][:, None] for values in (roster.soundness, roster.growth, roster.segment)
    )
    walk = Walk.start(shape, history.noticed[row, who][:, None])
    factor: Any = np.full((1, PATHS), history.factor[row])
    kept = []
    for month in range(row, row + max(HORIZONS)):
        now, ahead = (_situation(m, row, who, roster, history, laws) for m in (month, month + 1))
        walk = _step(walk, state, sound, now, ahead, factor, laws)
        if month - row + 1 in HORIZONS:
            kept.append((month - row + 1, walk))
        state, _ = moved(state, sound, growth, segment, laws, rng)
        factor = next_factor(factor, rng.standard_normal((1, PATHS)))
    return kept


def _state_at(row: int, who: Any, history: History, shape: tuple[int, int]) -> State:
    parts = (history.mood, history.fading, history.exploring, history.gap)
    mood, fading, exploring, gap = (np.broadcast_to(p[row, who][:, None], shape) for p in parts)
    return State(mood, fading, exploring, gap)


def _situation(
    month: int, row: int, who: Any, roster: Roster, history: History, laws: Laws
) -> Situation:
    term = history.term[row, who]
    wait = month - history.due_month[row, who]
    due = (term > 1) & (wait >= 0) & (wait % term == 0)
    tenure = np.maximum(month - history.first_month[who], 0)
    columns = (roster.segment[who], term == 1, due, tenure)
    return Situation(*(column[:, None] for column in columns))


def _step(
    walk: Walk, state: State, sound: Any, now: Situation, ahead: Situation, factor: Any, laws: Laws
) -> Walk:
    """Add the chances of one month."""
    odds = chances(state, sound, now, factor, laws)
    share = laws.notice_share
    rest = (1.0 - share) * odds.leave / (1.0 - share * odds.leave)
    leave = np.where(now.due, walk.told + (1.0 - walk.told) * rest, odds.leave)
    coming = chances(state, sound, ahead, factor, laws).leave
    told = np.where(ahead.due, share * coming, np.where(now.due, 0.0, walk.told))
    can_move = 1.0 - np.maximum(told, np.where(now.due, 0.0, walk.told))
    return Walk(
        gone=walk.gone * (1.0 - 0.9 * laws.return_rate) + (1.0 - walk.gone) * leave,
        no_rise=walk.no_rise * (1.0 - can_move * (1.0 - odds.shrink) * odds.grow),
        no_fall=walk.no_fall * (1.0 - odds.shrink),
        told=told,
    )


def _probabilities(walk: Walk, horizon: int) -> dict[str, Floats]:
    there = 1.0 - walk.gone
    rise, fall = 1.0 - walk.no_rise, 1.0 - walk.no_fall
    return {
        f"p_churn_{horizon}": walk.gone.mean(axis=1),
        f"p_contract_{horizon}": (there * fall * (1.0 - 0.5 * rise)).mean(axis=1),
        f"p_expand_{horizon}": (there * rise * (1.0 - 0.5 * fall)).mean(axis=1),
    }


def _states(row: int, who: Any, horizon: int, history: History) -> NDArray[np.object_]:
    """Say what really happened: the state at the horizon, by organic change."""
    change = history.organic[row + horizon, who] - history.organic[row, who]
    share = change / history.mrr[row, who]
    gone = ~history.alive[row + horizon, who]
    return np.select(
        [gone, share >= 0.02, share <= -0.02],
        [np.array(word, dtype=object) for word in ("churn", "expand", "contract")],
        default=np.array("flat", dtype=object),
    )
