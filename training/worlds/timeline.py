"""The months of a simulated world, as day numbers (days since 1970-01-01).

Month 0 is the first month of the book. A world lives twelve months beyond its last day, so that
what happens next is known to the truth; nothing after the last day is ever written to the book.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BEYOND", "Days", "Timeline", "as_dates"]

BEYOND = 12
Days = NDArray[np.int64]


@dataclass(frozen=True)
class Timeline:
    """Month numbers and day numbers of a book of ``months`` months that ends on ``last_day``.

    Examples
    --------
    >>> time = Timeline(12, date(2025, 12, 31))
    >>> time.date_of(time.start(0)), time.date_of(time.end(11))
    (datetime.date(2025, 1, 1), datetime.date(2025, 12, 31))
    >>> int(time.month_of(time.day(5, 17)))
    5
    """

    months: int
    last_day: date

    @property
    def last(self) -> int:
        """Day number of the last day."""
        return int(np.datetime64(self.last_day, "D").astype(np.int64))

    @property
    def first_month(self) -> Any:
        """First month, as ``datetime64[M]``."""
        return np.datetime64(self.last_day, "M") - (self.months - 1)

    def start(self, month: Any) -> Any:
        """First day of a month (a number or an array of month numbers)."""
        months = self.first_month + np.asarray(month, dtype="timedelta64[M]")
        return months.astype("datetime64[D]").astype(np.int64)

    def end(self, month: Any) -> Any:
        """Last day of a month."""
        return self.start(np.asarray(month) + 1) - 1

    def day(self, month: Any, day_of_month: Any) -> Any:
        """Give the day number of a day of a month."""
        return self.start(month) + np.asarray(day_of_month) - 1

    def month_of(self, day: Any) -> Any:
        """Month number of a day number."""
        months = np.asarray(day).astype("datetime64[D]").astype("datetime64[M]")
        return (months - self.first_month).astype(np.int64)

    def calendar_month(self, month: Any) -> Any:
        """Month of the year, 1 to 12."""
        return (self.first_month.astype(np.int64) + np.asarray(month)) % 12 + 1

    def date_of(self, day: Any) -> date:
        """Python date of one day number."""
        return date.fromordinal(int(day) + date(1970, 1, 1).toordinal())


def as_dates(days: Days) -> Any:
    """Turn day numbers into ``datetime64[D]``, -1 into not-a-time.

    Examples
    --------
    >>> as_dates(np.array([0, -1])).tolist()
    [datetime.date(1970, 1, 1), None]
    """
    dates = days.astype("datetime64[D]")
    dates[days == -1] = np.datetime64("NaT", "D")
    return dates
