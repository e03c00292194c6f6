"""How much wider a book spreads than its accounts would alone, and the factor that explains it.

A factor that all accounts share adds more to a large book than to a small one: luck averages out,
the factor does not. So what is learned of the past is not how wide a book was, but how strong the
factor is beside the usual one; how much wider that makes a book follows from the book.
"""

from __future__ import annotations

import numpy as np

from models.flows import Cohort, cohort_at
from models.outcomes import Outlook
from models.scale import alone_variance, shared_variance, tau_reaching

__all__ = ["is_open", "phi_of", "shared_scale", "usual_scale", "usually_shared"]

SHORT, LONG = (3, 0.3), (12, 0.4)
ROUNDING = 1e-15


def is_open(cohort: Cohort) -> bool:
    """Say whether anything is open; where all is settled, what is left of variance is rounding."""
    return alone_variance(cohort) > _rounding(cohort)


def _rounding(cohort: Cohort) -> float:
    return ROUNDING * float(np.square(cohort.mrr).sum())


def usual_scale(horizon: int) -> float:
    """Give the factor's scale that is expected before any backtest: .3 to 3 months, .4 at 12.

    Examples
    --------
    >>> usual_scale(1), usual_scale(3), round(usual_scale(6), 6), usual_scale(12)
    (0.3, 0.3, 0.333333, 0.4)
    """
    return float(np.interp(horizon, [SHORT[0], LONG[0]], [SHORT[1], LONG[1]]))


def usually_shared(cohort: Cohort, horizon: int) -> float:
    """Give the variance that the usual factor adds to closing MRR, over what accounts have alone.

    Examples
    --------
    >>> def even(n):
    ...     one, no = np.ones(n), np.zeros(n, dtype=bool)
    ...     flat = np.zeros((n, 3))
    ...     return Cohort(one, 0.1 * one, 0 * one, 0 * one, flat, flat, no, 0 * one, 0 * one, no)
    >>> round(usually_shared(even(100), 3), 2), round(usually_shared(even(1_000), 3), 2)
    (0.81, 8.18)
    """
    if not is_open(cohort):
        return 0.0
    return max(shared_variance(cohort, usual_scale(horizon)) / alone_variance(cohort), 0.0)


def phi_of(outlook: Outlook, horizon: int, strength: float) -> float:
    """Give the overdispersion of a book: its variance over that of independent accounts.

    Parameters
    ----------
    outlook : Outlook
    horizon : int
        Months ahead.
    strength : float
        Variance of the factor, as a multiple of the usual one's (`training.width`).
    """
    return 1.0 + strength * usually_shared(cohort_at(outlook, horizon), horizon)


def shared_scale(outlook: Outlook, horizon: int, phi: float) -> float:
    """Solve the factor's scale so that closing MRR varies phi times as much as independently.

    A book in which nothing is open, or phi of at most 1, needs no factor: 0. The scale is at most
    2: beyond that a shared factor is no description of a book any more.

    Examples
    --------
    >>> import pandas as pd
    >>> n = 500
    >>> p = np.full((n, 12), 0.05)
    >>> outlook = Outlook(pd.DataFrame({"account_id": range(n), "mrr_micros": [10**9] * n}),
    ...     p, p, p, np.tile([0.2, 0.05, 0.02], (n, 12, 1)), np.tile([0.3, 0.1, 0.04], (n, 12, 1)),
    ...     np.zeros((n, 12), bool), np.full((n, 12), np.nan))
    >>> shared_scale(outlook, 3, 1.0)
    0.0
    >>> 0.1 < shared_scale(outlook, 3, 1.8) < 0.3
    True
    """
    cohort = cohort_at(outlook, horizon)
    alone = alone_variance(cohort)
    if phi <= 1.0 or alone <= _rounding(cohort):
        return 0.0
    return tau_reaching(cohort, (phi - 1.0) * alone)
