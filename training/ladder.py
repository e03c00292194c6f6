"""The ladder: what may be fitted is decided by how many events there are to learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from models.calendar import CalendarFacts, fit_calendar
from models.ridge import fit_ridge
from models.score import RUNGS, Score, rung_of
from models.target import LEAD_GROUPS, TargetModel, lead_group
from training.rows import Rows, distinct_events, sample

__all__ = ["BOOSTER", "Material", "fit_target", "search"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BOOSTER: Mapping[str, Any] = {
    "objective": "binary",
    "num_iterations": 160,
    "learning_rate": 0.035,
    "num_leaves": 5,
    "lambda_l2": 10.0,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "feature_fraction": 0.8,
    "max_bin": 63,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "boost_from_average": False,
    "verbosity": -1,
}
MIN_LEAF_ROWS = 60
MIN_LEAF_SHARE = 0.05

CONFIGURATIONS: Sequence[Mapping[str, Any]] = (
    {},
    {"num_iterations": 300},
    {"num_leaves": 8, "num_iterations": 250},
    {"num_leaves": 8, "num_iterations": 250, "min_leaf_share": 0.02},
    {"num_leaves": 12, "num_iterations": 300, "min_leaf_share": 0.01},
)
"""What the top rung searches, the plain one first: it stays unless another is clearly better."""


@dataclass(frozen=True)
class Material:
    """What a fit is given: the snapshot rows' signals, calendar facts and declared signs.

    Attributes
    ----------
    values : array of float, (n, signals)
    facts : CalendarFacts
    signals : tuple of str
    signs : mapping of target to sequence of int
    seed : int
    """

    values: Floats
    facts: CalendarFacts
    signals: tuple[str, ...]
    signs: Mapping[str, Sequence[int]]
    seed: int = 0


def fit_target(
    target: str, rows: Rows, material: Material, options: Mapping[str, Any] | None = None
) -> TargetModel:
    """Fit one target: the calendar first, then the score that its events allow, then its gains.

    Parameters
    ----------
    target : {"churn", "expand", "contract"}
    rows : Rows
        Every closed row of the target.
    material : Material
    options : mapping, optional
        What the search of the top rung chose; the plain configuration without.
    """
    events = distinct_events(rows)
    rung = rung_of(events)
    facts = material.facts
    codes = facts.codes(rows.row, rows.lead, target != "churn")
    calendar = fit_calendar(target, codes, rows.y, rung == RUNGS[0], rows.lead)
    bare = TargetModel(target, rung, events, calendar, Score(None, None), serves="calendar")
    if rung == RUNGS[0]:
        return bare
    drawn = sample(rows, np.random.default_rng(material.seed))
    offset = calendar.logit(facts, drawn.row, drawn.lead)
    score = _fit_score(target, rung, drawn, offset, material, options or {})
    level, gains = _fit_gains(score, drawn, offset, material)
    return TargetModel(target, rung, events, calendar, score, level, gains)


def _fit_score(
    target: str,
    rung: str,
    rows: Rows,
    offset: Floats,
    material: Material,
    options: Mapping[str, Any],
) -> Score:
    signs = material.signs[target]
    values = material.values[rows.row]
    ridge = fit_ridge(values, rows.y.astype(float), rows.weight, offset, signs)
    if rung == RUNGS[1]:
        return Score(ridge, None)
    return Score(ridge, _fit_booster(values, rows, offset, material, signs, options))


def _fit_booster(
    values: Floats,
    rows: Rows,
    offset: Floats,
    material: Material,
    signs: Sequence[int],
    options: Mapping[str, Any],
) -> lgb.Booster:
    share = float(options.get("min_leaf_share", MIN_LEAF_SHARE))
    parameters = {
        **BOOSTER,
        **{key: value for key, value in options.items() if key != "min_leaf_share"},
        "seed": material.seed,
        "min_data_in_leaf": max(MIN_LEAF_ROWS, int(share * len(rows))),
        "monotone_constraints": list(signs),
    }
    data = lgb.Dataset(
        values,
        label=rows.y,
        weight=rows.weight / rows.weight.mean(),
        init_score=offset,
        feature_name=list(material.signals),
        params={"max_bin": BOOSTER["max_bin"], "verbosity": -1},
    )
    fitted = lgb.train(parameters, data)
    return lgb.Booster(model_str=fitted.model_to_string())


def _fit_gains(
    score: Score, rows: Rows, offset: Floats, material: Material
) -> tuple[float, tuple[float, float, float, float]]:
    """Fit the constant and one gain per lead group: at least 0, never rising with the lead.

    The gains are sums of steps from the last group backwards, each step at least zero. In-sample
    a gain above 1 is optimism, so 1 is the most.
    """
    used = np.unique(rows.row)
    of_row = np.zeros(int(rows.row.max()) + 1)
    of_row[used] = score.of(material.values[used])
    s, group = of_row[rows.row], lead_group(rows.lead)
    reaches = np.stack([(group <= last) for last in range(len(LEAD_GROUPS))], axis=1)
    design = reaches * s[:, None]

    def loss(parameters: Floats) -> tuple[float, Floats]:
        eta = offset + parameters[0] + design @ parameters[1:]
        p = 1 / (1 + np.exp(-eta))
        value = float(rows.weight @ (np.logaddexp(0, eta) - rows.y * eta))
        residual = rows.weight * (p - rows.y)
        return value, np.concatenate([[residual.sum()], residual @ design])

    start = np.array([0.0] * len(LEAD_GROUPS) + [1.0])
    bounds = [(None, None)] + [(0.0, None)] * len(LEAD_GROUPS)
    solved = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    gains = np.minimum(np.cumsum(solved[1:][::-1])[::-1], 1.0)
    first, second, third, fourth = (float(v) for v in gains)
    return float(solved[0]), (first, second, third, fourth)


def search(target: str, rows: Rows, material: Material, opening_month: Ints) -> Mapping[str, Any]:
    """Choose a booster's configuration on the latest third of the rows' months, in order of time.

    Only the top rung searches. The plain configuration stays unless another one's log-loss is
    lower by more than one standard error of the difference.
    """
    if rung_of(distinct_events(rows)) != RUNGS[-1]:
        return {}
    month = opening_month[rows.row]
    cut = int(np.quantile(np.unique(month), 2 / 3))
    early = rows.take(np.nonzero(month + rows.lead <= cut)[0])
    late = rows.take(np.nonzero((month >= cut) & (rows.lead <= 3))[0])
    if min(early.y.sum(), late.y.sum()) < 30:
        return {}
    losses = [_held_out_loss(target, early, late, material, one) for one in CONFIGURATIONS]
    best = min(range(len(losses)), key=lambda at: float(losses[at].mean()))
    difference = losses[0] - losses[best]
    error = float(difference.std() / np.sqrt(len(difference)))
    return CONFIGURATIONS[best] if float(difference.mean()) > error else {}


def _held_out_loss(
    target: str, early: Rows, late: Rows, material: Material, options: Mapping[str, Any]
) -> Floats:
    model = fit_target(target, early, material, options)
    used, where = np.unique(late.row, return_inverse=True)
    score = model.scores(material.values[used])
    eta = model.logits(material.facts.take(used), score)[where, late.lead - 1]
    return np.asarray(np.logaddexp(0, eta) - late.y * eta)
