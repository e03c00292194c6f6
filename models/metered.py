"""Accounts that are billed by usage: they grow or shrink month by month, and have no events to count.

An account most of whose MRR is billed by usage moves as a whole by a log-growth of its own. How
it has grown is leaned on its size band's growth, and that on the book's. Only two things happen
to it at once: it closes, or it falls by a quarter or more and stays there for two months.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from features.consumption import PAST_MONTHS
from models.outcomes import LEADS, Outlook

__all__ = [
    "FALL",
    "MOSTLY",
    "WIDEST",
    "MeteredFacts",
    "MeteredGrowth",
    "metered_facts",
    "metered_outlook",
    "mostly_metered",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MOSTLY = 0.5
"""Share of MRR from which on an account counts as billed by usage."""
FALL = 0.25
"""Share of MRR that has to be lost, at two month-ends in a row, for a fall to be an event."""
FASTEST = 0.35
"""Log-growth in a month, at most: what is faster is a start, or a mistake."""
FARTHEST = 2.0
WIDEST = 1.0
"""Standard deviation of the log of a change, at most."""
_CHOOSE = ((1,), (1, 1), (1, 2, 1), (1, 3, 3, 1))


@dataclass(frozen=True)
class MeteredFacts:
    """What is known of the usage-billed MRR of ``n`` accounts, each at its own as-of date.

    Attributes
    ----------
    share : array of float, (n,)
        Usage-billed part of MRR, 0 to 1.
    band : array of int, (n,)
        ACV band (``models.calendar.BANDS``).
    past : array of int, (n,)
        How far back usage was seen: the number of ``PAST_MONTHS`` that are known, 0 for none.
    pace : array of float, (n,)
        Log-growth a month since then, times the share; 0 where there is no past.
    size : array of float, (n,)
        Log of MRR, in units of the book's currency.
    """

    share: Floats
    band: Ints
    past: Ints
    pace: Floats
    size: Floats

    @property
    def billed(self) -> Bools:
        """Say which accounts are billed by usage for the most part."""
        return self.share >= MOSTLY

    def take(self, rows: Ints) -> MeteredFacts:
        """Give the facts of some rows."""
        return MeteredFacts(*(getattr(self, item.name)[rows] for item in fields(self)))


def mostly_metered(frame: pd.DataFrame) -> Bools:
    """Say which snapshot rows are billed by usage for the most part.

    Examples
    --------
    >>> rows = {"mrr_micros": [100, 100], "usage_mrr_micros": [50.0, None]}
    >>> mostly_metered(pd.DataFrame(rows)).tolist()
    [True, False]
    """
    return metered_facts(frame, np.zeros(len(frame), dtype=np.int64)).billed


def metered_facts(frame: pd.DataFrame, band: Ints) -> MeteredFacts:
    """Read the facts out of snapshot rows; rows that do not tell of usage have none.

    Examples
    --------
    >>> row = {"mrr_micros": [100.0], "usage_mrr_micros": [80.0], "usage_mrr_3m_micros": [40.0],
    ...     "usage_mrr_6m_micros": [None], "usage_mrr_12m_micros": [None]}
    >>> facts = metered_facts(pd.DataFrame(row), np.array([0]))
    >>> facts.share.tolist(), facts.past.tolist(), (facts.pace / 0.8).round(3).tolist()
    ([0.8], [1], [0.231])
    """
    now = _micros(frame, "usage_mrr_micros")
    mrr = frame["mrr_micros"].to_numpy(dtype=float)
    share = np.clip(now / np.maximum(mrr, 1.0), 0.0, 1.0)
    past, pace = np.zeros(len(frame), dtype=np.int64), np.zeros(len(frame))
    for at, months in enumerate(PAST_MONTHS, start=1):
        then = _micros(frame, f"usage_mrr_{months}m_micros")
        seen = (now > 0) & (then > 0) & (past == at - 1)
        growth = np.log(np.where(seen, now, 1.0) / np.where(seen, then, 1.0)) / months
        past = np.where(seen, at, past)
        pace = np.where(seen, np.clip(growth, -FASTEST, FASTEST) * share, pace)
    size = np.log(np.maximum(mrr, 1.0) / 1e6)
    return MeteredFacts(share, np.asarray(band), past, pace, size)


def _micros(frame: pd.DataFrame, column: str) -> Floats:
    if column not in frame:
        return np.zeros(len(frame))
    return np.nan_to_num(frame[column].to_numpy(dtype=float), nan=0.0)


@dataclass(frozen=True)
class MeteredGrowth:
    """How accounts that are billed by usage move.

    Attributes
    ----------
    pace : array of float, (bands,)
        Usual log-growth a month, by ACV band.
    pull : array of float, (pasts + 1, 12)
        Part of an account's own difference from the usual that lasts, by how far back its past
        goes and by lead, 0 to 1; 0 without a past.
    slope : array of float, (1,)
        Added to the log-growth a month per unit of log MRR above the band's usual.
    usual : array of float, (bands,)
        Mean log MRR of each band.
    level : array of float, (12,)
        Added to the log of the change at a lead, so that the mean change is right.
    spread : array of float, (12,)
        Standard deviation of the log of the change; never falls with the lead.
    fall : array of float, (12,)
        Chance of having fallen by a quarter or more for two months, given that it pays.
    fallen : array of float, (12, 3)
        Raw moments of the relative fall then.
    """

    pace: Floats
    pull: Floats
    slope: Floats
    usual: Floats
    level: Floats
    spread: Floats
    fall: Floats
    fallen: Floats

    def drift(self, facts: MeteredFacts) -> Floats:
        """Give the expected log-growth up to each lead, (n, 12), before the level is added."""
        leads, usual = np.arange(1, LEADS + 1)[None, :], self.pace[facts.band][:, None]
        own = self.pull[facts.past] * (facts.pace[:, None] - usual)
        large = self.slope * (facts.size - self.usual[facts.band])[:, None]
        return np.asarray(np.clip(leads * (usual + own + large), -FARTHEST, FARTHEST))

    def moments(self, facts: MeteredFacts) -> tuple[Floats, Floats]:
        """Give the raw moments of the relative rise and fall of those that neither close nor fall.

        Each is (n, 12, 3); the rise of one that has shrunk is 0, and so the reverse.
        """
        return _parts(self.drift(facts) + self.level, np.broadcast_to(self.spread, (1, LEADS)))

    def to_json(self) -> dict[str, Any]:
        """Give the growth as JSON."""
        return {name: value.tolist() for name, value in self.__dict__.items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> MeteredGrowth:
        """Read the growth from JSON."""
        return cls(
            **{
                name: np.array(values[name], dtype=float)
                for name in (item.name for item in fields(cls))
            }
        )


def metered_outlook(outlook: Outlook, facts: MeteredFacts, growth: MeteredGrowth | None) -> Outlook:
    """Forecast the accounts that are billed by usage by growth; the others stay as they are.

    Nothing expands at once there: the chance of that goes to growth. What contracts is what falls
    by a quarter or more. What is booked stays booked.
    """
    who = facts.billed
    if growth is None or not who.any():
        return outlook
    up, down = growth.moments(facts.take(np.flatnonzero(who)))
    stays = 1.0 - outlook.p_churn
    return replace(
        outlook,
        p_expand=np.where(who[:, None], 0.0, outlook.p_expand),
        p_contract=np.where(who[:, None], stays * growth.fall, outlook.p_contract),
        down_moments=np.where(who[:, None, None], growth.fallen, outlook.down_moments),
        drift_up=_put(outlook.drift_up, who, up),
        drift_down=_put(outlook.drift_down, who, down),
    )


def _put(whole: Floats, who: Bools, part: Floats) -> Floats:
    filled = np.array(whole)
    filled[who] = part
    return filled


def _parts(middle: Floats, spread: Floats) -> tuple[Floats, Floats]:
    """Give E[(e^X - 1)^k; X > 0] and E[(1 - e^X)^k; X < 0] of normal X, k = 1 to 3.

    Examples
    --------
    >>> up, down = _parts(np.array([[0.1]]), np.array([[0.2]]))
    >>> round(float(up[0, 0, 0] - down[0, 0, 0]), 9) == round(float(np.exp(0.12) - 1), 9)
    True
    """
    s = np.clip(spread, 1e-6, WIDEST)
    powers = range(4)
    whole = [np.exp(j * middle + (j * s) ** 2 / 2) for j in powers]
    above = [whole[j] * ndtr((middle + j * s**2) / s) for j in powers]
    below = [whole[j] * ndtr(-(middle + j * s**2) / s) for j in powers]
    rise, fall = [], []
    for k in (1, 2, 3):
        signs = [(-1) ** j * _CHOOSE[k][j] for j in range(k + 1)]
        fall.append(sum(sign * below[j] for j, sign in enumerate(signs)))
        rise.append(sum((-1) ** k * sign * above[j] for j, sign in enumerate(signs)))
    return _raw(rise), _raw(fall)


def _raw(powers: list[Any]) -> Floats:
    """Take rounding out of raw moments: none is negative, none below what the ones before ask."""
    first = np.maximum(powers[0], 0.0)
    second = np.maximum(powers[1], first**2)
    third = np.maximum(powers[2], np.where(first > 0, second**2 / np.maximum(first, 1e-300), 0.0))
    return np.stack([first, second, third], axis=2)
