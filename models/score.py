"""One score per account and target: what the account's own signals add to the calendar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.ridge import Ridge

__all__ = ["RUNGS", "Score", "rung_of"]

Floats = NDArray[np.float64]

RUNGS = ("prior-driven", "ridge", "blend", "tuned blend")
FIRST_EVENTS = (10, 20, 300)


def rung_of(events: int) -> str:
    """Name the rung of the ladder that a number of distinct closed events allows.

    Examples
    --------
    >>> rung_of(3), rung_of(10), rung_of(100), rung_of(4000)
    ('prior-driven', 'ridge', 'blend', 'tuned blend')
    """
    return RUNGS[sum(events >= first for first in FIRST_EVENTS)]


@dataclass(frozen=True)
class Score:
    """The mean of a ridge's and a monotone LightGBM's logits, or one of them, or nothing.

    Attributes
    ----------
    ridge : Ridge or None
    booster : lightgbm.Booster or None
    """

    ridge: Ridge | None
    booster: Any | None

    @property
    def share(self) -> float:
        """Weight of each part: a half where both are there."""
        return 1.0 / max(1, (self.ridge is not None) + (self.booster is not None))

    def contributions(self, values: Floats) -> Floats:
        """Split the score over the signals: (n, signals), each row summing to the score.

        The booster's own constant (its expected value) is left out of the score: the calendar's
        line carries it.
        """
        total = np.zeros(values.shape)
        read, wild = _bounded(values)
        if self.ridge is not None:
            total += self.share * self.ridge.contributions(read)
        if self.booster is not None:
            total += self.share * _tree_contributions(self.booster, read)
        total[wild] = 0.0
        return total

    def of(self, values: Floats) -> Floats:
        """Give the score, (n,): half the ridge's logit and half the booster's.

        A row that holds an infinite value has no score: what stands is the calendar's line.
        """
        total = np.zeros(len(values))
        read, wild = _bounded(values)
        if self.ridge is not None:
            total += self.share * self.ridge.contributions(read).sum(axis=1)
        if self.booster is not None:
            total += self.share * (raw_margin(self.booster, read) - expected_margin(self.booster))
        total[wild] = 0.0
        return total


def _bounded(values: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Give the values with infinite ones missing, and which rows held any."""
    wild = np.isinf(values)
    rows = np.asarray(wild.any(axis=1))
    return (np.where(wild, np.nan, values) if rows.any() else values), rows


def raw_margin(booster: Any, values: Floats) -> Floats:
    """Give the booster's raw logit, one thread, (n,)."""
    return np.asarray(booster.predict(values, raw_score=True, num_threads=1), dtype=float)


def expected_margin(booster: Any) -> float:
    """Give the constant of the booster's own explanation: its mean over the training's cover."""
    width = booster.num_feature()
    one = booster.predict(np.full((1, width), np.nan), pred_contrib=True, num_threads=1)
    return float(one[0, -1])


def _tree_contributions(booster: Any, values: Floats) -> Floats:
    if not len(values):
        return np.zeros(values.shape)
    return np.asarray(booster.predict(values, pred_contrib=True, num_threads=1))[:, :-1]
