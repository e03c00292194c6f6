"""The history of a book: its snapshot at the first of every month, through the one door."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.asof import add_months, as_dates, first_of_month, months_between
from features.book import Book
from features.catalog import CATALOG
from features.faults import DataRejected
from features.ledger import account_months
from features.rules import Rules
from features.snapshot import snapshot
from models.calendar import CalendarFacts, calendar_facts
from training.labels import Outcomes, Panel, panel

__all__ = ["History", "gather"]

Progress = Callable[[str, int, int], None]
CURE = (
    "a model needs accounts that pay at a month's start; see `perennial check`, or set [book] as_of"
)
SETTLING_MONTHS = 3
"""Months of ledger before the first training snapshot, so that trailing signals have a past."""


@dataclass(frozen=True)
class History:
    """All snapshot rows of a book, one block per month, and what became of them.

    Attributes
    ----------
    frame : DataFrame
        Snapshot rows, ordered by as-of date and account.
    facts : CalendarFacts
        The calendar of every row.
    panel : Panel
        MRR by account and month-end, latest knowledge.
    signals : tuple of str
        Signals that vary somewhere in the history (a constant or empty one is dropped).
    dropped : tuple of str
        Signals that were dropped.
    known_until : date
        As-of date of the training: labels are closed as seen from here.
    """

    frame: pd.DataFrame
    facts: CalendarFacts
    panel: Panel
    signals: tuple[str, ...]
    dropped: tuple[str, ...]
    known_until: date

    @property
    def dates(self) -> list[date]:
        """As-of dates of the history, in order."""
        return sorted(set(self.frame["as_of"]))

    def at(self, day: date) -> NDArray[np.int64]:
        """Row numbers of one as-of date."""
        return np.nonzero((self.frame["as_of"] == day).to_numpy())[0]

    def outcomes(self, known_until: date | None = None) -> Outcomes:
        """What became of every row, as closed at a date (default: the training's own)."""
        return self.panel.outcomes(self.frame, known_until or self.known_until)

    def month(self) -> NDArray[np.int64]:
        """Months from the panel's first month-end to each row's opening, (n,)."""
        return self.panel.opening_column(self.frame)

    @property
    def modelled(self) -> NDArray[np.bool_]:
        """Rows of which nothing was booked: no notice given, no successor signed."""
        booked = self.frame["notice_ends_on"].notna() | self.frame["successor_on"].notna()
        return np.asarray(~booked.to_numpy(dtype=bool))


def gather(book: Book, rules: Rules, as_of: date, progress: Progress | None = None) -> History:
    """Take a snapshot at the first of every month of the book's ledger, up to ``as_of``.

    Raises
    ------
    DataRejected
        ``history.none`` where no account was paying long enough for one snapshot.
    """
    months = account_months(book, rules, as_of=as_of)
    if months.empty:
        raise DataRejected("history.none", "the book has no closed month of revenue", CURE)
    ledger = panel(months)
    dates = _dates(ledger, as_of)
    blocks = []
    for at, day in enumerate(dates):
        if progress:
            progress("snapshots", at, len(dates))
        blocks.append(snapshot(book, day, rules))
    blocks = [block for block in blocks if len(block)]
    if not blocks:
        raise DataRejected("history.none", "no account was paying at any month's start", CURE)
    frame = pd.concat(blocks, ignore_index=True)
    frame["as_of"] = as_dates(frame["as_of"])
    signals, dropped = _varying(frame, [signal.slug for signal in CATALOG])
    facts = calendar_facts(frame, book.facts.fiscal_year_starts)
    return History(frame, facts, ledger, signals, dropped, as_of)


def _dates(ledger: Panel, as_of: date) -> list[date]:
    first = add_months(first_of_month(ledger.first), 1)
    months = months_between(first, as_of)
    skip = min(SETTLING_MONTHS, max(months - 1, 0))
    return [add_months(first, n) for n in range(skip, months + 1)]


def _varying(frame: pd.DataFrame, slugs: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    spread = frame.loc[:, list(slugs)].nunique(dropna=True)
    kept = tuple(slug for slug in slugs if spread[slug] > 1)
    if not kept:
        raise DataRejected("feature.none", "no signal varies in this book", "add more tables")
    return kept, tuple(slug for slug in slugs if slug not in kept)
