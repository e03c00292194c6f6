"""Timing: whether this is a moment to speak, and of what.

A cross-sell talk belongs to a calm time after a success: after a business review or a milestone,
and outside the negotiation of a renewal.
"""

from __future__ import annotations

import narwhals.stable.v2 as nw

from features.relationship import TOUCHES
from features.signal import Family, signal

__all__ = ["FAMILY"]

QUARTER = 91
FIRST_DAYS = 90
ANNIVERSARY = 28
RENEWAL_AHEAD = 90
NEGOTIATION = 60
TENURE, RENEWAL = nw.col("commercial_tenure_days"), nw.col("commercial_days_to_renewal")
REVIEWED = nw.col("relationship_days_since_review") <= QUARTER
REACHED, IN_TIME = nw.col("adoption_days_to_activation"), nw.col("adoption_activated_30d")
TOLD = ("touchpoints",)


def _flag(condition: nw.Expr) -> nw.Expr:
    return nw.when(condition).then(1.0).otherwise(0.0)


CLIFF = (
    nw.when(~IN_TIME.is_null() & (TENURE > FIRST_DAYS)).then(0.0).otherwise(
        nw.when(~REACHED.is_null()).then(0.0).otherwise(1.0 - IN_TIME)
    )
)  # fmt: skip


SIGNALS = (
    signal("timing_anniversary", "flag", None, 0, 0,
           "1 where the account became 90 days old in the last 28 days",
           "passed its first 90 days as a customer in the last 28 days ({value:.0f})",
           _flag((TENURE >= FIRST_DAYS) & (TENURE < FIRST_DAYS + ANNIVERSARY)), group="commercial",
           missing="never",
           zero="not just past its first 90 days"),
    signal("timing_cliff", "flag", None, 1, -1,
           "1 from the 31st to the 90th day of an account that has not reached the milestone",
           "in its first 90 days and not activated ({value:.0f})", CLIFF, group="usage",
           missing="activation within 30 days is not known", tables=("usage", "feature_catalog"),
           zero="activated, or past its first 90 days"),
    signal("timing_reviewed", "flag", None, -1, 1,
           "1 where a business review or executive meeting was held in 91 days",
           "a business review held in 91 days ({value:.0f})",
           nw.when(~nw.col("relationship_meetings_91d").is_null()).then(_flag(REVIEWED)),
           group="relationship", missing="the book has no touchpoints, or their feed is behind",
           tables=TOLD,
           zero="no business review in 91 days"),
    signal("timing_days_since_milestone", "days", None, 0, -1,
           "days since the last milestone of the account was reached",
           "last milestone reached {value:span} ago",
           nw.when(nw.col("kind") == "milestone").then(nw.col("age") + 1).min().cast(nw.Float64),
           group="relationship", rows=TOUCHES, missing="none reached, or no touchpoints"),
    signal("timing_calm", "flag", None, 0, 0, "1 outside the 60 days before a renewal",
           "no renewal within 60 days ({value:.0f})",
           nw.when(~nw.col("commercial_monthly").is_null()).then(
               1.0 - _flag(RENEWAL <= NEGOTIATION)),
           group="commercial", missing="the term is unknown", tables=("subscriptions",),
           zero="a renewal within 60 days"),
    signal("timing_silence_before_renewal", "days", None, 1, 0,
           "days since the last two-way contact, where the renewal is at most 90 days ahead",
           "renewal within 90 days, and no two-way contact for {value:span}",
           nw.when(RENEWAL <= RENEWAL_AHEAD).then(nw.col("relationship_days_since_contact")),
           group="relationship", missing="no renewal in 90 days, or never in contact",
           tables=("subscriptions", *TOLD),
           fuller="renewal in {commercial_days_to_renewal:.0f} days, and no two-way contact for "
                  "{value:span}"),
)  # fmt: skip

FAMILY = Family("timing", SIGNALS)
