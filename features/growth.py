"""Growth: what is seen of the customer's own business, sign by sign."""

from __future__ import annotations

import narwhals.stable.v2 as nw

from features.rollup import SCALE
from features.signal import Family, Part, Rows, signal
from features.sums import total

__all__ = ["FAMILY", "GROWTH", "signs"]

QUARTER = 91
GROWTH = Rows(
    "growth",
    ("growth",),
    lambda view: view.rows("growth").filter(nw.col("age") < QUARTER),
    "the book has no growth table, or its feed is behind",
)
"""The readings of 91 days: kind, value."""
kind = nw.col("kind")


def signs(kinds: list[str]) -> nw.Expr:
    """Count the readings of some kinds, unless their value is negative."""
    return total(kind.is_in(kinds) & ~(nw.col("value").fill_null(1.0) < 0))


IS_HEADS = (kind == "headcount") & ~nw.col("value").is_null()
CHANGE = (nw.col("value") * SCALE).round().cast(nw.Int64)

PARTS = (
    Part("growth__readings", total(IS_HEADS), GROWTH),
    Part(
        "growth__change",
        nw.when(IS_HEADS).then(CHANGE).otherwise(0).sum().cast(nw.Float64),
        GROWTH,
    ),
)


SIGNALS = (
    signal("growth_headcount_91d", "people", QUARTER, -1, 1,
           "changes of headcount seen in 91 days, added up (in the unit of the table's value)",
           "its own headcount changed by {value:+,.2f} in 91 days",
           nw.when(nw.col("growth__readings") > 0).then(nw.col("growth__change") / SCALE),
           missing="no headcount seen in 91 days",
           zero="its own headcount unchanged in 91 days"),
    signal("growth_funding_91d", "signs", QUARTER, 0, 1, "rounds of funding seen in 91 days",
           "{value:.0f} funding rounds of the customer in 91 days", signs(["funding"]), rows=GROWTH),
    signal("growth_hiring_91d", "signs", QUARTER, 0, 1, "signs of hiring seen in 91 days",
           "{value:.0f} signs of hiring at the customer in 91 days", signs(["hiring"]), rows=GROWTH),
    signal("growth_region_91d", "signs", QUARTER, 0, 1, "new regions seen in 91 days",
           "{value:.0f} new regions of the customer in 91 days", signs(["region"]), rows=GROWTH),
    signal("growth_intent_91d", "signs", QUARTER, 0, 1, "signs of buying intent seen in 91 days",
           "{value:.0f} signs of buying intent in 91 days", signs(["intent"]), rows=GROWTH),
    signal("growth_layoffs_91d", "signs", QUARTER, 1, -1, "layoffs seen in 91 days",
           "{value:.0f} layoffs at the customer in 91 days", signs(["layoffs"]), rows=GROWTH),
)  # fmt: skip

FAMILY = Family("growth", SIGNALS, PARTS)
