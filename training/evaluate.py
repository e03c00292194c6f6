"""How good were the probabilities: against the calendar, among those who could move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from training.bootstrap import Clusters, bounds
from training.influence import EDGE, Score, area, caught, lift, ratio, skill, slope

__all__ = [
    "GROSS",
    "INTERVALS",
    "Judged",
    "auc",
    "beats_calendar",
    "judge",
    "log_loss",
    "may_serve",
]

Floats = NDArray[np.float64]
GROSS = (0.5, 2.0)
"""Slope and observed / expected outside which a score does not serve at all."""
LEAST = {"auc_at_risk": 0.0, "o_over_e": 0.0, "lift": 0.0, "caught": 0.0}
MOST = {"skill": 1.0, "auc_at_risk": 1.0, "caught": 1.0}
"""What a score can be, where that has an end."""
INTERVALS = ("skill", "auc_at_risk", "slope", "o_over_e", "lift", "caught")
"""The scores that carry an interval."""
SURE = 0.85
"""Bootstrap probability of a positive skill from which a score serves instead of the calendar.

Every past quarter was learned from less than is known now, so it is told too low: where nothing
tells anything, half of all books say .15 or less (docs/decisions/attainable-not-reached.md)."""


@dataclass(frozen=True)
class Judged:
    """Predictions of one event at one horizon, pooled over origins, beside the outcomes.

    Attributes
    ----------
    p, calendar, rules : array of float, (n,)
        Probability by the model and by the calendar; order by a plain weighted health score.
    y : array of int, (n,)
    account : array of int, (n,)
        Cluster of each row.
    at_risk : array of bool, (n,)
        Whether nothing was booked and, for churn, the account could leave within the horizon.
    mrr : array of float, (n,)
        Opening MRR in units of currency.
    origin : array of int, (n,)
        Quarter of each row.
    """

    p: Floats
    calendar: Floats
    rules: Floats
    y: NDArray[np.int64]
    account: NDArray[np.int64]
    at_risk: NDArray[np.bool_]
    mrr: Floats
    origin: NDArray[np.int64]

    def take(self, keep: NDArray[np.bool_]) -> Judged:
        """Give some of the rows."""
        return Judged(**{name: values[keep] for name, values in vars(self).items()})


def log_loss(p: Floats, y: NDArray[np.int64]) -> Floats:
    """Give each row's log-loss, in nats, with probabilities kept 1e-6 from the ends.

    Examples
    --------
    >>> log_loss(np.array([0.5]), np.array([1])).round(4).tolist()
    [0.6931]
    """
    kept = np.clip(p, EDGE, 1 - EDGE)
    return np.asarray(-np.where(y == 1, np.log(kept), np.log(1 - kept)))


def auc(p: Floats, y: NDArray[np.int64]) -> float | None:
    """Give the area under the ROC curve; None where only one class was seen."""
    return float(roc_auc_score(y, p)) if 0 < y.sum() < len(y) else None


def judge(judged: Judged, seed: int = 0) -> dict[str, Any]:
    """Score the probabilities of one event.

    Returns
    -------
    dict
        ``rows, events, log_loss, log_loss_calendar`` (nats a row), ``auc_at_risk,
        auc_calendar_at_risk, auc_rules_at_risk``, ``skill`` (1 - log-loss / calendar's, at risk)
        with its 80 % interval (``skill_p10, skill_p90``) and ``p_better``, ``slope`` and
        ``o_over_e`` with their standard errors, ``lift`` (rate in the riskiest tenth over the
        rate of all), ``caught`` (share of the event's MRR in the riskiest tenth); of every score
        in `INTERVALS` its 90 % interval, ``…_p05`` and ``…_p95``, by a bootstrap over accounts
        and quarters. None is what too few events cannot say.
    """
    risk = judged.at_risk
    p, y = np.clip(judged.p[risk], EDGE, 1 - EDGE), judged.y[risk]
    calendar = judged.calendar[risk]
    if not len(y):
        return {"rows": 0, "events": 0}
    ours, theirs = log_loss(p, y), log_loss(calendar, y)
    stretch, stretch_error = slope(p, y)
    scores = {
        "skill": skill(ours, theirs),
        "auc_at_risk": area(p, y),
        "slope": stretch,
        "o_over_e": ratio(p, y),
        "lift": lift(p, y),
        "caught": caught(p, y, judged.mrr[risk]),
    }
    told = {
        "rows": len(y),
        "events": int(y.sum()),
        "auc_calendar_at_risk": auc(calendar, y),
        "auc_rules_at_risk": auc(judged.rules[risk], y),
        "log_loss": float(ours.mean()),
        "log_loss_calendar": float(theirs.mean()),
        "slope_error": stretch_error,
        "o_over_e_error": float(np.sqrt((p * (1 - p)).sum()) / p.sum()),
    }
    clusters = Clusters(judged.account[risk], judged.origin[risk])
    return told | _with_intervals(scores, clusters, seed)


def _with_intervals(
    scores: Mapping[str, Score], clusters: Clusters, seed: int
) -> dict[str, float | None]:
    """Give every score its interval: all on the same draws, each within what it can be."""
    drawn = clusters.draws(np.column_stack([one.influence for one in scores.values()]), seed)
    told: dict[str, float | None] = {}
    for (name, score), draws in zip(scores.items(), drawn.T, strict=True):
        told |= {name: score.value, f"{name}_p05": None, f"{name}_p95": None}
        if score.value is not None and (score.value or name == "skill"):
            low, high = bounds(score.value, draws)
            told[f"{name}_p05"] = max(low, LEAST.get(name, low))
            told[f"{name}_p95"] = min(high, MOST.get(name, high))
    found = scores["skill"].value or 0.0
    told["skill_p10"], told["skill_p90"] = bounds(found, drawn[:, 0], 0.8)
    return told | {"p_better": float((found + drawn[:, 0] > 0).mean())}


def beats_calendar(judged: Mapping[str, Any]) -> bool:
    """Say whether a score may stand beside the calendar: better on average, and surely so.

    Examples
    --------
    >>> beats_calendar({"rows": 900, "skill": 0.1, "p_better": 0.99})
    True
    >>> beats_calendar({"rows": 0})
    False
    """
    if not judged["rows"]:
        return False
    return bool(judged["skill"] > 0 and judged["p_better"] >= SURE)


def may_serve(judged: Mapping[str, Any]) -> bool:
    """Say whether a score serves its target: it beats the calendar, and is not grossly off.

    Where it does not, the calendar serves that target alone; the others keep their scores. A
    score that serves without being calibrated says so (``models.carried``).
    """
    if not beats_calendar(judged):
        return False
    worst = (judged["slope"], judged["o_over_e"])
    return all(one is None or GROSS[0] <= one <= GROSS[1] for one in worst)
