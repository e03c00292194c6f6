"""The gate: leaks are held, noise claims nothing, and what is worse than simpler does not serve."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from tests.small_history import Law, history_of, past_of
from training.backtest import Backtest
from training.canaries import suspected_leaks
from training.gate import WORSE_NRR, gate, nrr_errors, nrr_gaps

LAW = Law(accounts=180, months=21)
LEAK = Law(accounts=180, months=21, leak=True)
GOOD = {"rows": 900, "events": 90, "skill": 0.1, "p_better": 0.99, "slope": 1.0, "o_over_e": 1.0}
GOOD |= {"slope_error": 0.1, "o_over_e_error": 0.1}


def period(error, calendar=0.02, horizon=3, **more):
    told = {"mean": 1.0 + error}
    baselines = {"calendar": 1.0 + calendar, "no change": 1.0} | more
    return {"horizon_months": horizon, "nrr": told, "actual_nrr": 1.0, "baselines": baselines}


def past_with(periods, serves="score", judged=GOOD):
    names = ("churn", "expand", "contract")
    return Backtest(
        (), dict.fromkeys(names, judged), tuple(periods), (), dict.fromkeys(names, serves)
    )


def failed(history, past):
    return [check.check for check in gate(history, past) if not check.passed]


@pytest.mark.ci
@pytest.mark.fault("T02")
def test_a_leaking_signal_is_held():
    history = history_of(LEAK)
    assert suspected_leaks(history) == ["relationship_nps"]
    checks = gate(history, past_of(LEAK))
    held = next(check for check in checks if "AUC" in check.check)
    assert not held.passed
    assert held.value == "relationship_nps"


@pytest.mark.fault("T02")
def test_a_signal_that_is_missing_for_those_who_leave_leaks_as_much():
    history = history_of(LAW)
    gone = history.outcomes().gone[:, 2]
    frame = history.frame.copy()
    frame["usage_wau_ratio"] = np.where(gone, np.nan, frame["usage_wau_ratio"])
    assert suspected_leaks(replace(history, frame=frame)) == ["usage_wau_ratio"]


@pytest.mark.fault("T02")
def test_an_honest_signal_is_no_leak():
    assert suspected_leaks(history_of(LAW)) == []
    assert suspected_leaks(history_of(Law(accounts=180, months=21, strength=3.0))) == []


def test_what_the_calendar_knows_is_no_leak():
    history = history_of(LAW)
    gone = history.outcomes().gone[:, 2].astype(float)
    frame = history.frame.assign(commercial_discount=gone)
    assert suspected_leaks(replace(history, frame=frame)) == []


def test_a_good_model_passes():
    past = past_with([period(0.01)] * 4)
    assert failed(history_of(LAW), past) == []


@pytest.mark.fault("T01")
def sealed_with(held, everywhere=GOOD):
    """A past whose last quarter was sealed, with what was found there."""
    past = past_with([period(0.01)] * 4, judged=everywhere)
    day = date(2024, 10, 1)
    on = {"sealed_on": dict.fromkeys(past.serves, held), "chosen_on": past.probabilities}
    return replace(past, sealed=(day,), **on)


def of_churn(past):
    checks = gate(history_of(LAW), past)
    return [check for check in checks if check.check.startswith("churn:")]


def test_worse_than_the_calendar_on_sealed_quarters_is_refused():
    worse = GOOD | {"skill": -0.1, "skill_p05": -0.16, "skill_p95": -0.04}
    assert failed(history_of(LAW), sealed_with(worse)) == [
        f"{name}: the score serves" for name in ("churn", "expand", "contract")
    ]
    unlucky = worse | {"skill": -0.02, "skill_p95": 0.05}
    assert failed(history_of(LAW), sealed_with(unlucky)) == []
    assert "sealed" in of_churn(sealed_with(unlucky))[0].limit
    nowhere = GOOD | {"skill": -0.01}
    assert len(failed(history_of(LAW), sealed_with(unlucky, nowhere))) == 3


def test_grossly_miscalibrated_is_refused():
    for score in ("slope", "o_over_e"):
        off = GOOD | {score: 0.3, f"{score}_p05": 0.2, f"{score}_p95": 0.4}
        found = failed(history_of(LAW), sealed_with(off))
        assert found == [f"{n}: calibration of the score" for n in ("churn", "expand", "contract")]
        near = off | {f"{score}_p95": 0.6}
        assert failed(history_of(LAW), sealed_with(near)) == []


@pytest.mark.fault("T01")
def test_sealed_quarters_with_few_events_leave_it_to_all_of_them():
    few = GOOD | {"events": 3, "skill": -0.5, "skill_p95": -0.1}
    assert failed(history_of(LAW), sealed_with(few)) == []
    assert "the sealed 1 held 3 events" in of_churn(sealed_with(few))[0].limit
    assert "too few to seal" in of_churn(past_with([period(0.01)] * 4))[0].limit


def test_a_past_too_short_to_say_is_not_applicable():
    past = past_with([period(0.5)] * 2)
    check = next(check for check in gate(history_of(LAW), past) if "NRR" in check.check)
    assert check.passed
    assert check.value is None
    assert "not applicable" in check.limit


def test_a_worse_forecast_than_the_calendars_is_held():
    worse = [period(0.02 * WORSE_NRR * 1.5)] * 4
    assert failed(history_of(LAW), past_with(worse)) == ["NRR error / calendar's"]


def test_a_few_quarters_of_luck_do_not_hold_a_model():
    """Worse by half in one quarter, better in three: the mean is worse by less than its error."""
    lucky = [period(0.05), period(0.015), period(0.015), period(0.015)]
    errors = nrr_errors(lucky, 3)
    assert errors["forecast"] > WORSE_NRR * errors["calendar"]
    assert failed(history_of(LAW), past_with(lucky)) == []


def test_where_no_score_serves_nothing_is_promoted():
    past = past_with([period(0.02)] * 4, serves="calendar")
    assert failed(history_of(LAW), past) == ["targets whose score serves"]


@pytest.mark.ci
@pytest.mark.parametrize("seed", [0, 1])
def test_permuted_outcomes_give_no_claim(seed):
    """The leaving and growing of this world follow nothing: nothing is promoted."""
    law = Law(accounts=150, months=20, strength=0.0, seed=seed + 40)
    past = past_of(law)
    assert all(one["skill"] < 0.05 for one in past.probabilities.values())
    assert "score" not in past.serves.values() or failed(history_of(law), past)


def test_errors_by_hand():
    periods = [period(0.01, 0.03), period(-0.03, 0.01), period(0.5, horizon=12)]
    errors = nrr_errors(periods, 3)
    assert errors["forecast"] == pytest.approx(2)
    assert errors["calendar"] == pytest.approx(2)
    assert errors["no change"] == pytest.approx(0)
    assert nrr_errors(periods, 1) == {}


def dated(*errors):
    days = ("2024-01-01", "2024-04-01", "2024-07-01", "2024-10-01")
    pairs = zip(days, errors, strict=False)
    return [period(*one) | {"origin": day, "z": 0.0} for day, one in pairs]


def test_gaps_to_the_baselines_by_hand():
    """Nearer by 1, 1, 2 and 2 points: 1.5 on average, by Student's t on four quarters."""
    gaps = nrr_gaps(dated((0.01, 0.02), (-0.01, 0.02), (0.0, 0.02), (0.01, 0.03)), 3)
    one = gaps["calendar"]
    reach = 2.3534 * np.std([1, 1, 2, 2], ddof=1) / 2
    assert one["mean"] == pytest.approx(-1.5)
    assert one["n_eff"] == 4
    assert [one["p05"], one["p95"]] == pytest.approx([-1.5 - reach, -1.5 + reach], abs=1e-3)
    assert list(gaps) == ["calendar", "no change"]


@pytest.mark.fault("T01")
def test_one_quarter_bounds_nothing():
    assert nrr_gaps(dated((0.01, 0.02)), 3)["calendar"]["p05"] is None
    assert nrr_gaps([], 3) == {}


def test_errors_are_compared_on_the_same_periods():
    periods = [period(0.01, last=None), period(0.01, last=0.9)]
    assert "last" not in nrr_errors(periods, 3)


def test_every_check_says_value_and_limit():
    for check in gate(history_of(LAW), past_of(LAW)):
        told = check.to_json()
        assert set(told) == {"check", "value", "limit", "passed"}
        assert isinstance(told["passed"], bool)
        assert told["limit"]
