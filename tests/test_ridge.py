"""The ridge against oracles: scikit-learn where the offset is constant, Newton where it is not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from models.ridge import MAX_SIGNALS, STRENGTH, Ridge, Scaling, fit_ridge, fit_scaling


def drawn(n=500, signals=4, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, signals))
    weight = rng.uniform(0.5, 3.0, n)
    offset = rng.normal(-1.5, 0.5, n)
    slopes = np.linspace(1.0, -1.0, signals)
    y = (rng.random(n) < expit(offset + values @ slopes)).astype(float)
    return values, y, weight, offset


def newton(design, y, weight, offset, c):
    """Penalised likelihood by Newton's steps; the first column is the free intercept."""
    x = np.column_stack([np.ones(len(y)), design])
    penalty = np.diag([0.0] + [1 / c] * design.shape[1])
    beta = np.zeros(x.shape[1])
    for _ in range(50):
        p = expit(offset + x @ beta)
        gradient = x.T @ (weight * (p - y)) + penalty @ beta
        hessian = (x.T * (weight * p * (1 - p))) @ x + penalty
        beta -= np.linalg.solve(hessian, gradient)
    return beta[1:]


def test_it_agrees_with_scikit_learn_where_the_offset_is_constant():
    values, y, weight, _ = drawn()
    ridge = fit_ridge(values, y, weight, np.full(len(y), -0.7), [0] * 4)
    oracle = LogisticRegression(C=STRENGTH, tol=1e-10, max_iter=5000)
    oracle.fit(ridge.scaling.apply(values), y, sample_weight=weight)
    assert ridge.weights == pytest.approx(oracle.coef_[0], abs=1e-4)


@pytest.mark.parametrize("c", [0.01, 0.1, 10.0])
def test_it_agrees_with_newton_on_any_offset(c):
    values, y, weight, offset = drawn()
    ridge = fit_ridge(values, y, weight, offset, [0] * 4, c)
    oracle = newton(ridge.scaling.apply(values), y, weight, offset, c)
    assert ridge.weights == pytest.approx(oracle, abs=1e-4)


def test_what_the_calendar_explains_is_not_explained_again():
    values, _, weight, _ = drawn(4000)
    offset = -1 + 2 * values[:, 0]
    y = (np.random.default_rng(1).random(len(offset)) < expit(offset)).astype(float)
    assert abs(fit_ridge(values, y, weight, offset, [0] * 4).weights[0]) < 0.15


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.sampled_from([-1, 0, 1]), min_size=4, max_size=4))
def test_signs_are_respected(seed, signs):
    values, y, weight, offset = drawn(100, seed=seed)
    weights = fit_ridge(values, y, weight, offset, signs).weights
    assert all(w * s >= 0 for w, s in zip(weights, signs, strict=True))


def test_a_signal_of_the_wrong_sign_is_left_out():
    values, y, weight, offset = drawn()  # the first raises, the last lowers
    weights = fit_ridge(values, y, weight, offset, [-1, 0, 0, 1]).weights
    assert weights[0] == weights[3] == 0


def test_at_most_eleven_signals():
    values, y, weight, offset = drawn(signals=30)
    weights = fit_ridge(values, y, weight, offset, [0] * 30).weights
    assert np.count_nonzero(weights) == MAX_SIGNALS == 11


def test_of_two_near_copies_the_better_one_is_taken():
    values, y, weight, offset = drawn()
    noisy = values[:, :1] + np.random.default_rng(2).normal(0, 0.2, (len(y), 1))
    weights = fit_ridge(np.hstack([noisy, values]), y, weight, offset, [0] * 5).weights
    assert weights[0] == 0
    assert weights[1] > 0.3


def test_an_empty_or_constant_signal_says_nothing():
    values, y, weight, offset = drawn()
    values[:, 1], values[:, 2] = np.nan, 7.0
    ridge = fit_ridge(values, y, weight, offset, [0] * 4)
    assert ridge.weights[1] == ridge.weights[2] == 0
    assert np.isfinite(ridge.contributions(values)).all()


def test_nothing_to_tell_gives_no_score():
    values, _, weight, offset = drawn()
    ridge = fit_ridge(np.full_like(values, np.nan), np.zeros(len(weight)), weight, offset, [0] * 4)
    assert (ridge.contributions(values) == 0).all()


def test_scaling_by_hand():
    """0 … 10: median 5, deciles 1 and 9, width 8 / 2.56; three widths are the most."""
    scaling = fit_scaling(np.arange(11.0)[:, None])
    told = scaling.apply(np.array([[5.0], [8.125], [1e9], [-np.inf], [np.nan]])).ravel()
    assert told.tolist() == [0.0, 1.0, 3.0, -3.0, 0.0]


def test_a_rare_count_is_scaled_by_its_spread():
    """Ninety-five zeros and five ones: both deciles are zero, the standard deviation is not."""
    scaling = fit_scaling(np.repeat([0.0, 1.0], [95, 5])[:, None])
    assert scaling.width[0] == pytest.approx(np.sqrt(0.05 * 0.95))


def test_json_gives_the_same_regression():
    ridge = Ridge(Scaling(np.array([1.0, 2.0]), np.array([0.5, np.inf])), np.array([0.3, 0.0]))
    again = Ridge.from_json(ridge.to_json())
    values = np.array([[1.2, 9.0], [np.nan, np.nan]])
    assert (again.contributions(values) == ridge.contributions(values)).all()
