"""Past periods of a horizon: what was forecast, its interval, what happened, and simpler rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["past_periods"]


def past_periods(periods: Sequence[Mapping[str, Any]], horizon: int) -> dict[str, Any]:
    """Lay past forecasts of a horizon beside what happened, with coverage and errors.

    Returns
    -------
    dict
        ``periods`` (origin, period_end, nrr, actual_nrr, baselines), ``coverage_80`` (share of
        actual NRR inside p10 to p90, None without periods), ``mean_absolute_error_points`` of
        the forecast and of each baseline, in points of NRR.

    Examples
    --------
    >>> past_periods([], 12)["coverage_80"] is None
    True
    """
    mine = [p for p in periods if p["horizon_months"] == horizon]
    inside = [p["nrr"]["p10"] <= p["actual_nrr"] <= p["nrr"]["p90"] for p in mine]
    return {
        "periods": [
            {
                "origin": p["origin"],
                "period_end": p["period_end"],
                "nrr": p["nrr"],
                "actual_nrr": p["actual_nrr"],
                "baselines": p["baselines"],
            }
            for p in mine
        ],
        "coverage_80": sum(inside) / len(inside) if inside else None,
        "mean_absolute_error_points": _errors(mine),
    }


def _errors(periods: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Mean absolute error of NRR in points; None for a baseline that some period lacks."""
    if not periods:
        return {}
    names = ["forecast", *periods[0]["baselines"]]
    errors: dict[str, float | None] = {}
    for name in names:
        told = [p["nrr"]["mean"] if name == "forecast" else p["baselines"][name] for p in periods]
        actual = [p["actual_nrr"] for p in periods]
        known = all(value is not None for value in told)
        errors[name] = 100 * float(np.abs(np.subtract(told, actual)).mean()) if known else None
    return errors
