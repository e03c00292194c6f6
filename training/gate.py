"""The gate: whether what was trained may serve, check by check, with value and limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from models.calibration import well_calibrated
from models.target import TARGETS
from training.backtest import Backtest
from training.bootstrap import LEVEL
from training.canaries import permuted_skill, surely_skilled, suspected_leaks
from training.evaluate import GROSS
from training.history import History
from training.width import factor_of

__all__ = ["Check", "gate", "nrr_errors", "nrr_gaps", "within_luck"]

WORSE_NRR = 1.05
LEAST_PERIODS = 3
LEAST_EVENTS = 10
LEAST_SEALED = 20
"""Events from which the sealed quarters alone judge a score."""
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
    code : str, optional
        Name of the fault where it did not pass and has one.
    """

    check: str
    value: float | str | None
    limit: str
    passed: bool
    code: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Give the check as JSON, with a ``code`` where it has one and did not pass."""
        told = asdict(self)
        if self.passed or self.code is None:
            del told["code"]
        return told


def gate(history: History, past: Backtest, seed: int = 0) -> list[Check]:
    """Run every check on what will serve each target.

    Each is judged on the sealed quarters, on which nothing was chosen, where they hold enough
    events; else on all of them, which the record says.
    """
    leaks = ", ".join(suspected_leaks(history))
    checks = [
        Check(
            "single signals with AUC > .95 at risk",
            leaks or "none",
            "none",
            not leaks,
            "train.leak_suspected",
        ),
        _permuted(permuted_skill(history, past, seed)),
    ]
    for name in TARGETS:
        checks += _of_target(name, past)
    checks += [_nrr(past.periods), _some_score(past.serves)]
    return checks


def _permuted(judged: Mapping[str, Mapping[str, Any]]) -> Check:
    """Ask that nothing was learned from labels that were dealt anew."""
    told, limit = "skill on permuted labels", "none, within 3.3 standard errors"
    found = {name: one for name, one in judged.items() if one["rows"]}
    if not found:
        return Check(told, None, f"{limit}; not applicable without a score", True)
    said = ", ".join(f"{name} {one['skill']:.3f}" for name, one in found.items())
    return Check(told, said, limit, not any(surely_skilled(one) for one in found.values()))


def _of_target(name: str, past: Backtest) -> list[Check]:
    everywhere = past.probabilities[name]
    if past.serves[name] == "calendar":
        limit = f"a score needs skill > 0 surely; slope, observed / expected in {_span()}"
        told = f"{name}: the calendar serves"
        return [Check(told, _said(past.chosen_on.get(name, everywhere)), limit, True)]
    ground, judged = _ground(past, name)
    better = everywhere["skill"] > 0 and judged.get("skill_p95", judged["skill"]) > 0
    limit = f"skill > 0, and not surely below it on {ground}"
    fits = all(_within(judged, score) for score in ("slope", "o_over_e"))
    span = f"slope and observed / expected in {_span()} or their intervals reach it, on {ground}"
    return [
        Check(f"{name}: the score serves", _skill(everywhere, judged), limit, bool(better)),
        Check(f"{name}: calibration of the score", _calibration(judged), span, fits),
    ]


def _ground(past: Backtest, name: str) -> tuple[str, Mapping[str, Any]]:
    """Give the quarters that judge a score, in words and in figures."""
    if not past.sealed:
        return "all quarters (too few to seal one)", past.probabilities[name]
    held, count = past.sealed_on[name], len(past.sealed)
    if held["events"] < LEAST_SEALED:
        said = f"all quarters (the sealed {count} held {held['events']} events)"
        return said, past.probabilities[name]
    return f"the last {count} of {len(past.replays)} quarters, sealed", held


def _span() -> str:
    return f"{GROSS[0]}-{GROSS[1]}"


def _within(judged: Mapping[str, Any], score: str) -> bool:
    """Say whether a score lies within ``GROSS``, or its interval reaches it."""
    value = judged[score]
    if value is None:
        return True
    low, high = (judged.get(f"{score}_{end}") for end in ("p05", "p95"))
    least, most = (value if low is None else low), (value if high is None else high)
    return bool(most >= GROSS[0] and least <= GROSS[1])


def _said(judged: Mapping[str, Any]) -> str | None:
    """Say skill and calibration in one line; None where nothing was judged."""
    if not judged["rows"]:
        return None
    told = [f"skill {_figure(judged, 'skill')}", _calibration(judged)]
    return ", ".join(one for one in told if one)


def _skill(everywhere: Mapping[str, Any], judged: Mapping[str, Any]) -> str:
    if judged is everywhere:
        return f"skill {_figure(everywhere, 'skill')}"
    return f"skill {_figure(judged, 'skill')}, all quarters {_figure(everywhere, 'skill')}"


def _calibration(judged: Mapping[str, Any]) -> str | None:
    if judged["slope"] is None:
        return None
    told = [
        f"slope {_figure(judged, 'slope')}",
        f"observed / expected {_figure(judged, 'o_over_e')}",
    ]
    return ", ".join([*told, "calibrated" if well_calibrated(judged) else "not calibrated"])


def _figure(judged: Mapping[str, Any], score: str) -> str:
    """Give a score with its 90 % interval, as far as it has one."""
    low, high = (judged.get(f"{score}_{end}") for end in ("p05", "p95"))
    around = "" if low is None or high is None else f" ({low:.3f} to {high:.3f})"
    return f"{judged[score]:.3f}{around}"


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
    mine = [p for p in periods if p["horizon_months"] == 3]
    actual = np.array([p["actual_nrr"] for p in mine])
    ours = np.abs(np.array([p["nrr"]["mean"] for p in mine]) - actual)
    theirs = np.abs(np.array([p["baselines"]["calendar"] for p in mine]) - actual)
    passed = ratio <= WORSE_NRR or within_luck(ours, theirs)
    return Check("NRR error / calendar's", ratio, limit, passed)


def within_luck(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> bool:
    """Say whether errors lie above others of the same quarters by less than one standard error.

    A handful of quarters cannot tell 5 %: without this, models that forecast better are refused
    about once in five times.

    Examples
    --------
    >>> within_luck(np.array([5.0, 1.5, 1.5]), np.array([2.0, 2.0, 2.0]))
    True
    """
    worse = ours - theirs
    return bool(worse.mean() <= worse.std(ddof=1) / np.sqrt(len(worse)))


def _some_score(serves: Mapping[str, str]) -> Check:
    scored = [name for name in TARGETS if serves[name] == "score"]
    limit = "at least one, else the calendar model serves"
    return Check("targets whose score serves", ", ".join(scored) or "none", limit, bool(scored))
