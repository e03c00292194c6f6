"""Accuracy: how far the past forecasts of NRR were off, beside what simpler rules would have said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models.outcomes import HORIZONS
from training.shares import share_of
from training.width import factor_of

__all__ = ["LEAST_PERIODS", "PRIOR_DRIVEN", "accuracy", "told_period"]

Period = Mapping[str, Any]

LEAST_PERIODS = 3
"""Past periods of a horizon below which no error is averaged: not applicable."""
PRIOR_DRIVEN = 2.0
"""Independent periods below which an interval's width is the prior's, not the book's."""
_INSIDE = {"80": ("p10", "p90"), "90": ("p05", "p95")}


def told_period(period: Period) -> dict[str, Any]:
    """Give one past period as it is told: forecast, interval, actual, error, baselines.

    Examples
    --------
    >>> nrr = {"mean": 1.0, "p05": .8, "p10": .9, "p50": 1.0, "p90": 1.1, "p95": 1.2}
    >>> one = {"origin": "2025-01-01", "horizon_months": 3, "period_end": "2025-03-31",
    ...     "accounts": 9, "opening_mrr": 5.0, "nrr": nrr, "actual_nrr": 1.15, "baselines": {}}
    >>> told = told_period(one)
    >>> round(told["error_points"], 6), told["inside_80"], told["inside_90"]
    (-15.0, False, True)
    """
    nrr, actual = period["nrr"], period["actual_nrr"]
    kept = ("origin", "horizon_months", "period_end", "accounts", "opening_mrr")
    inside = {
        f"inside_{name}": bool(nrr[low] <= actual <= nrr[high])
        for name, (low, high) in _INSIDE.items()
    }
    return (
        {name: period[name] for name in kept}
        | {"nrr": dict(nrr), "actual_nrr": actual, "error_points": 100 * (nrr["mean"] - actual)}
        | inside
        | {"baselines": dict(period["baselines"])}
    )


def accuracy(periods: Sequence[Period]) -> dict[str, dict[str, Any]]:
    """Sum up the past periods of every horizon.

    Returns
    -------
    dict
        By horizon in months: ``periods, n_eff`` (independent ones), ``width`` (``measured`` or
        ``prior-driven width``), ``applicable``; and where it is: ``coverage_80``,
        ``coverage_90`` (share of the actual values inside, with an interval on n_eff),
        ``errors`` (by name, the forecast first: ``mae_points, bias_points, periods``),
        ``best_baseline``, ``skill`` (1 - MAE / the best baseline's).
    """
    factor = factor_of(periods)
    return {
        str(horizon): _of([p for p in periods if p["horizon_months"] == horizon], factor[horizon])
        for horizon in HORIZONS
    }


def _of(periods: Sequence[Period], factor: Mapping[str, float]) -> dict[str, Any]:
    n_eff = float(factor["n_eff"])
    width = "prior-driven width" if n_eff < PRIOR_DRIVEN else "measured"
    told = {"periods": len(periods), "n_eff": n_eff, "width": width}
    if len(periods) < LEAST_PERIODS:
        return told | {"applicable": False}
    errors = _errors(periods)
    rivals = {name: one["mae_points"] for name, one in errors.items() if one["compared"]}
    mine = rivals.pop("forecast")
    best = min(rivals, key=lambda name: rivals[name])
    skill = 1 - mine / rivals[best] if rivals[best] > 0 else None
    return (
        told
        | {"applicable": True}
        | {f"coverage_{name}": _coverage(periods, name, n_eff) for name in _INSIDE}
        | {"errors": errors, "best_baseline": best, "skill": skill}
    )


def _coverage(periods: Sequence[Period], name: str, n_eff: float) -> dict[str, Any]:
    low, high = _INSIDE[name]
    inside = sum(p["nrr"][low] <= p["actual_nrr"] <= p["nrr"][high] for p in periods)
    return share_of(int(inside), len(periods), n_eff)


def _errors(periods: Sequence[Period]) -> dict[str, dict[str, Any]]:
    """Give mean absolute error and bias in points, of the forecast and of each baseline.

    A baseline is compared only where every period has it: errors stand on the same periods.
    """
    said = {"forecast": [p["nrr"]["mean"] for p in periods]}
    said |= {name: [p["baselines"][name] for p in periods] for name in periods[0]["baselines"]}
    actual = [p["actual_nrr"] for p in periods]
    return {name: _error(values, actual) for name, values in said.items()}


def _error(said: Sequence[float | None], actual: Sequence[float]) -> dict[str, Any]:
    pairs = zip(said, actual, strict=True)
    off = np.array([100 * (a - b) for a, b in pairs if a is not None])
    return {
        "mae_points": float(np.abs(off).mean()) if len(off) else None,
        "bias_points": float(off.mean()) if len(off) else None,
        "periods": len(off),
        "compared": len(off) == len(actual),
    }
