"""How far a forecast can be leaned on: what the largest accounts hold, and why it is thin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from models.flows import Cohort, means

__all__ = ["concentration_of", "interval_note", "rests_on", "thin_reasons"]

FEW_ACCOUNTS, LARGE_SHARE, LARGEST, FEW_PERIODS = 20, 0.5, 5, 2.0


def concentration_of(cohort: Cohort, accounts: pd.DataFrame) -> dict[str, Any]:
    """Say what the five largest accounts contribute, and what NRR would be without them."""
    closing = means(cohort)["closing"]
    largest = np.argsort(-cohort.mrr, kind="stable")[:LARGEST]
    others = np.setdiff1d(np.arange(len(cohort.mrr)), largest)
    opening, left = float(cohort.mrr.sum()), float(cohort.mrr[others].sum())
    return {
        "largest_accounts": accounts["account_id"].astype(str).iloc[largest].tolist(),
        "largest_opening_mrr": float(cohort.mrr[largest].sum()),
        "largest_share": float(cohort.mrr[largest].sum()) / opening if opening > 0 else None,
        "largest_closing_mrr": float(closing[largest].sum()),
        "nrr_without_largest": float(closing[others].sum()) / left if left > 0 else None,
    }


def thin_reasons(cohort: Cohort, n_eff: float, reasons: Sequence[str] = ()) -> list[str]:
    """List why figures are thin; an empty list is a normal forecast."""
    accounts, opening = len(cohort.mrr), float(cohort.mrr.sum())
    largest = float(np.sort(cohort.mrr)[::-1][:LARGEST].sum())
    found = [str(reason) for reason in reasons]
    if accounts < FEW_ACCOUNTS:
        found.append(f"{accounts} accounts: fewer than {FEW_ACCOUNTS}")
    if opening > 0 and largest >= LARGE_SHARE * opening:
        found.append(f"the {LARGEST} largest accounts hold {largest / opening:.0%} of MRR")
    if n_eff < FEW_PERIODS:
        found.append(f"the width rests on {n_eff:.1f} independent past periods")
    return found


def interval_note(n_eff: float) -> str:
    """Say what an interval's width rests on.

    Examples
    --------
    >>> interval_note(1.5), interval_note(4.0)
    ('prior-driven width', 'width from 4.0 independent past periods')
    """
    if n_eff < FEW_PERIODS:
        return "prior-driven width"
    return f"width from {n_eff:.1f} independent past periods"


def rests_on(n_eff: Mapping[str, float], months: int) -> dict[str, Any]:
    """Say what an interval some months ahead rests on, between the horizons that are known.

    Examples
    --------
    >>> rests_on({"1": 6.0, "3": 4.0, "12": 1.0}, 2)
    {'n_eff': 5.0, 'interval_note': 'width from 5.0 independent past periods'}
    >>> rests_on({}, 0)
    {'n_eff': None, 'interval_note': None}
    """
    if not months or not n_eff:
        return {"n_eff": None, "interval_note": None}
    horizons = sorted(map(int, n_eff))
    found = float(np.interp(months, horizons, [n_eff[str(horizon)] for horizon in horizons]))
    return {"n_eff": found, "interval_note": interval_note(found)}
