"""The truth of a simulated world: the probabilities that follow from what nobody can see.

Per customer and month the hidden state is walked forward on a few paths, and *probabilities* are
averaged along them, not events, so that little noise is left (``walk.Walk``). Outreach that is
still to be given is drawn along each path, as the policy of the world would.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.worlds.accounts import Roster
from training.worlds.hidden import Fate, State, mirror, moved, next_factor
from training.worlds.parameters import Laws
from training.worlds.past import History
from training.worlds.timeline import Timeline, as_dates
from training.worlds.walk import MOVES, Customers, Walk

__all__ = ["HORIZONS", "Chance", "truth_table"]

HORIZONS = (1, 3, 12)
PATHS = 16
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Chance:
    """Two sources of luck: the world's own, and one for what was added to its truth later."""

    world: np.random.Generator
    own: np.random.Generator


def truth_table(
    roster: Roster, history: History, time: Timeline, laws: Laws, chance: Chance
) -> pd.DataFrame:
    """Give, per customer and as-of date, the true probabilities and what then happened.

    Returns
    -------
    DataFrame
        ``account_id``, ``as_of`` (the first of a month), ``health``, ``growth``, ``fading``,
        ``exploring``, ``demand_gap``, ``factor``; for each horizon h of 1, 3 and 12 months
        ``p_churn_h``, ``p_contract_h``, ``p_expand_h`` and ``state_h`` (churn, contract, flat
        or expand). In a world with outreach also ``treated`` (it is at work when the month
        begins), ``p_churn_3_treated`` and ``p_churn_3_held``: the same three months with
        outreach at work all along, and without any.
    """
    frames = [
        _truth_at(row, roster, history, time, laws, chance)
        for row in range(time.months + 1)
        if int(time.start(row)) <= time.last + 1
    ]
    return pd.concat(frames, ignore_index=True)


def _truth_at(
    row: int, roster: Roster, history: History, time: Timeline, laws: Laws, chance: Chance
) -> pd.DataFrame:
    customers = Customers.of(row, roster, history)
    who = customers.who
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
    for horizon, chances in _walked(row, customers, history, laws, chance):
        frame |= {f"p_{what}_{horizon}": values for what, values in chances.items()}
        frame[f"state_{horizon}"] = _states(row, who, horizon, history)
    if laws.effect != "none":
        frame["treated"] = history.treated[row, who]
        frame |= _by_arm(row, customers, history, laws, chance.own)
    return pd.DataFrame(frame)


def _walked(
    row: int, customers: Customers, history: History, laws: Laws, chance: Chance
) -> list[tuple[int, dict[str, Floats]]]:
    """Walk all customers forward and read the chances at each horizon."""
    shape = (len(customers.who), PATHS)
    walk = Walk.start(customers, shape)
    state, factor = _state_at(row, customers.who, history, shape), history.factor[row]
    treated: Any = history.treated[row, customers.who][:, None]
    kept = []
    for month in range(row, row + max(HORIZONS)):
        today = laws.in_month(month)
        if laws.effect != "none" and month % 3 == 0:
            treated = chance.own.random(shape) < customers.propensity(month)
        now, ahead = (customers.situation(m, laws, treated) for m in (month, month + 1))
        walk.leave(state, now, ahead, factor, today)
        fate = Fate.drawn(shape, chance.world).mirrored()
        state = walk.move(state, now, factor, today, fate, chance.own)
        factor = next_factor(factor, mirror(chance.world.standard_normal((1, PATHS))))
        if month - row + 1 in HORIZONS:
            kept.append((month - row + 1, walk.chances(today)))
    return kept


def _by_arm(
    row: int, customers: Customers, history: History, laws: Laws, rng: np.random.Generator
) -> dict[str, Floats]:
    """Give the chance to be gone in three months with outreach at work, and without: same luck."""
    shape = (len(customers.who), PATHS)
    arms = {name: Walk.start(customers, shape) for name in ("held", "treated")}
    state, factor = _state_at(row, customers.who, history, shape), history.factor[row]
    segment = customers.segment
    for month in range(row, row + 3):
        today = laws.in_month(month)
        for at_work, arm in enumerate(arms.values()):
            now, ahead = (customers.situation(m, laws, at_work) for m in (month, month + 1))
            arm.leave(state, now, ahead, factor, today)
        fate = Fate.drawn(shape, rng).mirrored()
        state, _ = moved(state, customers.soundness, customers.growth, segment, today, fate)
        factor = next_factor(factor, mirror(rng.standard_normal((1, PATHS))))
    return {f"p_churn_3_{name}": arm.lost(laws.in_month(row)) for name, arm in arms.items()}


def _state_at(row: int, who: Any, history: History, shape: tuple[int, int]) -> State:
    parts = (history.mood, history.fading, history.exploring, history.gap)
    mood, fading, exploring, gap = (np.broadcast_to(p[row, who][:, None], shape) for p in parts)
    return State(mood, fading, exploring, gap)


def _states(row: int, who: Any, horizon: int, history: History) -> NDArray[np.object_]:
    """Say what really happened: the state at the horizon, by organic change."""
    change = history.organic[row + horizon, who] - history.organic[row, who]
    share = change / history.mrr[row, who]
    gone = ~history.alive[row + horizon, who]
    return np.select(
        [gone, share >= MOVES, share <= -MOVES],
        [np.array(word, dtype=object) for word in ("churn", "expand", "contract")],
        default=np.array("flat", dtype=object),
    )
