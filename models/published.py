"""Published yearly rates of leaving, growing and shrinking: what is believed before a book speaks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import logit

from models.calendar import BANDS, COLUMNS, CalendarModel
from models.outcomes import LEADS

__all__ = ["BENCHMARK_ANNUAL_RATES", "benchmark_rate", "published"]

MONTHS_BETWEEN_DECISIONS = (1, 1, 6, 12, 24)

BENCHMARK_ANNUAL_RATES: Mapping[str, Mapping[str, float]] = {
    "churn": {"smb": 0.10, "mid-market": 0.08, "enterprise": 0.05, "strategic": 0.05},
    "expand": {"smb": 0.20, "mid-market": 0.20, "enterprise": 0.20, "strategic": 0.20},
    "contract": {"smb": 0.05, "mid-market": 0.05, "enterprise": 0.05, "strategic": 0.05},
}
"""Shares of accounts a year. Churn: S003 ("< 5 % enterprise, < 10 % SMB") and S001 (8 %);
expansion: S001 (20 % a year); contraction: S003 (above 5 % is a problem)."""


def benchmark_rate(target: str, band: str, months: float) -> float:
    """Turn a published annual rate into the rate over some months: 1 - (1 - r)^(months / 12).

    Examples
    --------
    >>> round(benchmark_rate("churn", "smb", 1), 5)
    0.00874
    """
    return float(1 - (1 - BENCHMARK_ANNUAL_RATES[target][band]) ** (months / 12))


def published(target: str, horizon: float, cumulative: bool) -> CalendarModel:
    """Give the published rates as a calendar, additive on the logit.

    A decision that comes once in twelve months is twelve times as likely to go wrong as a
    monthly one: the published rates are rates a year. A state's rate is that of its mean lead.

    Parameters
    ----------
    target : {"churn", "expand", "contract"}
    horizon : float
        Mean lead of the rows, in months; 1 for hazards.
    cumulative : bool
        True for states, False for hazards.
    """
    weights = [np.zeros(levels) for _, levels in COLUMNS]
    weights[1] = logit([benchmark_rate(target, band, horizon) for band in BANDS])
    if cumulative:
        weights[5] = np.log(np.arange(1, LEADS + 1) / horizon)
    else:
        weights[0] = np.log(MONTHS_BETWEEN_DECISIONS)
    return CalendarModel(0.0, tuple(tuple(map(float, column)) for column in weights), cumulative)
