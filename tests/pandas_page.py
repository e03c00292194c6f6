"""A page of the oracle: the signals of one family, each a function named by its slug."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial, wraps
from typing import TypeVar

import numpy as np
import pandas as pd

from tests.pandas_known import Known

__all__ = ["MISSING", "Page", "Told", "over", "quantile", "remembered"]

T = TypeVar("T")
MISSING = math.nan
Told = Callable[[Known, str], float]


class Page(dict[str, Told]):
    """Signals by slug."""

    def signal(self, told: Told) -> Told:
        """Enter a function under its own name."""
        self[told.__name__] = told
        return told

    def windows(
        self, *days: int
    ) -> Callable[[Callable[[Known, str, int], float]], Callable[[Known, str, int], float]]:
        """Enter a function of a window once per window: ``usage_events`` over 7 is ``usage_events_7d``."""

        def enter(told: Callable[[Known, str, int], float]) -> Callable[[Known, str, int], float]:
            for length in days:
                self[f"{told.__name__}_{length}d"] = partial(told, days=length)  # type: ignore[call-arg]
            return told

        return enter


def over(part: float, whole: float) -> float:
    """Divide; over nothing there is no ratio."""
    return part / whole if whole and not math.isnan(whole) else MISSING


def quantile(values: pd.Series, share: float) -> float:
    """Give a quantile, between two values in proportion; of nothing there is none."""
    return float(np.percentile(values, 100 * share)) if len(values) else MISSING


def remembered(tell: Callable[[Known, str], T]) -> Callable[[Known, str], T]:
    """Tell a thing of an account once per look at the book."""

    @wraps(tell)
    def told(known: Known, account: str) -> T:
        key = (tell, account)
        if key not in known.memory:
            known.memory[key] = tell(known, account)
        return known.memory[key]  # type: ignore[no-any-return]

    return told
