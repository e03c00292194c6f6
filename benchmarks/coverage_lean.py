"""A lean model of a lean book: shrunk rates of what had closed, as an `Outlook`.

Rates of churn, contraction and expansion by term, whether a decision falls within the lead,
segment, and thirds of what is seen of an account's health: each margin moves the rate as far as its
events show. Who fits it sees no health and no factor.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.coverage_world import Book
from models.outcomes import HORIZONS, LEADS, Outlook

__all__ = ["Lean"]

Floats = NDArray[np.float64]

CELLS, PARENTS = 36, 4
THIRDS = (-0.43, 0.43)
USUAL = {1: (0.010, 0.010, 0.04), 3: (0.03, 0.03, 0.12), 12: (0.12, 0.10, 0.36)}
"""Shares that churn, contract and expand, where nothing is known."""
USUAL_RISE, USUAL_FALL = (0.14, 0.03, 0.012), (0.28, 0.10, 0.04)
RAKES, LEVEL_WEIGHT, WEIGHT, SIZE_WEIGHT = 3, 1.0, 1.0, 8.0
"""How often each margin is met, and how many events weigh against what it says."""
MOST, FULL = 0.5, 0.95
"""Largest rate of a cell, and the largest sum of its three."""


class Lean:
    """Counts of what happened in a book by month and cell: fits any origin by adding up.

    Parameters
    ----------
    book : Book

    Examples
    --------
    >>> from benchmarks.coverage_world import HISTORY, draw_book
    >>> book = draw_book(250, 0.25, np.random.default_rng(1))
    >>> outlook = Lean(book).outlook(HISTORY - 1)
    >>> len(outlook) == int((book.mrr[HISTORY - 1] > 0).sum())
    True
    >>> 0.05 < float(outlook.p_churn[:, 11].mean()) < 0.2
    True
    """

    def __init__(self, book: Book) -> None:
        self.book = book
        self._counts = {lead: self._count(lead) for lead in HORIZONS}

    def outlook(self, origin: int) -> Outlook:
        """Forecast the accounts that pay at a month-end, from what had closed by then.

        Only the leads of `models.outcomes.HORIZONS` are told; those between repeat the one before.
        """
        who = np.flatnonzero(self.book.mrr[origin] > 0)
        chances, rise, fall = np.zeros((3, len(who), LEADS)), *np.zeros((2, len(who), LEADS, 3))
        for lead, following in zip(HORIZONS, (*HORIZONS[1:], LEADS + 1), strict=True):
            rates, up, down = self._rates(lead, origin)
            leads = slice(lead - 1, following - 1)
            chances[:, :, leads] = rates[self._cells(origin, lead)[who]].T[:, :, None]
            rise[:, leads], fall[:, leads] = up, down
        accounts = pd.DataFrame(
            {"account_id": who, "mrr_micros": np.rint(1e6 * self.book.mrr[origin, who]).astype(int)}
        )
        nothing = np.zeros((len(who), LEADS), dtype=bool)
        booked = np.full((len(who), LEADS), np.nan)
        leave, shrink, grow = chances
        return Outlook(accounts, leave, shrink, grow, rise, fall, nothing, booked)

    def _cells(self, month: int, lead: int) -> NDArray[np.int64]:
        """Number the cells: term and decision (4), segment (3), third of what is seen (3)."""
        setting = self.book.setting
        wait = (setting.due - month - 1) % 12
        first = setting.starts + 12 - month - 1
        within = np.where(first > wait, wait + 12, wait) < lead
        parent = 2 * setting.annual + (~setting.annual | within)
        third = np.searchsorted(THIRDS, setting.seen)
        return np.asarray(9 * parent + 3 * setting.segment + third)

    def _count(self, lead: int) -> tuple[Floats, Floats]:
        """Count rows, churns, contractions and expansions per month and cell; add up sizes."""
        mrr = self.book.mrr
        events, sizes = np.zeros((len(mrr), 4, CELLS)), np.zeros((len(mrr), 2, 4))
        for month in range(len(mrr) - lead):
            paying = mrr[month] > 0
            cell = self._cells(month, lead)[paying]
            change = mrr[month + lead][paying] / mrr[month][paying] - 1.0
            gone, more = change <= -1.0, change > 0
            less = (change < 0) & ~gone
            for at, event in enumerate((np.ones(len(cell)), gone, less, more)):
                events[month, at] = np.bincount(cell, event, CELLS)
            for at, moved in enumerate((change[more], -change[less])):
                sizes[month, at] = [np.sum(moved**power) for power in range(4)]
        return events.cumsum(axis=0), sizes.cumsum(axis=0)

    def _rates(self, lead: int, origin: int) -> tuple[Floats, Floats, Floats]:
        """Fit an origin: rates by cell, moments of rises and falls."""
        events, sizes = (counted[origin - lead] / lead for counted in self._counts[lead])
        rates = np.stack([_raked(one, events[0], usual) for one, usual in
                          zip(events[1:], USUAL[lead], strict=True)])  # fmt: skip
        rates /= np.maximum(rates.sum(axis=0) / FULL, 1.0)
        moments = [
            (found[1:] + SIZE_WEIGHT * np.array(prior)) / (found[0] + SIZE_WEIGHT)
            for found, prior in zip(sizes, (USUAL_RISE, USUAL_FALL), strict=True)
        ]
        return rates.T, moments[0], moments[1]


def _raked(events: Floats, rows: Floats, usual: float) -> Floats:
    """Fit a rate by cell: level by term and decision, times segment, times third, by raking."""
    count, exposed = events.reshape(PARENTS, 3, 3), rows.reshape(PARENTS, 3, 3)
    rate = np.full(exposed.shape, usual)
    for _ in range(RAKES):
        for other, weight in (((1, 2), LEVEL_WEIGHT), ((0, 2), WEIGHT), ((0, 1), WEIGHT)):
            expected = (exposed * rate).sum(axis=other, keepdims=True)
            rate = rate * (count.sum(axis=other, keepdims=True) + weight) / (expected + weight)
    return np.asarray(np.minimum(rate, MOST).ravel())
