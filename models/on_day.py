"""The cohort on a day: an outlook read between two of its leads, when no lead ends there.

Leads are counted in months from the as-of date. Seen from 17 January, lead 1 ends on 16 February
and no lead ends on 31 January. What is dated (the end of a notice, a successor's start, a renewal
to be decided) has happened by the day or has not; the rest comes evenly over the days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.asof import as_dates, lead_day, lead_of, opening_day
from models.flows import Cohort, cohort_at
from models.outcomes import Outlook

__all__ = ["cohort_on"]

Floats = NDArray[np.float64]

DATED = ("p_churn", "p_contract", "p_expand", "signed_up", "signed_down", "flat_up", "flat_down")


def cohort_on(outlook: Outlook, as_of: date, day: date) -> Cohort:
    """Read an outlook at a day within its twelve months.

    Parameters
    ----------
    outlook : Outlook
        Its accounts may have ``next_renewal_on``, ``notice_ends_on`` and ``successor_on``.
    as_of : date
    day : date
        After the opening (the day before the as-of date), at most at the twelfth lead's end.

    Examples
    --------
    >>> import pandas as pd
    >>> p, sizes = np.full((1, 12), 0.31), np.zeros((1, 12, 3))
    >>> one = Outlook(pd.DataFrame({"account_id": ["a"], "mrr_micros": [10**8]}), p, 0 * p, 0 * p,
    ...     sizes, sizes, p > 1, np.full((1, 12), np.nan))
    >>> cohort_on(one, date(2025, 1, 17), date(2025, 1, 31)).p_churn.round(6).tolist()
    [0.15]
    >>> cohort_on(one, date(2025, 1, 17), date(2025, 2, 16)).p_churn.round(6).tolist()
    [0.31]
    """
    lead = lead_of(as_of, day)
    after = cohort_at(outlook, lead)
    last = lead_day(as_of, lead)
    if last == day:
        return after
    first = opening_day(as_of) if lead == 1 else lead_day(as_of, lead - 1)
    before = _opening(after) if lead == 1 else cohort_at(outlook, lead - 1)
    mixed = _mixed(before, after, _share(outlook.accounts, before, after, (first, day, last)))
    return _away(mixed, outlook.accounts, day)


def _away(cohort: Cohort, accounts: pd.DataFrame, day: date) -> Cohort:
    """Let those be gone whose notice has run out, and whose successor has not begun."""
    ended = _dates(accounts, "notice_ends_on") <= np.datetime64(day)
    away = ended & ~(_dates(accounts, "successor_on") <= np.datetime64(day))
    gone: dict[str, Any] = {
        name: np.where(away.reshape(-1, *[1] * (getattr(cohort, name).ndim - 1)), 0.0, old)
        for name, old in ((name, getattr(cohort, name)) for name in DATED)
    }
    gone["p_churn"] = np.where(away, 1.0, gone["p_churn"])
    return replace(cohort, **gone, signed=cohort.signed & ~away, notice=cohort.notice | away)


def _opening(cohort: Cohort) -> Cohort:
    """Give the same accounts on the day of the opening: nothing has happened yet."""
    nothing = np.zeros(len(cohort.mrr))
    nobody = nothing > 0.0
    still: dict[str, Any] = {name: np.zeros_like(getattr(cohort, name)) for name in DATED}
    return replace(cohort, **still, signed=nobody, notice=nobody)


def _share(
    accounts: pd.DataFrame, before: Cohort, after: Cohort, days: tuple[date, date, date]
) -> Floats:
    """Give how much of what comes between two leads has come by a day between them, (n,)."""
    first, day, last = days
    share = np.full(len(accounts), (day - first).days / (last - first).days)
    renewal = _dates(accounts, "next_renewal_on")
    due = (renewal > np.datetime64(first)) & (renewal <= np.datetime64(last))
    share = np.where(due, renewal <= np.datetime64(day), share)
    notice = after.notice & ~before.notice
    signed = after.signed & ~before.signed
    share = np.where(notice, _dates(accounts, "notice_ends_on") <= np.datetime64(day), share)
    return np.where(signed, _dates(accounts, "successor_on") <= np.datetime64(day), share)


def _dates(accounts: pd.DataFrame, column: str) -> NDArray[np.datetime64]:
    """Read a column of dates, not a date where it is missing (that is neither before nor after)."""
    found: Sequence[Any] = (
        as_dates(accounts[column]) if column in accounts else [None] * len(accounts)
    )
    return np.array(found, dtype="datetime64[D]")


def _mixed(before: Cohort, after: Cohort, share: Floats) -> Cohort:
    """Take each account between two leads: chances in proportion, what is booked whole or not."""
    mixed: dict[str, Any] = {
        name: _between(getattr(before, name), getattr(after, name), share) for name in DATED
    }
    signed = np.where(share >= 1.0, after.signed, before.signed)
    notice = np.where(share >= 1.0, after.notice, before.notice)
    return replace(after, **mixed, signed=signed, notice=notice)


def _between(before: Floats, after: Floats, share: Floats) -> Floats:
    weight = share.reshape(-1, *[1] * (after.ndim - 1))
    return (1.0 - weight) * before + weight * after
