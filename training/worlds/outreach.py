"""Outreach in a simulated book: who is given it, with which propensity, and its log.

At the start of each quarter of the book every customer without notice is drawn to be treated or
held, with a propensity that follows from what anybody can see: a decision within six months, and
the segment. The effect on the chance to leave lasts three months (``hidden.relief``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from training.worlds.accounts import Roster
from training.worlds.past import History
from training.worlds.timeline import Timeline, as_dates

__all__ = ["assigned", "log_table", "propensities"]

SOON = 6


def propensities(term: Any, due_in: Any, segment: Any) -> Any:
    """Give the chance to be treated: more where a decision is near, and with larger segments.

    Examples
    --------
    >>> propensities(np.array([1, 12, 12]), np.array([0, 2, 9]), np.array([0, 0, 2])).round(2)
    array([0.5, 0.5, 0.5])
    """
    near = (term == 1) | (due_in < SOON)
    return 0.30 + 0.20 * near + np.array([0.0, 0.10, 0.20])[segment]


def assigned(
    able: Any, term: Any, due_in: Any, segment: Any, rng: np.random.Generator
) -> dict[str, Any]:
    """Draw who is treated in a quarter; ``able`` are those who take part at all."""
    chance = propensities(term, due_in, segment)
    treated = able & (rng.random(len(chance)) < chance)
    return {"able": able, "propensity": chance, "treated": treated, "near": due_in < SOON}


def log_table(
    roster: Roster, history: History, time: Timeline, csm: pd.Series, rng: np.random.Generator
) -> pd.DataFrame:
    """Write the source table ``outreach_log``, with the propensity beside it.

    Returns
    -------
    DataFrame
        ``outreach_id``, ``account_id``, ``assigned_on``, ``play``, ``arm``, ``acted_on`` and
        ``outcome`` (of the treated), ``csm``, ``propensity``.
    """
    plays = [play for play in history.plays if play["month"] < time.months]
    log = pd.concat([_quarter(play, roster, time, rng) for play in plays], ignore_index=True)
    unknown = log.acted > time.last
    acted = log.acted.mask(unknown, -1).to_numpy()
    return pd.DataFrame(
        {
            "outreach_id": [f"O{number + 1:06d}" for number in range(len(log))],
            "account_id": roster.ids[log.account],
            "assigned_on": as_dates(log.day.to_numpy()),
            "play": log.play.to_numpy(),
            "arm": np.where(log.treated, "treated", "holdout"),
            "acted_on": as_dates(acted),
            "outcome": log.outcome.mask(unknown, None).to_numpy(),
            "csm": csm.reindex(roster.ids[log.account]).to_numpy(),
            "propensity": log.propensity.to_numpy().round(4),
        }
    )


def _quarter(
    play: dict[str, Any], roster: Roster, time: Timeline, rng: np.random.Generator
) -> pd.DataFrame:
    """Write what was given in one quarter."""
    who = np.flatnonzero(play["able"])
    treated = play["treated"][who]
    day = int(time.start(play["month"]))
    reached = np.where(rng.random(len(who)) < 0.8, "reached", "no answer")
    return pd.DataFrame(
        {
            "account": who,
            "day": day,
            "play": np.where(play["near"][who] & (roster.term[who] > 1), "renewal", "check-in"),
            "treated": treated,
            "acted": np.where(treated, day + rng.integers(0, 15, size=len(who)), -1),
            "outcome": pd.Series(reached, dtype=object).where(pd.Series(treated), None),
            "propensity": play["propensity"][who],
        }
    )
