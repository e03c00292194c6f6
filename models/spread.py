"""How much wider a book spreads than its accounts would alone, and the factor that explains it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from features.faults import InternalFault
from models.factor import factor_nodes, lean
from models.flows import Cohort, cohort_at, sums_given_factor
from models.outcomes import Outlook
from models.scale import alone_variance, tau_reaching

__all__ = ["closing_variance", "phi_from_backtest", "prior_phi", "shared_scale"]

PRIOR_WEIGHT = 2.0
SHORT, LONG = (3, 1.8), (12, 3.0)
ROUNDING = 1e-15


def prior_phi(horizon: int) -> float:
    """Give the overdispersion expected before any backtest: 1.8 to 3 months, 3.0 at 12.

    Examples
    --------
    >>> prior_phi(1), prior_phi(3), round(prior_phi(6), 6), prior_phi(12)
    (1.8, 1.8, 2.2, 3.0)
    """
    return float(np.interp(horizon, [SHORT[0], LONG[0]], [SHORT[1], LONG[1]]))


def phi_from_backtest(z: Sequence[float], horizon: int, span_months: int) -> tuple[float, float]:
    """Estimate the overdispersion from a backtest, shrunk towards its prior.

    phi = (n_eff * mean z^2 + 2 * phi_0) / (n_eff + 2), n_eff = 1 + (span - h) / h, and never more
    than the number of origins.

    Parameters
    ----------
    z : sequence of float
        Per origin, the error of closing MRR over its independent standard deviation.
    horizon : int
        Months ahead.
    span_months : int
        Months from the first origin to the last outcome.

    Returns
    -------
    tuple of float
        phi, and the number of independent origins that it rests on.

    Raises
    ------
    InternalFault
        ``forecast.not_finite`` if a z is not a number.

    Examples
    --------
    >>> phi_from_backtest([3.0, -1.0, 1.0, 1.0], 3, 12)
    (2.6, 4.0)
    >>> phi_from_backtest([], 12, 0)
    (3.0, 0.0)
    """
    if not np.isfinite(np.asarray(z, dtype=np.float64)).all():
        raise InternalFault("forecast.not_finite", "a backtest error is not a number")
    if len(z) == 0:
        return prior_phi(horizon), 0.0
    n_eff = min(max(1.0 + (span_months - horizon) / horizon, 1.0), float(len(z)))
    found = float(np.mean(np.square(z)))
    phi = (n_eff * found + PRIOR_WEIGHT * prior_phi(horizon)) / (n_eff + PRIOR_WEIGHT)
    return phi, n_eff


def shared_scale(outlook: Outlook, horizon: int, phi: float) -> float:
    """Solve the factor's scale so that closing MRR varies phi times as much as independently.

    Where refits of the parameters already widen the forecast, the caller hands in phi less their
    share. A book in which nothing is open, or phi of at most 1, needs no factor: 0. The scale is
    at most 2: beyond that a shared factor is no description of a book any more.

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
    if phi <= 1.0 or alone <= ROUNDING * float(np.square(cohort.mrr).sum()):
        return 0.0
    return tau_reaching(cohort, (phi - 1.0) * alone)


def closing_variance(cohort: Cohort, tau: float) -> float:
    """Give the total variance of closing MRR: within the factor's values, and between them."""
    z, weight = factor_nodes(tau)
    leaning = lean(cohort.p_churn, cohort.p_contract, cohort.p_expand, tau)
    everyone = np.ones((1, len(cohort.mrr)))
    sums = sums_given_factor(cohort, leaning, z, everyone, ("closing",))
    mean, variance, _ = sums["closing"][0]
    middle = float(weight @ mean)
    return float(weight @ variance + weight @ (mean - middle) ** 2)
