"""Scope: what a ledger covers, and how it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from features.asof import first_of_month, opening_day
from features.book import Book

__all__ = ["EARLIEST", "Scope", "last_month_end"]

EARLIEST = date(1900, 1, 1)
"""No line that starts before it is valued by rates of earlier days."""


@dataclass(frozen=True)
class Scope:
    """What a ledger covers, and how it is kept.

    Attributes
    ----------
    as_of : date or None
        Only what was known before it counts; None for the latest knowledge.
    until : date or None
        Last month-end; None for the last one before ``as_of``, else before the book's own.
    lines : tuple of str
        Columns of lines (``product``, ``plan``) by which each account is split.
    opening : date or None
        Opening of the window that it is read for, where the rules ask for it.
    """

    as_of: date | None = None
    until: date | None = None
    lines: tuple[str, ...] = ()
    opening: date | None = None

    def end(self, book: Book) -> date:
        """Give the last month-end that is covered."""
        if self.until:
            return last_month_end(self.until + timedelta(days=1))
        return last_month_end(self.as_of or book.facts.as_of)


def last_month_end(as_of: date) -> date:
    """Give the last month-end that lies before an as-of date.

    Examples
    --------
    >>> last_month_end(date(2025, 7, 1)), last_month_end(date(2025, 7, 31))
    (datetime.date(2025, 6, 30), datetime.date(2025, 6, 30))
    """
    return opening_day(first_of_month(as_of))
