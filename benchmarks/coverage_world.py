"""A lean world of books whose truth is known: accounts, terms, luck, and one factor that moves all.

No usage, no tickets: only who pays how much at each month-end. The laws are those of the simulated
book (``training.worlds``), thinned: leaving when due or monthly, shrinking, growing, and a common
factor that remembers .85 of itself from month to month and leans on all three.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["HISTORY", "SHOCKS", "Book", "Setting", "draw_book", "futures"]

Floats = NDArray[np.float64]

SHOCKS = {"none": 0.0, "medium": 0.25, "strong": 0.55}
"""How strongly the factor leans on the logit of leaving: the cells."""

UNKNOWN, HISTORY, AHEAD = 36, 48, 12
"""Months before anything is known (who is left is no longer average), months that are known, and
months to forecast."""

MEMORY = 0.85
LEANS = (1.0, 1.3, -0.5)
SEGMENTS = (0.62, 0.28, 0.10)
MEDIANS, SIGMAS = (300.0, 1_750.0, 9_200.0), (0.60, 0.55, 0.50)
MONTHLY_SHARE = (0.60, 0.20, 0.03)
LEAVE_MONTHLY, LEAVE_DUE = (-4.35, -4.8, -5.05), (-2.1, -2.8, -3.1)
CLIFF, CLIFF_MONTHS = 0.7, 4
SHRINK, SHRINK_DUE = (-4.4, -4.3, -4.6), 1.6
GROW = (-3.4, -3.2, -3.0)
HEALTH_PULL = (-0.6, -0.3, 0.15)
SEEN = 0.7
"""Correlation of what is seen of an account's health with its health."""
GROWTH = (0.45, 0.85)
"""Between these lies the share of all accounts that started before the first known month."""


@dataclass(frozen=True)
class Setting:
    """What does not change about the accounts of a book.

    Attributes
    ----------
    segment : array of int, (n,)
    annual : array of bool, (n,)
        On terms of twelve months; the others on terms of one.
    due : array of int, (n,)
        Month of the year in which the term of an annual account ends.
    starts : array of int, (n,)
        Month in which the account starts.
    health : array of float, (n,)
        What makes it stay and grow; nobody sees it.
    seen : array of float, (n,)
        What is seen of it.
    shock : float
        How strongly the factor leans on leaving.
    """

    segment: NDArray[np.int64]
    annual: NDArray[np.bool_]
    due: NDArray[np.int64]
    starts: NDArray[np.int64]
    health: Floats
    seen: Floats
    shock: float

    def of(self, who: NDArray[Any]) -> Setting:
        """Take some of the accounts."""
        names = ("segment", "annual", "due", "starts", "health", "seen")
        return replace(self, **{name: getattr(self, name)[who] for name in names})


@dataclass(frozen=True)
class Book:
    """A book and what became of it.

    Attributes
    ----------
    setting : Setting
    mrr : array of float, (months, n)
        MRR at each month-end, 0 where an account does not pay; ``HISTORY`` months are known.
    factor : array of float, (months,)
    """

    setting: Setting
    mrr: Floats
    factor: Floats


def draw_book(live: int, shock: float, rng: np.random.Generator) -> Book:
    """Draw a book of about so many live accounts, with its past and its future.

    Examples
    --------
    >>> book = draw_book(250, 0.25, np.random.default_rng(1))
    >>> book.mrr.shape[0], 200 < int((book.mrr[HISTORY - 1] > 0).sum()) < 300
    (60, True)
    """
    n = round(1.45 * live)
    setting, first = _setting(n, shock, rng), np.empty(n)
    for segment, (median, sigma) in enumerate(zip(MEDIANS, SIGMAS, strict=True)):
        here = setting.segment == segment
        first[here] = np.exp(np.log(median) + sigma * rng.standard_normal(int(here.sum())))
    factor = rng.standard_normal(1)
    mrr, path = np.zeros((HISTORY + AHEAD, n)), np.empty(HISTORY + AHEAD)
    before = np.zeros(n)
    for month in range(-UNKNOWN, HISTORY + AHEAD):
        before = _step(setting, before, factor, month, rng)
        before = np.where(setting.starts == month, first, before)
        if month >= 0:
            mrr[month], path[month] = before, factor[0]
        factor = _next(factor, rng)
    return Book(setting, mrr, path)


def futures(book: Book, paths: int, rng: np.random.Generator) -> Floats:
    """Draw futures of the accounts that pay at the last known month: what only the oracle can do.

    It starts from the accounts' true health and from the factor as it stands, and knows all laws.

    Returns
    -------
    array of float, (12, paths, 2)
        NRR and GRR of the opening cohort after each number of months.
    """
    opening = book.mrr[HISTORY - 1]
    who = np.flatnonzero(opening > 0)
    setting, start = book.setting.of(who), opening[who]
    mrr = np.broadcast_to(start, (paths, len(who)))
    factor = np.full((paths, 1), book.factor[HISTORY - 1])
    found = np.empty((AHEAD, paths, 2))
    for ahead in range(AHEAD):
        factor = _next(factor, rng)
        mrr = _step(setting, mrr, factor, HISTORY + ahead, rng)
        found[ahead, :, 0] = mrr.sum(axis=1)
        found[ahead, :, 1] = np.minimum(mrr, start).sum(axis=1)
    return found / start.sum()


def _setting(n: int, shock: float, rng: np.random.Generator) -> Setting:
    segment = rng.choice(3, n, p=SEGMENTS)
    known = rng.uniform(*GROWTH) > rng.random(n)
    health = rng.standard_normal(n)
    return Setting(
        segment=segment,
        annual=rng.random(n) >= np.array(MONTHLY_SHARE)[segment],
        due=rng.integers(0, 12, n),
        starts=np.where(known, rng.integers(-UNKNOWN, 1, n), rng.integers(1, HISTORY, n)),
        health=health,
        seen=SEEN * health + np.sqrt(1 - SEEN**2) * rng.standard_normal(n),
        shock=shock,
    )


def _next(factor: Floats, rng: np.random.Generator) -> Floats:
    return np.asarray(MEMORY * factor + np.sqrt(1 - MEMORY**2) * rng.standard_normal(factor.shape))


def _step(
    setting: Setting, mrr: Floats, factor: Floats, month: int, rng: np.random.Generator
) -> Floats:
    """Move accounts by a month; ``factor`` is one value, or one per path in a column."""
    leave, shrink, grow = _odds(setting, month)
    lean = [np.exp(setting.shock * pull * factor) for pull in LEANS]
    leave, shrink, grow = (
        odds * one / (1.0 + odds * one)
        for odds, one in zip((leave, shrink, grow), lean, strict=True)
    )
    luck = rng.random(mrr.shape)
    gone = luck < leave
    less = ~gone & (luck < leave + (1.0 - leave) * shrink)
    more = luck > 1.0 - (1.0 - leave) * (1.0 - shrink) * grow
    moved = np.where(gone, 0.0, mrr)
    moved[less] *= rng.uniform(0.5, 0.95, int(less.sum()))
    moved[more] *= 1.02 + np.exp(np.log(0.08) + 0.6 * rng.standard_normal(int(more.sum())))
    return np.asarray(moved)


def _odds(setting: Setting, month: int) -> tuple[Floats, Floats, Floats]:
    """Give the odds of leaving, shrinking and growing in a month, at a factor of nought."""
    due = setting.annual & (setting.due == month % 12) & (month - setting.starts >= 12)
    able, segment = ~setting.annual | due, setting.segment
    young = ~setting.annual & (month - setting.starts <= CLIFF_MONTHS)
    level = np.where(setting.annual, np.array(LEAVE_DUE)[segment], np.array(LEAVE_MONTHLY)[segment])
    pulls = [np.exp(pull * setting.health) for pull in HEALTH_PULL]
    leave = able * np.exp(level + CLIFF * young) * pulls[0]
    shrink = able * np.exp(np.array(SHRINK)[segment] + SHRINK_DUE * due) * pulls[1]
    return leave, shrink, np.exp(np.array(GROW)[segment]) * pulls[2]
