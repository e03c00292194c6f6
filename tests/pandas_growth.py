"""The oracle's page on growth: what is seen of the customer's own business."""

from __future__ import annotations

from functools import partial

import pandas as pd

from tests.pandas_known import Known
from tests.pandas_page import MISSING, Page

SIGNALS = Page()


def seen(known: Known, account: str, *kinds: str) -> pd.DataFrame | None:
    """Give the readings of some kinds of 91 days; None: no growth table, or its feed is behind."""
    feed = known.fresh("growth")
    if feed is None:
        return None
    rows = feed.of(account)
    return rows[(rows["age"] < 91) & rows["kind"].isin(kinds)]


def signs(known: Known, account: str, *kinds: str) -> float:
    """Count the readings of some kinds, unless their value is negative."""
    rows = seen(known, account, *kinds)
    return MISSING if rows is None else float((~(rows["value"].astype(float) < 0)).sum())


def signs_of(known: Known, account: str, kind: str) -> float:
    return signs(known, account, kind)


for _kind in ("funding", "hiring", "region", "intent", "layoffs"):
    SIGNALS[f"growth_{_kind}_91d"] = partial(signs_of, kind=_kind)


@SIGNALS.signal
def growth_headcount_91d(known: Known, account: str) -> float:
    """Changes of headcount seen in 91 days, added up; no headcount seen: missing."""
    rows = seen(known, account, "headcount")
    values = [] if rows is None else rows["value"].dropna()
    return float(sum(values)) if len(values) else MISSING
