"""The amounts of an account: what it is expected to pay at a horizon, and between which bounds.

They are the forecast's, account by account, so that they add up to it: over a book, expected MRR
is the mean of closing MRR, expected expansion that of expansion, expected loss that of
contraction and churn together. The quantiles are of one account alone, at the mean sizes of what
may become of it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from models.flows import Cohort, cohort_at, means
from models.laws import Drift
from models.outcomes import Outlook

__all__ = ["AMOUNTS", "amounts_at"]

Floats = NDArray[np.float64]

LEVELS = {"mrr_p10": 0.1, "mrr_p50": 0.5, "mrr_p90": 0.9}
AMOUNTS = ("expected_expansion_mrr", "expected_loss_mrr", "expected_mrr", *LEVELS)
"""The amounts of a scored account."""
MOSTLY = 0.5
"""Chance of a drift from which on it is read as a spread, not as moves beside a standstill."""


def amounts_at(outlook: Outlook, horizon: int) -> pd.DataFrame:
    """Give the amounts of every account, in units of currency.

    Parameters
    ----------
    outlook : Outlook
    horizon : int
        Months ahead.

    Returns
    -------
    DataFrame
        Columns ``AMOUNTS``, one row per account of the outlook, in its order.

    Examples
    --------
    >>> p, law = np.full((1, 12), 0.25), np.full((1, 12, 3), 0.2)
    >>> one = Outlook(pd.DataFrame({"account_id": ["a"], "mrr_micros": [10**8]}), p, 0 * p, p, law,
    ...     law, p > 1, np.full((1, 12), np.nan))
    >>> amounts_at(one, 3).iloc[0].round(6).to_dict()  # doctest: +NORMALIZE_WHITESPACE
    {'expected_expansion_mrr': 5.0, 'expected_loss_mrr': 25.0, 'expected_mrr': 80.0,
     'mrr_p10': 0.0, 'mrr_p50': 100.0, 'mrr_p90': 120.0}
    """
    cohort = cohort_at(outlook, horizon)
    flows = means(cohort)
    told = {
        "expected_expansion_mrr": flows["expansion"],
        "expected_loss_mrr": flows["loss"],
        "expected_mrr": flows["closing"],
    }
    return pd.DataFrame(told | _quantiles(cohort))


def _quantiles(cohort: Cohort) -> dict[str, Floats]:
    """Give quantiles of what each account pays: gone, less, about the same, or more."""
    signed = cohort.mrr + cohort.signed_up - cohort.signed_down
    least, found = np.zeros_like(cohort.mrr), {}
    drift = Drift.of(cohort.flat_up, cohort.flat_down)
    for name, level in LEVELS.items():
        likely = cohort.mrr * np.maximum(_ratio(cohort, drift, level), 0.0)
        least = np.maximum(least, np.where(cohort.signed, signed, likely))
        found[name] = least
    return found


def _ratio(cohort: Cohort, drift: Drift, level: float) -> Floats:
    """Give a quantile of what an account pays over what it paid."""
    gone, less, more = cohort.p_churn, cohort.p_contract, cohort.p_expand
    room = np.maximum(cohort.p_flat, 1e-12)
    within = np.clip((level - gone - less) / room, 1e-6, 1 - 1e-6)
    cases = [level <= gone, level <= gone + less, level > 1.0 - more]
    sizes = [np.zeros_like(gone), 1.0 - cohort.down[:, 0], 1.0 + cohort.up[:, 0]]
    return np.asarray(np.select(cases, sizes, default=_drifted(cohort, drift, within)))


def _drifted(cohort: Cohort, drift: Drift, within: Floats) -> Floats:
    """Give a quantile of the ratio of an account that counts as flat.

    Where it moves more often than not, that of the lognormal with its mean and spread; else it
    stands still, but for the moves beside that.
    """
    rise, fall = cohort.flat_up, cohort.flat_down
    mean = np.maximum(1.0 + rise[:, 0] - fall[:, 0], 1e-9)
    square = 1.0 + 2.0 * (rise[:, 0] - fall[:, 0]) + rise[:, 1] + fall[:, 1]
    spread = np.sqrt(np.log(np.maximum(square / mean**2, 1.0)))
    lognormal = mean * np.exp(spread * ndtri(within) - spread**2 / 2.0)
    moved_up, moved_down = (
        np.divide(size[:, 0], chance, out=np.zeros_like(chance), where=chance > 0.0)
        for size, chance in ((rise, drift.up), (fall, drift.down))
    )
    cases = [within <= drift.down, within > 1.0 - drift.up]
    steps = np.select(cases, [1.0 - moved_down, 1.0 + moved_up], default=1.0)
    return np.asarray(np.where(drift.up + drift.down > MOSTLY, lognormal, steps))
