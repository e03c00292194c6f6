"""The growth of usage-billed accounts, learned from a book's history as it had closed at an origin."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.asof import months_between
from models.metered import MeteredGrowth, metered_facts
from models.metered_fit import fit_metered
from training.history import History
from training.labels import Outcomes

__all__ = ["metered_growth"]


def metered_growth(history: History, outcomes: Outcomes, origin: date) -> MeteredGrowth | None:
    """Fit the growth of the accounts that are billed by usage; None where none was.

    Parameters
    ----------
    history : History
    outcomes : Outcomes
        What became of the history's rows, as closed at the origin.
    origin : date
        Rows count the less the longer before it they stand.
    """
    facts = metered_facts(history.frame, history.facts.band)
    seen = outcomes.closed.any(axis=1) & history.modelled & facts.billed
    rows = np.flatnonzero(seen)
    if not len(rows):
        return None
    opening = np.maximum(outcomes.opening[rows], 1)[:, None]
    account = pd.factorize(history.frame["account_id"].to_numpy()[rows], sort=True)[0]
    return fit_metered(
        facts.take(rows),
        outcomes.mrr[rows] / opening,
        outcomes.closed[rows],
        account,
        _age(history.frame["as_of"].to_numpy()[rows], origin),
    )


def _age(days: NDArray[np.object_], origin: date) -> NDArray[np.float64]:
    """Count the months from each row's as-of date to the origin."""
    each, which = np.unique(days, return_inverse=True)
    return np.array([months_between(day, origin) for day in each], dtype=float)[which]
