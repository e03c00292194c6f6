"""Scores of probabilities: against oracles, by whole accounts, and only among those at risk."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import log_loss as oracle

from models.calibration import well_calibrated
from training.evaluate import (
    Judged,
    auc,
    beats_calendar,
    judge,
    log_loss,
    may_serve,
)


def drawn(n=1500, accounts=500, seed=0, strength=1.0):
    rng = np.random.default_rng(seed)
    eta = -2 + strength * rng.normal(size=n)
    y = (rng.random(n) < expit(eta)).astype(np.int64)
    return Judged(
        p=expit(eta),
        calendar=np.full(n, y.mean()),
        rules=eta + rng.normal(size=n),
        y=y,
        account=np.arange(n) % accounts,
        at_risk=np.ones(n, dtype=bool),
        mrr=np.ones(n),
        origin=np.arange(n) // accounts,
    )


def test_log_loss_agrees_with_scikit_learn():
    one = drawn()
    assert log_loss(one.p, one.y).mean() == pytest.approx(oracle(one.y, one.p))


def test_certainty_that_was_wrong_costs_a_finite_amount():
    assert log_loss(np.array([0.0, 1.0]), np.array([1, 0])) == pytest.approx(13.8155, abs=1e-3)


def test_one_class_has_no_auc():
    assert auc(np.array([0.1, 0.2]), np.array([0, 0])) is None


def test_identical_predictions_have_no_skill_and_are_never_better():
    one = drawn()
    told = judge(replace(one, calendar=one.p))
    assert told["skill"] == 0
    assert told["skill_p10"] == told["skill_p90"] == 0
    assert told["p_better"] == 0
    assert not beats_calendar(told)


def test_the_truth_beats_its_mean_and_is_well_calibrated():
    told = judge(drawn())
    assert told["skill"] > 0.05
    assert told["p_better"] > 0.99
    assert told["skill_p10"] < told["skill"] < told["skill_p90"]
    assert well_calibrated(told)
    assert may_serve(told)


def test_only_those_at_risk_are_judged():
    one = drawn()
    half = np.arange(len(one.y)) < 700
    wrong = np.where(half, one.p, 1 - one.p)
    told = judge(replace(one, p=wrong, at_risk=half))
    assert told["rows"] == 700
    assert told["events"] == one.y[:700].sum()
    assert told["log_loss"] == pytest.approx(log_loss(one.p[:700], one.y[:700]).mean())


@pytest.mark.fault("T01")
def test_nobody_at_risk_is_no_failure():
    one = drawn()
    told = judge(replace(one, at_risk=np.zeros(len(one.y), dtype=bool)))
    assert told == {"rows": 0, "events": 0}
    assert not may_serve(told)


@pytest.mark.fault("T01")
def test_no_event_is_no_failure():
    one = drawn()
    told = judge(replace(one, y=np.zeros(len(one.y), dtype=np.int64)))
    assert told["auc_at_risk"] is None
    assert told["slope"] is None
    assert told["o_over_e"] == 0


def test_rows_of_one_account_are_drawn_together():
    """Each row ten times over: by rows the interval would shrink by sqrt(10), by accounts not."""
    one = drawn(300, 300)
    many = Judged(**{k: np.repeat(v, 10) for k, v in vars(one).items()})
    single, tenfold = judge(one), judge(many)
    assert tenfold["skill"] == pytest.approx(single["skill"])
    width = (tenfold["skill_p90"] - tenfold["skill_p10"]) / (
        single["skill_p90"] - single["skill_p10"]
    )
    assert 0.8 < width < 1.25


def test_noise_is_rarely_surely_better():
    """A score of pure noise, thirty times: it serves in at most a tenth of them."""
    claims = 0
    for seed in range(30):
        one = drawn(400, 200, seed, strength=0.0)
        noise = 0.15 * np.random.default_rng(seed + 999).normal(size=400)
        claims += may_serve(judge(replace(one, p=expit(-2 + noise))))
    assert claims <= 3


def test_an_overconfident_score_is_not_well_calibrated():
    one = drawn(4000)
    eta = np.log(one.p / (1 - one.p))
    told = judge(replace(one, p=expit(-2 + 3 * (eta + 2))))
    assert told["slope"] < 0.5
    assert not well_calibrated(told)


def test_a_wrong_level_is_not_well_calibrated_but_few_events_prove_nothing():
    one = drawn(4000)
    told = judge(replace(one, p=one.p / 2))
    assert told["o_over_e"] == pytest.approx(2, abs=0.3)
    assert not well_calibrated(told)
    few = drawn(40, 40)
    assert well_calibrated(judge(replace(few, p=few.p / 1.3)))


def test_observed_over_expected_lies_within_its_error():
    z = [(told["o_over_e"] - 1) / told["o_over_e_error"] for told in map(judge, map_of_draws())]
    assert 0.7 < np.std(z) < 1.35


def map_of_draws():
    return [drawn(400, 400, seed) for seed in range(25)]


def test_what_is_caught_in_the_riskiest_tenth():
    one = drawn(100, 100)
    y = np.r_[np.ones(2), np.zeros(98)].astype(np.int64)
    p = np.r_[0.9, 0.01, np.full(98, 0.1)]
    mrr = np.r_[300.0, 100.0, np.ones(98)]
    assert judge(replace(one, p=p, y=y, mrr=mrr))["caught"] == pytest.approx(0.75)
