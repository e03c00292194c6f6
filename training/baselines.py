"""Baselines: what one would have said of NRR without any model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.labels import Panel
from training.ladder import Material

__all__ = ["BASELINES", "health_score", "nrr_baselines", "window_nrr"]

BASELINES: Mapping[str, str] = {
    "no change": "NRR stays at 100 %",
    "last period": "NRR of the window of the same length that has just closed",
    "same as last year": "NRR of the same months a year before",
    "trailing mean": "mean NRR of the last twelve windows of that length",
    "calendar": "the calendar alone: renewals due, term, tenure, ACV band",
    "damped mean by segment": "each segment's mean monthly NRR of late, fading to that of all its "
    "months, compounded",
    "ETS by segment": "exponential smoothing with a damped trend of each segment's monthly NRR, "
    "compounded",
    "ARIMA by segment": "autoregression, moving average or plain mean of each segment's monthly "
    "NRR, as AICc chooses, compounded",
    "theta by segment": "the theta method on each segment's monthly NRR, compounded",
}


def window_nrr(panel: Panel, opening: int, closing: int) -> float | None:
    """NRR between two columns of the panel; None where a column or the cohort is not there."""
    if opening < 0 or closing >= panel.mrr.shape[1] or panel.mrr[:, opening].sum() == 0:
        return None
    cohort = panel.mrr[:, opening] > 0
    return float(panel.mrr[cohort, closing].sum() / panel.mrr[cohort, opening].sum())


def nrr_baselines(panel: Panel, opening: int, horizon: int) -> dict[str, float | None]:
    """Say NRR over the next ``horizon`` months from what had closed at column ``opening``.

    Every baseline that the past is too short for is None.
    """
    trailing = [window_nrr(panel, end - horizon, end) for end in range(opening - 11, opening + 1)]
    seen = [value for value in trailing if value is not None]
    year_before = opening - 12
    closed = year_before + horizon <= opening
    return {
        "no change": 1.0,
        "last period": window_nrr(panel, opening - horizon, opening),
        "same as last year": window_nrr(panel, year_before, year_before + horizon)
        if closed
        else None,
        "trailing mean": float(np.mean(seen)) if seen else None,
    }


def health_score(material: Material, target: str, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give the plain weighted health score of a spreadsheet: the mean rank of signed signals.

    Every signal with a declared sign counts the same; a missing one counts as average.
    """
    signs = np.asarray(material.signs[target])
    ranks = pd.DataFrame(material.values[rows]).rank(pct=True).fillna(0.5).to_numpy()
    return np.asarray(((ranks - 0.5) * signs).mean(axis=1))
