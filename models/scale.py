"""The factor's scale at which closing MRR varies as much beyond independence as is asked.

The factor keeps every account's own variance and adds what accounts share. So the variance of
closing grows by Var(sum of means) - sum of Var(mean), both over the factor: means are enough.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq

from models.factor import LEAN, Chances, blocks, few_nodes, lean
from models.flows import Cohort, own_cumulants

__all__ = ["WIDEST", "alone_variance", "shared_variance", "tau_reaching"]

WIDEST = 2.0
FIRST_GUESS = 0.1  # of tau squared, in which the variance is nearly straight
CLOSE, STEPS = 1e-6, 6


def alone_variance(cohort: Cohort) -> float:
    """Give the variance of closing MRR if accounts moved independently.

    Examples
    --------
    >>> one, no = np.ones(4), np.zeros(4, dtype=bool)
    >>> half = Cohort(one, 0.5 * one, 0 * one, 0 * one, np.zeros((4, 3)), np.zeros((4, 3)),
    ...     no, 0 * one, 0 * one, no)
    >>> alone_variance(half)
    1.0
    """
    chances = Chances(cohort.p_churn[:, None], cohort.p_contract[:, None], cohort.p_expand[:, None])
    return float(own_cumulants(cohort, chances, ("closing",))["closing"][1].sum())


def shared_variance(cohort: Cohort, tau: float) -> float:
    """Give the variance of closing MRR that accounts share through a factor of scale ``tau``."""
    z, weight = few_nodes(tau)
    middle = weight[:, None]
    total, own = np.zeros(len(z)), 0.0
    for block in blocks(len(cohort.mrr)):
        part = cohort.of(block)
        at = lean(part.p_churn, part.p_contract, part.p_expand, tau).at(z)
        moved = at.expand.T * (part.mrr * part.up[:, 0]) - at.churn.T * part.mrr
        moved -= at.contract.T * (part.mrr * part.down[:, 0])
        if part.drifts:
            moved += at.flat.T * (part.mrr * (part.flat_up[:, 0] - part.flat_down[:, 0]))
        moved -= (middle * moved).sum(axis=0)
        total += moved.sum(axis=1)
        own += float((middle * moved**2).sum())
    return float((weight * total**2).sum()) - own


def tau_reaching(cohort: Cohort, more: float) -> float:
    """Solve the scale at which accounts share a variance of ``more``, above 0; at most `WIDEST`.

    Examples
    --------
    >>> one, no = np.ones(500), np.zeros(500, dtype=bool)
    >>> book = Cohort(one, 0.1 * one, 0 * one, 0 * one, np.zeros((500, 3)), np.zeros((500, 3)),
    ...     no, 0 * one, 0 * one, no)
    >>> tau = tau_reaching(book, 2.0 * alone_variance(book))
    >>> round(shared_variance(book, tau) / alone_variance(book), 4)
    2.0
    """

    def beyond(square: float) -> float:
        return shared_variance(cohort, float(np.sqrt(square))) - more

    found = _quickly(beyond, more, _slope(cohort))
    return _surely(beyond) if found is None else found


def _slope(cohort: Cohort) -> float:
    """Give by how much the shared variance grows with tau squared, where tau is small."""
    stay, more = 1.0 - cohort.p_churn, cohort.p_expand
    rise = np.divide(more, stay, out=np.zeros_like(stay), where=stay > 0.0)
    fall = np.divide(cohort.p_contract, stay - more, out=np.zeros_like(stay), where=stay > more)
    churn = LEAN["churn"] * cohort.p_churn * stay
    expand = LEAN["expand"] * more * (1.0 - rise) - churn * rise
    contract = LEAN["contract"] * cohort.p_contract * (1.0 - fall) - (churn + expand) * fall
    drift = cohort.flat_up[:, 0] - cohort.flat_down[:, 0]
    moved = expand * cohort.up[:, 0] - contract * cohort.down[:, 0] - churn
    moved = cohort.mrr * (moved - (churn + expand + contract) * drift)
    return float(moved.sum() ** 2 - (moved**2).sum())


def _quickly(beyond: Callable[[float], float], more: float, slope: float) -> float | None:
    """Follow the nearly straight line by secants; None where it is not straight enough."""
    old, miss, square = 0.0, -more, more / slope if slope > 0.0 else np.inf
    for _ in range(STEPS):
        if not 0.0 < square < WIDEST**2:
            return None
        now = beyond(square)
        if abs(now) <= CLOSE * more:
            return float(np.sqrt(square))
        if now == miss:
            return None
        old, miss, square = square, now, square - now * (square - old) / (now - miss)
    return None


def _surely(beyond: Callable[[float], float]) -> float:
    """Bracket the scale, then close in on it."""
    low, high = 0.0, FIRST_GUESS
    while beyond(high) < 0.0:
        if high >= WIDEST**2:
            return WIDEST
        low, high = high, min(4.0 * high, WIDEST**2)
    return float(np.sqrt(brentq(beyond, low, high, xtol=1e-7, rtol=1e-5)))
