"""Relationship: who spoke with whom, how long ago, and what they said."""

from __future__ import annotations

from typing import Any, Final

import narwhals.stable.v2 as nw
import pandas as pd

from features.rollup import day_number
from features.signal import Sign, Signal
from features.sums import total
from features.view import View

__all__ = ["SIGNALS", "measure"]

FAMILY: Final = "relationship"
QUARTER, YEAR = 91, 365
MEETINGS = ["qbr", "meeting", "executive_meeting"]
TWO_WAY = [*MEETINGS, "call", "email_in", "training"]
DEPARTURES = ["champion_left", "sponsor_changed"]
ADVOCACY = ["reference", "review", "case_study", "referral"]
NO_FEED = "the book has no touchpoints, or their feed is behind"


def _signal(
    slug: str,
    unit: str,
    window: int | None,
    signs: tuple[Sign, Sign],
    meaning: str,
    phrase: str,
    missing: str = NO_FEED,
) -> Signal:
    name = f"relationship_{slug}"
    return Signal(name, FAMILY, FAMILY, unit, window, *signs, meaning, missing, phrase)


SIGNALS = (
    _signal("days_since_meeting", "days", None, (1, -1), "days since the last business review or "
            "meeting", "no meeting for {value:.0f} days", "never met, or no touchpoints"),
    _signal("days_since_contact", "days", None, (1, -1), "days since the last two-way contact",
            "no two-way contact for {value:.0f} days", "never in contact, or no touchpoints"),
    _signal("meetings_91d", "meetings", QUARTER, (-1, 1), "meetings in 91 days",
            "{value:.0f} meetings in 91 days"),
    _signal("nps", "points", None, (-1, 1), "last answer to the recommendation question (0 to 10)",
            "last NPS answer {value:.0f}", "never answered"),
    _signal("nps_change", "points", None, (-1, 1), "last answer less the one before",
            "NPS answer changed by {value:+.0f}", "fewer than two answers"),
    _signal("days_since_nps", "days", None, (0, 0), "days since any answer",
            "last NPS answer {value:.0f} days ago", "never answered"),
    _signal("champion_left_91d", "people", QUARTER, (1, -1), "champions or sponsors who left or "
            "changed in 91 days", "{value:.0f} champions left in 91 days"),
    _signal("advocacy_365d", "acts", YEAR, (-1, 1), "references, reviews and the like in a year",
            "{value:.0f} acts of advocacy in a year"),
    _signal("milestones_91d", "milestones", QUARTER, (-1, 1), "milestones reached in 91 days",
            "{value:.0f} milestones in 91 days"),
    _signal("notice_91d", "notices", QUARTER, (1, -1), "notices given in 91 days by word",
            "{value:.0f} notices given in 91 days"),
)  # fmt: skip


def measure(view: View, so_far: pd.DataFrame) -> pd.DataFrame:
    """Measure the family: one row per paying account, one column per signal."""
    slugs = [signal.slug for signal in SIGNALS]
    if not view.fresh("touchpoints"):
        return view.empty(slugs)
    found = view.collect(_touches(view)).join(view.collect(_answers(view)))
    counts = [name for name in found.columns if name.endswith(("_91d", "_365d"))]
    found = found.assign(**{name: found[name].fillna(0.0) for name in counts})
    found["champion_left_91d"] += _departed(view)
    return found.add_prefix("relationship_").reindex(columns=slugs)


def _touches(view: View) -> nw.LazyFrame[Any]:
    kind, age = nw.col("kind"), nw.col("age")
    lately = age < QUARTER
    return (
        view.rows("touchpoints")
        .group_by("account_id")
        .agg(
            _latest(kind.is_in(MEETINGS)).alias("days_since_meeting"),
            _latest(kind.is_in(TWO_WAY)).alias("days_since_contact"),
            _latest(kind == "nps").alias("days_since_nps"),
            total(lately & kind.is_in(MEETINGS)).alias("meetings_91d"),
            total(lately & kind.is_in(DEPARTURES)).alias("champion_left_91d"),
            total((age < YEAR) & kind.is_in(ADVOCACY)).alias("advocacy_365d"),
            total(lately & (kind == "milestone")).alias("milestones_91d"),
            total(lately & (kind == "notice_given")).alias("notice_91d"),
        )
    )


def _latest(when: nw.Expr) -> nw.Expr:
    """Give the days since the last row for which a condition holds (yesterday: 1)."""
    return nw.when(when).then(nw.col("age") + 1).min().cast(nw.Float64)


def _answers(view: View) -> nw.LazyFrame[Any]:
    """Give each account's last answer, and its change against the one before."""
    order = ["occurred_at", "value"]
    nps = view.rows("touchpoints").filter(nw.col("kind") == "nps", ~nw.col("value").is_null())
    before = nw.col("value").shift(1).over("account_id", order_by=order)
    nps = nps.with_columns(nps_change=nw.col("value") - before)
    last = nps.unique("account_id", keep="last", order_by=order)
    return last.select("account_id", "nps_change", nps=nw.col("value"))


def _departed(view: View) -> pd.Series:
    """Count the champions and sponsors whose day of leaving lies in the last 91 days."""
    if not view.book.has("contacts"):
        return pd.Series(0.0, index=view.standing.index)
    left = view.book.table("contacts").with_columns(day=day_number("left_on"))
    gone = (nw.col("day") < view.today) & (nw.col("day") >= view.today - QUARTER)
    people = left.filter(gone, nw.col("role").is_in(["champion", "sponsor"]))
    return view.collect(people.group_by("account_id").agg(nw.len().alias("n")))["n"].fillna(0.0)
