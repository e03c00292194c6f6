"""Labels: what became of an account after an as-of date. The only file that looks past it.

The worked example of ``features.asof``: for an as-of date of 2025-07-01 the state at lead 3 is
the state on 2025-09-30, and it is closed for training once 31 further days have passed, as a
late renewal withdraws a churn.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.asof import lead_day, month_end, months_between, opening_day
from features.faults import DataRejected, InternalFault
from models.metered import FALL, mostly_metered
from models.outcomes import LEADS, MOVE

__all__ = ["MOVE", "REPORTING_LAG_DAYS", "Outcomes", "Panel", "panel"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

REPORTING_LAG_DAYS = 31


@dataclass(frozen=True)
class Panel:
    """MRR of every account at every month-end, and the organic part of its changes.

    Attributes
    ----------
    accounts : Index
        Account ids, sorted.
    first : date
        First month-end of the matrices' columns.
    mrr : array of int64, (accounts, months)
        Micro-units of the book's currency at the month-end, 0 where not paying.
    organic : array of int64, (accounts, months)
        Running sum of organic movements (seat, tier, product, usage) up to the month-end.
    """

    accounts: pd.Index
    first: date
    mrr: Ints
    organic: Ints

    def opening_column(self, frame: pd.DataFrame) -> Ints:
        """Give the column of each snapshot row's opening: months since ``first``, (n,).

        Raises
        ------
        InternalFault
            ``labels.mid_month`` for an as-of date within a month: the ledger knows month-ends.
        """
        days, which = np.unique(frame["as_of"].to_numpy(), return_inverse=True)
        within = [str(day) for day in days if day.day != 1]
        if within:
            raise InternalFault("labels.mid_month", f"no month starts on {within[0]}")
        months = [months_between(self.first, opening_day(day)) for day in days]
        return np.array(months, dtype=np.int64)[which]

    def outcomes(self, frame: pd.DataFrame, known_until: date) -> Outcomes:
        """Give what became of snapshot rows, as far as it is closed at ``known_until``.

        Parameters
        ----------
        frame : DataFrame
            Snapshot rows (``account_id``, ``as_of`` on firsts of months, ``mrr_micros``).
        known_until : date
            As-of date of the one who asks: labels need their window and 31 days behind it.
        """
        row = self.accounts.get_indexer(pd.Index(frame["account_id"]))
        column = self.opening_column(frame)[:, None] + np.arange(LEADS + 1)[None, :]
        there = (row >= 0)[:, None] & (column >= 0) & (column < self.mrr.shape[1])
        at = (np.maximum(row, 0)[:, None], np.clip(column, 0, self.mrr.shape[1] - 1))
        mrr = np.where(there, self.mrr[at], 0)
        organic = np.where(there, self.organic[at], 0)
        closed = _closed(frame, known_until) & there[:, 1:]
        return Outcomes(
            opening=frame["mrr_micros"].to_numpy(dtype=np.int64),
            mrr=mrr[:, 1:],
            organic=organic[:, 1:] - organic[:, :1],
            closed=closed,
            metered=mostly_metered(frame),
        )


@dataclass(frozen=True)
class Outcomes:
    """What became of ``n`` rows at leads 1 to 12; only ``closed`` cells may be looked at.

    Attributes
    ----------
    opening : array of int64, (n,)
        MRR at the opening, micro-units.
    mrr : array of int64, (n, 12)
        MRR at the lead.
    organic : array of int64, (n, 12)
        Organic movements between opening and lead.
    closed : array of bool, (n, 12)
    metered : array of bool, (n,), optional
        Rows billed by usage for the most part: their bill moves every month, so only a move by a
        quarter or more, at two month-ends in a row, is an event. None: no row is.
    """

    opening: Ints
    mrr: Ints
    organic: Ints
    closed: NDArray[np.bool_]
    metered: NDArray[np.bool_] | None = None

    @property
    def gone(self) -> NDArray[np.bool_]:
        """Not paying at the lead."""
        return self.mrr == 0

    @property
    def still_paying_before(self) -> NDArray[np.bool_]:
        """Paying at every month-end from the opening to the one before the lead."""
        paying = np.cumprod(~self.gone, axis=1).astype(bool)
        return np.concatenate([np.ones((len(paying), 1), dtype=bool), paying[:, :-1]], axis=1)

    @property
    def expand(self) -> NDArray[np.bool_]:
        """Paying, and organically at least 2 % more than at the opening."""
        return ~self.gone & self._moved(self.organic)

    @property
    def contract(self) -> NDArray[np.bool_]:
        """Paying, and organically at least 2 % less than at the opening."""
        return ~self.gone & self._moved(-self.organic)

    @property
    def by_event(self) -> NDArray[np.bool_]:
        """Rows whose moves are events of some size, (n,): those that are not billed by usage."""
        return np.ones(len(self.opening), dtype=bool) if self.metered is None else ~self.metered

    def _moved(self, by: Ints) -> NDArray[np.bool_]:
        opening = self.opening[:, None]
        moved = by >= MOVE * opening
        if self.metered is None or not self.metered.any():
            return np.asarray(moved)
        far = by >= FALL * opening
        before = np.concatenate([np.zeros_like(far[:, :1]), far[:, :-1]], axis=1)
        return np.where(self.metered[:, None], far & before, moved)

    @property
    def change(self) -> Floats:
        """Relative change of MRR since the opening, (n, 12)."""
        return np.asarray(self.mrr / np.maximum(self.opening, 1)[:, None] - 1.0)


def panel(account_months: pd.DataFrame) -> Panel:
    """Arrange ``features.ledger.account_months`` as matrices.

    Parameters
    ----------
    account_months : DataFrame
        Columns ``account_id``, ``month_end``, ``closing_micros``, ``organic_micros``.

    Raises
    ------
    DataRejected
        ``train.label`` for an amount that is no number, with its account and month.
    """
    _refuse_unknown(account_months)
    ids = pd.Index(sorted(account_months["account_id"].unique()))
    days = [month_end(day) for day in pd.to_datetime(account_months["month_end"]).dt.date]
    first, last = min(days), max(days)
    row = ids.get_indexer(pd.Index(account_months["account_id"]))
    column = np.array([months_between(first, day) for day in days])
    shape = (len(ids), months_between(first, last) + 1)
    mrr, organic = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    mrr[row, column] = account_months["closing_micros"].to_numpy(dtype=np.int64)
    organic[row, column] = account_months["organic_micros"].to_numpy(dtype=np.int64)
    return Panel(ids, first, mrr, np.cumsum(organic, axis=1))


def _refuse_unknown(account_months: pd.DataFrame) -> None:
    amounts = account_months[["closing_micros", "organic_micros"]].astype(float)
    astray = account_months[~np.isfinite(amounts).all(axis=1)]
    if len(astray):
        first = astray.iloc[0]
        where = f"{first['account_id']} at {first['month_end']}"
        said = f"{len(astray)} months of the ledger are no number, the first of {where}"
        raise DataRejected("train.label", said, "run `perennial check`")


def _closed(frame: pd.DataFrame, known_until: date) -> NDArray[np.bool_]:
    days, which = np.unique(frame["as_of"].to_numpy(), return_inverse=True)
    by_day = np.array([_closed_leads(day, known_until) for day in days], dtype=bool)
    return np.asarray(by_day.reshape(len(days), LEADS)[which])


def _closed_leads(as_of: date, known_until: date) -> list[bool]:
    lag = timedelta(days=REPORTING_LAG_DAYS)
    return [lead_day(as_of, lead) + lag < known_until for lead in range(1, LEADS + 1)]
