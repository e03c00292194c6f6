"""When each account's contract is next decided, in months ahead."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.calendar import calendar_facts

__all__ = ["LEAD", "decision_leads"]

LEAD = "decision_lead"
"""The column in which a kept outlook carries it, so that no date is read twice."""


def decision_leads(accounts: pd.DataFrame) -> NDArray[np.float64]:
    """Give each account's lead of its next decision; inf where its contract names none.

    An account that decides every month decides in month 1.

    Parameters
    ----------
    accounts : DataFrame
        ``decision_lead``, or the columns that ``models.calendar.calendar_facts`` reads.

    Examples
    --------
    >>> from datetime import date
    >>> rows = pd.DataFrame({"as_of": [date(2025, 7, 1)] * 3, "term_months": [12.0, 1.0, None],
    ...     "next_renewal_on": [date(2025, 9, 15), None, None],
    ...     "decision": ["term", "monthly", "unknown"],
    ...     "tenure_days": [300.0, 30.0, 30.0], "acv_segment": ["smb"] * 3})
    >>> decision_leads(rows).tolist()
    [3.0, 1.0, inf]
    """
    if LEAD in accounts.columns:
        return accounts[LEAD].to_numpy(dtype=np.float64)
    unknown = (accounts["decision"] == "unknown").to_numpy()
    return np.where(unknown, np.inf, calendar_facts(accounts).decision)
