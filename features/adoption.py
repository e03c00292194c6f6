"""Adoption: how many of the features an account uses, how deeply, and how early it got there.

A feature is adopted when it was used on three days of 28 (or in two weeks, where rows are weekly).
"""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from features.signal import Sign, Signal
from features.sums import share, total
from features.view import View

__all__ = ["SIGNALS", "measure"]

MONTH = 28
ACTIVATION_DAYS = 30
ADOPTED = {1: 3, 7: 2, 28: 1}  # grain of a row in days -> rows in 28 days that make adoption
TIERS = ("core", "advanced", "integration", "admin", "advocacy")
SILENT = "no usage rows for the account yet, or the whole feed is behind"
NO_CATALOG = "the book has no feature_catalog, or no usage of the account"


def _signal(
    slug: str,
    unit: str,
    churn: Sign,
    expansion: Sign,
    meaning: str,
    phrase: str,
    missing: str = SILENT,
) -> Signal:
    name, window = f"adoption_{slug}", None if "activat" in slug else MONTH
    return Signal(
        name, "adoption", "usage", unit, window, churn, expansion, meaning, missing, phrase
    )


SIGNALS = (
    _signal("features_28d", "features", -1, 1, "distinct features used in 28 days",
            "{value:.0f} features in use"),
    _signal("share_28d", "share", -1, 1, "features used in 28 days / all features of the book",
            "{value:.0%} of all features in use"),
    _signal("features_adopted", "features", -1, 1, "features used on at least 3 days of 28",
            "{value:.0f} features adopted"),
    _signal("breadth_change", "features", -1, 1, "features used in 28 days less those used in "
            "the 28 days before", "{value:+.0f} features against the 28 days before"),
    _signal("core_share_28d", "share", -1, 1, "core features used in 28 days / all core features",
            "{value:.0%} of the core features in use", NO_CATALOG),
    _signal("core_adopted", "share", -1, 1, "core features adopted / all core features",
            "{value:.0%} of the core features adopted", NO_CATALOG),
    _signal("advanced_28d", "features", -1, 1, "advanced features used in 28 days",
            "{value:.0f} advanced features explored", NO_CATALOG),
    _signal("integrations_28d", "features", -1, 1, "integration features used in 28 days",
            "{value:.0f} integrations in use", NO_CATALOG),
    _signal("activated_30d", "flag", -1, 1, "1 where the milestone feature was used within 30 "
            "days of the first paid day", "activated within 30 days ({value:.0f})",
            "no usage, younger than 30 days, no milestone, or usage begins later than the account"),
    _signal("days_to_activation", "days", 1, -1, "days from the first paid day to the first use "
            "of the milestone feature", "activated after {value:.0f} days",
            "not activated, no milestone declared, or usage begins later than the account"),
)  # fmt: skip


def measure(view: View, so_far: pd.DataFrame) -> pd.DataFrame:
    """Measure the family: one row per paying account, one column per signal."""
    slugs = [signal.slug for signal in SIGNALS]
    if not view.fresh("usage"):
        return view.empty(slugs)
    seen = so_far["usage_events_28d"].notna()
    columns = _breadth(view, seen)
    if view.book.has("feature_catalog"):
        columns |= _activation(view, seen)
    renamed = {f"adoption_{name}": values for name, values in columns.items()}
    return pd.DataFrame(renamed, index=view.standing.index).reindex(columns=slugs)


def _rows(view: View) -> nw.LazyFrame[Any]:
    feed = view.feeds["usage"]
    rows = view.book.rolled("usage_by_feature").filter(
        nw.col("known_day") < view.today,
        nw.col("day") <= feed.end - feed.grain,
        nw.col("count") > 0,
    )
    return rows.with_columns(age=feed.end - feed.grain - nw.col("day"))


def _breadth(view: View, seen: pd.Series) -> dict[str, pd.Series]:
    """Count features in use: zero for an account that was seen before and used none."""
    counts = view.collect(_counts(view))
    counts = counts.fillna(0.0).where(seen, axis=0)
    books = _rows(view).select(nw.col("feature").n_unique()).collect().item()
    columns = {
        "features_28d": counts["used"],
        "share_28d": counts["used"] / books,
        "features_adopted": counts["adopted"],
        "breadth_change": counts["used"] - counts["used_before"],
    }
    return columns | (_by_tier(view, counts) if view.book.has("feature_catalog") else {})


def _by_tier(view: View, counts: pd.DataFrame) -> dict[str, pd.Series]:
    tiers = view.book.table("feature_catalog").group_by("tier").agg(nw.len().alias("n"))
    sizes = tiers.collect("pandas").to_native().set_index("tier")["n"]
    core = pd.Series(float(sizes.get("core", 0)), index=counts.index)
    return {
        "core_share_28d": share(counts["core"], core),
        "core_adopted": share(counts["core_adopted"], core),
        "advanced_28d": counts["advanced"],
        "integrations_28d": counts["integration"],
    }


def _counts(view: View) -> nw.LazyFrame[Any]:
    """Count features per account: used now and in the 28 days before, adopted, and by tier."""
    used = _features(view)
    if view.book.has("feature_catalog"):
        tiers = view.book.table("feature_catalog").select("feature", "tier").unique("feature")
        used = used.join(tiers, on="feature", how="left")
    else:
        used = used.with_columns(tier=nw.lit("core"))
    adopted = nw.col("days") >= ADOPTED[view.feeds["usage"].grain]
    now = nw.col("days") > 0
    return used.group_by("account_id").agg(
        total(now).alias("used"),
        total(nw.col("days_before") > 0).alias("used_before"),
        total(adopted).alias("adopted"),
        total(adopted & (nw.col("tier") == "core")).alias("core_adopted"),
        *(total(now & (nw.col("tier") == tier)).alias(tier) for tier in TIERS),
    )


def _features(view: View) -> nw.LazyFrame[Any]:
    """Give one row per account and feature, with its active days now and in the 28 days before."""
    recent = _rows(view).filter(nw.col("age") < 2 * MONTH)
    days = recent.select("account_id", "feature", "age").unique()
    return days.group_by("account_id", "feature").agg(
        total(nw.col("age") < MONTH).alias("days"),
        total(nw.col("age") >= MONTH).alias("days_before"),
    )


def _activation(view: View, seen: pd.Series) -> dict[str, pd.Series]:
    """Date the first use of a milestone feature, where usage reaches back to the first day."""
    catalog = view.book.table("feature_catalog").filter(nw.col("activation"))
    milestones = catalog.select("feature").unique()
    if milestones.select(nw.len()).collect().item() == 0:
        return {}
    first = _rows(view).join(milestones, on="feature", how="inner").group_by("account_id")
    day = view.collect(first.agg(nw.col("day").min().cast(nw.Float64)))["day"]
    start = (view.standing["first_paid_on"] - pd.Timestamp(0)).dt.days
    covered = seen & (start >= view.feeds["usage"].starts - view.feeds["usage"].grain)
    taken = (day - start).clip(lower=0).where(covered)
    old = (view.today - start) > ACTIVATION_DAYS
    reached = (taken <= ACTIVATION_DAYS).astype(float)
    return {
        "days_to_activation": taken,
        "activated_30d": reached.where(covered & (old | (reached > 0))),
    }
