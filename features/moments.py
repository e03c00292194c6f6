"""Moments: the recent events of each account, which several families of signals sum."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw

from features.signal import Rows
from features.sums import total
from features.view import View

__all__ = ["EVENTS", "NO_EVENTS", "events_of"]

QUARTER = 91
NO_EVENTS = "the book has no events, or their feed is behind"


def _events(view: View) -> nw.LazyFrame[Any]:
    about = nw.col("feature").str.to_lowercase().fill_null("")
    recent = view.rows("events").filter(nw.col("age") < QUARTER)
    return recent.with_columns(about=about)


EVENTS = Rows("events", ("events",), _events, NO_EVENTS)
"""The events of 91 days: kind, feature, ``about`` (its name in small letters), user_id, count."""


def events_of(kinds: list[str], days: int) -> nw.Expr:
    """Count the events of some kinds in so many days: the feed covers the book, silence is zero."""
    return total(nw.col("kind").is_in(kinds) & (nw.col("age") < days), "count")
