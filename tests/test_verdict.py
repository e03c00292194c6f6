"""The verdict: one cell, one list, one forecast a horizon, from a snapshot and a model."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from features.triggers import TRIGGERS
from models.flows import cohort_at, means
from models.judging import likely_lever
from models.matrix import CELLS
from models.outcomes import HORIZONS
from models.past_periods import past_periods
from models.record import Record
from models.verdict import LEVERS, Choices, verdict
from tests.small_history import Law, carried_of, latest, with_bookings

LAW = Law(accounts=180, months=21)


@pytest.fixture(scope="module")
def told():
    frame = with_bookings(latest(LAW))
    return verdict(frame, carried_of(LAW), None, frame.loc[0, "as_of"], Choices())


def test_every_account_has_a_cell_and_a_reason(told):
    table = told.scores
    assert set(table["cell"]) <= set(CELLS)
    assert table["account_id"].is_unique
    assert (table["status"] == "scored").all()
    assert all(len(reasons) >= 2 for reasons in table["reasons_retention"])


def test_after_notice_retention_is_low(told):
    assert told.scores.loc[0, "cell"][0] == "L"


def test_every_horizon_is_forecast_with_its_past_and_simpler_rules_beside_it(told):
    assert set(told.forecast) == {str(h) for h in HORIZONS}
    for one in told.forecast.values():
        assert one["nrr"]["p10"] <= one["nrr"]["p50"] <= one["nrr"]["p90"]
        assert one["baselines"]["no change"] == 1.0
        assert set(one["baselines"]) == {"calendar", "same as last year", "no change"}
        assert "coverage_80" in one["backtest"]


def test_the_forecast_is_made_of_the_accounts(told):
    """Expected NRR over the cohort is the sum of expected closings, booked things settled."""
    frame, model = with_bookings(latest(LAW)), carried_of(LAW).model
    outlook = model.outlook(frame, model.predict(frame))
    for horizon in HORIZONS:
        cohort = cohort_at(outlook, horizon)
        nrr = means(cohort)["closing"].sum() / cohort.mrr.sum()
        assert told.forecast[str(horizon)]["nrr"]["mean"] == pytest.approx(nrr, rel=1e-6)


def ties(told):
    """Amounts of the accounts add up to the means of the forecast at their horizon."""
    forecast, scores = told.forecast["3"], told.scores
    parts = {
        "expected_mrr": forecast["closing_mrr"]["mean"],
        "expected_expansion_mrr": forecast["expansion_mrr"]["mean"],
        "expected_loss_mrr": forecast["contraction_mrr"]["mean"] + forecast["churned_mrr"]["mean"],
    }
    for name, mean in parts.items():
        assert scores[name].sum() == pytest.approx(mean, rel=1e-9)


def test_at_three_months_the_accounts_expect_what_the_forecast_does(told):
    ties(told)


@pytest.mark.ci
def test_a_combined_forecast_and_agreed_uplifts_are_in_the_accounts_amounts_too(told):
    frame = with_bookings(latest(LAW))
    frame["uplift_on"], frame["uplift_micros"] = frame["as_of"], 0.07 * frame["mrr_micros"]
    weights = {"forecast": 0.5, "damped trend by segment": 0.5}
    weighed = {"3": {"weights": weights, "periods": 6, "n_eff": 5.0}}
    carried = replace(carried_of(LAW), combined=weighed)
    said = Record(rivals={"damped trend by segment": {"3": 1.04}})
    both = verdict(frame, carried, None, frame.loc[0, "as_of"], Choices(), said)
    assert both.forecast["3"]["combined"]["shift_points"] != 0
    ties(both)
    assert both.scores["p_churn"].tolist() == told.scores["p_churn"].tolist()  # the model's own
    assert (both.scores["mrr_p10"] <= both.scores["mrr_p90"]).all()


@pytest.mark.ci
def test_the_same_again_is_the_same(told):
    frame = with_bookings(latest(LAW))
    again = verdict(frame, carried_of(LAW), None, frame.loc[0, "as_of"], Choices())
    assert again.scores.drop(columns="memory").equals(told.scores.drop(columns="memory"))
    assert again.forecast == told.forecast


def test_past_forecasts_by_hand():
    def period(origin, p10, p90, actual, mean=1.0, last=None):
        return {
            "origin": origin,
            "period_end": "x",
            "horizon_months": 3,
            "nrr": {"mean": mean, "p10": p10, "p90": p90},
            "actual_nrr": actual,
            "baselines": {"no change": 1.0, "same as last year": last},
        }

    past = past_periods([period("a", 0.9, 1.1, 1.0), period("b", 0.9, 1.1, 1.2, 1.1, 0.9)], 3)
    assert past["coverage_80"] == 0.5
    errors = past["mean_absolute_error_points"]
    assert errors["forecast"] == pytest.approx(5)
    assert errors["no change"] == pytest.approx(10)
    assert errors["same as last year"] is None
    assert past_periods([], 12)["coverage_80"] is None


def test_levers_point_at_triggers_that_there_are():
    assert set(LEVERS) <= {trigger.name for trigger in TRIGGERS}
    assert set(LEVERS.values()) <= {"seat", "tier", "product", "usage"}


def test_the_lever_is_that_of_the_first_that_calls_for_action():
    fired = [
        {"trigger": "gate_hits", "level": "watch"},
        {"trigger": "seat_velocity", "level": "act"},
    ]
    assert likely_lever(fired) == "seat"
    assert likely_lever(fired[:1]) == "tier"
    assert likely_lever([]) is None


def test_no_probability_leaves_its_interval(told):
    for name in ("p_renew", "p_churn", "p_expand", "p_contract", "p_flat"):
        values = told.scores[name].to_numpy(dtype=float)
        assert np.isfinite(values).all()
        assert ((values >= 0) & (values <= 1)).all()


def test_an_as_of_date_stands_on_every_forecast(told):
    assert isinstance(latest(LAW).loc[0, "as_of"], date)
    assert all(one["backtest"]["periods"] for one in list(told.forecast.values())[:2])
