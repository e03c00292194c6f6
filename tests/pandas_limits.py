"""The oracle's reading of meters: how much of each limit is used, how fast, and until when.

A value that falls below half of the last one was reset; meters are taken to be reset every 30
days, and a limit that is reset before it would be reached is not in sight.
"""

from __future__ import annotations

import pandas as pd

from tests.pandas_known import Known
from tests.pandas_page import remembered

__all__ = ["FAR", "days_left", "meters", "rises"]

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


def rises(rows: pd.DataFrame) -> float:
    """Add up the rises of the steps that end in the last 28 days."""
    steps = rows["used"].diff()
    return float(steps[(rows["age"] < 28) & (steps > 0)].sum())


def days_left(rows: pd.DataFrame, reset: bool = True) -> float:
    """Give the days until a meter's limit at the pace of 28 days; 365: not in sight."""
    left, risen = float(rows["limit"].iloc[-1] - rows["used"].iloc[-1]), rises(rows)
    if left <= 0 or not risen:
        return FAR if left > 0 else 0.0
    days = left / (risen / -rows["age"].diff()[rows["age"] < 28].sum())
    resets = rows[rows["used"] < rows["used"].shift() / 2]["age"]
    before = not resets.empty and days >= 30 - resets.min()
    return FAR if before and reset else float(min(days, FAR))
