"""The combination: our forecast and the top-down rivals that did better, their means as one.

A rival counts where it was nearer on past periods by more than one standard error. With four rivals
and few periods that also happens by luck: the weights are judged on the periods that made them. Weights go by inverse error. Few periods say little, so our own forecast keeps
most of the weight then, and never less than a third. What the combined mean adds or takes is
shared over the accounts (``models.tilt``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.flows import cohort_at, means
from models.independence import independent_periods
from models.outcomes import HORIZONS, LEADS, Outlook
from models.tilt import shifted
from models.topdown import RIVALS

__all__ = ["OURS", "combination", "combined", "said_of"]

Floats = NDArray[np.float64]
Rivals = Mapping[str, Mapping[str, float | None]]
"""NRR by rule and horizon in months, as ``models.topdown.rivals`` says it."""

OURS = "forecast"
"""The name of our own forecast among the weights."""
LEAST_PERIODS = 3
"""Past periods of a horizon below which nothing is combined."""
PRIOR_PERIODS = 2.0
"""Independent periods that our own forecast is ahead by, before any was seen."""
LEAST_OWN = 1 / 3
SMALLEST_ERROR = 1e-6


def combination(periods: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Weigh our forecast and the rivals that did better on past periods.

    Parameters
    ----------
    periods : sequence of mapping
        ``origin, horizon_months, uncombined, actual_nrr, baselines`` of closed periods.

    Returns
    -------
    dict
        By horizon in months: ``weights`` (by name, ``forecast`` first; they sum to 1), ``periods``
        and ``n_eff``, of those in which a rival had something to say. A horizon at which nothing
        surely did better, or with fewer than three such periods, is not there.

    Examples
    --------
    >>> past = [{"origin": f"2024-{month:02}-01", "horizon_months": 3, "uncombined": 1.0,
    ...     "actual_nrr": 1.06, "baselines": {"ETS by segment": 1.05}} for month in (1, 4, 7, 10)]
    >>> found = combination(past)["3"]
    >>> {name: round(weight, 3) for name, weight in found["weights"].items()}, found["n_eff"]
    ({'forecast': 0.429, 'ETS by segment': 0.571}, 4.0)
    """
    found = {}
    for horizon in HORIZONS:
        mine = [p for p in periods if p["horizon_months"] == horizon and _rivalled(p)]
        if len(mine) >= LEAST_PERIODS:
            origins = [date.fromisoformat(period["origin"]) for period in mine]
            n_eff = independent_periods(origins, horizon)
            weights = _weights(mine, n_eff)
            if weights:
                found[str(horizon)] = {"weights": weights, "periods": len(mine), "n_eff": n_eff}
    return found


def combined(
    outlook: Outlook, weighed: Mapping[str, Mapping[str, Any]], rivals: Rivals
) -> tuple[Outlook, dict[str, dict[str, Any]]]:
    """Shift an outlook to the combined means, and tell what was combined.

    A rival that has nothing to say leaves its weight to our own forecast. Between the horizons
    the shift is interpolated, so that a path of months has no step.

    Returns
    -------
    tuple
        The outlook, and by horizon ``weights``, ``nrr`` (what each said), ``shift_points`` (of
        NRR), ``periods`` and ``n_eff``; a horizon at which nothing was combined is not there.
    """
    told = {}
    for horizon, one in weighed.items():
        said = {name: rivals.get(name, {}).get(horizon) for name in one["weights"]}
        known = {name: value for name, value in said.items() if value is not None}
        if known and outlook.accounts["mrr_micros"].sum() > 0:
            ours = _nrr(outlook, int(horizon))
            told[horizon] = _told(one, {OURS: ours} | known)
    if not told:
        return outlook, {}
    wanted = {int(horizon): one["shift_points"] / 100 for horizon, one in told.items()}
    moved = shifted(outlook, _by_lead(wanted))
    for horizon, one in told.items():
        one["shift_points"] = 100 * (_nrr(moved, int(horizon)) - one["nrr"][OURS])
    return moved, told


def said_of(published: Mapping[str, Mapping[str, Any] | None]) -> dict[str, dict[str, float]]:
    """Read what the rivals had said off published forecasts, by horizon in months.

    Examples
    --------
    >>> said_of({"3": {"combined": {"nrr": {"forecast": 1.0, "ETS by segment": 1.1}}}, "12": None})
    {'ETS by segment': {'3': 1.1}}
    """
    found: dict[str, dict[str, float]] = {}
    for horizon, one in published.items():
        for name, value in (((one or {}).get("combined") or {}).get("nrr") or {}).items():
            if name != OURS:
                found.setdefault(name, {})[horizon] = value
    return found


def _rivalled(period: Mapping[str, Any]) -> bool:
    """Say whether any rival had a past long enough to say something."""
    return any(period["baselines"].get(name) is not None for name in RIVALS)


def _weights(periods: Sequence[Mapping[str, Any]], n_eff: float) -> dict[str, float]:
    """Weigh by inverse mean error; empty where no rival was surely nearer than our own forecast."""
    own = _misses([p["uncombined"] for p in periods], periods)
    off = {}
    for name in RIVALS:
        said = [p["baselines"].get(name) for p in periods]
        if all(value is not None for value in said):
            off[name] = _misses(said, periods)
    inverse = {
        name: 1 / max(float(miss.mean()), SMALLEST_ERROR)
        for name, miss in off.items()
        if _surely(own - miss, n_eff)
    }
    if not inverse:
        return {}
    among = {name: one / sum(inverse.values()) for name, one in inverse.items()}
    pool = [sum(share * p["baselines"][name] for name, share in among.items()) for p in periods]
    ours, together = (float(miss.mean()) for miss in (own, _misses(pool, periods)))
    theirs = ours / (ours + max(together, SMALLEST_ERROR)) * n_eff / (n_eff + PRIOR_PERIODS)
    theirs = min(theirs, 1 - LEAST_OWN)
    return {OURS: 1 - theirs} | {name: theirs * share for name, share in among.items()}


def _misses(said: Sequence[Any], periods: Sequence[Mapping[str, Any]]) -> Floats:
    actual = [period["actual_nrr"] for period in periods]
    return np.asarray(np.abs(np.subtract(said, actual)))


def _surely(gain: Floats, n_eff: float) -> bool:
    """Say whether a gain is above zero by more than one standard error of so many periods."""
    mean = float(gain.mean())
    return mean > 0 and mean > float(gain.std(ddof=1)) / np.sqrt(n_eff)


def _told(one: Mapping[str, Any], said: Mapping[str, float]) -> dict[str, Any]:
    """Say what is combined at one horizon; who is silent leaves the weight to us."""
    weights = {name: one["weights"][name] for name in said if name != OURS}
    weights = {OURS: 1 - sum(weights.values())} | weights
    whole = sum(weights[name] * said[name] for name in weights)
    return {
        "weights": weights,
        "nrr": dict(said),
        "shift_points": 100 * (whole - said[OURS]),
        "periods": one["periods"],
        "n_eff": one["n_eff"],
    }


def _by_lead(wanted: Mapping[int, float]) -> dict[int, float]:
    """Interpolate the shifts; none at the opening, none at a horizon that is not combined."""
    at = [0, *HORIZONS]
    shifts = np.interp(range(1, LEADS + 1), at, [0.0, *(wanted.get(h, 0.0) for h in HORIZONS)])
    return {lead: float(shift) for lead, shift in enumerate(shifts, 1)}


def _nrr(outlook: Outlook, lead: int) -> float:
    cohort = cohort_at(outlook, lead)
    return float(means(cohort)["closing"].sum() / cohort.mrr.sum())
