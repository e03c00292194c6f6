"""Reach: for how many paying accounts each signal is known."""

from __future__ import annotations

from typing import Any

import pandas as pd

from features.catalog import CATALOG

__all__ = ["reach"]


def reach(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Count the accounts that have each signal.

    Parameters
    ----------
    frame : DataFrame
        A snapshot: one row per paying account, one column per signal.

    Returns
    -------
    dict
        Slug → ``accounts`` (how many have it), ``share`` (of the rows; null where there is none),
        ``missing`` (what it means where it is missing).

    Examples
    --------
    >>> frame = pd.DataFrame({signal.slug: [1.0, None] for signal in CATALOG})
    >>> told = reach(frame)["support_open"]
    >>> told["accounts"], told["share"]
    (1, 0.5)
    """
    known = frame[[signal.slug for signal in CATALOG]].notna().sum()
    return {
        signal.slug: {
            "accounts": int(known[signal.slug]),
            "share": round(int(known[signal.slug]) / len(frame), 4) if len(frame) else None,
            "missing": signal.missing,
        }
        for signal in CATALOG
    }
