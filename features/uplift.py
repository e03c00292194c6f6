"""The dated uplift: the rise in price that a contract has agreed, and the day from which it counts.

The ledger holds a line's run-rate constant over its life, so a rise is paid from the next line
on. A line with ``uplift_pct`` is raised on its first anniversary; one that has run past that day
at the same price, when its first term ends; one that has run past that too, not at all: its
table does not carry such rises.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from features.asof import add_months
from features.rollup import number_of
from features.terms import alive

__all__ = ["UPLIFT", "dated_uplift"]

UPLIFT = ("uplift_on", "uplift_micros")
YEAR = 12


def dated_uplift(lines: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """Tell what the lines in force will be raised by within twelve months, and from when on.

    Parameters
    ----------
    lines : DataFrame
        What ``features.terms.known_terms`` gives.
    as_of : date
        A rise on this day or later is still to come.

    Returns
    -------
    DataFrame
        Index account_id, of accounts that have one: ``uplift_on`` and ``uplift_micros`` (all
        rises of the twelve months, a year's per cent each, in the lines' currency). Where lines
        are raised on several days, the day is that of the largest part. What is canceled or billed
        by usage is not raised.

    Examples
    --------
    >>> one = {"account_id": ["a"], "uplift_pct": [5.0], "mrr_micros": [10**8], "kind": ["recurring"],
    ...     "starts_on": pd.to_datetime(["2024-09-15"]), "due_on": pd.to_datetime(["2025-09-15"]),
    ...     "term": [12], "start_day": [19981], "end_day": [20346.0], "known_cancel": [None]}
    >>> told = dated_uplift(pd.DataFrame(one), date(2025, 7, 1))
    >>> told.loc["a", "uplift_on"].date(), float(told.loc["a", "uplift_micros"])
    (datetime.date(2025, 9, 15), 5000000.0)
    """
    agreed = lines[(lines["uplift_pct"].fillna(0.0) != 0.0) & (lines["kind"] != "usage")]
    now = alive(agreed, number_of(as_of) - 1)
    now = now[now["known_cancel"].isna()]
    day = _raised_on(now, as_of)
    within = (day >= pd.Timestamp(as_of)) & (day < pd.Timestamp(add_months(as_of, YEAR)))
    rises = pd.DataFrame(
        {
            "account_id": now["account_id"],
            "uplift_on": day,
            "uplift_micros": now["mrr_micros"].astype(float) * now["uplift_pct"] / 100.0,
        }
    )[within]
    by_day = rises.groupby(["account_id", "uplift_on"], as_index=False)["uplift_micros"].sum()
    largest = by_day.assign(part=-by_day["uplift_micros"].abs())
    first = largest.sort_values(["account_id", "part", "uplift_on"]).drop_duplicates("account_id")
    whole = by_day.groupby("account_id")["uplift_micros"].sum()
    return first.set_index("account_id")[["uplift_on"]].join(whole)


def _raised_on(lines: pd.DataFrame, as_of: date) -> pd.Series:
    """Give the day of each line's rise; not a date where none is due."""
    starts, due = (lines[name].astype("datetime64[s]") for name in ("starts_on", "due_on"))
    anniversary = (starts + pd.DateOffset(months=YEAR)).astype("datetime64[s]")
    ends = lines["end_day"]
    there = ends.isna() | (due >= anniversary)
    months = (due.dt.year - starts.dt.year) * YEAR + due.dt.month - starts.dt.month
    first_term = ends.notna() | (months <= lines["term"].astype(float).fillna(0.0))
    passed = anniversary < pd.Timestamp(as_of)
    later = due.where(first_term & (due >= anniversary))
    return later.where(passed, anniversary.where(there)).where(np.isfinite(lines["uplift_pct"]))
