"""Relationship: who spoke with whom, how long ago, and what they said."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from features.rollup import day_number
from features.signal import Family, Part, Rows, signal
from features.sums import total
from features.view import View

__all__ = ["FAMILY"]

QUARTER, YEAR = 91, 365
REVIEWS = ["qbr", "executive_meeting"]
MEETINGS = [*REVIEWS, "meeting"]
TWO_WAY = [*MEETINGS, "call", "email_in", "training"]
DEPARTURES = ["champion_left", "sponsor_changed"]
ADVOCACY = ["reference", "review", "case_study", "referral"]
NO_FEED = "the book has no touchpoints, or their feed is behind"
TOLD = ("touchpoints",)


def _answers(view: View) -> nw.LazyFrame[Any]:
    """Give each account's last answer, and its change against the one before."""
    order = ["occurred_at", "value", "touch_id", "contact"]
    nps = view.rows("touchpoints").filter(nw.col("kind") == "nps", ~nw.col("value").is_null())
    before = nw.col("value").shift(1).over("account_id", order_by=order)
    nps = nps.with_columns(change=nw.col("value") - before)
    return nps.unique("account_id", keep="last", order_by=order)


def _people(view: View) -> nw.LazyFrame[Any]:
    """Give one row per account and person named in a year."""
    named = view.rows("touchpoints").filter(nw.col("age") < YEAR, ~nw.col("contact").is_null())
    return named.select("account_id", "contact").unique()


TOUCHES = Rows("touchpoints", TOLD, lambda view: view.rows("touchpoints"), NO_FEED)
ANSWERS = Rows("NPS answers", TOLD, _answers)
PEOPLE = Rows("people", TOLD, _people)
kind, age = nw.col("kind"), nw.col("age")


def _departed(view: View) -> dict[str, pd.Series]:
    """Count the champions and sponsors whose day of leaving lies in the last 91 days."""
    if not (view.gives("contacts", "left_on") and view.gives("contacts", "role")):
        return {"relationship__departed": pd.Series(float("nan"), index=view.standing.index)}
    left = view.book.table("contacts").with_columns(day=day_number("left_on"))
    gone = (nw.col("day") < view.today) & (nw.col("day") >= view.today - QUARTER)
    people = left.filter(gone, nw.col("role").is_in(["champion", "sponsor"]))
    counts = view.collect(people.group_by("account_id").agg(nw.len().alias("n")))
    return {"relationship__departed": counts["n"].fillna(0.0)}


def _latest(kinds: list[str]) -> nw.Expr:
    """Give the days since the last row of some kinds (yesterday: 1)."""
    return nw.when(kind.is_in(kinds)).then(age + 1).min().cast(nw.Float64)


def _of_late(kinds: list[str], days: int = QUARTER) -> nw.Expr:
    return total((age < days) & kind.is_in(kinds))


PARTS = (Part("relationship__left", _of_late(DEPARTURES), TOUCHES, silent=0.0),)


def _larger(one: str, other: str) -> nw.Expr:
    """Give the larger of two columns; where one is missing, the other."""
    first, second = nw.col(one), nw.col(other)
    return nw.when(first.is_null() | (second > first)).then(second).otherwise(first)


SIGNALS = (
    signal("relationship_days_since_meeting", "days", None, 1, -1,
           "days since the last business review or meeting",
           "no meeting for {value:span}",
           _latest(MEETINGS), rows=TOUCHES, missing="never met, or no touchpoints"),
    signal("relationship_days_since_review", "days", None, 1, -1,
           "days since the last business review (QBR) or executive meeting",
           "last business review {value:span} ago", _latest(REVIEWS), rows=TOUCHES,
           missing="never reviewed, or no touchpoints"),
    signal("relationship_days_since_contact", "days", None, 1, -1,
           "days since the last two-way contact",
           "no two-way contact for {value:span}",
           _latest(TWO_WAY), rows=TOUCHES, missing="never in contact, or no touchpoints"),
    signal("relationship_meetings_91d", "meetings", QUARTER, -1, 1, "meetings in 91 days",
           "{value:.0f} meetings in the last 91 days", _of_late(MEETINGS), rows=TOUCHES),
    signal("relationship_contacts_365d", "people", YEAR, -1, 1,
           "people of the account named in the touchpoints of a year",
           "{value:.0f} contact people known from the last year",
           nw.len().cast(nw.Float64), rows=PEOPLE,
           missing="nobody is named in its touchpoints of a year"),
    signal("relationship_nps", "points", None, -1, 1,
           "last answer to the recommendation question (0 to 10)",
           "last NPS answer {value:.0f} of 10",
           nw.col("value").max(), rows=ANSWERS, missing="never answered"),
    signal("relationship_nps_change", "points", None, -1, 1, "last answer less the one before",
           "NPS answer changed by {value:+.0f}", nw.col("change").max(), rows=ANSWERS,
           missing="fewer than two answers",
           zero="last NPS answer as the one before",
           fuller="last NPS answer {relationship_nps:.0f} of 10, {value:+.0f} against the one "
                  "before"),
    signal("relationship_days_since_nps", "days", None, 0, 0, "days since any answer",
           "last NPS answer {value:span} ago", (nw.col("age") + 1).min().cast(nw.Float64),
           rows=ANSWERS, missing="never answered"),
    signal("relationship_champion_left_91d", "people", QUARTER, 1, -1,
           "champions or sponsors who left or changed in 91 days, by touchpoints or by contacts "
           "(the larger count)",
           "{value:.0f} champions or sponsors left in 91 days",
           _larger("relationship__left", "relationship__departed"),
           missing="the book has no contacts (or not who left), and no touchpoints or their feed is "
                   "behind",
           zero="no champion or sponsor left in 91 days"),
    signal("relationship_advocacy_365d", "acts", YEAR, -1, 1,
           "references, reviews and the like in a year", "{value:.0f} acts of advocacy in a year",
           _of_late(ADVOCACY, YEAR), rows=TOUCHES),
    signal("relationship_milestones_91d", "milestones", QUARTER, -1, 1,
           "milestones reached in 91 days",
           "{value:.0f} milestones reached in 91 days",
           _of_late(["milestone"]), rows=TOUCHES),
    signal("relationship_notice_91d", "notices", QUARTER, 1, -1, "notices given in 91 days by word",
           "{value:.0f} notices given by word in 91 days", _of_late(["notice_given"]), rows=TOUCHES),
)  # fmt: skip

FAMILY = Family("relationship", SIGNALS, PARTS, (_departed,))
