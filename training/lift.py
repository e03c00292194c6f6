"""Lift: how much of what happened was in the list, at the length that people could work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.calls import Calls
from training.shares import CONFIDENCE

__all__ = ["lift"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TIMES = (1, 2, 5)
SHARES = {"the likeliest tenth": 0.1, "the likeliest fifth": 0.2}
RESAMPLES = 200


def lift(calls: Calls, per_csm: int, seed: int = 0) -> list[dict[str, Any]]:
    """Say what share of an event's accounts and MRR the lists of every origin held.

    Two orders are tried, as a list can be meant in two ways: by the chance of the event, which
    finds accounts; and by chance x MRR, which finds money. Each is laid beside the same list by
    the calendar, by a plain health score, by size alone, and drawn at random.

    Parameters
    ----------
    calls : Calls
    per_csm : int
        Places in one CSM's list; lists of once, twice and five times as many are tried.

    Returns
    -------
    list of dict
        Per length: ``list, listed, of, accounts, mrr``; the last two hold ``share, low, high`` (90 %,
        by a bootstrap over accounts), ``caught``, ``total`` and ``baselines``.
    """
    risk = calls.at_risk
    if not calls.y[risk].any():
        return []
    kept = _Kept(calls, risk)
    owned = bool(kept.csm.nunique() > 1)
    whose = "first {} per CSM" if owned else "first {} of the book"
    lengths: dict[str, float] = {whose.format(n * per_csm): n * per_csm for n in TIMES if per_csm}
    return [_length(kept, name, size, seed) for name, size in (lengths | SHARES).items()]


class _Kept:
    """The rows at risk, and every order that is compared."""

    def __init__(self, calls: Calls, risk: NDArray[np.bool_]) -> None:
        p, mrr = calls.served[risk], calls.mrr[risk]
        calendar, rules = calls.calendar[risk], calls.rules[risk]
        self.y, self.mrr, self.origin = calls.y[risk], mrr, calls.origin[risk]
        self.account = calls.account[risk]
        self.csm = calls.accounts.loc[risk, "csm"].fillna("").astype(str).reset_index(drop=True)
        self.accounts = {"list": p, "calendar": calendar, "health score": rules}
        self.money = {"list": p * mrr, "calendar": calendar * mrr, "largest first": mrr}

    def listed(self, order: Floats, size: float) -> NDArray[np.bool_]:
        """Mark the rows that a list of an order holds, at each origin anew."""
        ranked = pd.DataFrame({"origin": self.origin, "csm": self.csm, "order": order})
        keys = ["origin"] if size < 1 else ["origin", "csm"]
        groups = ranked.groupby(keys, sort=False)["order"]
        rank = groups.rank(method="first", ascending=False).to_numpy()
        most = np.ceil(size * groups.transform("size").to_numpy()) if size < 1 else size
        return np.asarray(rank <= most)


def _length(kept: _Kept, name: str, size: float, seed: int) -> dict[str, Any]:
    listed = kept.listed(kept.accounts["list"], size)
    told: dict[str, Any] = {"list": name, "listed": int(listed.sum()), "of": len(listed)}
    told["accounts"] = _caught(kept, kept.accounts, size, kept.y.astype(float), seed)
    told["mrr"] = _caught(kept, kept.money, size, kept.y * kept.mrr, seed)
    return told


def _caught(
    kept: _Kept, orders: Mapping[str, Floats], size: float, worth: Floats, seed: int
) -> dict[str, Any]:
    found = {name: kept.listed(order, size) for name, order in orders.items()}
    total = float(worth.sum())
    sums = {name: float(worth[listed].sum()) for name, listed in found.items()}
    low, high = _interval(worth * found["list"], worth, kept.account, seed)
    caught = sums.pop("list")
    baselines = {name: sums[name] / total for name in sums}
    baselines["at random"] = float(found["list"].mean())
    return {
        "share": caught / total,
        "low": low,
        "high": high,
        "caught": caught,
        "total": total,
        "baselines": baselines,
    }


def _interval(part: Floats, whole: Floats, account: Ints, seed: int) -> tuple[float, float]:
    """Bootstrap a share over whole accounts: the rows of one account are not independent."""
    a, b = np.bincount(account, weights=part), np.bincount(account, weights=whole)
    some = b > 0
    a, b = a[some], b[some]
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(b), np.full(len(b), 1 / len(b)), RESAMPLES)
    draws = (weights @ a) / (weights @ b)
    edge = (1 - CONFIDENCE) / 2
    return float(np.quantile(draws, edge)), float(np.quantile(draws, 1 - edge))
