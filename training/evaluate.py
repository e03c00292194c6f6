"""How good were the probabilities: against the calendar, among those who could move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.metrics import roc_auc_score

from models.calibration import calibration_slope, observed_over_expected

__all__ = [
    "GROSS",
    "Judged",
    "auc",
    "beats_calendar",
    "judge",
    "log_loss",
    "may_serve",
]

Floats = NDArray[np.float64]
FLOOR = 1e-6
RESAMPLES = 400
GROSS = (0.5, 2.0)
"""Slope and observed / expected outside which a score does not serve at all."""
SURE = 0.9
"""Bootstrap probability of a positive skill from which a score serves instead of the calendar."""


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
    """

    p: Floats
    calendar: Floats
    rules: Floats
    y: NDArray[np.int64]
    account: NDArray[np.int64]
    at_risk: NDArray[np.bool_]
    mrr: Floats


def log_loss(p: Floats, y: NDArray[np.int64]) -> Floats:
    """Give each row's log-loss, in nats, with probabilities kept 1e-6 from the ends.

    Examples
    --------
    >>> log_loss(np.array([0.5]), np.array([1])).round(4).tolist()
    [0.6931]
    """
    kept = np.clip(p, FLOOR, 1 - FLOOR)
    return np.asarray(-np.where(y == 1, np.log(kept), np.log(1 - kept)))


def auc(p: Floats, y: NDArray[np.int64]) -> float | None:
    """Give the area under the ROC curve; None where only one class was seen."""
    return float(roc_auc_score(y, p)) if 0 < y.sum() < len(y) else None


def judge(judged: Judged, seed: int = 0) -> dict[str, Any]:
    """Score the probabilities of one event.

    Returns
    -------
    dict
        ``rows, events, auc_at_risk, auc_calendar_at_risk, auc_rules_at_risk, log_loss,
        log_loss_calendar`` (nats a row), ``skill`` (1 - log-loss / calendar's, at risk), its
        80 % interval and ``p_better`` by a bootstrap over accounts, ``slope`` and ``o_over_e``
        with their standard errors, ``caught`` (share of the event's MRR in the riskiest tenth).
    """
    risk = judged.at_risk
    p, calendar, y = judged.p[risk], judged.calendar[risk], judged.y[risk]
    if not len(y):
        return {"rows": 0, "events": 0}
    ours, theirs = log_loss(p, y), log_loss(calendar, y)
    draws = _skill_draws(ours, theirs, judged.account[risk], seed)
    kept = np.clip(p, FLOOR, 1 - FLOOR)
    slope, slope_error = (
        calibration_slope(logit(kept), y.astype(float)) if 0 < y.sum() < len(y) else (None, None)
    )
    return {
        "rows": len(y),
        "events": int(y.sum()),
        "auc_at_risk": auc(p, y),
        "auc_calendar_at_risk": auc(calendar, y),
        "auc_rules_at_risk": auc(judged.rules[risk], y),
        "log_loss": float(ours.mean()),
        "log_loss_calendar": float(theirs.mean()),
        "skill": float(1 - ours.mean() / theirs.mean()),
        "skill_p10": float(np.quantile(draws, 0.1)),
        "skill_p90": float(np.quantile(draws, 0.9)),
        "p_better": float((draws > 0).mean()),
        "slope": slope,
        "slope_error": slope_error,
        "o_over_e": observed_over_expected(logit(kept), y.astype(float)),
        "o_over_e_error": float(np.sqrt((kept * (1 - kept)).sum()) / kept.sum()),
        "caught": _caught(p, y, judged.mrr[risk]),
    }


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


def _skill_draws(ours: Floats, theirs: Floats, account: NDArray[np.int64], seed: int) -> Floats:
    """Bootstrap the skill over whole accounts: rows of one account are not independent."""
    clusters, inverse = np.unique(account, return_inverse=True)
    a = np.bincount(inverse, weights=ours)
    b = np.bincount(inverse, weights=theirs)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(clusters), np.full(len(clusters), 1 / len(clusters)), RESAMPLES)
    return np.asarray(1 - (weights @ a) / (weights @ b))


def _caught(p: Floats, y: NDArray[np.int64], mrr: Floats) -> float | None:
    lost = float(mrr[y == 1].sum())
    top = np.argsort(-p, kind="stable")[: max(1, len(p) // 10)]
    return float(mrr[top][y[top] == 1].sum()) / lost if lost > 0 else None
