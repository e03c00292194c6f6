"""What happened in a simulated book: panels of months by accounts, hidden state included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.worlds.contracts import Contracts
from training.worlds.timeline import Days

__all__ = ["FOREVER", "History"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
FOREVER = 10**9


@dataclass(frozen=True)
class History:
    """What happened, as panels with one row per month-end and one column per account.

    Row 0 is the opening (the end of month -1), row m + 1 the end of month m.

    Attributes
    ----------
    alive : array of bool
        Is a customer (a late renewal is one all along).
    mrr, organic : array of float
        Monthly run-rate in cents; running sum of its organic movements.
    billed : array of float
        The same as the ledger has it: a late renewal counts at its old price until it starts.
    mood, gap : array of float
        Hidden state, as ``fading`` and ``exploring`` are.
    champion_lost : array of bool
        The champion left in the month.
    until : array of int
        Day on which service ended in the month (exclusive), ``FOREVER`` if it did not.
    seats, plan, term, due_month, noticed, unit, discount, addons, end
        Contract at the month-end; month in which its term ends (-1: monthly).
    treated : array of bool
        Outreach was at work in the month.
    first_month : array of int
        Per account, the month from which tenure counts (negative before the book).
    factor : array of float
        Common factor at each month-end.
    contracts : Contracts
        All lines.
    plays : list of dict
        What outreach gave to whom, quarter by quarter (see ``outreach.assigned``).
    """

    alive: Booleans
    mrr: Floats
    billed: Floats
    organic: Floats
    mood: Floats
    gap: Floats
    fading: Booleans
    exploring: Booleans
    champion_lost: Booleans
    until: Days
    seats: Integers
    plan: Integers
    term: Integers
    due_month: Integers
    noticed: Booleans
    unit: Integers
    discount: Floats
    addons: Integers
    end: Days
    treated: Booleans
    first_month: Integers
    factor: Floats
    contracts: Contracts
    plays: list[dict[str, Any]]

    def contracts_at(self, row: int, who: Integers) -> Contracts:
        """Give the contracts of some customers at a month-end, without lines and their dates."""
        noticed, none = self.noticed[row, who], np.zeros(len(who), dtype=np.int64)
        return Contracts(
            term=self.term[row, who],
            plan=self.plan[row, who],
            seats=self.seats[row, who],
            unit=self.unit[row, who],
            discount=self.discount[row, who],
            addons=self.addons[row, who],
            start=none,
            end=self.end[row, who],
            signed=none.copy(),
            notice=np.where(noticed, 0, -1),
            closed=None,
        )

    def in_service(self, month: Any, day: Any, account: Any) -> Booleans:
        """Say whether accounts that were customers before a month still are on a day of it."""
        return np.asarray(self.alive[month, account] & (day < self.until[month + 1, account]))
