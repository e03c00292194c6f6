"""The oracle's reading of meters: how much of each limit is used, how fast, and until when.

A value that falls below half of the last one was reset, and will be again 30 days later; a limit
that is reset before it would be reached is not in sight.
"""

from __future__ import annotations

import pandas as pd

from tests.pandas_known import Known
from tests.pandas_page import over, remembered

__all__ = ["FAR", "days_left", "meters", "pace"]

FAR = 365.0


@remembered
def meters(known: Known, account: str) -> dict[str, pd.DataFrame]:
    """Give the readings of 91 days of each metric, the oldest first."""
    feed = known.fresh("limits")
    rows = feed.of(account) if feed else None
    if rows is None or rows.empty:
        return {}
    rows = rows[rows["age"] < 91].sort_values("day")
    return dict(tuple(rows.groupby("metric")))


def pace(rows: pd.DataFrame) -> float:
    """Give what is used per day: the rises of the steps that end in the last 28 days.

    Missing where none of them has a reading before it.
    """
    steps, lengths = rows["used"].diff(), -rows["age"].diff()
    recent = (rows["age"] < 28) & steps.notna()
    return over(float(steps[recent & (steps > 0)].sum()), float(lengths[recent].sum()))


def days_left(rows: pd.DataFrame, reset: bool = True) -> float:
    """Give the days until a meter's limit at the pace of 28 days; 365: not in sight."""
    left, daily = float(rows["limit"].iloc[-1] - rows["used"].iloc[-1]), pace(rows)
    if left <= 0:
        return 0.0
    days = left / daily if daily > 0 else FAR
    resets = rows[rows["used"] < rows["used"].shift() / 2]["age"]
    to_come = 30 - resets.min() if len(resets) and resets.min() < 30 else FAR
    return FAR if reset and days >= to_come else float(min(days, FAR))
