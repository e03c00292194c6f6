"""Consumption: what of each account's MRR is billed by usage, and what it was in earlier months."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.asof import add_months, opening_day
from features.view import View

__all__ = ["CONSUMPTION", "PAST_MONTHS", "consumption"]

PAST_MONTHS = (3, 6, 12)
"""Months before the opening at which usage-billed MRR is looked at again."""
CONSUMPTION = ("usage_mrr_micros", *(f"usage_mrr_{months}m_micros" for months in PAST_MONTHS))


def consumption(view: View) -> pd.DataFrame:
    """Tell the usage-billed part of MRR at the opening, and so many months before it.

    It is what the revenue rules make of billed usage (by default its mean over three service
    months), as known at the as-of date and at the opening's exchange rates; the accounts that
    have merged since count together.

    Returns
    -------
    DataFrame
        Index as ``view.standing``, columns ``CONSUMPTION`` (float, micro-units): missing where
        nothing was billed by usage on that day.
    """
    if not (view.lines["kind"] == "usage").any():
        return pd.DataFrame(np.nan, index=view.standing.index, columns=list(CONSUMPTION))
    days = [opening_day(add_months(view.as_of, -months)) for months in (0, *PAST_MONTHS)]
    parts = [view.mrr_on(day, metered=True) for day in days]
    return pd.concat(parts, axis=1).set_axis(list(CONSUMPTION), axis=1)
