"""Past trailing-twelve-month figures: what was forecast of them at every origin, and what they became.

The figure that a board asks for at a month's, a fiscal quarter's and a fiscal year's end
(``models.ttm``). Months to date were actual at the origin already, so its error is smaller than
that of a forecast of the whole period: it counts what was still open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np

from features.asof import lead_of, months_between
from models.combined import combination, combined
from models.endings import ENDINGS, Ending, cohort_day, ending_days
from models.forecast import phi_of, shared_scale
from models.outcomes import HORIZONS, LEADS, Outlook
from models.ttm import ttm_at
from training.accuracy import LEAST_PERIODS
from training.history import History
from training.interval_scores import INTERVALS
from training.labels import REPORTING_LAG_DAYS
from training.periods import Rivals, closed_by
from training.replay import Replay
from training.width import factor_of

__all__ = ["endings_of", "summed"]


def endings_of(
    replays: Sequence[Replay],
    history: History,
    told: Callable[[Replay], Outlook],
    periods: Sequence[Mapping[str, Any]],
    rivals: Rivals,
) -> list[dict[str, Any]]:
    """Lay every origin's trailing-twelve-month forecasts beside what they became, where closed.

    Returns
    -------
    list of dict
        ``origin, ending`` (month, quarter, fiscal_year), ``date, months_forecast``, ``nrr`` and
        ``grr`` (mean and quantiles), ``actual_nrr, actual_grr, error_points, grr_error_points,
        inside_80, inside_90``. Left out is what the ledger does not reach back to.
    """
    found = []
    for replay in replays:
        days = ending_days(replay.origin, replay.model.fiscal_year_starts)
        endings = [_ending(history, name, day) for name, day in days.items()]
        known = [one for one in endings if one.paid and _closed(one.day, history)]
        if known:
            past = [period for period in periods if closed_by(period, replay.origin)]
            said = rivals[replay.origin]
            outlook, _ = combined(told(replay), combination(past), said)
            figures = _forecast(replay, outlook, known, past)
            found += [_laid(replay, one, figures[one.name], history) for one in known]
    return found


def summed(endings: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Sum up the errors of each ending: ``periods, applicable``, and where that holds MAE, bias, coverage.

    Examples
    --------
    >>> summed([])["month"]
    {'periods': 0, 'applicable': False}
    """
    return {name: _summed([one for one in endings if one["ending"] == name]) for name in ENDINGS}


def _summed(mine: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    told = {"periods": len(mine), "applicable": len(mine) >= LEAST_PERIODS}
    if not told["applicable"]:
        return told
    off, gross = (
        np.array([one[name] for one in mine]) for name in ("error_points", "grr_error_points")
    )
    return (
        told
        | {"mae_points": float(np.abs(off).mean()), "bias_points": float(off.mean())}
        | {"grr_mae_points": float(np.abs(gross).mean()), "grr_bias_points": float(gross.mean())}
        | {f"inside_{level}": sum(one[f"inside_{level}"] for one in mine) for level in INTERVALS}
    )


def _ending(history: History, name: str, day: date) -> Ending:
    """Read what an ending's cohort paid; nothing where the ledger does not reach back so far."""
    column = months_between(history.panel.first, cohort_day(day))
    if column < 0:
        return Ending(name, day, {})
    paid = history.panel.mrr[:, column]
    who = np.flatnonzero(paid > 0)
    accounts = history.panel.accounts[who].astype(str)
    return Ending(name, day, dict(zip(accounts, paid[who].tolist(), strict=True)))


def _closed(day: date, history: History) -> bool:
    return day + timedelta(days=REPORTING_LAG_DAYS) < history.known_until


def _forecast(
    replay: Replay,
    outlook: Outlook,
    endings: Sequence[Ending],
    past: Sequence[Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    """Forecast the endings as wide as earlier origins say."""
    learned = factor_of(past)
    strength = learned[HORIZONS[0]]["strength"]
    known = [learned[horizon]["stretch"] for horizon in HORIZONS]
    stretches = np.interp(range(1, LEADS + 1), HORIZONS, known).tolist()
    taus = [0.0] * LEADS
    for lead in {lead_of(replay.origin, one.day) for one in endings}:
        taus[lead - 1] = shared_scale(outlook, lead, phi_of(outlook, lead, strength))
    return ttm_at(outlook, endings, taus, as_of=replay.origin, stretches=stretches)


def _laid(
    replay: Replay, ending: Ending, told: Mapping[str, Any], history: History
) -> dict[str, Any]:
    """Lay one figure beside what it became."""
    panel, nrr, grr = history.panel, told["nrr"], told["grr"]
    before = months_between(panel.first, cohort_day(ending.day))
    paid, now = panel.mrr[:, before], panel.mrr[:, months_between(panel.first, ending.day)]
    whole = float(paid.sum())
    actual = float(now[paid > 0].sum()) / whole
    gross = float(np.minimum(now, paid).sum()) / whole
    inside = {
        f"inside_{level}": bool(nrr[low] <= actual <= nrr[high])
        for level, (low, high) in INTERVALS.items()
    }
    return {
        "origin": replay.origin.isoformat(),
        "ending": ending.name,
        "date": ending.day.isoformat(),
        "months_forecast": told["months_forecast"],
        "nrr": dict(nrr),
        "actual_nrr": actual,
        "error_points": 100 * (nrr["mean"] - actual),
        "grr": dict(grr),
        "actual_grr": gross,
        "grr_error_points": 100 * (grr["mean"] - gross),
    } | inside
