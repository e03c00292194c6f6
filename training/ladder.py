"""The ladder: what may be fitted is decided by how many events there are to learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from models.calendar import BANDS, CalendarFacts
from models.calendar_fit import fit_calendar
from models.outcomes import LEADS
from models.ridge import fit_ridge
from models.score import RUNGS, Score, rung_of
from models.target import LEAD_GROUPS, Levels, PerGroup, TargetModel, lead_group
from training.rows import (
    ROWS_PER_FIT,
    Rows,
    distinct_events,
    independent_share,
    refuse_unfit,
    sample,
)

__all__ = ["BOOSTER", "Material", "fit_target", "search"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bound = tuple[float | None, float | None]

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
MOST = (1.0, 1.0, 1.0, 1.0)
LATE_GROWTH = (1.0, 1.0, 1.0, 2.0)
"""What gains are at most. Who grows goes on growing: over a year a score may tell more than at first."""
APART = 0.3
"""How far a band's level may leave that of all, on the logit: a standard deviation."""
MIN_LEAF_ROWS = 60
MIN_LEAF_SHARE = 0.05
SCORE_LEADS = 6
"""A score is learned on the first six leads; what is left of it later, the gains say."""
SEARCH_ROWS = 15_000
SEARCH_SHARE = 2 / 3
"""Share of the months that a configuration is fitted on when the later ones judge it."""

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
    month : array of int, (n,)
        Months from the start of the ledger to each row's opening, for splits in order of time.
    seed : int
    """

    values: Floats
    facts: CalendarFacts
    signals: tuple[str, ...]
    signs: Mapping[str, Sequence[int]]
    month: Ints
    seed: int = 0


def fit_target(
    target: str,
    rows: Rows,
    material: Material,
    options: Mapping[str, Any] | None = None,
    most_rows: int = ROWS_PER_FIT,
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
    most_rows : int
        Rows of a fit, at most; 0 fits the calendar alone.
    """
    refuse_unfit(target, rows)
    events = distinct_events(target, rows)
    rung = rung_of(events)
    facts = material.facts
    codes = facts.codes(rows.row, rows.lead, target != "churn")
    share = independent_share(rows)
    calendar = fit_calendar(target, codes, rows.y, rung == RUNGS[0], rows.lead, share)
    bare = TargetModel(target, rung, events, calendar, Score(None, None), serves="calendar")
    if rung == RUNGS[0] or not most_rows:
        return bare
    near = rows.take(np.nonzero(rows.lead <= SCORE_LEADS)[0])
    near = _drawn(near, material, most_rows, events)
    at_near = calendar.logit(facts, near.row, near.lead)
    score = _fit_score(target, rung, near, at_near, material, options or {})
    drawn = _drawn(rows, material, most_rows, events)
    offset = calendar.logit(facts, drawn.row, drawn.lead)
    levels, gains = _fit_gains(score, drawn, offset, material, grows=target == "expand")
    return TargetModel(target, rung, events, calendar, score, levels, gains)


def _drawn(rows: Rows, material: Material, most: int, events: int) -> Rows:
    """Sample rows, their weights scaled so that their events weigh as many as were distinct.

    Up to twelve as-of dates see the same event through three leads each; without this a ridge's
    penalty would mean nothing, and a likelihood too much.
    """
    drawn = sample(rows, np.random.default_rng(material.seed), most)
    seen = float(drawn.weight @ drawn.y)
    return replace(drawn, weight=drawn.weight * min(1.0, events / max(seen, 1.0)))


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


def split_in_time(rows: Rows, month: Ints, share: float) -> tuple[Ints, Ints]:
    """Split rows: outcomes up to a month, and openings from that month on; no overlap between."""
    opening = month[rows.row]
    cut = float(np.quantile(np.unique(opening), share)) if len(rows) else 0.0
    return np.nonzero(opening + rows.lead <= cut)[0], np.nonzero(opening >= cut)[0]


def _fit_gains(
    score: Score, rows: Rows, offset: Floats, material: Material, grows: bool
) -> tuple[Levels, PerGroup]:
    """Fit levels by band and lead, and one gain per lead group.

    Gains are at least 0 and never rise with the lead, but for what ``grows``.

    The score is centred first, so that levels that lean to none lean to the calendar; they are
    solved once more for the gains that are left, or a shrunk score would bias every probability.
    The gains are sums of steps from the last group backwards, each step at least zero. What is
    seen in sample is optimism: the gains are at most the heuristic shrinkage of van Houwelingen
    and le Cessie (1990), 1 - df / chi2, of the score's likelihood ratio over the calendar, df being
    what the ridge's penalty left of its degrees of freedom.
    """
    groups = len(LEAD_GROUPS)
    s, group = _scores_of(score, rows, material), lead_group(rows.lead)
    centre = float(np.average(s, weights=rows.weight))
    steps = np.eye(groups) if grows else np.triu(np.ones((groups, groups)))
    level_of = np.eye(groups)[group]
    per_score = (level_of @ steps) * (s - centre)[:, None]
    free: list[Bound] = [(None, None)] * groups
    rising: list[Bound] = [(0.0, None)] * groups
    start = np.concatenate([np.zeros(groups), np.linalg.solve(steps, np.ones(groups))])
    design = np.concatenate([level_of, per_score], axis=1)
    solved = _solve(rows, offset, design, start, free + rising)
    most = _shrinkage(score, rows, material, offset, offset + design @ solved)
    gains = most * np.minimum(steps @ solved[groups:], LATE_GROWTH if grows else MOST)
    shrunk = offset + gains[group] * (s - centre)
    levels = _fit_levels(rows, shrunk, material.facts.band[rows.row])
    by_lead = gains[lead_group(np.arange(1, LEADS + 1))]
    return tuple(tuple(map(float, band)) for band in levels - by_lead * centre), _per_group(gains)


def _fit_levels(rows: Rows, offset: Floats, band: Ints) -> Floats:
    """Give the level of every band at every lead, (bands, 12).

    What signals say of the next months fades; what a size of account does over a year does not. So
    every band may leave the level of all, as far as its own rows show it.
    """
    bands, groups = len(BANDS), len(LEAD_GROUPS)
    group_of = np.eye(groups)[lead_group(np.arange(1, LEADS + 1))]
    group, lead = group_of[rows.lead - 1], np.eye(LEADS)[rows.lead - 1]
    apart = (np.eye(bands)[band][:, :, None] * group[:, None, :]).reshape(len(rows), -1)
    design = np.concatenate([group, APART * lead, APART * apart], axis=1)
    start = np.zeros(design.shape[1])
    solved = _solve(rows, offset, design, start, [(None, None)] * len(start), lean=len(start))
    of_group, of_lead, of_band = np.split(solved, [groups, groups + LEADS])
    by_band = of_group + APART * of_band.reshape(bands, groups)
    return np.asarray(by_band @ group_of.T + APART * of_lead)


def _solve(
    rows: Rows,
    offset: Floats,
    design: Floats,
    start: Floats,
    bounds: Sequence[Bound],
    lean: int = len(LEAD_GROUPS),
) -> Floats:
    """Minimise the log-loss on an offset; the first parameters, the levels, lean to none."""
    leans = (np.arange(design.shape[1]) < lean).astype(float)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        eta = offset + design @ parameters
        residual = rows.weight * (expit(eta) - rows.y)
        fit = float(rows.weight @ (np.logaddexp(0, eta) - rows.y * eta))
        value = fit + float(leans @ parameters**2) / 2
        return value, residual @ design + leans * parameters

    solved = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return np.asarray(solved)


def _shrinkage(score: Score, rows: Rows, material: Material, offset: Floats, eta: Floats) -> float:
    """Give 1 - df / chi2; without a ridge nothing was spent."""
    gained = rows.y * (eta - offset) - np.logaddexp(0, eta) + np.logaddexp(0, offset)
    chi2 = 2 * float(rows.weight @ gained)
    if chi2 <= 0:
        return 0.0
    p = expit(offset)
    information = rows.weight * p * (1 - p)
    ridge = score.ridge
    spent = ridge.freedom(material.values[rows.row], information) if ridge is not None else 0.0
    return float(np.clip(1 - spent / chi2, 0.0, 1.0))


def _per_group(values: Floats) -> PerGroup:
    first, second, third, fourth = (float(v) for v in values)
    return first, second, third, fourth


def _scores_of(score: Score, rows: Rows, material: Material) -> Floats:
    """Score each snapshot row once and lay the scores out by training row."""
    used, where = np.unique(rows.row, return_inverse=True)
    return score.of(material.values[used])[where] if len(used) else np.zeros(0)


def search(target: str, rows: Rows, material: Material) -> Mapping[str, Any]:
    """Choose a booster's configuration on the latest third of the rows' months, in order of time.

    Only the top rung searches. The plain configuration stays unless another one's log-loss is
    lower by more than one standard error of the difference.
    """
    if rung_of(distinct_events(target, rows)) != RUNGS[-1]:
        return {}
    before, after = split_in_time(rows, material.month, SEARCH_SHARE)
    early, later = rows.take(before), rows.take(after)
    late = later.take(np.nonzero(later.lead <= 3)[0])
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
    model = fit_target(target, early, material, options, SEARCH_ROWS)
    used, where = np.unique(late.row, return_inverse=True)
    score = model.scores(material.values[used])
    eta = model.logits(material.facts.take(used), score)[where, late.lead - 1]
    return np.asarray(np.logaddexp(0, eta) - late.y * eta)
