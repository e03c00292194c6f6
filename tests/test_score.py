"""The score: contributions sum to it exactly, and it follows its declared directions."""

import lightgbm as lgb
import numpy as np
import pytest

from models.ridge import fit_ridge
from models.score import RUNGS, Score, expected_margin, raw_margin, rung_of
from training.ladder import BOOSTER

SIGNS = [1, -1, 0]


def drawn(n=800):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(n, 3))
    values[rng.random(n) < 0.2, 1] = np.nan
    eta = -1 + values[:, 0] - np.nan_to_num(values[:, 1]) + 0.3 * values[:, 2] ** 2
    return values, (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float)


@pytest.fixture(scope="module")
def parts():
    values, y = drawn()
    offset = np.full(len(y), -1.0)
    ridge = fit_ridge(values, y, np.ones(len(y)), offset, SIGNS)
    settings = {**BOOSTER, "num_iterations": 40, "monotone_constraints": SIGNS}
    data = lgb.Dataset(values, label=y, init_score=offset, params={"verbosity": -1})
    return ridge, lgb.train(settings, data), values


@pytest.mark.parametrize("which", ["both", "ridge", "booster", "none"])
def test_contributions_sum_to_the_score(parts, which):
    ridge, booster, values = parts
    score = Score(
        ridge if which in ("both", "ridge") else None,
        booster if which in ("both", "booster") else None,
    )
    assert score.contributions(values).sum(axis=1) == pytest.approx(score.of(values), abs=1e-9)


def test_half_of_each_where_both_are_there(parts):
    ridge, booster, values = parts
    both = Score(ridge, booster).of(values)
    assert both == pytest.approx(
        (Score(ridge, None).of(values) + Score(None, booster).of(values)) / 2
    )


def test_the_boosters_constant_is_left_to_the_calendar(parts):
    _, booster, values = parts
    alone = Score(None, booster).of(values)
    assert alone == pytest.approx(raw_margin(booster, values) - expected_margin(booster))
    assert abs(alone.mean()) < 0.2


@pytest.mark.parametrize(("column", "sign"), [(0, 1), (1, -1)])
def test_the_score_never_goes_against_a_declared_direction(parts, column, sign):
    ridge, booster, values = parts
    grid = np.repeat(values[:50], 40, axis=0)
    grid[:, column] = np.tile(np.linspace(-4, 4, 40), 50)
    along = Score(ridge, booster).of(grid).reshape(50, 40)
    assert (sign * np.diff(along, axis=1) >= -1e-9).all()


def test_no_account_no_score(parts):
    ridge, booster, values = parts
    assert Score(ridge, booster).of(values[:0]).shape == (0,)
    assert Score(ridge, booster).contributions(values[:0]).shape == (0, 3)


@pytest.mark.fault("T01")
def test_rungs_by_their_first_events():
    firsts = {0: 0, 9: 0, 10: 1, 19: 1, 20: 2, 299: 2, 300: 3, 10**6: 3}
    assert {events: RUNGS.index(rung_of(events)) for events in firsts} == firsts
