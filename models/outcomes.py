"""The words that a prediction speaks: churn, contract, flat, expand, and how much."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.faults import InternalFault

__all__ = ["HORIZONS", "LEADS", "Outlook"]

LEADS = 12
HORIZONS = (1, 3, 12)
"""Months ahead that a run forecasts: next month, quarter and year."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Outlook:
    """What is expected of each account of a book at each of the next twelve month-ends.

    ``n`` accounts, all paying at the opening. Column ``j`` of a matrix is the state ``j + 1``
    months after the as-of date, seen from the as-of date (not a monthly rate).

    Attributes
    ----------
    accounts : DataFrame
        One row per account: ``account_id``, ``mrr_micros`` (int64, book currency, at the
        opening), and the columns that a forecast can be cut by.
    p_churn, p_contract, p_expand : array of float, (n, 12)
        Probability of not paying, of paying less (organic, at least 2 %), of paying more.
        What is left is the probability of flat.
    up_moments, down_moments : array of float, (n, 12, 3)
        First, second and third raw moment of the relative change of MRR given expand
        (M(h) / M(0) - 1 > 0) and given contract (1 - M(h) / M(0), in (0, 1)).
    booked_churn : array of bool, (n, 12)
        True where notice was given and service has ended by then: churn with probability 1.
    booked_mrr_micros : array of float, (n, 12)
        MRR that a signed successor line fixes, NaN where nothing is signed: the account is
        then there with that amount, with probability 1.

    Raises
    ------
    InternalFault
        ``outlook.incoherent`` where a probability is outside [0, 1] or the four do not sum to 1.
    """

    accounts: pd.DataFrame
    p_churn: Floats
    p_contract: Floats
    p_expand: Floats
    up_moments: Floats
    down_moments: Floats
    booked_churn: NDArray[np.bool_]
    booked_mrr_micros: Floats

    def __post_init__(self) -> None:
        parts = np.stack([self.p_churn, self.p_contract, self.p_expand, self.p_flat])
        if not np.isfinite(parts).all() or (parts < -1e-9).any() or (parts > 1 + 1e-9).any():
            raise InternalFault("outlook.incoherent", "a probability lies outside [0, 1]")

    @property
    def p_flat(self) -> Floats:
        """Probability of none of churn, contract and expand."""
        return np.asarray(1.0 - self.p_churn - self.p_contract - self.p_expand)

    def __len__(self) -> int:
        return len(self.accounts)
