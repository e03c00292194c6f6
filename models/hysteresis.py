"""Hysteresis: how a published band follows its probability without flickering.

Distances are log odds beyond a cut-off; "up" is towards the worse band for risk, and towards High
for expansion. Up at once beyond +.2, from the bottom band straight to the top one beyond +.6
where that is the raw band, up also after two ISO weeks in a row above the cut-off; back only after three weekly
scorings below -.4. A rerun within one ISO week starts from where that week started.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.configuration import Section
from models.bands import levels

__all__ = ["HysteresisSettings", "State", "follow", "start"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class HysteresisSettings(Section):
    """When a published band moves: the keys of ``[matrix]`` that `follow` reads.

    Attributes
    ----------
    up_at_once : float
        Log odds beyond a cut-off from which the band moves up at once.
    up_to_top : float
        Log odds beyond the first cut-off from which the bottom band moves straight to the top
        one, where the probability is above both.
    back_beyond : float
        Log odds below a cut-off that count as clearly below it.
    up_weeks : int
        ISO weeks in a row above the cut-off after which the band moves up.
    back_weeks : int
        Weekly scorings clearly below the cut-off after which the band moves back.
    """

    up_at_once: float = 0.2
    up_to_top: float = 0.6
    back_beyond: float = 0.4
    up_weeks: int = 2
    back_weeks: int = 3


@dataclass(frozen=True)
class State:
    """Published levels of ``n`` accounts, and the counters behind them.

    Attributes
    ----------
    level : array of int, (n,)
        0, 1 or 2.
    up, back : array of int, (n, 2)
        Per cut-off: ISO weeks in a row above it; weekly scorings clearly below it.
    """

    level: Ints
    up: Ints
    back: Ints


def start(distance: Floats, settings: HysteresisSettings) -> State:
    """Give the state of accounts without a past: the raw band.

    Examples
    --------
    >>> start(np.array([[0.1, -0.6]]), HysteresisSettings()).level.tolist()
    [1]
    """
    none = np.zeros(distance.shape, dtype=np.int64)
    fresh = State(levels(distance), none, none)
    return _count(fresh, distance, np.ones(len(distance), dtype=bool), settings)


def follow(state: State, distance: Floats, in_a_row: Bools, settings: HysteresisSettings) -> State:
    """Move published levels by one weekly scoring.

    Parameters
    ----------
    state : State
        Where the week started.
    distance : array of float, (n, 2)
        Log odds beyond both cut-offs.
    in_a_row : array of bool, (n,)
        Where the state is that of the ISO week just before.
    settings : HysteresisSettings
        Distances and counts.

    Examples
    --------
    >>> settings = HysteresisSettings()
    >>> calm = start(np.array([[-1.0, -1.7]]), settings)
    >>> follow(calm, np.array([[0.1, -0.6]]), np.array([True]), settings).level.tolist()
    [0]
    >>> follow(calm, np.array([[0.3, -0.4]]), np.array([True]), settings).level.tolist()
    [1]
    >>> follow(calm, np.array([[0.7, 0.01]]), np.array([True]), settings).level.tolist()
    [2]
    """
    now = _count(state, distance, in_a_row, settings)
    above = (distance > settings.up_at_once) | (now.up >= settings.up_weeks)
    leap = (distance[:, 0] > settings.up_to_top) & (distance[:, 1] >= 0.0) & (state.level == 0)
    risen = np.where(above[:, 1] | leap, 2, np.where(above[:, 0], 1, 0))
    below = now.back >= settings.back_weeks
    fallen = np.where(below[:, 0], 0, np.where(below[:, 1], 1, 2))
    level = np.maximum(np.minimum(state.level, fallen), risen)
    return State(np.asarray(level, dtype=np.int64), now.up, now.back)


def _count(state: State, distance: Floats, in_a_row: Bools, settings: HysteresisSettings) -> State:
    """Count this scoring at every cut-off."""
    carried = np.where(in_a_row[:, None], state.up, 0)
    up = np.where(distance > 0.0, carried + 1, 0)
    back = np.where(distance < -settings.back_beyond, state.back + 1, 0)
    return State(state.level, np.asarray(up, dtype=np.int64), np.asarray(back, dtype=np.int64))
