"""Sizes of moves: moments that can be, right in money, and the assumed ones without any move."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.sizes import PRIOR_DOWN, PRIOR_UP, Sizes, fit_growth, fit_sizes


def drawn(n=600, seed=0):
    rng = np.random.default_rng(seed)
    change = np.where(rng.random(n) < 0.5, rng.lognormal(-1.5, 0.5, n), -rng.uniform(0.05, 0.9, n))
    mrr, lead = rng.lognormal(5, 1, n), rng.integers(1, 13, n)
    up = (change > 0).astype(int)
    return change, mrr, rng.integers(0, 4, n), lead, up, 1 - up


@pytest.mark.fault("T01")
def test_without_any_move_the_assumed_sizes_hold():
    none = np.zeros(0)
    ints = np.zeros(0, dtype=int)
    sizes = fit_sizes(none, none, ints, ints, ints, ints)
    assert sizes.growth.moments(np.array([100.0]))[0, :, 0] == pytest.approx(PRIOR_UP)
    assert sizes.down[:, :, 0] == pytest.approx(PRIOR_DOWN)


def test_contractions_shrink_to_the_book_as_twenty_moves_do():
    """Sixty falls of .5, smb at lead 1: overall (60 x .5 + 20 x .3) / 80, then twice more."""
    n = 60
    ones = np.ones(n, dtype=int)
    sizes = fit_sizes(-0.5 * ones, 100.0 * ones, 0 * ones, ones, 0 * ones, ones)
    overall = (n * 0.5 + 20 * PRIOR_DOWN) / (n + 20)
    at_lead = (n * 0.5 + 20 * overall) / (n + 20)
    assert sizes.down[0, 0, 0] == pytest.approx((n * 0.5 + 20 * at_lead) / (n + 20))
    assert sizes.down[2, 0, 0] == pytest.approx(at_lead)
    assert sizes.down[2, 7, 0] == pytest.approx(overall)


def test_expansion_is_right_in_money():
    """Small accounts grow by more: the sum of predicted expansion is that of the training."""
    rng = np.random.default_rng(1)
    mrr = rng.lognormal(6, 1.5, 4000)
    size = 5 * mrr**-0.5 * rng.lognormal(0, 0.3, 4000)
    lead = np.full(4000, 3)
    told = fit_growth(size, mrr, lead).moments(mrr)[:, 2, 0]
    assert (told * mrr).sum() == pytest.approx((size * mrr).sum(), rel=0.05)
    assert told[mrr < 100].mean() > 2 * told[mrr > 2000].mean()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 200), st.floats(1e-3, 1e6))
def test_moments_are_those_of_some_law(seed, n, mrr):
    """E[x]^2 <= E[x^2], E[x^2]^2 <= E[x] E[x^3]; a fall is below one."""
    sizes = fit_sizes(*drawn(n, seed))
    for moments in (sizes.growth.moments(np.array([mrr])), sizes.down):
        first, second, third = (moments[..., power] for power in range(3))
        assert (first > 0).all()
        assert (second >= first**2 * (1 - 1e-9)).all()
        assert (first * third >= second**2 * (1 - 1e-9)).all()
    assert (sizes.down <= 1).all()


def test_a_rise_that_a_price_cut_has_eaten_is_no_size():
    """Organically more, yet paying less: neither negative sizes nor a negative cap come of it."""
    ones = np.ones(300, dtype=int)
    change = np.r_[np.full(299, -0.5), 0.1]
    sizes = fit_sizes(change, 100.0 * ones, 0 * ones, ones, ones, 0 * ones)
    assert sizes.growth.cap > 0
    assert (sizes.growth.moments(np.array([100.0])) > 0).all()


def test_json_gives_the_same_sizes():
    sizes = fit_sizes(*drawn())
    again = Sizes.from_json(sizes.to_json())
    mrr = np.array([10.0, 1e4])
    assert (again.growth.moments(mrr) == sizes.growth.moments(mrr)).all()
    assert (again.down == sizes.down).all()
