"""Predictions: states that sum to one, an order in the lead, and what is booked."""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from features.faults import DataRejected
from models.outcomes import LEADS
from tests.small_history import Law, frame_of, latest, model_of

LAW = Law(accounts=180, months=21)
AS_OF = date(2025, 7, 1)
ANNUAL = {"decision": "term", "term_months": 12.0, "next_renewal_on": pd.Timestamp(2025, 9, 15)}


def told(*rows, **changes):
    model = replace(model_of(LAW), **changes)
    frame = frame_of([{"as_of": AS_OF} | row for row in rows])
    return frame, model, model.predict(frame)


def states(prediction):
    return prediction.p_churn, prediction.p_contract, prediction.p_expand


def test_the_hazard_is_the_logit_where_there_is_a_decision_and_the_locked_rate_elsewhere():
    _, model, prediction = told(ANNUAL, {})
    assert prediction.free[0].nonzero()[0].tolist() == [2]
    assert prediction.hazard[0, :2] == pytest.approx(model.locked_rate)
    assert prediction.hazard[0, 2] == expit(prediction.logits["churn"][0, 2])
    assert prediction.hazard[1] == pytest.approx(expit(prediction.logits["churn"][1]))


def test_without_returns_the_chance_of_churn_is_one_minus_the_product():
    _, _, prediction = told(ANNUAL, {}, returns=np.zeros(LEADS))
    assert prediction.p_churn == pytest.approx(1 - np.cumprod(1 - prediction.hazard, axis=1))


def test_returns_by_hand():
    """All leave in the month of their decision (lead 3); one in ten is back a month later."""
    returns = np.r_[0.0, np.full(11, 0.1)]
    _, model, _ = told(ANNUAL)
    hazard = np.zeros((1, LEADS))
    hazard[0, 2] = 0.5
    gone = replace(model, returns=returns)._not_paying(hazard)[0]
    assert gone[:2].tolist() == [0, 0]
    assert gone[2:] == pytest.approx(0.5)  # .45 from lead 4 on, held at .5: it never falls
    monthly = np.full((1, LEADS), 0.1)
    gone = replace(model, returns=returns)._not_paying(monthly)[0]
    assert gone[0] == pytest.approx(0.1)
    assert gone[1] == pytest.approx(0.1 * 0.9 + 0.9 * 0.1)  # the first one, less a return; a second


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 1))
def test_churn_is_ordered_and_the_four_states_sum_to_one(seed, back):
    rng = np.random.default_rng(seed)
    model = replace(model_of(LAW), returns=np.sort(rng.uniform(0, back, LEADS)))
    frame = latest(LAW).sample(12, random_state=seed)
    for slug in model.signals:
        frame[slug] = rng.normal(0, 10, len(frame)) if rng.random() < 0.8 else np.nan
    prediction = model.predict(frame)
    churn, contract, expand = states(prediction)
    flat = model.outlook(frame, prediction).p_flat
    for part in (churn, contract, expand, flat):
        assert ((part >= -1e-12) & (part <= 1 + 1e-12)).all()
    assert churn + contract + expand + flat == pytest.approx(1)
    assert (np.diff(churn, axis=1) >= -1e-12).all()


def test_notice_is_churn_from_the_end_of_service_on_and_not_before():
    _, _, prediction = told(ANNUAL | {"notice_ends_on": pd.Timestamp(2025, 9, 15)})
    assert prediction.p_churn[0].tolist() == [0, 0] + [1] * 10
    assert prediction.p_expand[0, 2:].tolist() == [0] * 10
    assert prediction.booked.noticed.tolist() == [True]


def test_notice_on_the_first_of_a_month_shows_at_that_months_end():
    """Service is still paid on 31 August (lead 2), and not on 30 September (lead 3)."""
    _, _, prediction = told({"notice_ends_on": pd.Timestamp(2025, 9, 1)})
    assert prediction.p_churn[0, :3].tolist() == [0, 0, 1]


def test_notice_for_a_day_beyond_the_year_is_notice():
    """Nothing is open until then: it will not leave within the year, and will not renew."""
    _, _, prediction = told({"notice_ends_on": pd.Timestamp(2026, 9, 15)})
    assert prediction.p_churn[0].tolist() == [0] * 12
    assert prediction.booked.noticed.tolist() == [True]


def test_a_signed_successor_is_there_with_its_amount():
    row = {"successor_on": pd.Timestamp(2025, 9, 15), "successor_mrr_micros": 130e6}
    frame, model, prediction = told(ANNUAL | row)
    booked = model.outlook(frame, prediction).booked_mrr_micros[0]
    assert np.isnan(booked[:2]).all()
    assert (booked[2:] == 130e6).all()
    assert (prediction.p_churn[0, 2:] == 0).all()
    assert prediction.booked.renewed.tolist() == [True]


def test_a_successor_after_a_gap_leaves_the_gap():
    """Notice for 15 August; a line signed from 15 November on: gone in between, then there."""
    row = {
        "notice_ends_on": pd.Timestamp(2025, 8, 15),
        "successor_on": pd.Timestamp(2025, 11, 15),
        "successor_mrr_micros": 80e6,
    }
    _, _, prediction = told(row)
    assert prediction.p_churn[0].tolist() == [0] + [1] * 3 + [0] * 8
    assert prediction.booked.noticed.tolist() == [True]
    assert prediction.booked.renewed.tolist() == [False]


def test_the_score_moves_only_what_it_should():
    """A better signal lowers the chance of churn at every lead, by the declared direction."""
    rows = [{"usage_active_days_28d": value} for value in (-2.0, 0.0, 2.0)]
    _, _, prediction = told(*rows)
    assert (np.diff(prediction.p_churn, axis=0) <= 1e-12).all()
    assert prediction.p_churn[0, 2] > prediction.p_churn[2, 2]


def test_the_calendar_alone_does_not_look_at_signals():
    _, model, _ = told({})
    rows = frame_of([{"usage_active_days_28d": value, "as_of": AS_OF} for value in (-2.0, 2.0)])
    bare = model.calendar_only().predict(rows)
    assert (bare.p_churn[0] == bare.p_churn[1]).all()
    assert all(target.score.booster is None for target in model.bare().targets.values())


def test_columns_are_taken_by_name():
    frame = latest(LAW)
    mixed = frame[frame.columns[::-1]]
    model = model_of(LAW)
    assert (model.predict(mixed).p_churn == model.predict(frame).p_churn).all()


def test_a_missing_signal_is_named():
    frame = latest(LAW).drop(columns="usage_wau_ratio")
    with pytest.raises(DataRejected, match="usage_wau_ratio"):
        model_of(LAW).predict(frame)


def test_no_account_no_prediction():
    frame = latest(LAW).iloc[:0]
    model = model_of(LAW)
    prediction = model.predict(frame)
    assert prediction.p_churn.shape == (0, 12)
    assert len(model.outlook(frame, prediction)) == 0


def test_served_by_changes_one_target_alone():
    frame, model = latest(LAW), model_of(LAW)
    mixed = model.served_by({"churn": "calendar", "expand": "score", "contract": "score"})
    prediction, whole = mixed.predict(frame), model.predict(frame)
    assert (
        prediction.logits["churn"] == model.calendar_only().predict(frame).logits["churn"]
    ).all()
    assert (prediction.logits["expand"] == whole.logits["expand"]).all()
