"""The probability of renewing, on its three bases, by hand."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from models.renewal import RENEWAL_HORIZON, Renewal
from tests.small_history import Law, frame_of, model_of

LAW = Law(accounts=180, months=21)
ANNUAL = {"decision": "term", "term_months": 12.0, "next_renewal_on": pd.Timestamp(2025, 9, 15)}
FAR = {"decision": "term", "term_months": 36.0, "next_renewal_on": pd.Timestamp(2026, 12, 15)}
ENDLESS = {"decision": "term", "term_months": 36.0}
UNKNOWN = {"decision": "unknown", "term_months": np.nan}
ROWS = [ANNUAL, FAR, ENDLESS, {}, UNKNOWN]


def told(*rows):
    frame = frame_of([{"as_of": date(2025, 7, 1)} | row for row in rows])
    model = model_of(LAW)
    prediction = model.predict(frame)
    return model, prediction, Renewal(model, prediction)


def test_every_account_has_a_basis():
    _, _, renewal = told(*ROWS)
    expected = ["decision", "extrapolated", "extrapolated", "horizon", "horizon"]
    assert renewal.basis.tolist() == expected


def test_a_decision_within_the_year_is_survival_through_its_month():
    model, prediction, renewal = told(ANNUAL)
    hazard = expit(prediction.logits["churn"][0, 2])
    assert renewal.modelled()[0] == pytest.approx((1 - model.locked_rate) ** 2 * (1 - hazard))


def test_a_decision_further_ahead_takes_the_hazard_at_twelve_after_surviving_until_then():
    """The contract ends on 15 December 2026, lead 18: seventeen locked months, then the decision."""
    model, prediction, renewal = told(FAR, ENDLESS)
    hazard = expit(prediction.logits["churn"][:, 11])
    locked = 1 - model.locked_rate
    assert renewal.modelled()[0] == pytest.approx(locked**17 * (1 - hazard[0]))
    assert renewal.modelled()[1] == pytest.approx(locked**35 * (1 - hazard[1]))


def test_month_to_month_is_survival_over_the_horizon():
    _, prediction, renewal = told({})
    hazard = expit(prediction.logits["churn"][0, :RENEWAL_HORIZON])
    assert renewal.modelled()[0] == pytest.approx(np.prod(1 - hazard))


def test_what_is_booked_is_certain():
    signed = {"successor_on": pd.Timestamp(2025, 9, 15), "successor_mrr_micros": 1e8}
    notice = {"notice_ends_on": pd.Timestamp(2025, 9, 15)}
    beyond = {"notice_ends_on": pd.Timestamp(2026, 12, 15)}
    _, _, renewal = told(ANNUAL | signed, ANNUAL | notice, FAR | beyond, ANNUAL)
    assert renewal.booked()[:3].tolist() == [1, 0, 0]
    assert renewal.booked()[3] == renewal.modelled()[3]


def test_a_higher_score_never_renews_more():
    _, _, renewal = told(*ROWS)
    grid = [renewal.given(np.full(len(ROWS), score)) for score in np.linspace(-3, 3, 13)]
    assert (np.diff(grid, axis=0) <= 1e-12).all()


def test_leaving_by_the_next_decision_or_within_a_year_whichever_is_sooner():
    notice = {"notice_ends_on": pd.Timestamp(2025, 9, 15)}
    _, prediction, renewal = told(ANNUAL, {}, FAR, ANNUAL | notice)
    leaves = renewal.leaves_within_a_year()
    hazard = prediction.hazard
    assert leaves[0] == pytest.approx(1 - np.prod(1 - hazard[0, :3]))
    assert leaves[1] == pytest.approx(1 - np.prod(1 - hazard[1]))
    assert leaves[2] == pytest.approx(1 - np.prod(1 - hazard[2]))
    assert leaves[3] == 1
