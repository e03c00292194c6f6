"""A book that is billed by usage, from its snapshots to its forecast: growth, not events."""

from dataclasses import replace

import numpy as np
import pytest

from features.asof import add_months
from models.flows import cohort_at, means
from tests.small_history import FIRST
from tests.usage_history import Metered, as_contracts, metered_history
from training.backtest import backtest
from training.fit import fit_health
from training.metering import metered_growth

LAW = Metered(accounts=60, months=26)
ORIGIN = add_months(FIRST, 20)


def told(history, origin):
    """What the accounts that pay are expected to pay then, over what they pay now, and did."""
    model = fit_health(history, origin, {}, 0, 0)
    rows = history.at(origin)
    frame = history.frame.iloc[rows].reset_index(drop=True)
    outlook = model.outlook(frame, model.predict(frame))
    outcomes, found = history.outcomes(), {}
    for lead in (3, 12):
        cohort = cohort_at(outlook, lead)
        expected = means(cohort)["closing"] / (cohort.mrr * (1 - cohort.p_churn))
        came = outcomes.mrr[rows, lead - 1] / outcomes.opening[rows]
        paying = came > 0
        money = cohort.mrr[paying] / cohort.mrr[paying].sum()
        off = (expected - came)[paying]
        found[lead] = (float(money @ off), float(money @ np.abs(off)))
    return found


def test_a_monthly_wobble_is_no_event_and_a_lasting_move_by_a_quarter_is():
    history = metered_history(LAW)
    wobbling, plain = history.outcomes(), as_contracts(history).outcomes()
    assert wobbling.metered.all()
    assert not plain.metered.any()
    assert plain.by_event.all()
    assert not wobbling.by_event.any()
    assert wobbling.expand[:, :2].mean() < 0.02 < 0.4 < plain.expand[:, :2].mean()
    assert not wobbling.contract[:, 0].any()
    low = wobbling.mrr <= 0.75 * wobbling.opening[:, None]
    lasting = low[:, 1:] & low[:, :-1] & (wobbling.mrr[:, 1:] > 0)
    assert np.array_equal(wobbling.contract[:, 1:], lasting)


def test_a_model_knows_the_growth_only_where_usage_is_billed():
    history = metered_history(LAW)
    assert fit_health(history, ORIGIN, {}, 0, 0).metered is not None
    assert fit_health(as_contracts(history), ORIGIN, {}, 0, 0).metered is None


def test_growth_is_learned_from_what_had_closed():
    history = metered_history(LAW)
    mrr = history.panel.mrr.copy()
    mrr[:, 20:] *= 7
    other = replace(history, panel=replace(history.panel, mrr=mrr))
    one, two = (metered_growth(h, h.outcomes(ORIGIN), ORIGIN) for h in (history, other))
    assert one.to_json() == two.to_json()


@pytest.mark.ci
def test_growth_is_without_bias_and_nearer_to_each_account_than_events():
    growth, events = [], []
    for seed in range(8):
        history = metered_history(Metered(seed=seed, own=0.03))
        for into, each in ((growth, history), (events, as_contracts(history))):
            into.append([told(each, add_months(FIRST, 25))[lead] for lead in (3, 12)])
    ours, theirs = np.array(growth), np.array(events)
    bias = ours[:, :, 0]
    error = bias.std(axis=0, ddof=1) / np.sqrt(len(bias))
    assert (np.abs(bias.mean(axis=0)) < 2.5 * error).all()
    assert (ours[:, :, 1].mean(axis=0) < theirs[:, :, 1].mean(axis=0)).all()
    assert abs(bias[:, 0].mean()) < abs(theirs[:, 0, 0].mean())


@pytest.mark.ci
def test_a_backtest_of_a_book_billed_by_usage_holds_together():
    history = metered_history(LAW)
    days = [add_months(FIRST, month) for month in (12, 15, 18, 21)]
    past = backtest(history, lambda _: {}, 0, days=days)
    again = backtest(history, lambda _: {}, 0, days=days)
    assert past.periods == again.periods
    errors = [p["nrr"]["mean"] - p["actual_nrr"] for p in past.periods if p["horizon_months"] == 3]
    assert np.abs(errors).mean() < 0.08
