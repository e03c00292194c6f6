"""A small book that is billed by usage, as a history: every account grows at a pace of its own.

What it pays is the mean of three months' bills. The pace slowly returns to the book's; now and
then an account halves at once, or closes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from features.asof import add_months, month_end
from features.consumption import CONSUMPTION, PAST_MONTHS
from models.calendar import calendar_facts
from tests.small_history import FIRST, frame_of
from training.history import History
from training.labels import panel

__all__ = ["Metered", "as_contracts", "metered_history"]


@dataclass(frozen=True)
class Metered:
    """How a book billed by usage comes about: log-growth a month, its spread, and its luck."""

    accounts: int = 80
    months: int = 38
    seed: int = 0
    pace: float = 0.02
    own: float = 0.015
    luck: float = 0.03
    bill: float = 0.05
    leaving: float = 0.01
    halving: float = 0.004


@lru_cache(maxsize=4)
def metered_history(law: Metered) -> History:
    """Live through a law; every snapshot row knows what of its MRR is billed by usage."""
    paid = _paid(law)
    rows = [
        _row(paid, at, month)
        for month in range(3, law.months)
        for at in np.flatnonzero(paid[month - 1] > 0)
    ]
    frame = frame_of(rows).sort_values(["as_of", "account_id"], kind="stable")
    frame = frame.reset_index(drop=True)
    ledger = [row for at in range(law.accounts) for row in _ledger(paid, at)]
    signals = ("commercial_discount",)
    until = add_months(FIRST, law.months)
    return History(frame, calendar_facts(frame), panel(pd.DataFrame(ledger)), signals, (), until)


def as_contracts(history: History) -> History:
    """Give the same book as if nobody knew that it is billed by usage: all moves are events."""
    return replace(history, frame=history.frame.drop(columns=list(CONSUMPTION)))


def _paid(law: Metered) -> Any:
    """MRR by month and account, in micro-units; 0 from the month in which it closes."""
    rng = np.random.default_rng(law.seed)
    n = law.accounts
    pace, level, bills = rng.normal(law.pace, law.own, n), np.zeros(n), []
    for _ in range(law.months + 2):
        pace = law.pace + 0.95 * (pace - law.pace) + law.own * 0.31 * rng.normal(size=n)
        halved = np.where(rng.random(n) < law.halving, np.log(2), 0.0)
        level = level + pace + law.luck * rng.normal(size=n) - halved
        bills.append(np.exp(level + law.bill * rng.normal(size=n)))
    billed = np.array(bills) * np.exp(rng.normal(6.0, 0.8, n))
    paid = np.round(1e6 * (billed[2:] + billed[1:-1] + billed[:-2]) / 3)
    closed = np.cumsum(rng.random(paid.shape) < law.leaving, axis=0) > 0
    return np.where(closed, 0, paid).astype(np.int64)


def _row(paid: Any, at: int, month: int) -> dict[str, Any]:
    now = month - 1
    then = [paid[now - months, at] if now >= months else np.nan for months in PAST_MONTHS]
    usage = [paid[now, at], *then]
    return dict(zip(CONSUMPTION, map(float, usage), strict=True)) | {
        "account_id": f"a{at:03d}",
        "as_of": add_months(FIRST, month),
        "mrr_micros": int(paid[now, at]),
        "tenure_days": 30.4375 * month + 200,
        "commercial_discount": float((at * 7 + month) % 5),
    }


def _ledger(paid: Any, at: int) -> list[dict[str, Any]]:
    before = np.concatenate([[0], paid[:-1, at]])
    return [
        {
            "account_id": f"a{at:03d}",
            "month_end": month_end(add_months(FIRST, month)),
            "closing_micros": int(now),
            "organic_micros": int(now - was) if now and was else 0,
        }
        for month, (now, was) in enumerate(zip(paid[:, at], before, strict=True))
    ]
