"""How wide a forecast has to be: what the errors of past periods say of the shared factor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from features.asof import months_between
from models.forecast import phi_from_backtest
from models.outcomes import HORIZONS

__all__ = ["errors_at", "factor", "factor_of"]


def factor_of(periods: Sequence[Mapping[str, Any]]) -> Mapping[int, dict[str, float]]:
    """Give phi and n_eff per horizon from past periods; the prior's where there are none."""
    return {h: factor(errors_at(periods, h), h) for h in HORIZONS}


def errors_at(periods: Sequence[Mapping[str, Any]], horizon: int) -> list[tuple[date, float]]:
    """List the origins of a horizon, and how many independent standard deviations each missed by."""
    return [
        (date.fromisoformat(period["origin"]), float(period["z"]))
        for period in periods
        if period["horizon_months"] == horizon
    ]


def factor(z: Sequence[tuple[date, float]], horizon: int) -> dict[str, float]:
    """Give phi and n_eff of a horizon from its past errors."""
    span = months_between(z[0][0], z[-1][0]) + horizon if z else 0
    phi, n_eff = phi_from_backtest([value for _, value in z], horizon, span)
    return {"phi": phi, "n_eff": n_eff}
