"""Holding: whether more accounts changed their cell than this book's own past makes likely.

How many accounts move in a usual week is learned from the earlier runs. A run with more is held
where the share is beyond a floor and a binomial test says that it is no chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import binom

__all__ = ["Moves", "too_many", "usual_share", "weeks_between"]

FEWEST = 4
"""Earlier runs from which on a book's own rate of moves is known."""


@dataclass(frozen=True)
class Moves:
    """How many accounts a run moved.

    Attributes
    ----------
    moved : int
        Accounts in another cell than in the run before.
    known : int
        Accounts that the run before had too.
    weeks : float
        Weeks since the run before.
    """

    moved: int
    known: int
    weeks: float = 1.0

    @property
    def share(self) -> float:
        """Share of the known accounts that moved; 0 where none is known."""
        return self.moved / self.known if self.known else 0.0


def usual_share(past: Sequence[Moves], weeks: float = 1.0) -> float | None:
    """Give the share of accounts that usually move within so many weeks.

    The weekly rate is all moves of the past over all account-weeks; a longer gap leaves the
    account still in place with the chance of every week in a row.

    Parameters
    ----------
    past : sequence of Moves
        Earlier runs; None is given for less than four.
    weeks : float
        Weeks since the run before.

    Examples
    --------
    >>> past = [Moves(20, 1000)] * 4
    >>> round(usual_share(past), 4), round(usual_share(past, 4), 4), usual_share(past[1:])
    (0.02, 0.0776, None)
    """
    told = [each for each in past if each.known]
    if len(told) < FEWEST:
        return None
    at_risk = sum(each.known * max(1.0, each.weeks) for each in told)
    weekly = min(1.0, sum(each.moved for each in told) / at_risk)
    return float(1 - (1 - weekly) ** max(1.0, weeks))


def too_many(now: Moves, past: Sequence[Moves], floor: float, chance: float) -> bool:
    """Say whether too many accounts moved.

    Parameters
    ----------
    now : Moves
    past : sequence of Moves
        Earlier runs of this book. With less than four the floor alone decides.
    floor : float
        Share of moves that is never too many.
    chance : float
        Largest probability of so many moves, were this week as the others, at which they are
        held to be no chance.

    Examples
    --------
    >>> calm, restless = [Moves(20, 1000)] * 6, [Moves(300, 1000)] * 6
    >>> too_many(Moves(300, 1000), calm, 0.25, 0.001), too_many(Moves(200, 1000), calm, 0.25, 0.001)
    (True, False)
    >>> too_many(Moves(300, 1000), restless, 0.25, 0.001), too_many(Moves(300, 1000), [], 0.25, 0.001)
    (False, True)
    """
    if now.share <= floor:
        return False
    usual = usual_share(past, now.weeks)
    return usual is None or float(binom.sf(now.moved - 1, now.known, usual)) < chance


def weeks_between(days: int) -> float:
    """Turn days into weeks, at least one: reruns within a week count as one.

    Examples
    --------
    >>> weeks_between(7), weeks_between(1), weeks_between(28)
    (1.0, 1.0, 4.0)
    """
    return max(1.0, days / 7)
