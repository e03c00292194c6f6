"""How usage-billed accounts have moved: the growth that is learned from what has closed.

Everything leans on what is assumed before as on a few accounts, never rows: up to twelve as-of
dates and leads see the same month. Rows count by half for every year that they are old, as a
book's growth changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from features.consumption import PAST_MONTHS
from models.calendar import BANDS
from models.metered import FALL, FARTHEST, WIDEST, MeteredFacts, MeteredGrowth
from models.outcomes import LEADS

__all__ = ["fit_metered", "has_fallen"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

HALF_LIFE = 12.0
"""Months after which a row counts by half."""
PRIOR_BOOK, PRIOR_BAND, PRIOR_PULL, PRIOR_LEVEL, PRIOR_REST = 2.0, 5.0, 40.0, 20.0, 5.0
"""Accounts that each assumption counts as: no growth, the book's, nothing lasts, no level, the rest."""
LASTING = 0.95
"""Part of what lasts of a difference that is assumed to last one month more."""
LEAST_OWN, LEAST_SIZE = 0.001, 0.1
"""Differences in pace and in log size below which accounts are alike: no slope rests on them."""
MONTHLY_SPREAD = 0.06
MONTHLY_FALL = 0.005
ASSUMED_FALL = (0.45, 0.23, 0.13)
_H = np.arange(1, LEADS + 1, dtype=float)


def has_fallen(ratio: Floats) -> Bools:
    """Say where MRR is there, and was lower by a quarter or more at this month-end and the last.

    Parameters
    ----------
    ratio : array of float, (n, 12)
        MRR at each lead over MRR at the opening.

    Examples
    --------
    >>> has_fallen(np.array([[0.7, 0.7, 0.8, 0.6, 0.5, 0.0]])).tolist()
    [[False, True, False, False, True, False]]
    """
    low = ratio <= 1.0 - FALL
    before = np.concatenate([np.zeros((len(ratio), 1), dtype=bool), low[:, :-1]], axis=1)
    return np.asarray(low & before & (ratio > 0))


@dataclass(frozen=True)
class _Seen:
    """The closed cells of usage-billed rows: log of the change, and how much each counts."""

    x: Floats
    weight: Floats
    account: Ints

    def accounts(self, of: Bools) -> float:
        """Count the accounts behind some cells."""
        return float(len(np.unique(self.account[of.any(axis=1)])))

    def of(self, cells: Bools) -> tuple[Floats, float]:
        """Give the weights of some cells, and how many accounts they are."""
        return np.where(cells, self.weight, 0.0), self.accounts(cells & (self.weight > 0))


def fit_metered(
    facts: MeteredFacts, ratio: Floats, closed: Bools, account: Ints, age: Floats
) -> MeteredGrowth | None:
    """Fit the growth of usage-billed accounts; None where the history has none.

    Parameters
    ----------
    facts : MeteredFacts
        Of ``n`` snapshot rows, of which nothing was booked.
    ratio : array of float, (n, 12)
        MRR at each lead over MRR at the opening; 0 where the account is gone.
    closed : array of bool, (n, 12)
        Where the outcome may be looked at.
    account : array of int, (n,)
        Number of each row's account.
    age : array of float, (n,)
        Months since the row's as-of date.
    """
    rows = np.flatnonzero(facts.billed)
    if not len(rows):
        return None
    facts, ratio, closed = facts.take(rows), ratio[rows], closed[rows]
    paying, fallen = closed & (ratio > 0), has_fallen(ratio)
    recent = np.broadcast_to(0.5 ** (age[rows] / HALF_LIFE)[:, None], ratio.shape)
    x = np.clip(np.log(np.where(paying, ratio, 1.0)), -FARTHEST, FARTHEST)
    there = _Seen(x, np.where(paying, recent, 0.0), account[rows])
    flat = _Seen(x, np.where(paying & ~fallen, recent, 0.0), account[rows])
    pace = _pace(flat, facts)
    bare = MeteredGrowth(
        pace,
        _pull(flat, facts, pace),
        np.zeros(1),
        _usual(flat, facts),
        np.zeros(LEADS),
        np.zeros(LEADS),
        _fall(there, fallen),
        _fallen(there, fallen, 1.0 - ratio),
    )
    sloped = _sloped(flat, facts, bare)
    return _levelled(flat, facts, _widened(flat, facts, sloped), np.exp(facts.size))


def _pace(flat: _Seen, facts: MeteredFacts) -> Floats:
    """Give each band's log-growth a month, leaned on the book's, and that on none."""

    def of(cells: Bools, prior: float, lean: float) -> float:
        weight, accounts = flat.of(cells)
        months = float((weight * _H).sum())
        found = float((weight * flat.x).sum()) / months if months > 0 else prior
        return (accounts * found + lean * prior) / (accounts + lean)

    book = of(np.ones_like(flat.x, dtype=bool), 0.0, PRIOR_BOOK)
    bands = [_cells(facts.band == code) for code in range(len(BANDS))]
    return np.array([of(cells, book, PRIOR_BAND) for cells in bands])


def _cells(rows: Bools) -> Bools:
    return np.repeat(rows[:, None], LEADS, axis=1)


def _pull(flat: _Seen, facts: MeteredFacts, pace: Floats) -> Floats:
    """Give how much of an account's own difference has lasted, by its past and lead.

    A lead leans on all leads of that past, and they on all pasts, and those on nothing; what is
    seen of near leads says the less of a far one.
    """
    usual = pace[facts.band]
    own = np.repeat((facts.pace - usual)[:, None], LEADS, axis=1)
    came = flat.x / _H - usual[:, None]

    def lasting(cells: Bools, prior: float) -> float:
        weight, accounts = flat.of(cells)
        square = float((weight * (own**2 + LEAST_OWN**2)).sum())
        slope = float((weight * own * came).sum()) / square if square > 0 else 0.0
        found = accounts * float(np.clip(slope, 0.0, 1.0)) + PRIOR_PULL * prior
        return found / (accounts + PRIOR_PULL)

    pull = np.zeros((len(PAST_MONTHS) + 1, LEADS))
    whole = lasting(_cells(facts.past > 0), 0.0)
    for past in range(1, len(PAST_MONTHS) + 1):
        here = _cells(facts.past == past)
        weight = flat.of(here)[0].sum(axis=0)
        middle = float(weight @ _H / weight.sum()) if weight.sum() > 0 else 1.0
        prior = np.minimum(lasting(here, whole) * LASTING ** (_H - middle), 1.0)
        leads = [here & (np.arange(LEADS) == at) for at in range(LEADS)]
        pull[past] = [lasting(cells, float(prior[at])) for at, cells in enumerate(leads)]
    return pull


def _usual(flat: _Seen, facts: MeteredFacts) -> Floats:
    """Give the mean log MRR of each band; the book's where a band is empty."""
    weight = flat.weight.sum(axis=1)
    sums = np.array([weight[facts.band == code].sum() for code in range(len(BANDS))])
    sizes = [(weight * facts.size)[facts.band == code].sum() for code in range(len(BANDS))]
    whole = float(weight @ facts.size) / max(float(weight.sum()), 1e-12)
    return np.where(sums > 0, np.array(sizes) / np.maximum(sums, 1e-12), whole)


def _sloped(flat: _Seen, facts: MeteredFacts, bare: MeteredGrowth) -> MeteredGrowth:
    """Give the growth its slope on size: large accounts are large because they have grown."""
    distance = _H * (facts.size - bare.usual[facts.band])[:, None]
    square = float((flat.weight * (distance**2 + (LEAST_SIZE * _H) ** 2)).sum())
    along = float((flat.weight * distance * (flat.x - bare.drift(facts))).sum())
    slope = along / square if square > 0 else 0.0
    accounts = flat.accounts(flat.weight > 0)
    return replace(bare, slope=np.array([slope * accounts / (accounts + PRIOR_PULL)]))


def _fall(there: _Seen, fallen: Bools) -> Floats:
    """Give the chance of having fallen at each lead; it never falls with the lead."""
    weight, accounts = there.weight.sum(axis=0), there.accounts(there.weight > 0)
    share = np.where(fallen, there.weight, 0.0).sum(axis=0) / np.maximum(weight, 1e-12)
    seen = np.where(weight > 0, accounts, 0.0)
    prior = MONTHLY_FALL * (_H - 1)
    return np.asarray(
        np.maximum.accumulate((seen * share + PRIOR_REST * prior) / (seen + PRIOR_REST))
    )


def _fallen(there: _Seen, fallen: Bools, size: Floats) -> Floats:
    """Give the raw moments of the fall at each lead, leaned on those of all leads."""
    powers = np.stack([np.clip(size, 0.0, 1.0) ** k for k in (1, 2, 3)], axis=2)

    def of(cells: Bools, prior: Floats) -> Floats:
        weight, accounts = there.of(fallen & cells)
        total = float(weight.sum())
        found = (weight[:, :, None] * powers).sum(axis=(0, 1)) / total if total > 0 else prior
        return np.asarray((accounts * found + PRIOR_REST * prior) / (accounts + PRIOR_REST))

    everywhere = of(np.ones_like(fallen), np.array(ASSUMED_FALL))
    leads = [np.broadcast_to(np.arange(LEADS) == lead, fallen.shape) for lead in range(LEADS)]
    return np.stack([of(cells, everywhere) for cells in leads])


def _widened(flat: _Seen, facts: MeteredFacts, bare: MeteredGrowth) -> MeteredGrowth:
    """Give the growth its spread by lead, which never falls; each leans on the one before."""
    weight, accounts = flat.weight.sum(axis=0), flat.accounts(flat.weight > 0)
    off = (flat.weight * (flat.x - bare.drift(facts)) ** 2).sum(axis=0)
    square, before = np.zeros(LEADS), MONTHLY_SPREAD**2
    for at, lead in enumerate(_H):
        seen = accounts if weight[at] > 0 else 0.0
        prior = before * lead / max(lead - 1.0, 1.0)
        found = seen * off[at] / max(float(weight[at]), 1e-12) + PRIOR_REST * prior
        square[at] = before = max(found / (seen + PRIOR_REST), square[max(at - 1, 0)])
    return replace(bare, spread=np.minimum(np.sqrt(square), WIDEST))


def _levelled(flat: _Seen, facts: MeteredFacts, bare: MeteredGrowth, mrr: Floats) -> MeteredGrowth:
    """Give the growth the level at which what was told of past money and what came are equal.

    A few accounts are most of the money: each lead leans on all leads, and they on none, as on
    twenty accounts of equal size.
    """
    weight = flat.weight * mrr[:, None]
    told = (weight * np.exp(bare.drift(facts) + bare.spread**2 / 2)).sum(axis=0)
    came = (weight * np.exp(flat.x)).sum(axis=0)
    each = np.array([np.bincount(flat.account, column) for column in weight.T])
    equal = each.sum(axis=1) ** 2 / np.maximum((each**2).sum(axis=1), 1e-12)
    off = np.log(np.maximum(came, 1e-12) / np.maximum(told, 1e-12))
    lean = np.where(told > 0, equal / (equal + PRIOR_LEVEL), 0.0)
    monthly = float(lean @ (lean * off)) / max(float(lean @ _H), 1e-12)
    level = lean * off + (1.0 - lean) * monthly * _H
    return replace(bare, level=np.clip(level, -FARTHEST, FARTHEST))
