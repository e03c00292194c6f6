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

from training.worlds.parameters import Effect, Laws

__all__ = [
    "Chances",
    "Fate",
    "Situation",
    "State",
    "chances",
    "first_state",
    "leaving",
    "macro_path",
    "mirror",
    "moved",
    "moving",
    "next_factor",
    "relief",
    "wishes",
]

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

MEMORY = 0.85
SPREAD = 0.85
CHAMPION_LEAVES = 0.012
CHAMPION_COSTS = 1.4
FACTOR_MEMORY = 0.85
UNIFORM = ("lost", "starts", "stops", "opens", "closes")


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
    raised : array of bool
        The list price rises, or rose of late.
    treated : array of bool
        Outreach is at work.
    """

    segment: Any
    monthly: Any
    due: Any
    tenure: Any
    raised: Any = False
    treated: Any = False


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
    shrink, seats, upgrade = moving(state, soundness + state.mood, now, factor, laws)
    return Chances(
        leaving(state, soundness + state.mood, now, factor, laws), shrink, seats, upgrade
    )


def leaving(state: State, health: Any, now: Situation, factor: Any, laws: Laws) -> Any:
    """Give the chance to leave: nobody can who is neither due nor on a monthly contract."""
    base = np.where(now.monthly, *_by_segment(now.segment, laws.churn_monthly, laws.churn_due))
    cliff = np.array([*laws.cliff, 0.0])[np.minimum(now.tenure, len(laws.cliff))]
    leave = base - laws.health_pull * health + laws.fading_pull * state.fading
    leave = leave + cliff * now.monthly + laws.shock * factor + laws.price_pull * now.raised
    odds = (now.monthly | now.due) * expit(leave)
    if laws.effect == "none":
        return odds
    return np.minimum(odds * (1.0 - now.treated * relief(state, health, laws.effect)), 1.0)


def relief(state: State, health: Any, effect: Effect) -> Any:
    """Give the relative reduction of the chance to leave by outreach: below 0 it does harm."""
    if effect == "lost-causes":
        return np.where(state.fading | (health < -0.8), 0.0, 0.35)
    if effect == "sleeping-dogs":
        return np.where(~state.fading & (health > 0.2), -0.6, 0.3)
    return 0.25


def moving(
    state: State, health: Any, now: Situation, factor: Any, laws: Laws
) -> tuple[Any, Any, Any]:
    """Give the chances to shrink if able to, to add seats and to upgrade."""
    shrink = np.array(laws.contract)[now.segment] + laws.contract_due * now.due
    shrink = shrink - laws.contract_gap_pull * state.gap - 0.4 * laws.health_pull * health
    seats = np.array(laws.seat)[now.segment] + laws.gap_pull * state.gap
    upgrade = np.where(state.exploring, laws.upgrade_exploring, laws.upgrade_otherwise)
    return (
        (now.monthly | now.due) * expit(shrink + 1.3 * laws.shock * factor),
        expit(seats - 0.5 * laws.shock * factor),
        upgrade,
    )


@dataclass(frozen=True)
class Fate:
    """What luck has in store for the states of one month, before it is known whom it meets."""

    lost: Any
    mood: Any
    starts: Any
    stops: Any
    opens: Any
    closes: Any
    gap: Any

    @classmethod
    def drawn(cls, shape: tuple[int, ...], rng: np.random.Generator) -> Fate:
        """Draw it."""
        return cls(
            lost=rng.random(shape),
            mood=rng.standard_normal(shape),
            starts=rng.random(shape),
            stops=rng.random(shape),
            opens=rng.random(shape),
            closes=rng.random(shape),
            gap=rng.standard_normal(shape),
        )

    def mirrored(self) -> Fate:
        """Let the second half of the paths meet the opposite of what the first half meets."""
        normals = {name: mirror(getattr(self, name)) for name in ("mood", "gap")}
        chances = {name: mirror(getattr(self, name), 1.0) for name in UNIFORM}
        return Fate(**normals, **chances)


def mirror(draws: Any, whole: float = 0.0) -> Any:
    """Put the opposites of the first half of the columns in the place of the second half.

    Examples
    --------
    >>> mirror(np.array([[0.5, -1.0, 9.0, 9.0]])).tolist()
    [[0.5, -1.0, -0.5, 1.0]]
    """
    first = draws[:, : draws.shape[1] // 2]
    return np.concatenate([first, whole - first], axis=1)


def moved(
    state: State, soundness: Any, growth: Any, segment: Any, laws: Laws, fate: Fate
) -> tuple[State, Booleans]:
    """Move the state by a month; the second answer tells whose champion left."""
    lost = fate.lost < CHAMPION_LEAVES
    mood = MEMORY * state.mood + SPREAD * (1 - MEMORY**2) ** 0.5 * fate.mood
    mood = mood - CHAMPION_COSTS * lost
    health = soundness + mood
    starts = fate.starts < expit(-3.4 - 1.1 * health)
    stops = fate.stops < expit(-1.1 + 0.7 * health)
    fading = np.where(state.fading, ~stops, starts)
    wish = wishes(state, health, fading, growth, segment, laws, fate)
    return State(mood, fading, *wish), lost


def wishes(
    state: State, health: Any, fading: Any, growth: Any, segment: Any, laws: Laws, fate: Fate
) -> tuple[Any, Any]:
    """Move what an account wants, given its new health: the next plan, and more seats."""
    opens = fate.opens < expit(-3.3 + 0.5 * growth + 0.4 * health)
    closes = fate.closes < 0.30
    drift = np.array(laws.drift)[segment] + laws.growth_pull * growth + 0.010 * health
    gap = state.gap + drift - 0.03 * fading + 0.03 * fate.gap
    return np.where(state.exploring, ~closes, opens), np.clip(gap, -1.2, 0.8)


def _by_segment(segment: Any, *values: tuple[float, ...]) -> list[Floats]:
    return [np.array(value)[segment] for value in values]
