"""The record: what a book's own ledger says that stands beside a forecast, or under it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from models.endings import Ending

__all__ = ["Record"]


def _none() -> pd.DataFrame:
    return pd.DataFrame({"account_id": [], "lever": [], "amount_micros": []})


@dataclass(frozen=True)
class Record:
    """What the ledger knew at the as-of date.

    Attributes
    ----------
    last_year : mapping of str to float or None
        NRR of the same months a year before, by horizon in months.
    endings : tuple of Ending
        The dates at which trailing-twelve-month figures are asked for, with what their cohorts
        paid.
    expansions : DataFrame
        Past expansions: ``account_id``, ``lever``, ``amount_micros`` (summed).
    rivals : mapping of str to mapping
        NRR by top-down rule and horizon in months (``models.topdown.rivals``), where the model is
        combined with them.
    """

    last_year: Mapping[str, float | None] = field(default_factory=dict)
    endings: tuple[Ending, ...] = ()
    expansions: pd.DataFrame = field(default_factory=_none)
    rivals: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
