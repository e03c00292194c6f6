"""Adoption: how many of the features an account uses, how deeply, and how early it got there.

A feature is adopted when it was used on three days of 28 (or in two weeks, where rows are weekly).
What an account may use (``features.entitlement``) is what it is measured against.
"""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd
import pyarrow as pa

from features.book import Book
from features.entitlement import rights_of
from features.signal import Family, Part, Rows, signal
from features.sums import ratio, total
from features.usage_rows import known_usage
from features.view import View

__all__ = ["ACTIVATION_DAYS", "FAMILY"]

MONTH = 28
ACTIVATION_DAYS = 30
ADOPTED = {1: 3, 7: 2, 28: 1}  # grain of a row in days -> rows in 28 days that make adoption
SILENT = "no usage rows for the account yet, or the whole feed is behind"
LISTED = ("usage", "feature_catalog")
NO_CATALOG = "the book has no feature_catalog, or no usage of the account"
UNJUDGED = "no usage, no milestone, or usage begins later than the account"
age = nw.col("age")


def _features(view: View) -> nw.LazyFrame[Any]:
    """Give one row per account and feature of 56 days: its days now and before, tier, right."""
    rows = known_usage(view, "usage_by_feature", 2 * MONTH).filter(nw.col("count") > 0)
    if view.feeds["usage"].mixed:  # else a day of a feature is one row
        rows = rows.select("account_id", "feature", "age").unique()
    used = rows.group_by("account_id", "feature").agg(
        total(age < MONTH).alias("days"), total(age >= MONTH).alias("days_before")
    )
    used = used.with_columns(adopted=nw.col("days") >= ADOPTED[view.feeds["usage"].grain])
    if not view.book.has("feature_catalog"):
        return used.with_columns(tier=nw.lit(""), granted=nw.lit(True))
    rights = view.once("rights", lambda: rights_of(view))
    kinds = pa.table({"account_id": rights.kinds.index.to_numpy(), "kind": rights.kinds.to_numpy()})
    grants = pa.Table.from_pandas(rights.grants, preserve_index=False)
    used = used.join(view.book.laid(kinds), on="account_id", how="inner")
    return used.join(view.book.laid(grants), on=["kind", "feature"], how="left")


def _milestones(view: View) -> nw.LazyFrame[Any]:
    """Give the first uses of a milestone feature that are known."""
    first = view.book.once("first milestones", lambda: view.book.laid(_first_uses(view.book)))
    return first.filter(nw.col("since") < view.today)


def _first_uses(book: Book) -> pa.Table:
    """Find the first day of a milestone per account; one known later counts where it is earlier.

    It holds for every as-of date, so that history is read once per book.
    """
    catalog = book.table("feature_catalog").filter(nw.col("activation")).select("feature")
    names = catalog.collect("pyarrow").to_native()["feature"].to_pylist()
    rows = book.rolled("usage_by_feature").filter(
        nw.col("feature").is_in(names), nw.col("count") > 0
    )
    rows = rows.select("account_id", "day", since=nw.max_horizontal("day", "known_day"))
    by_since = rows.group_by("account_id", "since").agg(nw.col("day").min())
    earliest = nw.col("day").cum_min().over("account_id", order_by="since")
    steps = by_since.with_columns(earliest=earliest)
    first = steps.group_by("account_id", "earliest").agg(nw.col("since").min())
    return first.collect("pyarrow").to_native()


FEATURES = Rows("features used", ("usage",), _features)
MILESTONES = Rows("first uses of a milestone", ("usage", "feature_catalog"), _milestones)
now, adopted, granted = nw.col("days") > 0, nw.col("adopted"), nw.col("granted")
core = nw.col("tier") == "core"
PARTS = (
    Part("adoption__used", total(now), FEATURES),
    Part("adoption__used_before", total(nw.col("days_before") > 0), FEATURES),
    Part("adoption__adopted", total(adopted), FEATURES),
    Part("adoption__of_right", total(now & granted), FEATURES),
    Part("adoption__core", total(now & granted & core), FEATURES),
    Part("adoption__core_adopted", total(adopted & granted & core), FEATURES),
    Part("adoption__advanced", total(now & (nw.col("tier") == "advanced")), FEATURES),
    Part("adoption__integration", total(now & (nw.col("tier") == "integration")), FEATURES),
    Part("adoption__reached", nw.col("earliest").min().cast(nw.Float64), MILESTONES),
)


def _entitled(view: View) -> dict[str, pd.Series]:
    """Count the features that each account may use: without a catalog, all of the book."""
    if view.has("usage", "feature_catalog"):
        rights = view.once("rights", lambda: rights_of(view))
        return {
            "adoption__entitled": rights.count(),
            "adoption__entitled_core": rights.count("core"),
        }
    number = _book_features(view) if view.has("usage") else 0
    entitled = pd.Series(float(number), index=view.standing.index)
    return {"adoption__entitled": entitled, "adoption__entitled_core": entitled * float("nan")}


def _book_features(view: View) -> int:
    """Count the features that were used by anybody, as known."""
    since = view.book.once("features since", lambda: _features_since(view.book))
    return int((since < view.today).sum())


def _features_since(book: Book) -> pd.Series:
    rows = book.rolled("usage_by_feature").filter(nw.col("count") > 0)
    rows = rows.select("feature", since=nw.max_horizontal("day", "known_day"))
    first = rows.group_by("feature").agg(nw.col("since").min()).collect("pyarrow").to_native()
    return first.to_pandas()["since"]


def _start(view: View) -> dict[str, pd.Series]:
    """Number the first paid day and the account's age, where usage reaches back so far."""
    start = (view.standing["first_paid_on"] - pd.Timestamp(0)).dt.days.astype(float)
    covered = start * float("nan")
    if view.has("usage", "feature_catalog") and _has_milestone(view):
        feed = view.feeds["usage"]
        covered = start.where(start >= feed.starts - feed.grain)
    return {"adoption__start": covered, "adoption__age": view.today - start}


def _has_milestone(view: View) -> bool:
    catalog = view.book.table("feature_catalog").filter(nw.col("activation"))
    return bool(catalog.select(nw.len()).collect().item())


def _seen(part: str) -> nw.Expr:
    """Take a count: zero for an account that was seen before and has none."""
    seen = ~nw.col("usage_events_28d").is_null()
    return nw.when(seen).then(nw.col(f"adoption__{part}").fill_null(0.0))


def _listed(part: str) -> nw.Expr:
    """Take a count that only a catalogue gives a meaning."""
    return nw.when(~nw.col("adoption__entitled_core").is_null()).then(_seen(part))


taken = (nw.col("adoption__reached") - nw.col("adoption__start")).clip(0.0)
judged = ~(nw.col("adoption__start").is_null() | nw.col("usage_events_28d").is_null())
reached, old = nw.col("adoption_days_to_activation"), nw.col("adoption__age")
SIGNALS = (
    signal("adoption_features_28d", "features", MONTH, -1, 1, "distinct features used in 28 days",
           "{value:.0f} features in use in the last 28 days", _seen("used"), missing=SILENT),
    signal("adoption_share_28d", "share", MONTH, -1, 1,
           "features used in 28 days that the account is entitled to / all features that it is "
           "entitled to (without a feature_catalog: / all features of the book)",
           "{value:.0%} of the features that it may use in use in the last 28 days", ratio(_seen("of_right"), "adoption__entitled"),
           missing=SILENT,
           fuller="{adoption_features_28d:.0f} features in use in the last 28 days, {value:.0%} of "
                  "those that it may use"),
    signal("adoption_features_adopted", "features", MONTH, -1, 1,
           "features used on at least 3 days of 28",
           "{value:.0f} features in regular use",
           _seen("adopted"), missing=SILENT),
    signal("adoption_breadth_change", "features", MONTH, -1, 1,
           "features used in 28 days less those used in the 28 days before",
           "{value:+.0f} features in use against the 28 days before", _seen("used") - _seen("used_before"),
           missing=SILENT,
           zero="as many features in use as in the 28 days before",
           fuller="{adoption_features_28d:.0f} features in use in the last 28 days, {value:+.0f} "
                  "against the 28 days before"),
    signal("adoption_core_share_28d", "share", MONTH, -1, 1,
           "core features used in 28 days / core features that the account is entitled to",
           "{value:.0%} of the core features in use in the last 28 days",
           ratio(_listed("core"), "adoption__entitled_core"), missing=NO_CATALOG, tables=LISTED,
           zero="none of the core features in use in the last 28 days"),
    signal("adoption_core_adopted", "share", MONTH, -1, 1,
           "core features adopted / core features that the account is entitled to",
           "{value:.0%} of the core features in regular use",
           ratio(_listed("core_adopted"), "adoption__entitled_core"), missing=NO_CATALOG,
           tables=LISTED,
           zero="none of the core features in regular use"),
    signal("adoption_advanced_28d", "features", MONTH, -1, 1, "advanced features used in 28 days",
           "{value:.0f} advanced features explored in the last 28 days", _listed("advanced"), missing=NO_CATALOG,
           tables=LISTED),
    signal("adoption_integrations_28d", "features", MONTH, -1, 1,
           "integration features used in 28 days",
           "{value:.0f} integrations in use in the last 28 days",
           _listed("integration"), missing=NO_CATALOG, tables=LISTED),
    signal("adoption_days_to_activation", "days", None, 1, -1,
           "days from the first paid day to the first use of the milestone feature",
           "activated {value:.0f} days after its start", nw.when(judged).then(taken), missing=UNJUDGED,
           tables=LISTED,
           zero="activated on its first day"),
    signal("adoption_activated_30d", "flag", None, -1, 1,
           "1 where the milestone feature was used within 30 days of the first paid day, 0 once "
           "they are over (from the 31st day)", "activated within 30 days ({value:.0f})",
           nw.when(judged & ((old > ACTIVATION_DAYS) | (reached <= ACTIVATION_DAYS))).then(
               nw.when(reached <= ACTIVATION_DAYS).then(1.0).otherwise(0.0)),
           missing=UNJUDGED, tables=LISTED,
           zero="not activated within 30 days"),
)  # fmt: skip

FAMILY = Family("adoption", SIGNALS, PARTS, (_entitled, _start))
