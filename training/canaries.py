"""Canaries: what must not be there, looked for before a model may serve.

A signal that alone tells the future knows it; labels that were permuted cannot be learned, unless
the machinery itself leaks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from models.target import TARGETS
from training.backtest import Backtest, _judged, _replay
from training.evaluate import judge
from training.fit import fit_health
from training.history import History
from training.labels import Outcomes, Panel

__all__ = ["LEAK_AUC", "permuted", "permuted_skill", "surely_skilled", "suspected_leaks"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LEAK_AUC = 0.95
LEAST_EVENTS = 10
LEADS = (1, 3)
"""Months ahead at which a signal is looked at: what knows next month may know no later one."""
ROWS = 10_000
"""Rows of the fit on permuted labels, at most."""
SURE_WIDTHS = 2
"""Skill so many half-widths of its 90 % interval above none is sure: 3.3 standard errors."""


def suspected_leaks(history: History) -> list[str]:
    """Name signals that alone tell what comes, among accounts at risk, too well.

    A signal that is missing for those who leave tells as much as one that is there. Signals of
    the calendar (family ``commercial``) are excluded: they may know a decision.
    """
    judged = [slug for slug in history.signals if not slug.startswith("commercial_")]
    values = history.frame.loc[:, judged].to_numpy(dtype=float)
    most = np.zeros(len(judged))
    for at_risk, events in _asked(history):
        most = np.maximum(most, _areas(values[at_risk], events))
    return [slug for slug, area in zip(judged, most, strict=True) if area > LEAK_AUC]


def _asked(history: History) -> list[tuple[Bools, NDArray[np.bool_]]]:
    """List who is at risk, and what became of them, where enough happened to ask."""
    told, free = history.outcomes(), history.facts.free()
    asked = []
    for lead in LEADS:
        usable = told.closed[:, lead - 1] & history.modelled
        able = usable & free[:, :lead].any(axis=1)
        asked.append((able, told.gone[able, lead - 1][:, None]))
        moves = np.column_stack([told.expand[:, lead - 1], told.contract[:, lead - 1]])
        asked.append((usable, moves[usable]))
    return [
        (at_risk, events[:, np.array(events.sum(axis=0) >= LEAST_EVENTS)])
        for at_risk, events in asked
        if (events.sum(axis=0) >= LEAST_EVENTS).any()
    ]


def _areas(values: Floats, events: NDArray[np.bool_]) -> Floats:
    """Give each signal's largest area under the ROC curve, either way round, or of its absence."""
    missing = np.isnan(values)
    middle = np.array([np.median(c[~m]) if not m.all() else 0.0 for c, m in zip(values.T, missing.T, strict=True)])  # fmt: skip
    filled = np.where(missing, middle, values)
    found = np.full(values.shape[1], 0.5)
    n1 = events.sum(axis=0)
    n0 = len(events) - n1
    for some in (filled, missing):
        ranks = rankdata(some, axis=0)
        area = (ranks.T @ events - n1 * (n1 + 1) / 2) / np.maximum(n1 * n0, 1)
        found = np.maximum(found, np.maximum(area, 1 - area).max(axis=1))
    return found


@dataclass(frozen=True)
class _Permuted(Panel):
    """A panel whose outcomes stand at other rows of the same day."""

    order: Ints

    def outcomes(self, frame: Any, known_until: date) -> Outcomes:
        told = super().outcomes(frame, known_until)
        return Outcomes(
            **{each.name: getattr(told, each.name)[self.order] for each in fields(told)}
        )


def permuted(history: History, seed: int) -> History:
    """Give the same history with every day's outcomes dealt anew among its modelled rows."""
    rng = np.random.default_rng(seed)
    order = np.arange(len(history.frame))
    for day in history.dates:
        rows = history.at(day)
        rows = rows[history.modelled[rows]]
        order[rows] = rng.permutation(rows)
    panel = history.panel
    return replace(
        history, panel=_Permuted(panel.accounts, panel.first, panel.mrr, panel.organic, order)
    )


def permuted_skill(history: History, past: Backtest, seed: int) -> dict[str, dict[str, Any]]:
    """Fit at the last origin on permuted labels, and judge what it says of permuted outcomes.

    It is laid beside the same model's word with every account given another one's signals: what
    is better than that was learned from signals. Targets without a score have nothing to judge.
    """
    if not past.replays:
        return {}
    dealt, origin = permuted(history, seed), past.replays[-1].origin
    replay = _replay(dealt, origin, fit_health(dealt, origin, {}, seed, ROWS))
    frame = dealt.frame.iloc[replay.rows].reset_index(drop=True)
    signals = list(history.signals)
    others = frame[signals].sample(frac=1, random_state=seed).reset_index(drop=True)
    swapped = replay.model.predict(frame.assign(**others))
    beside = [replace(replay, calendar=swapped)]
    return {
        name: judge(_judged(name, beside, dealt, seed), seed)
        for name in TARGETS
        if replay.model.targets[name].uses_score
    }


def surely_skilled(judged: Mapping[str, Any]) -> bool:
    """Say whether skill lies so far above none that luck does not explain it.

    Examples
    --------
    >>> surely_skilled({"rows": 900, "events": 40, "skill": 0.1, "skill_p05": 0.06})
    True
    >>> surely_skilled({"rows": 900, "events": 40, "skill": 0.1, "skill_p05": 0.02})
    False
    """
    if not judged["rows"] or judged["events"] < LEAST_EVENTS:
        return False
    return bool(judged["skill"] > SURE_WIDTHS * (judged["skill"] - judged["skill_p05"]) > 0)
