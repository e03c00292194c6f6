"""The tilt: a book's mean NRR moved by a little, shared over its accounts by their variance.

The odds of each account's states are tilted by what a state is worth, with one strength for the
whole book. To first order an account so takes its share of the variance: who can move most, moves
most. Probabilities stay probabilities, what is booked stays booked, GRR stays at or below 1, and
cuts add up, because every account is moved and nothing else is. The chance of having left keeps its
order over the months: what that takes back of the shift, those who stay make up for.
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
Bools = NDArray[np.bool_]

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
    asked = [lead for lead, shift in shifts.items() if abs(shift) > SLIGHT]
    whole = {lead: _mean(outlook, lead) + shifts[lead] for lead in asked}
    moved = _tilted(outlook, whole, slice(0, 4))
    known = [min(asked) - 1] if asked and min(asked) > 1 else []  # is not moved, only looked at
    return _tilted(_in_order(outlook, moved, known + sorted(asked)), whole, slice(1, 4))


def _mean(outlook: Outlook, lead: int) -> float:
    """Give what a lead changes of the book's MRR in the mean, as a share of it: what is open."""
    p, v, _ = _open_at(outlook, lead)
    return float((p * v).sum())


def _open_at(outlook: Outlook, lead: int) -> tuple[Floats, Floats, Bools]:
    """Give the chances of the states of what is not booked at a lead, their worth, and who it is."""
    at = lead - 1
    chances = np.stack([getattr(outlook, f"p_{s}")[:, at] for s in (*EVENTS, "flat")], axis=1)
    open_ = ~(outlook.booked_churn[:, at] | np.isfinite(outlook.booked_mrr_micros[:, at]))
    mrr = outlook.accounts["mrr_micros"].to_numpy(dtype=np.float64)
    worth = (mrr / mrr.sum())[:, None] * _worth(outlook, at)
    return np.clip(chances[open_], 0.0, 1.0), worth[open_], open_


def _tilted(outlook: Outlook, goals: Mapping[int, float], states: slice) -> Outlook:
    """Tilt some states of every account, the rest as they are, so far as the goals take it."""
    told = {event: getattr(outlook, f"p_{event}").copy() for event in EVENTS}
    for lead, goal in goals.items():
        p, v, open_ = _open_at(outlook, lead)
        some, worth = p[:, states], v[:, states]
        among = some / np.maximum(some.sum(axis=1, keepdims=True), SLIGHT)
        variance = float(((among * worth**2).sum(axis=1) - (among * worth).sum(axis=1) ** 2).sum())
        missing = goal - float((p * v).sum())
        if variance > SLIGHT**2 and abs(missing) > SLIGHT:
            rest = goal - float((p * v).sum() - (some * worth).sum())
            p[:, states] = _leaned(some, worth, _strength(some, worth, rest, missing / variance))
            for column, event in enumerate(EVENTS):
                told[event][open_, lead - 1] = p[:, column]
    return replace(outlook, **{f"p_{event}": chances for event, chances in told.items()})


def _in_order(before: Outlook, moved: Outlook, leads: list[int]) -> Outlook:
    """Let the chance of having left fall nowhere among some leads, if it fell nowhere before.

    Each lead was tilted by itself. What order takes comes from the other states in proportion.
    """
    at = np.array(leads, dtype=np.int64) - 1
    open_ = ~(moved.booked_churn | np.isfinite(moved.booked_mrr_micros))[:, at]
    churn, old = moved.p_churn[:, at], np.where(open_, before.p_churn[:, at], 0.0)
    rising = (np.diff(old, axis=1) >= 0).all(axis=1, keepdims=True)
    highest = np.maximum.accumulate(np.where(open_, churn, 0.0), axis=1)
    ordered = np.where(open_ & rising, highest, churn)
    left = np.divide(1.0 - ordered, 1.0 - churn, out=np.ones_like(churn), where=churn < 1.0)
    told = {event: getattr(moved, f"p_{event}").copy() for event in EVENTS}
    told["churn"][:, at] = ordered
    for event in EVENTS[1:]:
        told[event][:, at] *= left
    return replace(moved, **{f"p_{event}": chances for event, chances in told.items()})


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
    whole = np.maximum(odds.sum(axis=1, keepdims=True), SLIGHT)
    return np.asarray(odds * (p.sum(axis=1, keepdims=True) / whole))
