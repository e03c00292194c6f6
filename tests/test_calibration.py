"""Calibration: nothing without a past, a known shift recovered, the simpler map preferred."""

import numpy as np
import pytest
from scipy.special import expit

from models.calibration import (
    IDENTITY,
    Calibration,
    calibration_slope,
    choose_calibration,
    fit_calibration,
    observed_over_expected,
)

KINDS = ("identity", "intercept", "logistic", "beta")


def drawn(origins=6, rows=500, shift=0.0, slope=1.0, seed=0, wobble=0.0):
    """Logits that should have been ``shift + slope x`` what they say."""
    rng = np.random.default_rng(seed)
    n = origins * rows
    logits, leads = rng.normal(-2, 1, n), rng.integers(1, 13, n)
    origin = np.repeat(np.arange(origins), rows)
    common = wobble * rng.normal(size=origins)[origin]
    y = (rng.random(n) < expit(shift + slope * logits + common)).astype(float)
    return logits, leads, y, np.ones(n), origin


def test_identity_changes_nothing():
    logits = np.linspace(-30, 30, 11)
    assert IDENTITY.apply(logits, np.arange(1, 12)) == pytest.approx(logits)


@pytest.mark.parametrize("origins", [1, 2])
def test_with_fewer_than_three_origins_nothing_is_chosen(origins):
    assert choose_calibration(*drawn(origins, shift=-2.0)) is IDENTITY


@pytest.mark.parametrize("seed", range(3))
def test_a_model_that_is_right_is_left_alone(seed):
    assert choose_calibration(*drawn(seed=seed)).kind == "identity"


@pytest.mark.parametrize("wobble", [0.0, 0.15])
def test_a_known_shift_is_recovered(wobble):
    chosen = choose_calibration(*drawn(shift=-0.8, wobble=wobble))
    grid, leads = np.linspace(-4, 0, 9), np.arange(1, 10)
    assert chosen.kind != "identity"
    assert chosen.apply(grid, leads) == pytest.approx(grid - 0.8, abs=0.6)


def test_luck_shared_by_an_origin_does_not_hide_a_shift():
    """Losses differ more between origins than between maps: only their differences tell."""
    chosen = choose_calibration(*drawn(shift=-0.4, wobble=0.3, rows=700))
    assert chosen.kind == "intercept"


def test_a_shift_of_near_leads_alone_is_recovered():
    logits, leads, _, weight, _ = drawn()
    rng = np.random.default_rng(1)
    y = (rng.random(len(logits)) < expit(logits - 1.0 * (leads <= 3))).astype(float)
    chosen = fit_calibration("intercept", logits, leads, y, weight)
    assert (chosen.early, chosen.late) == pytest.approx((-1.0, 0.0), abs=0.25)


def test_an_overconfident_slope_is_recovered():
    chosen = choose_calibration(*drawn(slope=0.4))
    assert chosen.kind == "logistic"
    assert chosen.a == chosen.b == pytest.approx(0.4, abs=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_every_map_rises_and_a_fit_never_costs_likelihood(kind):
    logits, leads, y, weight, _ = drawn(shift=0.5, slope=0.6)
    mapped = fit_calibration(kind, logits, leads, y, weight)
    grid = np.linspace(-8, 8, 200)
    for lead in (1, 12):
        assert (np.diff(mapped.apply(grid, np.full(200, lead))) > 0).all()

    def loss(eta):
        return float((np.logaddexp(0, eta) - y * eta).sum())

    assert loss(mapped.apply(logits, leads)) <= loss(logits) + 1e-9


def test_richer_maps_contain_the_simpler_ones():
    logits, leads, y, weight, _ = drawn(shift=0.5, slope=0.6)

    def loss(kind):
        eta = fit_calibration(kind, logits, leads, y, weight).apply(logits, leads)
        return float((np.logaddexp(0, eta) - y * eta).sum())

    losses = [loss(kind) for kind in KINDS]
    assert (np.diff(losses) <= 0.01).all()


def test_the_beta_map_bends_both_ends():
    logits, leads, _, weight, _ = drawn()
    rng = np.random.default_rng(3)
    truth = Calibration("beta", 0.2, 0.2, 0.5, 1.5)
    y = (rng.random(len(logits)) < expit(truth.apply(logits, leads))).astype(float)
    found = fit_calibration("beta", logits, leads, y, weight)
    grid = np.linspace(-4, -1, 20)
    ones = np.ones(20, dtype=int)
    assert found.apply(grid, ones) == pytest.approx(truth.apply(grid, ones), abs=0.3)


def test_json_gives_the_same_map():
    one = Calibration("beta", -0.1, 0.2, 0.9, 1.1)
    assert Calibration.from_json(one.to_json()) == one


def test_the_slope_lies_within_its_error():
    """Over forty draws of a right model the slope's z has a standard deviation of about one."""
    z = []
    for seed in range(40):
        logits, _, y, _, _ = drawn(1, 600, seed=seed)
        slope, error = calibration_slope(logits, y)
        z.append((slope - 1) / error)
    assert 0.7 < np.std(z) < 1.35
    assert abs(np.mean(z)) < 0.5


def test_observed_over_expected_by_hand():
    assert observed_over_expected(np.zeros(10), np.repeat([1.0, 0.0], [6, 4])) == pytest.approx(1.2)
    assert np.isnan(observed_over_expected(np.zeros(0), np.zeros(0)))
