"""The dated uplift in an outlook: a rise in price of known size, paid by who is still there.

It is price, and no expansion of the account's own doing, so no chance of a state changes by it.
Who counts as flat pays the rise that is agreed, in place of what flat accounts drift by in the
mean. Sizes of expansions and contractions were learned with prices in them, and stay.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.asof import as_dates, lead_of
from models.outcomes import LEADS, Outlook

__all__ = ["uplift_by_lead", "uplifted"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def uplift_by_lead(frame: pd.DataFrame) -> Floats:
    """Give the rise in price that is agreed by each lead, as a share of MRR, (n, 12).

    Parameters
    ----------
    frame : DataFrame
        Rows of ``features.snapshot.snapshot``; rows that do not tell of uplifts have none.

    Examples
    --------
    >>> from datetime import date
    >>> row = {"as_of": date(2025, 7, 1), "mrr_micros": 10**8, "uplift_on": date(2025, 9, 15),
    ...     "uplift_micros": 5e6}
    >>> uplift_by_lead(pd.DataFrame([row]))[0, :4].tolist()
    [0.0, 0.0, 0.05, 0.05]
    """
    if "uplift_on" not in frame or frame["uplift_on"].isna().all():
        return np.broadcast_to(0.0, (len(frame), LEADS))
    pairs = zip(as_dates(frame["as_of"]), as_dates(frame["uplift_on"]), strict=True)
    first = np.array([lead_of(day, when) if day and when else np.inf for day, when in pairs])
    rise = frame["uplift_micros"].to_numpy(dtype=float) / frame["mrr_micros"].to_numpy(dtype=float)
    rise = np.maximum(np.nan_to_num(rise, nan=0.0, posinf=0.0, neginf=0.0), -1.0)
    return np.where(np.arange(1, LEADS + 1) >= first[:, None], rise[:, None], 0.0)


def uplifted(outlook: Outlook, uplift: Floats, locked: Bools, metered: Bools) -> Outlook:
    """Put the rises in price that are agreed into an outlook.

    Parameters
    ----------
    outlook : Outlook
    uplift : array of float, (n, 12)
        What ``uplift_by_lead`` gives.
    locked : array of bool, (n, 12)
        Where no decision comes before the lead: the rise is owed, whatever is decided later.
    metered : array of bool, (n,)
        Accounts that are forecast by growth as a whole: their price is in it.
    """
    if not uplift.any():
        return outlook
    told = np.where(metered[:, None], 0.0, uplift)
    dated = (told != 0.0)[:, :, None]
    up, down = (np.maximum(one, 0.0)[:, :, None] for one in (told, -told))
    powers = np.arange(1, 4)
    return replace(
        outlook,
        drift_up=np.where(dated, up**powers, outlook.drift_up),
        drift_down=np.where(dated, down**powers, outlook.drift_down),
        uplift_owed=np.where(locked, told, 0.0),
        uplift_due=np.where(locked, 0.0, told),
    )
