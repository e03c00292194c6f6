"""Missingness: whether more of a signal is missing than there was, beyond chance and worth a word.

It is asked before drift: a feed that stops moves every signal that stands on it, and says nothing
of the customers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, norm

__all__ = ["LEAST", "RATE", "Gap", "gaps"]

RATE = 0.01
"""Share of false alarms among the signals that are named (Benjamini and Hochberg)."""
LEAST = 0.05
"""So much more of the accounts must lack the signal: below it, it is not worth a word."""


@dataclass(frozen=True)
class Gap:
    """A signal that more accounts lack than did.

    Attributes
    ----------
    signal : str
    then, now : float
        Shares of the accounts without it.
    """

    signal: str
    then: float
    now: float


def gaps(frame: pd.DataFrame, before: Mapping[str, Mapping[str, Sequence[Any]]]) -> list[Gap]:
    """Name the signals that more accounts lack than in an earlier run, the widest gap first.

    Parameters
    ----------
    frame : DataFrame
        Signals by name, one row per account.
    before : mapping of str to mapping
        What `models.drifting.bins` gave for the earlier run: its first count is of the missing.

    Examples
    --------
    >>> kept = {"visits": {"edges": [1.0], "counts": [10, 50, 40]}}
    >>> gaps(pd.DataFrame({"visits": [None] * 60 + [1.0] * 40}), kept)
    [Gap(signal='visits', then=0.1, now=0.6)]
    >>> gaps(pd.DataFrame({"visits": [None] * 12 + [1.0] * 88}), kept)
    []
    """
    found, chances = [], []
    for name in sorted(set(before) & set(frame.columns)):
        counts = [int(many) for many in before[name]["counts"]]
        then, now = (counts[0], sum(counts)), (int(frame[name].isna().sum()), len(frame))
        if then[1] and now[1]:
            found.append(Gap(name, round(then[0] / then[1], 4), round(now[0] / now[1], 4)))
            chances.append(_chance(then, now))
    if not found:
        return []
    sure = false_discovery_control(chances) < RATE
    wide = [one for one, known in zip(found, sure, strict=True) if known and _grew(one)]
    return sorted(wide, key=lambda one: (one.then - one.now, one.signal))


def _grew(one: Gap) -> bool:
    return one.now - one.then >= LEAST


def _chance(then: tuple[int, int], now: tuple[int, int]) -> float:
    """Give the chance that two counts differ so much if their shares are one."""
    share = (then[0] + now[0]) / (then[1] + now[1])
    width = float(np.sqrt(share * (1.0 - share) * (1 / then[1] + 1 / now[1])))
    apart = abs(then[0] / then[1] - now[0] / now[1])
    return float(2.0 * norm.sf(apart / width)) if width else 1.0
