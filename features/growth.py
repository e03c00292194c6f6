"""Growth: what is seen of the customer's own business, sign by sign."""

from __future__ import annotations

import narwhals.stable.v2 as nw

from features.rollup import SCALE
from features.signal import Family, Part, Rows, Sign, Signal
from features.sums import total

__all__ = ["FAMILY", "GROWTH", "NO_GROWTH", "signs"]

QUARTER = 91
NO_GROWTH = "the book has no growth table, or its feed is behind"
GROWTH = Rows(
    "growth", ("growth",), lambda view: view.rows("growth").filter(nw.col("age") < QUARTER)
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


def _signal(slug: str, pull: tuple[Sign, Sign], meaning: str, phrase: str) -> Signal:
    """Declare the number of signs of one kind."""
    return Signal(
        f"growth_{slug}_91d", "growth", "commercial", "signs", QUARTER, *pull, meaning, NO_GROWTH,
        phrase, signs([slug]), GROWTH, silent=0.0,
    )  # fmt: skip


SIGNALS = (
    Signal("growth_headcount_91d", "growth", "commercial", "people", QUARTER, -1, 1,
           "changes of headcount seen in 91 days, added up (in the unit of the table's value)",
           "no headcount seen in 91 days", "headcount changed by {value:+,.2f} in 91 days",
           nw.when(nw.col("growth__readings") > 0).then(nw.col("growth__change") / SCALE),
           tables=("growth",)),
    _signal("funding", (0, 1), "rounds of funding seen in 91 days",
            "{value:.0f} rounds of funding in 91 days"),
    _signal("hiring", (0, 1), "signs of hiring seen in 91 days",
            "{value:.0f} signs of hiring in 91 days"),
    _signal("region", (0, 1), "new regions seen in 91 days", "{value:.0f} new regions in 91 days"),
    _signal("intent", (0, 1), "signs of buying intent seen in 91 days",
            "{value:.0f} signs of buying intent in 91 days"),
    _signal("layoffs", (1, -1), "layoffs seen in 91 days", "{value:.0f} layoffs in 91 days"),
)  # fmt: skip

FAMILY = Family("growth", SIGNALS, PARTS)
