"""The oracle's page on adoption: which features an account uses, how deeply, and how early."""

from __future__ import annotations

import math

import pandas as pd

from tests.pandas_contracts import first_paid, owned
from tests.pandas_known import Known
from tests.pandas_page import MISSING, Page, over
from tests.pandas_usage import columns, events, reach, within
from tests.random_feeds import Row

SIGNALS = Page()


def entitled(known: Known, account: str, tier: str | None = None) -> set[str]:
    """Name the features of the catalogue (of a tier) that an account may use.

    It needs a line in force of the feature's product, and one on its lowest plan or a higher one.
    What the book does not say does not bar: a feature without product or plan, a plan without rank,
    an account whose lines name none. A line without product may be of any product.
    """
    own, ranks = owned(known, account), plan_ranks(known)
    products = {line["product"] for line in own if line["product"]}

    def granted(row: Row) -> bool:
        if row["product"] and products and row["product"] not in products:
            return False
        near = [
            line for line in own if not row["product"] or line["product"] in (None, row["product"])
        ]
        plans = {line["plan"] for line in near if line["plan"]}
        if row["min_plan"] not in ranks or not plans:
            return True
        return max(ranks.get(plan, 99) for plan in plans) >= ranks[row["min_plan"]]

    listed = known.tables["feature_catalog"]
    return {row["feature"] for row in listed if tier in (None, row["tier"]) and granted(row)}


def plan_ranks(known: Known) -> dict[str, int]:
    """Give the rank of each plan that has one."""
    return {
        row["plan"]: row["rank"] for row in known.tables.get("plans", []) if row["rank"] is not None
    }


def of_tier(known: Known, tier: str) -> set[str]:
    """Name the features of a tier."""
    return {row["feature"] for row in known.tables["feature_catalog"] if row["tier"] == tier}


def used(rows: pd.DataFrame, first: int, last: int) -> set[str]:
    """Name the features used in a window."""
    return set(events(within(rows, first, last))["feature"])


def adopted(known: Known, rows: pd.DataFrame) -> set[str]:
    """Name the features used on at least 3 days of 28 (in two weeks, where rows are weekly)."""
    least = 3 if reach(known).grain == 1 else 2 if reach(known).grain == 7 else 1
    days = events(within(rows, 0, 28)).groupby("feature")["day"].nunique()
    return set(days.index[days >= least])


@SIGNALS.signal
def adoption_features_28d(known: Known, account: str) -> float:
    """Distinct features used in 28 days."""
    rows = columns(known, account)
    return MISSING if rows is None else float(len(used(rows, 0, 28)))


@SIGNALS.signal
def adoption_share_28d(known: Known, account: str) -> float:
    """Features used in 28 days that the account is entitled to / all that it is entitled to.

    Without a feature_catalog: features used / all features of the book.
    """
    rows = columns(known, account)
    if rows is None:
        return MISSING
    if known.has("feature_catalog"):
        may = entitled(known, account)
        return over(len(used(rows, 0, 28) & may), len(may))
    return over(len(used(rows, 0, 28)), events(reach(known).rows)["feature"].nunique())


@SIGNALS.signal
def adoption_features_adopted(known: Known, account: str) -> float:
    """Features used on at least 3 days of 28."""
    rows = columns(known, account)
    return MISSING if rows is None else float(len(adopted(known, rows)))


@SIGNALS.signal
def adoption_breadth_change(known: Known, account: str) -> float:
    """Features used in 28 days less those used in the 28 days before."""
    rows = columns(known, account)
    return MISSING if rows is None else float(len(used(rows, 0, 28)) - len(used(rows, 28, 56)))


@SIGNALS.signal
def adoption_core_share_28d(known: Known, account: str) -> float:
    """Core features used in 28 days / core features that the account is entitled to."""
    rows = columns(known, account)
    if rows is None or not known.has("feature_catalog"):
        return MISSING
    may = entitled(known, account, "core")
    return over(len(used(rows, 0, 28) & may), len(may))


@SIGNALS.signal
def adoption_core_adopted(known: Known, account: str) -> float:
    """Core features adopted / core features that the account is entitled to."""
    rows = columns(known, account)
    if rows is None or not known.has("feature_catalog"):
        return MISSING
    may = entitled(known, account, "core")
    return over(len(adopted(known, rows) & may), len(may))


def number_of(known: Known, account: str, tier: str) -> float:
    """Count the features of a tier that were used in 28 days."""
    rows = columns(known, account)
    if rows is None or not known.has("feature_catalog"):
        return MISSING
    return float(len(used(rows, 0, 28) & of_tier(known, tier)))


@SIGNALS.signal
def adoption_advanced_28d(known: Known, account: str) -> float:
    """Advanced features used in 28 days."""
    return number_of(known, account, "advanced")


@SIGNALS.signal
def adoption_integrations_28d(known: Known, account: str) -> float:
    """Integration features used in 28 days."""
    return number_of(known, account, "integration")


def milestone_day(known: Known, account: str) -> float:
    """Count the days from the first paid day to the milestone's first use; infinite: not reached.

    No usage, no milestone, or usage that begins later than the account: missing.
    """
    rows, start = columns(known, account), first_paid(known, account).toordinal()
    milestone = {
        row["feature"] for row in known.tables.get("feature_catalog", []) if row["activation"]
    }
    if rows is None or not milestone or reach(known).starts > start + reach(known).grain:
        return MISSING
    days = events(rows[rows["feature"].isin(milestone)])["day"]
    return math.inf if days.empty else max(0.0, float(days.min() - start))


@SIGNALS.signal
def adoption_days_to_activation(known: Known, account: str) -> float:
    """Days from the first paid day to the first use of the milestone feature."""
    reached = milestone_day(known, account)
    return MISSING if math.isinf(reached) else reached


@SIGNALS.signal
def adoption_activated_30d(known: Known, account: str) -> float:
    """1 where the milestone feature was used within 30 days of the first paid day.

    0 once they are over (from the 31st day).
    """
    reached = milestone_day(known, account)
    if math.isnan(reached) or reached <= 30:
        return reached if math.isnan(reached) else 1.0
    return 0.0 if age(known, account) > 30 else MISSING


def age(known: Known, account: str) -> int:
    """Count the days since the first paid day."""
    return (known.as_of - first_paid(known, account)).days
