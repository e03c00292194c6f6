"""Accuracy: how far past forecasts of NRR and GRR were off, beside what simpler rules would have said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models.outcomes import HORIZONS
from training.interval_scores import INTERVALS, crps_points, winkler_points
from training.shares import share_of
from training.width import factor_of

__all__ = ["LEAST_PERIODS", "PRIOR_DRIVEN", "accuracy", "told_period"]

Period = Mapping[str, Any]

LEAST_PERIODS = 3
"""Past periods of a horizon below which no error is averaged: not applicable."""
PRIOR_DRIVEN = 2.0
"""Independent periods below which an interval's width is the prior's, not the book's."""


def told_period(period: Period) -> dict[str, Any]:
    """Give one past period as it is told: forecast, interval, actual, error, scores, baselines.

    Examples
    --------
    >>> nrr = {"mean": 1.0, "p05": .8, "p10": .9, "p50": 1.0, "p90": 1.1, "p95": 1.2}
    >>> one = {"origin": "2025-01-01", "horizon_months": 3, "period_end": "2025-03-31",
    ...     "accounts": 9, "opening_mrr": 5.0, "nrr": nrr, "actual_nrr": 1.15, "grr": nrr,
    ...     "actual_grr": 0.9, "uncombined": 1.0, "combined": None, "baselines": {}}
    >>> told = told_period(one)
    >>> round(told["error_points"], 6), told["inside_80"], told["inside_90"]
    (-15.0, False, True)
    >>> round(told["grr_error_points"], 6), round(told["winkler_80_points"], 6)
    (10.0, 70.0)
    """
    nrr, actual, grr = period["nrr"], period["actual_nrr"], period["grr"]
    kept = ("origin", "horizon_months", "period_end", "accounts", "opening_mrr")
    inside = {
        f"inside_{name}": bool(nrr[low] <= actual <= nrr[high])
        for name, (low, high) in INTERVALS.items()
    }
    return (
        {name: period[name] for name in kept}
        | {"nrr": dict(nrr), "actual_nrr": actual, "error_points": 100 * (nrr["mean"] - actual)}
        | inside
        | _scores(period)
        | {"grr": dict(grr), "actual_grr": period["actual_grr"]}
        | {"grr_error_points": 100 * (grr["mean"] - period["actual_grr"])}
        | {"uncombined": period["uncombined"], "combined": period["combined"]}
        | {"baselines": dict(period["baselines"])}
    )


def _scores(period: Period) -> dict[str, float]:
    """Give CRPS and Winkler's scores of one period."""
    nrr, actual = period["nrr"], period["actual_nrr"]
    winkler = {f"winkler_{name}_points": winkler_points(nrr, actual, name) for name in INTERVALS}
    return {"crps_points": crps_points(nrr, actual)} | winkler


def accuracy(periods: Sequence[Period]) -> dict[str, dict[str, Any]]:
    """Sum up the past periods of every horizon.

    Returns
    -------
    dict
        By horizon in months: ``periods, n_eff`` (independent ones), ``width`` (``measured`` or
        ``prior-driven width``), ``applicable``; and where it is: ``coverage_80``,
        ``coverage_90`` (share of the actual values inside, with an interval on n_eff),
        ``errors`` (by name, the forecast first: ``mae_points, bias_points, periods``),
        ``best_baseline``, ``skill`` (1 - MAE / the best baseline's), ``crps_points``,
        ``winkler_80_points``, ``winkler_90_points`` (means), ``grr`` (``mae_points,
        bias_points``), ``combined_periods`` and ``uncombined`` (errors of the mean before it was
        combined).
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
        | {f"coverage_{name}": _coverage(periods, name, n_eff) for name in INTERVALS}
        | {"errors": errors, "best_baseline": best, "skill": skill}
        | _mean_scores(periods)
        | _beside(periods)
    )


def _mean_scores(periods: Sequence[Period]) -> dict[str, float]:
    scores = [_scores(period) for period in periods]
    return {name: float(np.mean([one[name] for one in scores])) for name in scores[0]}


def _beside(periods: Sequence[Period]) -> dict[str, Any]:
    """Give the errors of GRR, and of NRR before it was combined."""
    grr = _error([p["grr"]["mean"] for p in periods], [p["actual_grr"] for p in periods])
    alone = _error([p["uncombined"] for p in periods], [p["actual_nrr"] for p in periods])
    return {
        "grr": {name: grr[name] for name in ("mae_points", "bias_points")},
        "combined_periods": sum(period["combined"] is not None for period in periods),
        "uncombined": {name: alone[name] for name in ("mae_points", "bias_points")},
    }


def _coverage(periods: Sequence[Period], name: str, n_eff: float) -> dict[str, Any]:
    low, high = INTERVALS[name]
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
