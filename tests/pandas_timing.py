"""The oracle's page on timing: whether this is a moment to speak, and of what."""

from __future__ import annotations

import math

from tests.pandas_adoption import adoption_activated_30d, age, milestone_day
from tests.pandas_commercial import commercial_days_to_renewal, commercial_term_months
from tests.pandas_known import Known
from tests.pandas_page import MISSING, Page
from tests.pandas_relationship import (
    REVIEWS,
    days_since,
    number,
    relationship_days_since_contact,
    rows_of,
)

SIGNALS = Page()


@SIGNALS.signal
def timing_anniversary(known: Known, account: str) -> float:
    """1 where the account became 90 days old in the last 28 days."""
    return float(90 <= age(known, account) < 90 + 28)


@SIGNALS.signal
def timing_reviewed(known: Known, account: str) -> float:
    """1 where a business review or executive meeting was held in 91 days."""
    held = number(rows_of(known, account, REVIEWS, 91))
    return held if math.isnan(held) else float(held > 0)


@SIGNALS.signal
def timing_days_since_milestone(known: Known, account: str) -> float:
    """Days since the last milestone of the account was reached."""
    return days_since(rows_of(known, account, ("milestone",)))


@SIGNALS.signal
def timing_calm(known: Known, account: str) -> float:
    """1 outside the 60 days before a renewal; the term is unknown: missing."""
    if math.isnan(commercial_term_months(known, account)):
        return MISSING
    left = commercial_days_to_renewal(known, account)
    return float(math.isnan(left) or left > 60)


@SIGNALS.signal
def timing_silence_before_renewal(known: Known, account: str) -> float:
    """Days since the last two-way contact, where the renewal is at most 90 days ahead."""
    near = commercial_days_to_renewal(known, account) <= 90
    return relationship_days_since_contact(known, account) if near else MISSING


@SIGNALS.signal
def timing_cliff(known: Known, account: str) -> float:
    """1 from the 31st to the 90th day of an account that has not reached the milestone."""
    if math.isnan(adoption_activated_30d(known, account)):
        return MISSING
    never = math.isinf(milestone_day(known, account))
    return float(never and 30 < age(known, account) <= 90)
