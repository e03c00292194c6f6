"""Foretold: how many events a run's chances say, how well they should rank, and what came of both.

Between labels nobody knows how well the accounts are ranked. If the chances are right, though, they
say it themselves: an account of 30 % leaves in three cases of ten. What follows from that is an
estimate, and is called one wherever it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.decisions import decision_leads
from models.outcomes import Outlook

__all__ = ["EVENTS", "Foretold", "auc", "foretold"]

EVENTS = ("churn", "contract", "expand")
DRAWS, SEED = 200, 7
FEWEST = 5
"""Events, and accounts without one, below which a ranking is not judged."""

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Foretold:
    """What was said of one event among the accounts of a run.

    Attributes
    ----------
    chances : array of float, (n,)
    counted : array of bool, (n,)
        Accounts of which something was said by the model: nothing was booked.
    ranked : array of bool, (n,)
        Accounts at risk: those of them that a ranking is judged on.
    """

    chances: Floats
    counted: Bools
    ranked: Bools

    def estimated(self) -> dict[str, Any]:
        """Give what follows if the chances are right.

        Returns
        -------
        dict
            ``accounts``, ``expected`` (events among them), ``ranked``, ``auc_estimated`` and
            ``auc_spread`` (the standard deviation that chance alone gives it); the last two are
            None where fewer than five events, or five accounts without, are expected.

        Examples
        --------
        >>> p = np.repeat([0.1, 0.9], 50)
        >>> told = Foretold(p, p > 0, p > 0).estimated()
        >>> told["accounts"], told["expected"], round(told["auc_estimated"], 3)
        (100, 50.0, 0.901)
        """
        p = self.chances[self.ranked]
        few = min(p.sum(), (1.0 - p).sum()) < FEWEST
        return {
            "accounts": int(self.counted.sum()),
            "expected": round(float(self.chances[self.counted].sum()), 4),
            "ranked": int(self.ranked.sum()),
            "auc_estimated": None if few else round(_expected_auc(p), 4),
            "auc_spread": None if few else round(_spread(p), 4),
        }

    def judged(self, happened: Bools) -> dict[str, Any]:
        """Give what was estimated beside what happened: ``observed`` events, and the ``auc``.

        Examples
        --------
        >>> p = np.repeat([0.1, 0.9], 50)
        >>> told = Foretold(p, p > 0, p > 0).judged(p > 0.5)
        >>> told["observed"], told["auc"]
        (50, 1.0)
        """
        p, seen = self.chances[self.ranked], happened[self.ranked]
        few = min(seen.sum(), (~seen).sum()) < FEWEST
        return self.estimated() | {
            "observed": int(happened[self.counted].sum()),
            "auc": None if few else round(auc(p, seen), 4),
        }


def foretold(outlook: Outlook, horizon: int, metered: Bools) -> Mapping[str, Foretold]:
    """Read what an outlook says of each event at a horizon.

    Parameters
    ----------
    outlook : Outlook
    horizon : int
        Months ahead.
    metered : array of bool, (n,)
        Accounts that are billed by usage for the most part: they leave as others do, but their
        bill is not forecast by events.

    Returns
    -------
    mapping of str to Foretold
        ``churn``, ``contract`` and ``expand``. At risk of leaving is who decides within the
        horizon; of the others everybody who is counted.

    Examples
    --------
    >>> import pandas as pd
    >>> p, law = np.full((2, 12), 0.25), np.full((2, 12, 3), 0.5)
    >>> accounts = pd.DataFrame({"account_id": ["a", "b"], "decision_lead": [2.0, 9.0]})
    >>> none = np.full((2, 12), np.nan)
    >>> told = foretold(Outlook(accounts, p, p, p, law, law, p > 1, none), 3, np.array([False, True]))
    >>> told["churn"].counted.tolist(), told["churn"].ranked.tolist(), told["expand"].ranked.tolist()
    ([True, True], [True, False], [True, False])
    """
    at = horizon - 1
    free = ~outlook.booked_churn[:, at] & ~np.isfinite(outlook.booked_mrr_micros[:, at])
    due = decision_leads(outlook.accounts) <= horizon
    by_event = free & ~metered
    return {
        "churn": Foretold(outlook.p_churn[:, at], free, free & due),
        "contract": Foretold(outlook.p_contract[:, at], by_event, by_event),
        "expand": Foretold(outlook.p_expand[:, at], by_event, by_event),
    }


def auc(scores: Floats, happened: Bools) -> float:
    """Give the chance that an account with the event was ranked above one without; ties count half.

    Examples
    --------
    >>> auc(np.array([0.1, 0.2, 0.2, 0.9]), np.array([False, True, False, True]))
    0.875
    """
    return _area(_ranks(scores), happened)


def _area(ranks: Floats, happened: Bools) -> float:
    events = int(happened.sum())
    rest = len(happened) - events
    above = ranks[happened].sum() - events * (events + 1) / 2.0
    return float(above / (events * rest))


def _ranks(scores: Floats) -> Floats:
    """Give each score's rank from 1 on; equal ones share the mean of theirs."""
    _, which, many = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(many)
    return np.asarray((last - (many - 1) / 2.0)[which])


def _expected_auc(p: Floats) -> float:
    """Give what the AUC of chances is expected to be where they are right."""
    order = np.argsort(p, kind="stable")
    _, which = np.unique(p[order], return_inverse=True)
    quiet = np.bincount(which, weights=1.0 - p[order])
    loud = np.bincount(which, weights=p[order])
    below = np.cumsum(quiet) - quiet
    own = float((p * (1.0 - p)).sum())
    pairs = float((loud * (below + quiet / 2.0)).sum()) - own / 2.0
    return pairs / (float(p.sum()) * float((1.0 - p).sum()) - own)


def _spread(p: Floats) -> float:
    """Give the standard deviation of the AUC over worlds in which the chances are right."""
    rng, ranks = np.random.default_rng(SEED), _ranks(p)
    drawn = (rng.random(len(p)) < p for _ in range(DRAWS))
    found = [_area(ranks, one) for one in drawn if 0 < one.sum() < len(p)]
    return float(np.std(found))
