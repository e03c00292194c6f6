"""The backtest: every past quarter forecast again with what was known then.

At each origin everything is fitted anew on what had closed there; predictions are kept and
later laid beside what happened and beside the baselines.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.calibration import choose_calibration, fit_calibration
from models.outcomes import Outlook
from models.prediction import HealthModel
from models.score import RUNGS
from models.target import TARGETS, TargetModel
from training.baselines import health_score
from training.evaluate import Judged, judge, may_serve
from training.fit import fit_health, material_of
from training.history import History
from training.origins import JUDGED_HORIZON, origins, sealed_of
from training.periods import Rivals, periods_of, rivals_of
from training.replay import Replay
from training.rows import Rows, all_rows

__all__ = ["Backtest", "backtest", "calibrated", "served"]

Floats = NDArray[np.float64]
Progress = Callable[[str, int, int], None]

ROWS_PER_REPLAY = 30_000


@dataclass(frozen=True)
class Backtest:
    """All replays, judged.

    Attributes
    ----------
    replays : tuple of Replay
    probabilities : mapping of target to dict
        Scores of ``training.evaluate.judge`` at three months.
    periods : tuple of dict
        One per origin and horizon: ``origin, horizon_months, period_end, opening_mrr, nrr``
        and ``grr`` (mean and quantiles), ``actual_nrr``, ``actual_grr``, ``uncombined`` (the
        mean before it was combined), ``combined`` (weights, or None), ``baselines``, ``z``;
        forecast by what serves.
    calendar_periods : tuple of dict
        The same, forecast by the calendar alone.
    serves : mapping of target to str
        ``score`` where it beat the calendar at the origins that are not sealed, else ``calendar``.
    sealed : tuple of date
        The last origins: nothing was chosen on them, so the gate judges there.
    chosen_on, sealed_on : mapping of target to dict
        As ``probabilities``, at the origins that are open to choices and at the sealed ones.
    pooled : mapping of target to Judged
        The rows that were judged, of all origins.
    rivals : mapping of date to mapping
        What the top-down rules said at every origin (``models.topdown.rivals``).
    """

    replays: tuple[Replay, ...]
    probabilities: Mapping[str, dict[str, Any]]
    periods: tuple[dict[str, Any], ...]
    calendar_periods: tuple[dict[str, Any], ...] = ()
    serves: Mapping[str, str] = field(default_factory=lambda: dict.fromkeys(TARGETS, "calendar"))
    sealed: tuple[date, ...] = ()
    chosen_on: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    sealed_on: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    pooled: Mapping[str, Judged] = field(default_factory=dict)
    rivals: Rivals = field(default_factory=dict)


def backtest(
    history: History,
    options: Callable[[date], Mapping[str, Mapping[str, Any]]],
    seed: int,
    progress: Progress | None = None,
    days: Sequence[date] | None = None,
) -> Backtest:
    """Replay the past.

    Parameters
    ----------
    history : History
    options : callable
        Gives the searched configurations of an origin, from what had closed there.
    seed : int
    progress : callable, optional
        Told ``("past quarters", done, all)``, or ``"past origins"`` where they are named.
    days : sequence of date, optional
        Origins in order; the last six quarterly ones by default.
    """
    replays: list[Replay] = []
    stage = "past quarters" if days is None else "past origins"
    days = origins(history) if days is None else days
    sealed = sealed_of(days)
    for at, origin in enumerate(days):
        if progress:
            progress(stage, at, len(days))
        model = fit_health(history, origin, options(origin), seed, ROWS_PER_REPLAY)
        model = calibrated(model, replays, history, origin, sealed)
        replays.append(_replay(history, origin, model))
    pooled = {name: _judged(name, replays, history, seed) for name in TARGETS} if replays else {}
    judged = {name: _by_ground(pooled.get(name), replays, sealed, seed) for name in TARGETS}
    everywhere, chosen, held = ({n: one[at] for n, one in judged.items()} for at in range(3))
    serves = {n: "score" if may_serve(one) else "calendar" for n, one in chosen.items()}
    said = rivals_of(replays, history)
    periods = periods_of(replays, history, lambda replay: served(replay, serves, history), said)
    plain = periods_of(replays, history, lambda replay: replay.calendar_outlook, said)
    return Backtest(
        tuple(replays),
        everywhere,
        tuple(periods),
        tuple(plain),
        serves,
        sealed,
        chosen,
        held,
        pooled,
        said,
    )


def calibrated(
    model: HealthModel,
    replays: Sequence[Replay],
    history: History,
    known_until: date,
    sealed: Collection[date] = (),
) -> HealthModel:
    """Give a model its calibration, chosen on what earlier origins said and has closed since.

    Only targets on the top rung are calibrated; below it a map costs more than it mends. Which
    map is chosen at origins that are not sealed; then it is fitted on all of them.
    """
    targets = {
        name: _calibrated(target, replays, history, known_until, sealed)
        for name, target in model.targets.items()
    }
    return replace(model, targets=targets)


def _calibrated(
    target: TargetModel,
    replays: Sequence[Replay],
    history: History,
    known_until: date,
    sealed: Collection[date],
) -> TargetModel:
    past = [r for r in replays if r.model.targets[target.target].rung == RUNGS[-1]]
    if target.rung != RUNGS[-1] or len(past) < 3:
        return target
    outcomes = history.outcomes(known_until)
    rows = all_rows(target.target, outcomes, history.facts, history.modelled)
    parts = [_closed_logits(target, r, rows, at) for at, r in enumerate(past)]
    logits, leads, y, weight, origin = (np.concatenate(one) for one in zip(*parts, strict=True))
    unsealed = [at for at, replay in enumerate(past) if replay.origin not in sealed]
    here = np.isin(origin, unsealed)
    chosen = choose_calibration(logits[here], leads[here], y[here], weight[here], origin[here])
    if not here.all():
        chosen = fit_calibration(chosen.kind, logits, leads, y, weight)
    return replace(target, calibration=chosen)


def _closed_logits(
    target: TargetModel, replay: Replay, rows: Rows, number: int
) -> tuple[Floats, NDArray[np.int64], Floats, Floats, NDArray[np.int64]]:
    """Give an origin's uncalibrated logits of what has closed, their leads, outcomes, weights."""
    here = np.isin(rows.row, replay.rows)
    bare = replace(replay.model.targets[target.target], calibration=target.calibration)
    matrix = bare.logits(replay.prediction.facts, replay.prediction.scores[target.target])
    at, lead = np.searchsorted(replay.rows, rows.row[here]), rows.lead[here]
    outcome, weight = rows.y[here].astype(float), rows.weight[here]
    return matrix[at, lead - 1], lead, outcome, weight, np.full(len(lead), number)


def _replay(history: History, origin: date, model: HealthModel) -> Replay:
    rows = history.at(origin)
    frame = history.frame.iloc[rows].reset_index(drop=True)
    bare = model.calendar_only()
    prediction, calendar = model.predict(frame), bare.predict(frame)
    return Replay(
        origin,
        rows,
        model,
        prediction,
        calendar,
        model.outlook(frame, prediction),
        bare.outlook(frame, calendar),
    )


def served(replay: Replay, serves: Mapping[str, str], history: History) -> Outlook:
    """Give an origin's outlook with the calendar serving where the score did not beat it."""
    frame = history.frame.iloc[replay.rows].reset_index(drop=True)
    model = replay.model.served_by(serves)
    return model.outlook(frame, model.predict(frame))


def _by_ground(
    pooled: Judged | None, replays: Sequence[Replay], sealed: Collection[date], seed: int
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Judge one event at all origins, at those open to choices, and at the sealed ones."""
    nothing = {"rows": 0, "events": 0}
    if pooled is None:
        return nothing, nothing, nothing
    everywhere = judge(pooled, seed)
    if not sealed:
        return everywhere, everywhere, nothing
    first = next(at for at, replay in enumerate(replays) if replay.origin in sealed)
    late = pooled.origin >= first
    return everywhere, judge(pooled.take(~late), seed), judge(pooled.take(late), seed)


def _judged(target: str, replays: Sequence[Replay], history: History, seed: int) -> Judged:
    """Pool every origin's three-month probabilities of one event, with what happened."""
    material, outcomes = material_of(history, seed), history.outcomes()
    event = {"churn": outcomes.gone, "expand": outcomes.expand, "contract": outcomes.contract}
    column = JUDGED_HORIZON - 1
    account = pd.factorize(history.frame["account_id"])[0]
    parts: list[Judged] = []
    for number, replay in enumerate(replays):
        rows = replay.rows
        free = replay.prediction.free[:, :JUDGED_HORIZON].any(axis=1) | (target != "churn")
        parts.append(
            Judged(
                p=getattr(replay.prediction, f"p_{target}")[:, column],
                calendar=getattr(replay.calendar, f"p_{target}")[:, column],
                rules=health_score(material, target, rows),
                y=event[target][rows, column].astype(np.int64),
                account=account[rows],
                at_risk=np.asarray(free & history.modelled[rows]),
                mrr=outcomes.opening[rows] / 1e6,
                origin=np.full(len(rows), number),
            )
        )
    names = Judged.__dataclass_fields__
    return Judged(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})
