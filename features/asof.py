"""Dates: as-of dates, month-ends, and half-open windows of months and days.

One worked example, carried through: an as-of date of 2025-07-01 sees what was known before
2025-07-01 00:00 UTC. The book stands at the month-end 2025-06-30, "lead 1" is the state on
2025-07-31 and "lead 3" the state on 2025-09-30.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

__all__ = [
    "add_months",
    "as_dates",
    "first_of_month",
    "instant",
    "lead_day",
    "lead_of",
    "month_end",
    "month_ends",
    "month_index",
    "month_of",
    "months_between",
    "opening_day",
    "quarter_name",
]


def add_months(day: date, months: int) -> date:
    """Move a date by whole months; a day that the month lacks becomes its last day.

    Examples
    --------
    >>> add_months(date(2025, 7, 1), 3)
    datetime.date(2025, 10, 1)
    >>> add_months(date(2024, 1, 31), 1)
    datetime.date(2024, 2, 29)
    """
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))


def as_dates(values: Iterable[Any]) -> list[date | None]:
    """Read a table's column as dates: timestamps lose their time, what is missing is None.

    Examples
    --------
    >>> as_dates([datetime(2025, 7, 1, 9), date(2025, 7, 2), None, float("nan")])
    [datetime.date(2025, 7, 1), datetime.date(2025, 7, 2), None, None]
    """
    there = [value if value is not None and value == value else None for value in values]
    return [value.date() if isinstance(value, datetime) else value for value in there]


def first_of_month(day: date) -> date:
    """Give the first day of a date's month.

    Examples
    --------
    >>> first_of_month(date(2025, 6, 30))
    datetime.date(2025, 6, 1)
    """
    return day.replace(day=1)


def month_end(day: date) -> date:
    """Give the last day of a date's month.

    Examples
    --------
    >>> month_end(date(2024, 2, 3))
    datetime.date(2024, 2, 29)
    """
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def month_ends(first: date, last: date) -> list[date]:
    """List the month-ends from ``first``'s month to ``last``'s, both included.

    Examples
    --------
    >>> month_ends(date(2025, 5, 9), date(2025, 7, 1))
    [datetime.date(2025, 5, 31), datetime.date(2025, 6, 30), datetime.date(2025, 7, 31)]
    """
    start = first_of_month(first)
    return [month_end(add_months(start, n)) for n in range(months_between(first, last) + 1)]


def months_between(first: date, last: date) -> int:
    """Count the months from ``first``'s month to ``last``'s.

    Examples
    --------
    >>> months_between(date(2024, 12, 31), date(2025, 7, 1))
    7
    """
    return (last.year - first.year) * 12 + last.month - first.month


def opening_day(as_of: date) -> date:
    """Give the day on which a book seen at ``as_of`` stands: the day before.

    Examples
    --------
    >>> opening_day(date(2025, 7, 1))
    datetime.date(2025, 6, 30)
    """
    return as_of - timedelta(days=1)


def lead_day(as_of: date, months: int) -> date:
    """Give the day whose state is the outcome ``months`` ahead of an as-of date.

    Examples
    --------
    >>> lead_day(date(2025, 7, 1), 1)
    datetime.date(2025, 7, 31)
    >>> lead_day(date(2025, 7, 1), 3)
    datetime.date(2025, 9, 30)
    """
    return opening_day(add_months(as_of, months))


def lead_of(as_of: date, day: date) -> int:
    """Give the first lead whose day is ``day`` or later, at least 1: service that ends then is over.

    Examples
    --------
    >>> lead_of(date(2025, 7, 1), date(2025, 9, 30)), lead_of(date(2025, 7, 1), date(2025, 10, 1))
    (3, 4)
    """
    months = months_between(as_of, day)
    return max(months + (day >= add_months(as_of, months)), 1)


def instant(day: date) -> datetime:
    """Give the first instant of a day, in UTC: what is known at an as-of date lies before it.

    Examples
    --------
    >>> instant(date(2025, 7, 1)).isoformat()
    '2025-07-01T00:00:00+00:00'
    """
    return datetime.combine(day, time.min, tzinfo=UTC)


def month_index(day: date) -> int:
    """Give the number of a day's month: 12 times the year, plus the month less one.

    Examples
    --------
    >>> month_index(date(2025, 7, 31))
    24306
    """
    return 12 * day.year + day.month - 1


def month_of(number: int) -> date:
    """Give the first day of the month that `month_index` gives a number.

    Examples
    --------
    >>> month_of(24306)
    datetime.date(2025, 7, 1)
    """
    return date(number // 12, number % 12 + 1, 1)


def quarter_name(day: date, fiscal_year_starts: int = 1) -> str:
    """Name a day's fiscal quarter; a fiscal year has the name of the year in which it starts.

    Examples
    --------
    >>> quarter_name(date(2024, 2, 29)), quarter_name(date(2024, 2, 29), 7)
    ('2024-Q1', '2023-Q3')
    """
    months = 12 * day.year + day.month - fiscal_year_starts
    return f"{months // 12}-Q{months % 12 // 3 + 1}"
