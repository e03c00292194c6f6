"""Past periods: what was forecast of NRR at every origin, beside what happened and the baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np

from features.asof import add_months, lead_day, months_between
from models.combined import combination, combined
from models.flows import Cohort, cohort_at, means
from models.forecast import phi_of, shared_scale
from models.outcomes import HORIZONS, Outlook
from models.view import groups_of, views_of
from training.baselines import nrr_baselines
from training.history import History
from training.labels import REPORTING_LAG_DAYS, Outcomes
from training.replay import Replay
from training.topdown import rivals_at
from training.width import factor_of, missed_by

__all__ = ["Rivals", "closed_by", "periods_of", "rivals_of"]

Rivals = Mapping[date, Mapping[str, Mapping[str, float | None]]]
"""What the top-down rules say, by origin, rule and horizon in months."""


def rivals_of(replays: Sequence[Replay], history: History) -> Rivals:
    """Give what the top-down rivals say at every origin, by rule and horizon."""
    return {replay.origin: rivals_at(history, replay.origin) for replay in replays}


def periods_of(
    replays: Sequence[Replay],
    history: History,
    told: Callable[[Replay], Outlook],
    rivals: Rivals | None = None,
) -> list[dict[str, Any]]:
    """Lay every origin's forecasts beside what happened, as far as that is closed.

    Each is combined with the top-down rivals by what had closed at its origin, as a scoring there
    would have been; ``uncombined`` is its mean without them.
    """
    outcomes = history.outcomes()
    rivals = rivals_of(replays, history) if rivals is None else rivals
    periods: list[dict[str, Any]] = []
    for replay in replays:
        outlook = told(replay)
        for horizon in HORIZONS:
            if outcomes.closed[replay.rows, horizon - 1].all():
                past = [p for p in periods if closed_by(p, replay.origin)]
                said = rivals[replay.origin]
                periods.append(_period(replay, outlook, said, horizon, past, history, outcomes))
    return periods


def closed_by(period: Mapping[str, Any], origin: date) -> bool:
    """Say whether a period's figures had closed at an origin."""
    end = date.fromisoformat(period["period_end"])
    return end + timedelta(days=REPORTING_LAG_DAYS) < origin


def _period(
    replay: Replay,
    outlook: Outlook,
    said: Mapping[str, Mapping[str, float | None]],
    horizon: int,
    past: Sequence[dict[str, Any]],
    history: History,
    outcomes: Outcomes,
) -> dict[str, Any]:
    """Lay one origin's forecast beside what happened; its width knows only earlier origins."""
    opening = float(outcomes.opening[replay.rows].sum())
    actual = float(outcomes.mrr[replay.rows, horizon - 1].sum()) / opening
    own = _expected(cohort_at(outlook, horizon))
    outlook, weighed = combined(outlook, _at(horizon, past), said)
    cohort = cohort_at(outlook, horizon)
    learned = factor_of(past)[horizon]
    tau = shared_scale(outlook, horizon, phi_of(outlook, horizon, learned["strength"]))
    everyone, stretch = groups_of(outlook.accounts, ()), learned["stretch"]
    whole = views_of(cohort, everyone, tau, stretch=stretch)[0].figures()
    month = months_between(history.panel.first, add_months(replay.origin, -1))
    calendar = _expected(cohort_at(replay.calendar_outlook, horizon))
    return {
        "origin": replay.origin.isoformat(),
        "horizon_months": horizon,
        "period_end": lead_day(replay.origin, horizon).isoformat(),
        "accounts": len(replay.rows),
        "opening_mrr": opening / 1e6,
        "nrr": whole["nrr"],
        "grr": whole["grr"],
        "actual_nrr": actual,
        "actual_grr": _actual_grr(replay, horizon, outcomes),
        "uncombined": own,
        "combined": dict(weighed[str(horizon)]["weights"]) if weighed else None,
        "baselines": nrr_baselines(history.panel, month, horizon)
        | {"calendar": calendar}
        | {name: by_horizon[str(horizon)] for name, by_horizon in said.items()},
    } | missed_by(cohort, actual, horizon)


def _at(horizon: int, past: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Give the combination of one horizon alone, from past periods."""
    return combination([period for period in past if period["horizon_months"] == horizon])


def _actual_grr(replay: Replay, horizon: int, outcomes: Outcomes) -> float:
    """Give what was kept of the opening MRR: account by account, never more than it opened with."""
    opening = outcomes.opening[replay.rows]
    kept = np.minimum(outcomes.mrr[replay.rows, horizon - 1], opening)
    return float(kept.sum()) / float(opening.sum())


def _expected(cohort: Cohort) -> float:
    """Give the mean of NRR."""
    return float(means(cohort)["closing"].sum()) / float(cohort.mrr.sum())
