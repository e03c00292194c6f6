"""The gate: whether what was trained may serve, check by check, with value and limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from models.calibration import well_calibrated
from models.target import TARGETS
from training.backtest import Backtest, factor_of
from training.bootstrap import LEVEL
from training.evaluate import GROSS, auc
from training.history import History

__all__ = ["Check", "gate", "nrr_errors", "nrr_gaps", "suspected_leaks"]

LEAK_AUC = 0.95
WORSE_NRR = 1.05
LEAST_PERIODS = 3
LEAST_EVENTS = 10
LEAST_INDEPENDENT = 2.0


@dataclass(frozen=True)
class Check:
    """One check of the gate.

    Attributes
    ----------
    check : str
        What is asked.
    value : float, str or None
        What was found; None where the past is too short to say.
    limit : str
        What it must be.
    passed : bool
        True also where it is not applicable, which ``value`` None says.
    """

    check: str
    value: float | str | None
    limit: str
    passed: bool

    def to_json(self) -> dict[str, Any]:
        """Give the check as JSON."""
        return asdict(self)


def gate(history: History, past: Backtest) -> list[Check]:
    """Run every check on what will serve each target."""
    leaks = suspected_leaks(history)
    checks = [
        Check(
            "single signals with AUC > .95 at risk", ", ".join(leaks) or "none", "none", not leaks
        )
    ]
    for name in TARGETS:
        checks += _of_target(name, past.probabilities[name], past.serves[name])
    checks += [_nrr(past.periods), _some_score(past.serves)]
    return checks


def _of_target(name: str, judged: Mapping[str, Any], serves: str) -> list[Check]:
    limit = f"skill > 0 surely; slope and observed / expected in {GROSS[0]}-{GROSS[1]}"
    if serves == "calendar":
        return [
            Check(f"{name}: the calendar serves", _said(judged), f"a score needs {limit}", True)
        ]
    return [Check(f"{name}: the score serves", _said(judged), limit, judged["skill"] > 0)]


def _said(judged: Mapping[str, Any]) -> str | None:
    """Say skill, slope and observed over expected in one line; None where nothing was judged."""
    if not judged["rows"]:
        return None
    if judged["slope"] is None:
        return f"skill {judged['skill']:.3f}"
    names = {"skill": "skill", "slope": "slope", "o_over_e": "observed / expected"}
    told = [f"{word} {judged[key]:.3f}" for key, word in names.items()]
    return ", ".join([*told, "calibrated" if well_calibrated(judged) else "not calibrated"])


def nrr_errors(periods: Sequence[Mapping[str, Any]], horizon: int) -> dict[str, float]:
    """Mean absolute error of NRR in points, of the forecast and of each baseline.

    A baseline that some period lacks is left out: errors are compared on the same periods.
    """
    mine = [p for p in periods if p["horizon_months"] == horizon]
    if not mine:
        return {}
    told = {"forecast": [p["nrr"]["mean"] for p in mine]}
    for name in mine[0]["baselines"]:
        values = [p["baselines"][name] for p in mine]
        if all(value is not None for value in values):
            told[name] = values
    actual = np.array([p["actual_nrr"] for p in mine])
    return {name: float(100 * np.abs(np.array(v) - actual).mean()) for name, v in told.items()}


def nrr_gaps(
    periods: Sequence[Mapping[str, Any]], horizon: int
) -> dict[str, dict[str, float | None]]:
    """Compare absolute errors of NRR with each baseline's, quarter by quarter, in points.

    ``mean`` below zero: the forecast was nearer. ``p05`` and ``p95`` bound it by Student's t on
    ``n_eff`` quarters that do not overlap; None below two of them.
    """
    mine = [p for p in periods if p["horizon_months"] == horizon]
    n_eff = float(factor_of(mine)[horizon]["n_eff"])
    actual = np.array([p["actual_nrr"] for p in mine])
    ours = np.abs(np.array([p["nrr"]["mean"] for p in mine]) - actual)
    told = {}
    for name in nrr_errors(periods, horizon).keys() - {"forecast"}:
        theirs = np.abs(np.array([p["baselines"][name] for p in mine]) - actual)
        told[name] = _gap(100 * (ours - theirs), n_eff)
    return {name: told[name] for name in mine[0]["baselines"] if name in told} if mine else {}


def _gap(points: NDArray[np.float64], n_eff: float) -> dict[str, float | None]:
    mean = float(points.mean())
    if n_eff < LEAST_INDEPENDENT:
        return {"mean": mean, "p05": None, "p95": None, "n_eff": n_eff}
    reach = float(student.ppf((1 + LEVEL) / 2, n_eff - 1) * points.std(ddof=1) / np.sqrt(n_eff))
    return {"mean": mean, "p05": mean - reach, "p95": mean + reach, "n_eff": n_eff}


def _nrr(periods: Sequence[Mapping[str, Any]]) -> Check:
    errors = nrr_errors(periods, 3)
    count = sum(p["horizon_months"] == 3 for p in periods)
    limit = "3-month NRR error at most 5 % above the calendar's, or within one standard error"
    if count < LEAST_PERIODS:
        return Check("NRR error", None, f"{limit}; not applicable below 3 past quarters", True)
    ratio = errors["forecast"] / max(errors["calendar"], 1e-9)
    passed = ratio <= WORSE_NRR or _within_luck(periods)
    return Check("NRR error / calendar's", ratio, limit, passed)


def _within_luck(periods: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether the errors lie above the calendar's by less than one standard error.

    A handful of quarters cannot tell 5 %: without this, models that forecast better are refused
    about once in five times.
    """
    mine = [p for p in periods if p["horizon_months"] == 3]
    actual = np.array([p["actual_nrr"] for p in mine])
    ours = np.abs(np.array([p["nrr"]["mean"] for p in mine]) - actual)
    theirs = np.abs(np.array([p["baselines"]["calendar"] for p in mine]) - actual)
    worse = ours - theirs
    return bool(worse.mean() < worse.std(ddof=1) / np.sqrt(len(worse)))


def _some_score(serves: Mapping[str, str]) -> Check:
    scored = [name for name in TARGETS if serves[name] == "score"]
    limit = "at least one, else the calendar model serves"
    return Check("targets whose score serves", ", ".join(scored) or "none", limit, bool(scored))


def suspected_leaks(history: History) -> list[str]:
    """Name signals that alone tell three-month churn among accounts at risk too well.

    A signal that is missing for those who leave tells as much as one that is there. Signals of
    the calendar (family ``commercial``) are excluded: they may know a decision.
    """
    outcomes, facts = history.outcomes(), history.facts
    usable = outcomes.closed[:, 2] & facts.free()[:, :3].any(axis=1) & history.modelled
    y = outcomes.gone[usable, 2].astype(np.int64)
    if y.sum() < LEAST_EVENTS:
        return []
    values = history.frame.loc[usable]
    judged = [slug for slug in history.signals if not slug.startswith("commercial_")]
    return [slug for slug in judged if _tells(values[slug], y) > LEAK_AUC]


def _tells(values: pd.Series, y: NDArray[np.int64]) -> float:
    """Give the AUC of a signal or of its being missing, whichever tells more, either way round."""
    filled = values.fillna(values.median()).fillna(0.0).to_numpy(dtype=float)
    areas = [auc(filled, y), auc(values.isna().to_numpy(dtype=float), y)]
    return max([max(area, 1 - area) for area in areas if area is not None], default=0.5)
