"""Origins: the past days at which a training stands again, and those on which nothing is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from features.asof import lead_day, months_between
from training.history import History
from training.labels import REPORTING_LAG_DAYS

__all__ = ["JUDGED_HORIZON", "ORIGINS", "STEP_MONTHS", "monthly_origins", "origins", "sealed_of"]

JUDGED_HORIZON = 3
ORIGINS = 6
MOST_SEALED = 6
FEWEST_TO_SEAL = 4
SEALED_SHARE = 4
"""Of so many origins one is sealed."""
STEP_MONTHS = 3
FIRST_ORIGIN_MONTHS = 6
"""Months of snapshots before the first origin."""


def monthly_origins(history: History) -> list[date]:
    """List every month's start whose three months have closed, in order."""
    dates, lag = history.dates, timedelta(days=REPORTING_LAG_DAYS)
    closed = [d for d in dates if lead_day(d, JUDGED_HORIZON) + lag < history.known_until]
    return [day for day in closed if months_between(dates[0], day) >= FIRST_ORIGIN_MONTHS]


def origins(history: History) -> list[date]:
    """List the last six quarterly ones of the monthly origins, in order."""
    return sorted(monthly_origins(history)[::-1][::STEP_MONTHS][:ORIGINS])


def sealed_of(days: Sequence[date]) -> tuple[date, ...]:
    """Give the last origins, a quarter of them and six at most: no choice is made on them.

    Examples
    --------
    >>> from datetime import date
    >>> days = [date(2024, month, 1) for month in (1, 4, 7, 10)]
    >>> sealed_of(days), sealed_of(days[:3])
    ((datetime.date(2024, 10, 1),), ())
    """
    count = min(MOST_SEALED, len(days) // SEALED_SHARE) if len(days) >= FEWEST_TO_SEAL else 0
    return tuple(days[len(days) - count :])
