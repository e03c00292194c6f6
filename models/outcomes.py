"""The words that a prediction speaks: churn, contract, flat, expand, and how much."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.faults import InternalFault

__all__ = ["HORIZONS", "LEADS", "MOVE", "Outlook"]

LEADS = 12
HORIZONS = (1, 3, 12)
"""Months ahead that a run forecasts: next month, quarter and year."""
MOVE = 0.02
"""A move of MRR counts as expand or contract from 2 % on; billed by usage, from a quarter on."""

Floats = NDArray[np.float64]


def _still() -> Floats:
    """Give the drift of nobody; an outlook widens it to its accounts."""
    return np.zeros((0, LEADS, 3))


def _none() -> Floats:
    """Give the rise in price of nobody; an outlook widens it to its accounts."""
    return np.zeros((0, LEADS))


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
    drift_up, drift_down : array of float, (n, 12, 3)
        Raw moments of the relative rise and fall of an account that counts as flat, zeros
        included. Left out: nobody drifts.
    uplift_owed, uplift_due : array of float, (n, 12)
        The part of that drift that is a rise in price of agreed size and date, as a share of MRR:
        within the term that runs, and at a decision that is still to come. Left out: none.

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
    drift_up: Floats = field(default_factory=_still)
    drift_down: Floats = field(default_factory=_still)
    uplift_owed: Floats = field(default_factory=_none)
    uplift_due: Floats = field(default_factory=_none)

    def __post_init__(self) -> None:
        for name in ("drift_up", "drift_down"):
            drift, shape = getattr(self, name), (len(self), LEADS, 3)
            if len(drift) == 0:  # nobody drifts: zeros that take no room
                object.__setattr__(self, name, np.broadcast_to(0.0, shape))
            elif drift.shape != shape or not (np.isfinite(drift) & (drift >= 0.0)).all():
                raise InternalFault(
                    "outlook.incoherent", f"{name} is no moment of {len(self)} accounts"
                )
        for name in ("uplift_owed", "uplift_due"):
            if len(getattr(self, name)) == 0:
                object.__setattr__(self, name, np.broadcast_to(0.0, (len(self), LEADS)))
        parts = np.stack([self.p_churn, self.p_contract, self.p_expand, self.p_flat])
        if not np.isfinite(parts).all() or (parts < -1e-9).any() or (parts > 1 + 1e-9).any():
            raise InternalFault("outlook.incoherent", "a probability lies outside [0, 1]")

    @property
    def p_flat(self) -> Floats:
        """Probability of none of churn, contract and expand."""
        return np.asarray(1.0 - self.p_churn - self.p_contract - self.p_expand)

    def __len__(self) -> int:
        return len(self.accounts)

    def of(self, who: NDArray[np.int64]) -> Outlook:
        """Take some of the accounts, by position, in the order named."""
        accounts = self.accounts.iloc[who].reset_index(drop=True)
        rest = (item.name for item in fields(self) if item.name != "accounts")
        return Outlook(accounts, **{name: getattr(self, name)[who] for name in rest})
