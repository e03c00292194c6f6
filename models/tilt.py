"""The tilt: a book's mean NRR moved by a little, shared over its accounts by their variance.

The odds of each account's states are tilted by what a state is worth, with one strength for the
whole book. To first order an account so takes its share of the variance: who can move most, moves
most. Probabilities stay probabilities, what is booked stays booked, GRR stays at or below 1, and
cuts add up, because every account is moved and nothing else is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from models.outcomes import Outlook

__all__ = ["MOST_TILT", "shifted"]

Floats = NDArray[np.float64]

MOST_TILT = 1.0
"""What the log odds of a state are moved by at most."""
SLIGHT = 1e-12
EVENTS = ("churn", "contract", "expand")


def shifted(outlook: Outlook, shifts: Mapping[int, float]) -> Outlook:
    """Shift the book's mean NRR at some leads by tilting the odds of every account's states.

    Parameters
    ----------
    outlook : Outlook
    shifts : mapping of lead to float
        By how much NRR is to move, as a fraction. No log odds move by more than 1, so that a
        shift may fall short.

    Examples
    --------
    >>> import pandas as pd
    >>> n, half = 50, np.full((50, 12), 0.1)
    >>> book = Outlook(pd.DataFrame({"mrr_micros": [10**8] * n}), half, half, half,
    ...     np.full((n, 12, 3), 0.2), np.full((n, 12, 3), 0.3), half > 1, np.full((n, 12), np.nan))
    >>> moved = shifted(book, {3: -0.01})
    >>> change = (moved.p_churn - book.p_churn) + 0.3 * (moved.p_contract - book.p_contract)
    >>> round(float((0.2 * (moved.p_expand - book.p_expand) - change)[:, 2].mean()), 9)
    -0.01
    """
    names = [f"p_{event}" for event in EVENTS]
    chances = {name: getattr(outlook, name).copy() for name in names}
    for lead, shift in shifts.items():
        if abs(shift) > SLIGHT:
            for name, column in zip(names, _tilted(outlook, lead, shift), strict=True):
                chances[name][:, lead - 1] = column
    return replace(outlook, **chances)


def _tilted(outlook: Outlook, lead: int, shift: float) -> tuple[Floats, Floats, Floats]:
    """Give the chances of churn, contract and expand at a lead, tilted so far as it takes."""
    at = lead - 1
    chances = np.stack([getattr(outlook, f"p_{s}")[:, at] for s in (*EVENTS, "flat")], axis=1)
    open_ = ~(outlook.booked_churn[:, at] | np.isfinite(outlook.booked_mrr_micros[:, at]))
    mrr = outlook.accounts["mrr_micros"].to_numpy(dtype=np.float64)
    worth = (mrr / mrr.sum())[:, None] * _worth(outlook, at)
    p, v = np.clip(chances[open_], 0.0, 1.0), worth[open_]
    before = float((p * v).sum())
    variance = float(((p * v**2).sum(axis=1) - (p * v).sum(axis=1) ** 2).sum())
    if variance > SLIGHT**2:
        strength = _strength(p, v, before + shift, shift / variance)
        chances[open_] = _leaned(p, v, strength)
    return chances[:, 0], chances[:, 1], chances[:, 2]


def _worth(outlook: Outlook, at: int) -> Floats:
    """Give what each state changes of an account's MRR, as a share of it, (n, 4)."""
    drift = outlook.drift_up[:, at, 0] - outlook.drift_down[:, at, 0]
    fall, rise = outlook.down_moments[:, at, 0], outlook.up_moments[:, at, 0]
    return np.stack([np.full(len(outlook), -1.0), -fall, rise, drift], axis=1)


def _strength(p: Floats, v: Floats, goal: float, first: float) -> float:
    """Solve for the strength at which the sum of the means is the goal, or as near as may be."""

    def beyond(strength: float) -> float:
        return float((_leaned(p, v, strength) * v).sum()) - goal

    end, most = first, MOST_TILT / np.abs(v)[np.abs(v) > SLIGHT].min()
    while beyond(end) * np.sign(first) < 0:
        if abs(end) >= most:
            return float(end)
        end = 2 * end
    return float(brentq(beyond, 0.0, end, xtol=abs(end) * 1e-12, rtol=1e-12))


def _leaned(p: Floats, v: Floats, strength: float) -> Floats:
    odds = p * np.exp(np.clip(strength * v, -MOST_TILT, MOST_TILT))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))
