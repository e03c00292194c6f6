"""Calls: what was said of every account at every past origin, beside what then happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.backtest import Backtest
from training.baselines import health_score
from training.fit import material_of
from training.history import History

__all__ = ["MONTHS", "Calls", "calls"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MONTHS = 3
"""How far ahead the replayed calls look."""


@dataclass(frozen=True)
class Calls:
    """One event's three-month calls, every origin's accounts below one another.

    Attributes
    ----------
    origins : tuple of date
    origin : array of int, (n,)
        Which of them a row belongs to.
    score, calendar, rules : array of float, (n,)
        Probability by the score and by the calendar alone; order by a plain health score.
    serves : str
        ``score`` or ``calendar``: which of the two the forecasts and lists go by.
    y : array of int, (n,)
        1 where the event had happened three months on.
    at_risk : array of bool, (n,)
        Nothing was booked and, for churn, the account could leave within the three months.
    mrr : array of float, (n,)
        Opening MRR in units of currency.
    account : array of int, (n,)
        Number of each row's account: rows of one account are not independent.
    accounts : DataFrame, (n,)
        ``account_id, name, csm``.
    """

    origins: tuple[date, ...]
    origin: Ints
    score: Floats
    calendar: Floats
    rules: Floats
    serves: str
    y: Ints
    at_risk: Bools
    mrr: Floats
    account: Ints
    accounts: pd.DataFrame

    @property
    def served(self) -> Floats:
        """The probability that forecasts and lists went by."""
        return self.score if self.serves == "score" else self.calendar

    @property
    def independent(self) -> float:
        """Share of the rows whose three months do not overlap the ones before."""
        months = len(self.origins) and (self.origins[-1] - self.origins[0]).days / 30.4375
        windows = 1 + months / MONTHS
        return float(min(1.0, windows / max(len(self.origins), 1)))


def calls(history: History, past: Backtest, seed: int = 0) -> dict[str, Calls]:
    """Lay every replay's calls beside what happened, per event."""
    rows = np.concatenate([r.rows for r in past.replays] or [np.zeros(0, np.int64)]).astype(int)
    outcomes, column = history.outcomes(), MONTHS - 1
    happened = {"churn": outcomes.gone, "expand": outcomes.expand, "contract": outcomes.contract}
    material, modelled = material_of(history, seed), history.modelled[rows]
    can_leave = _stacked(past, lambda told: told.free[:, :MONTHS].any(axis=1)).astype(bool)
    common: Mapping[str, Any] = {
        "origins": tuple(replay.origin for replay in past.replays),
        "origin": np.repeat(np.arange(len(past.replays)), [len(r.rows) for r in past.replays]),
        "mrr": outcomes.opening[rows] / 1e6,
        "account": np.asarray(pd.factorize(history.frame["account_id"])[0])[rows],
        "accounts": history.frame.loc[rows, ["account_id", "name", "csm"]].reset_index(drop=True),
    }
    return {
        name: Calls(
            score=_said(past, name),
            calendar=_said(past, name, "calendar"),
            rules=np.concatenate(
                [health_score(material, name, r.rows) for r in past.replays] or [np.zeros(0)]
            ),
            serves=past.serves[name],
            y=event[rows, column].astype(np.int64),
            at_risk=modelled & (can_leave | (name != "churn")),
            **common,
        )
        for name, event in happened.items()
    }


def _said(past: Backtest, target: str, by: str = "prediction") -> Floats:
    column = MONTHS - 1
    told = [getattr(getattr(replay, by), f"p_{target}")[:, column] for replay in past.replays]
    return np.concatenate(told) if told else np.zeros(0)


def _stacked(past: Backtest, read: Any) -> NDArray[Any]:
    found = [read(replay.prediction) for replay in past.replays]
    return np.concatenate(found) if found else np.zeros(0)
