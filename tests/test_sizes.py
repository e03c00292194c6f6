"""Sizes of moves: moments that can be, right in money, and the assumed ones without any move."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.creep import LARGEST, fit_creep
from models.growth import PRIOR_UP, Moves, fit_growth
from models.sizes import PRIOR_DOWN, Closed, Sizes, fit_sizes


def closed(change, expand, lead=3, mrr=100.0, score=0.0, chance=None):
    """Rows of SMB accounts that no decision has passed; the calendar knows what the score says."""
    change = np.asarray(change, dtype=float)
    n = len(change)
    expand = np.broadcast_to(np.asarray(expand, dtype=bool), n)
    rate = np.full(n, expand.mean() if n else 0.0) if chance is None else chance
    return Closed(
        change=change,
        mrr=np.broadcast_to(np.asarray(mrr, dtype=float), n),
        band=np.zeros(n, dtype=int),
        lead=np.broadcast_to(np.asarray(lead, dtype=int), n),
        decided=np.zeros(n, dtype=int),
        expand=expand,
        contract=~expand & (change <= -0.02),
        score=np.broadcast_to(np.asarray(score, dtype=float), n),
        chance=rate,
        calendar=rate,
    )


def drawn(n=600, seed=0):
    rng = np.random.default_rng(seed)
    change = np.where(rng.random(n) < 0.5, rng.lognormal(-1.5, 0.5, n), -rng.uniform(0.05, 0.9, n))
    mrr, lead = rng.lognormal(5, 1, n), rng.integers(1, 13, n)
    rows = closed(change, change > 0, lead, mrr, rng.normal(size=n))
    return replace(rows, band=rng.integers(0, 4, n), decided=rng.integers(0, 3, n))


@pytest.mark.fault("T01")
def test_without_any_move_the_assumed_sizes_hold():
    sizes = fit_sizes(closed([], []))
    for growth in (sizes.growth, sizes.plain):
        told = growth.moments(np.array([100.0]), np.array([1.0]))
        assert told[0, :, 0] == pytest.approx(PRIOR_UP)
    assert sizes.down[:, :, 0] == pytest.approx(PRIOR_DOWN)
    assert (sizes.creep.up == 0).all()
    assert (sizes.creep.down == 0).all()


def test_contractions_shrink_to_the_book_as_twenty_moves_do():
    """Sixty falls of .5, smb at lead 1: overall (60 x .5 + 20 x .3) / 80, then twice more."""
    n = 60
    sizes = fit_sizes(closed(np.full(n, -0.5), False, lead=1))
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
    moves = Moves(size, mrr, np.full(4000, 3), np.zeros(4000), np.ones(4000))
    told = fit_growth(moves).moments(mrr, np.zeros(4000))[:, 2, 0]
    assert (told * mrr).sum() == pytest.approx((size * mrr).sum(), rel=0.05)
    assert told[mrr < 100].mean() > 2 * told[mrr > 2000].mean()


def test_who_is_likely_to_expand_expands_by_more():
    rng = np.random.default_rng(2)
    score = rng.normal(size=4000)
    size = np.exp(-1.5 + 0.5 * score + 0.2 * rng.normal(size=4000))
    moves = Moves(size, np.full(4000, 50.0), np.full(4000, 3), score, np.ones(4000))
    low, high = fit_growth(moves).moments(np.full(2, 50.0), np.array([-1.0, 1.0]))[:, 2, 0]
    assert high / low == pytest.approx(np.exp(1.0), rel=0.03)


def test_where_chances_are_too_low_for_large_accounts_the_size_makes_up_for_it():
    """Accounts of 1,000 expand twice as often as said: in money nothing is missing."""
    rng = np.random.default_rng(3)
    mrr = np.where(rng.random(20_000) < 0.5, 1000.0, 10.0)
    said = np.full(20_000, 0.3)
    expands = rng.random(20_000) < np.where(mrr > 100, 0.4, 0.2)
    change = np.where(expands, rng.lognormal(-1.6, 0.5, 20_000), 0.0)
    rows = closed(change, expands, mrr=mrr, chance=said)
    growth = fit_sizes(rows).growth
    told = said * growth.moments(mrr, np.zeros(20_000))[:, 2, 0] * mrr
    assert told.sum() == pytest.approx((change * mrr).sum(), rel=0.02)


def test_flat_accounts_creep_by_what_they_did():
    """A third of those whose term was decided saw 4 % more: 1.33 %, leaning on the rest of all."""
    n = 3000
    change = np.where(np.arange(n) % 3 == 0, 0.04, 0.0)
    rows = replace(closed(change, False), decided=np.ones(n, dtype=int))
    creep = fit_sizes(replace(rows, contract=np.zeros(n, dtype=bool))).creep
    assert creep.up[1, 2, 0] == pytest.approx(0.04 / 3, rel=0.01)
    assert creep.up[1, 2, 1] == pytest.approx(0.04**2 / 3, rel=0.01)
    assert creep.up[0, 2, 0] < creep.up[1, 2, 0]
    assert (creep.down == 0).all()


def test_a_price_in_place_of_a_cent_leaves_moments_that_a_bundle_can_carry():
    change = np.array([0.0] * 100 + [1e5])
    creep = fit_creep(change, np.zeros(101, dtype=int), np.full(101, 12))
    assert creep.up.max() < LARGEST**3 / 50 < 1e12


def test_one_flat_account_that_tripled_does_not_lift_the_rest():
    change = np.full(2000, 0.03)
    change[7] = 2.0
    creep = fit_sizes(closed(change, False)).creep
    assert creep.up[0, 2, 0] == pytest.approx(0.03, rel=0.05)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 200), st.floats(1e-3, 1e6), st.floats(-50, 50))
def test_moments_are_those_of_some_law(seed, n, mrr, score):
    """E[x]^2 <= E[x^2], E[x^2]^2 <= E[x] E[x^3]; a fall is below one."""
    sizes = fit_sizes(drawn(n, seed))
    rises = [g.moments(np.array([mrr]), np.array([score])) for g in (sizes.growth, sizes.plain)]
    for moments in (*rises, sizes.down):
        first, second, third = (moments[..., power] for power in range(3))
        assert (first > 0).all()
        assert (second >= first**2 * (1 - 1e-9)).all()
        assert (first * third >= second**2 * (1 - 1e-9)).all()
    assert (sizes.down <= 1).all()


def test_a_rise_that_a_price_cut_has_eaten_is_no_size():
    """Organically more, yet paying less: neither negative sizes nor a negative cap come of it."""
    change = np.r_[np.full(299, -0.5), 0.1]
    growth = fit_sizes(closed(change, True)).growth
    assert growth.cap > 0
    assert (growth.moments(np.array([100.0]), np.zeros(1)) > 0).all()


def test_json_gives_the_same_sizes():
    sizes = fit_sizes(drawn())
    again = Sizes.from_json(sizes.to_json())
    mrr, score = np.array([10.0, 1e4]), np.array([0.5, -1.0])
    assert (again.growth.moments(mrr, score) == sizes.growth.moments(mrr, score)).all()
    assert (again.plain.moments(mrr, score) == sizes.plain.moments(mrr, score)).all()
    assert (again.down == sizes.down).all()
    assert (again.creep.up == sizes.creep.up).all()
    assert (again.creep.down == sizes.creep.down).all()
