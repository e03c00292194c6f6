"""Power: how long a holdout must run until a play's effect would show.

Two proportions with unequal groups, as in Fleiss, Levin and Paik, Statistical Methods for Rates and
Proportions (3rd ed., 2003, chapter 4), without the correction for continuity: with a share h held,
the held rate p0, the treated one p1 = p0 (1 - r), and their mean P = h p0 + (1 - h) p1, outcomes of
both arms together n = (z_a sqrt(P (1 - P) (1/h + 1/(1 - h)))
+ z_b sqrt(p0 (1 - p0) / h + p1 (1 - p1) / (1 - h)))^2 / (p0 - p1)^2, z_a of 95 % two-sided and z_b
of 80 % power.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
from scipy.stats import norm

from models.plays import PLAYS
from models.trial import NEEDED

__all__ = ["SHARE", "outcomes_needed", "plan"]

SHARE = 0.1
"""Share held in a plan where the settings hold nobody."""
QUARTER = 3
ALPHA, POWER = 0.05, 0.80
MOST = 0.99


def outcomes_needed(rate: float, share: float, relative: float) -> float:
    """Give the outcomes of both arms together that show an effect; infinite where nothing happens.

    Parameters
    ----------
    rate : float
        Of the held: the share with the event.
    share : float
        Share held.
    relative : float
        How much of the rate a play takes away (below zero: adds).

    Examples
    --------
    >>> round(outcomes_needed(0.2, 0.5, 0.5))
    398
    """
    p0, p1 = rate, min(rate * (1.0 - relative), MOST)
    if not 0.0 < p0 < 1.0 or p0 == p1:
        return math.inf
    mean = share * p0 + (1.0 - share) * p1
    under_none = math.sqrt(mean * (1.0 - mean) * (1.0 / share + 1.0 / (1.0 - share)))
    as_is = math.sqrt(p0 * (1.0 - p0) / share + p1 * (1.0 - p1) / (1.0 - share))
    z = norm.ppf(1.0 - ALPHA / 2) * under_none + norm.ppf(POWER) * as_is
    return float(z**2 / (p0 - p1) ** 2)


def plan(due: pd.DataFrame, share: float, relative: float) -> list[dict[str, Any]]:
    """Say per play how many months a holdout takes, from one quarter's list.

    Parameters
    ----------
    due : DataFrame
        The accounts that take part and were listed in a quarter: ``play, p`` (chance of the event
        within three months).
    share, relative : float
        Share held; effect assumed, relative to the rate.

    Returns
    -------
    list of dict
        ``play, a_quarter`` (accounts that come due), ``rate, outcomes_needed``, ``months`` to power
        (outcomes known: one more quarter), ``months_to_be_called_lift`` (500 outcomes of each
        arm too). None: never, as things are.

    Examples
    --------
    >>> due = pd.DataFrame({"play": ["Investigate risk"] * 100, "p": 0.2})
    >>> told = plan(due, 0.5, 0.5)[0]
    >>> told["outcomes_needed"], told["months"], told["months_to_be_called_lift"]
    (398, 15, 33)
    """
    return [
        _row(str(name), own["p"].tolist(), share, relative)
        for name, own in due.groupby("play", sort=True)
    ]


def _row(play: str, chances: Sequence[float], share: float, relative: float) -> dict[str, Any]:
    known = PLAYS.get(play.casefold())
    sign = -1.0 if known is not None and known.kind == "expansion" else 1.0
    rate = sum(chances) / len(chances)
    needed = outcomes_needed(rate, share, sign * relative)
    enough = max(needed, NEEDED / min(share, 1.0 - share))
    return {
        "play": play,
        "a_quarter": len(chances),
        "rate": rate,
        "outcomes_needed": None if math.isinf(needed) else math.ceil(needed),
        "months": _months(needed, len(chances)),
        "months_to_be_called_lift": _months(enough, len(chances)),
    }


def _months(outcomes: float, a_quarter: int) -> int | None:
    """Give the months in which so many come due, and the quarter until the last outcome is known."""
    if math.isinf(outcomes) or not a_quarter:
        return None
    return QUARTER * (math.ceil(outcomes / a_quarter) + 1)
