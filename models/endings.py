"""Endings: the dates at which a trailing-twelve-month figure is asked for, and their cohorts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from features.asof import add_months, first_of_month, month_end

__all__ = ["ENDINGS", "Ending", "cohort_day", "ending_days"]

ENDINGS = ("month", "quarter", "fiscal_year")
"""Which of the periods that contain the as-of date are asked for, by their ends."""


@dataclass(frozen=True)
class Ending:
    """A date asked for, and what its cohort paid twelve months before it.

    Attributes
    ----------
    name : str
        One of `ENDINGS`.
    day : date
        A month-end.
    paid : mapping of str to int
        Account to MRR in micro-units at `cohort_day`, in the money of the as-of date; empty where
        the ledger does not reach back so far.
    """

    name: str
    day: date
    paid: Mapping[str, int]


def ending_days(as_of: date, fiscal_year_starts: int = 1) -> dict[str, date]:
    """Give the ends of the month, the fiscal quarter and the fiscal year that contain a date.

    Examples
    --------
    >>> {name: str(day) for name, day in ending_days(date(2025, 7, 1), 2).items()}
    {'month': '2025-07-31', 'quarter': '2025-07-31', 'fiscal_year': '2026-01-31'}
    """
    gone = (as_of.month - fiscal_year_starts) % 12
    ahead = {"month": 0, "quarter": 2 - gone % 3, "fiscal_year": 11 - gone}
    first = first_of_month(as_of)
    return {name: month_end(add_months(first, ahead[name])) for name in ENDINGS}


def cohort_day(day: date) -> date:
    """Give the month-end twelve months before a month-end.

    Examples
    --------
    >>> cohort_day(date(2025, 2, 28))
    datetime.date(2024, 2, 29)
    """
    return month_end(add_months(first_of_month(day), -12))
