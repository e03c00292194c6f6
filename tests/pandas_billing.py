"""The oracle's page on billing: the bill that is coming, unannounced overruns, commitments."""

from __future__ import annotations

import pandas as pd

from tests.pandas_contracts import in_force
from tests.pandas_known import Known
from tests.pandas_limits import days_left, meters
from tests.pandas_page import MISSING, Page, over
from tests.pandas_usage import columns, quantity, reach, within

SIGNALS = Page()
COMMITMENTS = ("commit", "prepaid", "credit")
NOTICES = ("limit_hit", "limit_notice")


@SIGNALS.signal
def billing_projected_ratio(known: Known, account: str) -> float:
    """1 + share of usage-priced lines in MRR x (quantity of 28 days / mean of 3 spans before - 1)."""
    rows, own = columns(known, account), in_force(known, account)
    priced = sum(line["mrr"] for line in own if line["kind"] == "usage")
    if rows is None or not priced:
        return MISSING
    if reach(known).end - rows["day"].min() < 112:
        return MISSING
    before = sum(quantity(within(rows, first, first + 28)) for first in (28, 56, 84)) / 3
    share = priced / sum(line["mrr"] for line in own)
    return 1 + share * (over(quantity(within(rows, 0, 28)), before) - 1)


@SIGNALS.signal
def billing_overage_unannounced(known: Known, account: str) -> float:
    """1 where a limit but seats was overrun in 30 days, unannounced until then in 60 days.

    An account without a reading of 91 days has no limit: missing.
    """
    limits, events = known.fresh("limits"), known.fresh("events")
    if limits is None or events is None or not meters(known, account):
        return MISSING
    found = [overrun(rows) for metric, rows in meters(known, account).items() if metric != "seats"]
    days = [day for day in found if day is not None]
    told = events.of(account)
    notices = told[told["kind"].isin(NOTICES) & (told["age"] < 61)]["day"]
    return float(bool(days) and not (notices <= min(days)).any())


def overrun(rows: pd.DataFrame) -> int | None:
    """Give the first day of the last 30 on which a meter stood over its limit."""
    days = rows[(rows["used"] > rows["limit"]) & (rows["limit"] > 0) & (rows["age"] < 30)]["day"]
    return None if days.empty else int(days.min())


def commitments(known: Known, account: str) -> list[pd.DataFrame]:
    found = meters(known, account)
    return [
        rows
        for metric, rows in found.items()
        if metric in COMMITMENTS and rows["limit"].iloc[-1] > 0
    ]


@SIGNALS.signal
def billing_commit_days(known: Known, account: str) -> float:
    """Days until the first commitment is used up at the pace of 28 days (365: not in sight)."""
    return min(
        (days_left(rows, reset=False) for rows in commitments(known, account)), default=MISSING
    )


@SIGNALS.signal
def billing_commit_unused(known: Known, account: str) -> float:
    """Share of the commitment that is not used yet, the smallest over all."""
    shares = [
        max(0.0, 1 - rows["used"].iloc[-1] / rows["limit"].iloc[-1])
        for rows in commitments(known, account)
    ]
    return float(min(shares)) if shares else MISSING
