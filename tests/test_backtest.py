"""The backtest: its origins, what each one knew, and the actuals that it is laid beside."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest

from features.asof import add_months, lead_day, months_between
from models.calibration import IDENTITY
from models.flows import cohort_at, means
from models.outcomes import HORIZONS
from tests.small_history import Law, history_of, past_of
from training.backtest import (
    _judged,
    backtest,
    calibrated,
)
from training.baselines import window_nrr
from training.labels import REPORTING_LAG_DAYS
from training.origins import ORIGINS, STEP_MONTHS, origins, sealed_of
from training.periods import closed_by
from training.width import factor_of

LAW = Law(accounts=180, months=21)
LONG = Law(accounts=40, months=40)
FOUR = Law(accounts=180, months=24)


def test_origins_are_quarterly_the_latest_that_have_closed():
    """Known until 1 May 2026: three months from 1 January closed on 31 March, its lag on 1 May."""
    history = history_of(LONG)
    days = origins(history)
    assert len(days) == ORIGINS
    assert days == sorted(days)
    steps = [months_between(a, b) for a, b in pairwise(days)]
    assert set(steps) == {STEP_MONTHS}
    lag = timedelta(days=REPORTING_LAG_DAYS)
    assert lead_day(days[-1], 3) + lag < history.known_until
    assert lead_day(add_months(days[-1], 1), 3) + lag >= history.known_until


@pytest.mark.fault("T01")
def test_a_short_book_has_no_origin():
    assert origins(history_of(Law(accounts=40, months=10))) == []
    past = past_of(Law(accounts=40, months=10))
    assert past.periods == ()
    assert past.probabilities["churn"] == {"rows": 0, "events": 0}
    assert set(past.serves.values()) == {"calendar"}
    assert factor_of(past.periods)[3] == {"strength": 1.0, "n_eff": 0.0, "stretch": 1.0}


@pytest.mark.ci
def test_what_actually_happened_is_the_ledgers():
    """Every account of the small world is known in time, so its cohort is the ledger's own."""
    history, past = history_of(LAW), past_of(LAW)
    assert past.periods
    for period in past.periods:
        opening = months_between(history.panel.first, date.fromisoformat(period["origin"])) - 1
        horizon = period["horizon_months"]
        actual = window_nrr(history.panel, opening, opening + horizon)
        assert period["actual_nrr"] == pytest.approx(actual, rel=1e-12)
        paying = history.panel.mrr[:, opening]
        assert period["opening_mrr"] == pytest.approx(paying.sum() / 1e6)
        assert period["accounts"] == (paying > 0).sum()


def test_every_period_has_closed_and_says_when():
    history, past = history_of(LAW), past_of(LAW)
    for period in past.periods:
        origin = date.fromisoformat(period["origin"])
        end = lead_day(origin, period["horizon_months"])
        assert period["period_end"] == end.isoformat()
        assert end + timedelta(days=REPORTING_LAG_DAYS) < history.known_until
        assert period["horizon_months"] in HORIZONS


def test_a_period_counts_for_an_origin_once_its_lag_has_passed():
    period = {"period_end": "2025-03-31"}
    assert not closed_by(period, date(2025, 5, 1))
    assert closed_by(period, date(2025, 5, 2))


def test_quantiles_are_in_order_and_carry_their_baselines():
    for period in past_of(LAW).periods:
        nrr = period["nrr"]
        assert nrr["p10"] <= nrr["p50"] <= nrr["p90"]
        assert {"no change", "calendar"} <= set(period["baselines"])
        assert np.isfinite(period["z"])


def test_churn_is_judged_among_those_who_can_leave_and_growth_among_all():
    history, past = history_of(LAW), past_of(LAW)
    churn = _judged("churn", past.replays, history, 0)
    expand = _judged("expand", past.replays, history, 0)
    assert expand.at_risk.all()
    assert 0 < churn.at_risk.sum() < len(churn.at_risk)
    free = [r.prediction.free[:, :3].any(axis=1) for r in past.replays]
    assert (churn.at_risk == np.concatenate(free)).all()


def test_the_calendars_own_periods_are_the_calendars():
    past = past_of(LAW)
    assert len(past.calendar_periods) == len(past.periods)
    for period in past.calendar_periods:
        assert period["uncombined"] == pytest.approx(period["baselines"]["calendar"], rel=1e-6)


def test_what_serves_is_what_is_forecast():
    """Where a target's score does not serve, the periods are forecast without it."""
    history, past = history_of(LAW), past_of(LAW)
    assert set(past.serves) == {"churn", "expand", "contract"}
    replay = past.replays[-1]
    frame = history.frame.iloc[replay.rows].reset_index(drop=True)
    model = replay.model.served_by(past.serves)
    cohort = cohort_at(model.outlook(frame, model.predict(frame)), 3)
    expected = means(cohort)["closing"].sum() / cohort.mrr.sum()
    mine = [p for p in past.periods if p["origin"] == replay.origin.isoformat()]
    told = next(p for p in mine if p["horizon_months"] == 3)
    assert told["nrr"]["mean"] == pytest.approx(expected, rel=1e-6)


def test_no_origin_sees_a_row_of_its_own_future():
    history, past = history_of(LAW), past_of(LAW)
    for replay in past.replays:
        assert set(history.frame.iloc[replay.rows]["as_of"]) == {replay.origin}
        closed = history.outcomes(replay.origin).closed
        assert not closed[replay.rows].any()


def test_below_the_top_rung_nothing_is_calibrated():
    history, past = history_of(LAW), past_of(LAW)
    model = calibrated(past.replays[-1].model, past.replays, history, history.known_until)
    for target in model.targets.values():
        if target.rung != "tuned blend":
            assert target.calibration == IDENTITY


def test_overdispersion_by_hand():
    """Two quarters of z 2 and 0, of which the usual factor would have shared half the variance."""
    periods = [
        {"origin": "2025-01-01", "horizon_months": 3, "z": 2.0, "shared": 1.0},
        {"origin": "2025-04-01", "horizon_months": 3, "z": 0.0, "shared": 1.0},
    ]
    factor = factor_of(periods)
    assert factor[3]["n_eff"] == pytest.approx(2)
    said = (3 / 4 - 1 / 4 + 0.5) / (1 / 4 + 1 / 4 + 0.5)
    doubt = 1 + 0.6 * (1 / 4 + 1 / 4) / (1 / 4 + 1 / 4 + 0.5) ** 2
    assert factor[3]["strength"] == pytest.approx(said * doubt)
    squares = (4 + 0) / (1 + factor[3]["strength"]) / 2
    assert factor[3]["stretch"] == pytest.approx(((2 * squares + 8) / 10) ** 0.5)
    assert factor[12]["n_eff"] == 0


@pytest.mark.fault("T01")
@pytest.mark.parametrize(("count", "sealed"), [(0, 0), (3, 0), (4, 1), (6, 1), (8, 2), (40, 6)])
def test_the_last_quarter_of_the_origins_is_sealed(count, sealed):
    days = [add_months(date(2020, 1, 1), month) for month in range(count)]
    assert sealed_of(days) == tuple(days[count - sealed :])


@pytest.mark.ci
def test_open_and_sealed_origins_are_all_of_them():
    past = past_of(FOUR)
    assert len(past.sealed) == 1
    assert past.sealed[0] == past.replays[-1].origin
    for name, everywhere in past.probabilities.items():
        parts = (past.chosen_on[name], past.sealed_on[name])
        assert sum(one["events"] for one in parts) == everywhere["events"]
        assert min(one["rows"] for one in parts) > 0


@pytest.mark.ci
def test_what_happened_after_the_sealed_origin_changes_no_choice():
    """Everybody leaves after it: nothing but the sealed scores is another."""
    history, past = history_of(FOUR), past_of(FOUR)
    opening = months_between(history.panel.first, past.sealed[0]) - 1
    gone = history.panel.mrr.copy()
    gone[:, opening + 1 :] = 0
    other = backtest(replace(history, panel=replace(history.panel, mrr=gone)), lambda _: {}, 0)
    assert other.serves == past.serves
    assert other.chosen_on == past.chosen_on
    assert other.sealed_on["churn"]["events"] > past.sealed_on["churn"]["events"]


@pytest.mark.fault("T01")
def test_with_few_origins_all_are_open():
    past = past_of(Law(accounts=150, months=14))
    assert 0 < len(past.replays) < 4
    assert past.sealed == ()
    assert past.chosen_on == past.probabilities
    assert past.sealed_on["churn"] == {"rows": 0, "events": 0}
