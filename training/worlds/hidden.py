"""The hidden state of an account, how it moves in a month, and what it makes likely.

The state at a month-end decides the chances of the month that follows, so the true probability
of the next month is exact and later ones follow by walking the same law forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from training.worlds.parameters import Laws

__all__ = ["Chances", "Situation", "State", "chances", "first_state", "macro_path", "moved"]

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

MEMORY = 0.85
SPREAD = 0.85
CHAMPION_LEAVES = 0.012
CHAMPION_COSTS = 1.4
FACTOR_MEMORY = 0.85


@dataclass
class State:
    """What is hidden, per account (or per account and path).

    Attributes
    ----------
    mood : array of float
        Moving part of health; health = soundness + mood.
    fading : array of bool
        Use is falling away; most churn is preceded by this.
    exploring : array of bool
        Trying what the next plan offers.
    gap : array of float
        Log of the seats wanted over the seats paid.
    """

    mood: Any
    fading: Any
    exploring: Any
    gap: Any


@dataclass(frozen=True)
class Situation:
    """What is visible of an account's contract in one month (arrays that broadcast).

    Attributes
    ----------
    segment : array of int
        Position in ``SEGMENTS``.
    monthly, due : array of bool
        On a monthly contract; a term ends in this month.
    tenure : array of int
        Months since the month of the first payment.
    """

    segment: Any
    monthly: Any
    due: Any
    tenure: Any


@dataclass(frozen=True)
class Chances:
    """Chances of one month: leave if able to, shrink if able to, add seats, upgrade."""

    leave: Any
    shrink: Any
    seats: Any
    upgrade: Any

    @property
    def grow(self) -> Any:
        """Chance of more seats or an upgrade."""
        return 1.0 - (1.0 - self.seats) * (1.0 - self.upgrade)


def first_state(n: int, rng: np.random.Generator) -> State:
    """Draw the state of accounts that start."""
    return State(
        mood=SPREAD * rng.standard_normal(n),
        fading=np.zeros(n, dtype=bool),
        exploring=rng.random(n) < 0.05,
        gap=-0.08 + 0.10 * rng.standard_normal(n),
    )


def macro_path(months: int, rng: np.random.Generator) -> Floats:
    """Draw the common factor: one N(0, 1) value a month, slowly moving."""
    path = np.empty(months)
    value = float(rng.standard_normal())
    for month in range(months):
        path[month] = value
        value = next_factor(value, float(rng.standard_normal()))
    return path


def next_factor(value: Any, draw: Any) -> Any:
    """Move the common factor by a month."""
    return FACTOR_MEMORY * value + (1 - FACTOR_MEMORY**2) ** 0.5 * draw


def chances(state: State, soundness: Any, now: Situation, factor: Any, laws: Laws) -> Chances:
    """Give the chances of the coming month from the state at the month-end before it."""
    health = soundness + state.mood
    base = np.where(now.monthly, *_by_segment(now.segment, laws.churn_monthly, laws.churn_due))
    cliff = np.array([*laws.cliff, 0.0])[np.minimum(now.tenure, len(laws.cliff))]
    leave = base - laws.health_pull * health + laws.fading_pull * state.fading
    shrink = np.array(laws.contract)[now.segment] + laws.contract_due * now.due
    shrink = shrink - laws.contract_gap_pull * state.gap - 0.4 * laws.health_pull * health
    seats = np.array(laws.seat)[now.segment] + laws.gap_pull * state.gap
    upgrade = np.where(state.exploring, laws.upgrade_exploring, laws.upgrade_otherwise)
    able = now.monthly | now.due
    return Chances(
        leave=able * expit(leave + cliff * now.monthly + laws.shock * factor),
        shrink=able * expit(shrink + 1.3 * laws.shock * factor),
        seats=expit(seats - 0.5 * laws.shock * factor),
        upgrade=upgrade,
    )


def moved(
    state: State, soundness: Any, growth: Any, segment: Any, laws: Laws, rng: np.random.Generator
) -> tuple[State, Booleans]:
    """Move the state by a month; the second answer tells whose champion left."""
    shape = np.shape(state.mood)
    lost = rng.random(shape) < CHAMPION_LEAVES
    mood = MEMORY * state.mood + SPREAD * (1 - MEMORY**2) ** 0.5 * rng.standard_normal(shape)
    mood = mood - CHAMPION_COSTS * lost
    health = soundness + mood
    starts = rng.random(shape) < expit(-3.4 - 1.1 * health)
    stops = rng.random(shape) < expit(-1.1 + 0.7 * health)
    opens = rng.random(shape) < expit(-3.3 + 0.5 * growth + 0.4 * health)
    closes = rng.random(shape) < 0.30
    drift = np.array(laws.drift)[segment] + 0.016 * growth + 0.010 * health
    fading = np.where(state.fading, ~stops, starts)
    gap = state.gap + drift - 0.03 * fading + 0.03 * rng.standard_normal(shape)
    exploring = np.where(state.exploring, ~closes, opens)
    return State(mood, fading, exploring, np.clip(gap, -1.2, 0.8)), lost


def _by_segment(segment: Any, *values: tuple[float, ...]) -> list[Floats]:
    return [np.array(value)[segment] for value in values]
