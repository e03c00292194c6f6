"""Holdout: accounts that are left alone for a quarter, so that the effect of plays can be measured.

Within each cell and segment the accounts are ordered by a hash of account and quarter, and the
lowest share is held. Who is excluded has propensity 0, is worked as ever, and leaves the estimate.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["HOLDOUT", "TREATED", "Holdout", "draw", "eligible"]

TREATED, HOLDOUT = "treated", "holdout"
RENEWAL_DAYS = 90
LARGEST_SHARE = 0.1
HARD = ("notice_given", "champion_left")


@dataclass(frozen=True)
class Holdout:
    """Who takes part in a quarter, and who of them is held.

    Attributes
    ----------
    quarter : str
    share : float
        Propensity to be held of everyone who takes part.
    strata : mapping of str to tuple of str
        The accounts that take part, by cell and segment at the draw.
    held : frozenset of str
        The held ones.
    """

    quarter: str
    share: float
    strata: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    held: frozenset[str] = frozenset()

    def stratum_of(self) -> dict[str, str]:
        """Give the stratum of every account that takes part."""
        return {account: name for name, own in self.strata.items() for account in own}

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON can say it."""
        strata = {name: list(own) for name, own in sorted(self.strata.items())}
        return {
            "quarter": self.quarter,
            "share": self.share,
            "strata": strata,
            "held": sorted(self.held),
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Holdout:
        """Read it back.

        Examples
        --------
        >>> one = Holdout("2025-Q3", 0.5, {"HH, smb": ("a", "b")}, frozenset({"a"}))
        >>> Holdout.from_json(one.to_json()) == one
        True
        """
        strata = {name: tuple(own) for name, own in told["strata"].items()}
        return cls(told["quarter"], told["share"], strata, frozenset(told["held"]))


def draw(table: pd.DataFrame, share: float, quarter: str, as_of: date) -> Holdout:
    """Draw the holdout of a quarter.

    Parameters
    ----------
    table : DataFrame
        ``account_id, cell, segment, mrr`` and, where known, ``next_renewal_on, notice, triggers``.
    share : float
        Share that is held. Where a stratum's share is no whole number, a hash of quarter and
        stratum says whether it is rounded up, so that everybody's propensity is the share.
    quarter : str
        The quarter's name: another quarter holds others.
    as_of : date

    Examples
    --------
    >>> table = pd.DataFrame({"account_id": [f"a{n:02d}" for n in range(40)], "cell": "ML",
    ...     "segment": "smb", "mrr": np.arange(40.0)})
    >>> drawn = draw(table, 0.25, "2025-Q3", date(2025, 7, 1))
    >>> len(drawn.strata["ML, smb"]), len(drawn.held)
    (36, 9)
    """
    taking = table.loc[eligible(table, as_of), ["account_id", "cell", "segment"]]
    strata: dict[str, tuple[str, ...]] = {}
    held: set[str] = set()
    names = taking["cell"].astype(str) + ", " + taking["segment"].fillna("no segment").astype(str)
    for name, own in taking.groupby(names, sort=True)["account_id"]:
        ordered = sorted(own, key=lambda account: (_hash(quarter, account), account))
        strata[str(name)] = tuple(sorted(own))
        whole = math.floor(share * len(ordered) + _hash(quarter, "stratum", str(name)))
        held |= set(ordered[:whole])
    return Holdout(quarter, share, strata, frozenset(held))


def eligible(table: pd.DataFrame, as_of: date) -> NDArray[np.bool_]:
    """Say who takes part: no hard event, no renewal within 90 days, not in the top tenth by MRR.

    Examples
    --------
    >>> table = pd.DataFrame({"account_id": list("abc"), "mrr": [1.0, 2.0, 9.0],
    ...     "next_renewal_on": pd.to_datetime(["2025-08-01", "2025-12-01", None])})
    >>> eligible(table, date(2025, 7, 1)).tolist()
    [False, True, False]
    """
    size = table["mrr"].to_numpy(dtype=np.float64)
    largest = math.ceil(LARGEST_SHARE * len(table))
    top = size >= np.sort(size)[-largest] if largest else np.zeros(0, dtype=bool)
    return np.asarray(~top & ~_renewing(table, as_of) & ~_hit(table))


def _renewing(table: pd.DataFrame, as_of: date) -> NDArray[np.bool_]:
    if "next_renewal_on" not in table:
        return np.zeros(len(table), dtype=bool)
    days = (pd.to_datetime(table["next_renewal_on"]) - pd.Timestamp(as_of)).dt.days
    return days.between(0, RENEWAL_DAYS).to_numpy()


def _hit(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Find the accounts with a hard event: notice given, or a hard trigger that fires."""
    noticed = table["notice"] if "notice" in table else pd.Series(False, index=table.index)
    fired = table["triggers"] if "triggers" in table else [()] * len(table)
    hard = [any(map(_hard, () if each is None else each)) for each in fired]
    return noticed.fillna(value=False).to_numpy(dtype=bool) | np.array(hard, dtype=bool)


def _hard(trigger: Any) -> bool:
    if isinstance(trigger, Mapping):
        return trigger.get("level") == "hard" or trigger.get("trigger") in HARD
    return trigger in HARD


def _hash(*parts: str) -> float:
    """Give a number in [0, 1) that words decide."""
    digest = hashlib.sha256("\n".join(parts).encode()).digest()
    return int.from_bytes(digest[:8]) / 2.0**64
