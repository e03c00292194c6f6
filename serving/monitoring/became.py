"""What became of the accounts of an old run: left, paying less, paying more, as training counts it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.asof import lead_day, month_end, month_index, opening_day
from features.book import Book
from features.ledger import month_table, mrr_on
from features.rules import Rules
from models.outcomes import MOVE

__all__ = ["Became", "Ledger"]

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
METERED = 0.5
"""Share of MRR that is billed by usage from which on an account counts as billed by usage."""
_READ = ["account_id", "m", "until_m", "closing_micros", "organic_micros", "metered_micros"]


@dataclass(frozen=True)
class Became:
    """What became of accounts between an opening and a lead, each an array of bool, (n,).

    Attributes
    ----------
    happened : dict of str to array
        ``churn``: not paying at the lead. ``contract`` and ``expand``: paying, and by organic moves
        at least 2 % less or more than at the opening.
    metered : array
        Billed by usage for the most part at the opening.
    """

    happened: dict[str, Bools]
    metered: Bools


@dataclass
class Ledger:
    """A book's ledger, asked about accounts at days; it is read once.

    Within a month organic moves are known by month only: an event then needs both, MRR on the day
    that has moved and organic moves in the months that the window touches.

    Attributes
    ----------
    book : Book
    rules : Rules
        By account.
    """

    book: Book
    rules: Rules
    _months: pd.DataFrame | None = field(default=None, repr=False)

    def of(self, accounts: pd.DataFrame, as_of: date, horizon: int) -> Became:
        """Tell what became of accounts.

        Parameters
        ----------
        accounts : DataFrame
            ``account_id, mrr_micros`` at the opening.
        as_of : date
        horizon : int
            Months ahead; the period must have closed.
        """
        ids = pd.Index(accounts["account_id"].astype(str))
        opening, closing = opening_day(as_of), lead_day(as_of, horizon)
        whole = opening == month_end(opening) and closing == month_end(closing)
        first = month_index(opening) - (opening != month_end(opening))
        paid = accounts["mrr_micros"].to_numpy(dtype=np.int64)
        now = self._paid(ids, closing, whole)
        organic = self._organic(ids, month_index(closing)) - self._organic(ids, first)
        moved = organic if whole else _least(organic, now - paid)
        there = now > 0
        happened = {
            "churn": ~there,
            "contract": there & (-moved >= MOVE * paid),
            "expand": there & (moved >= MOVE * paid),
        }
        billed = self._standing(ids, first, "metered_micros")
        return Became(happened, billed >= METERED * np.maximum(paid, 1))

    def _paid(self, ids: pd.Index[Any], day: date, whole: bool) -> Ints:
        """Give what each account pays on a day."""
        if whole:
            return self._standing(ids, month_index(day), "closing_micros")
        paid = mrr_on(self.book, day, self.rules).set_index("account_id")["mrr_micros"]
        return _in_order(paid, ids)

    def _standing(self, ids: pd.Index[Any], month: int, column: str) -> Ints:
        """Give an amount of each account as it stood at the end of a month."""
        rows = self._rows()
        there = rows[(rows["m"] <= month) & (rows["until_m"] > month)]
        return _in_order(there.set_index("account_id")[column], ids)

    def _organic(self, ids: pd.Index[Any], month: int) -> Ints:
        """Give the sum of each account's organic moves to the end of a month."""
        rows = self._rows()
        summed = rows[rows["m"] <= month].groupby("account_id")["organic_micros"].sum()
        return _in_order(summed, ids)

    def _rows(self) -> pd.DataFrame:
        if self._months is None:
            self._months = month_table(self.book, self.rules).select(_READ).to_pandas()
        return self._months


def _in_order(amounts: pd.Series, ids: pd.Index[Any]) -> Ints:
    return amounts.reindex(ids, fill_value=0).to_numpy(dtype=np.int64)


def _least(one: Ints, other: Ints) -> Ints:
    """Give the nearer to zero of two moves in the same direction, 0 where they disagree.

    Examples
    --------
    >>> _least(np.array([5, -5, 5]), np.array([3, -9, -3])).tolist()
    [3, -5, 0]
    """
    same = np.sign(one) == np.sign(other)
    return np.where(same, np.sign(one) * np.minimum(np.abs(one), np.abs(other)), 0)
