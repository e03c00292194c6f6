"""A whole fit: nothing of the future, rates by hand, the same again, and small books."""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from features.asof import add_months
from models.bundle import write_bundle
from models.outcomes import LEADS
from models.score import RUNGS
from tests.small_history import Law, fitted, history_of, latest, model_of
from training.fit import LOCKED_PRIOR, _returns, material_of, rows_of
from training.labels import Panel

LAW = Law(accounts=180, months=21)


def poisoned(history, origin):
    """Everything that an origin cannot know is another: the ledger and the rows from there on."""
    column = (
        (origin.year - history.panel.first.year) * 12 + origin.month - history.panel.first.month
    )
    rng = np.random.default_rng(9)
    mrr, organic = history.panel.mrr.copy(), history.panel.organic.copy()
    ahead = slice(column - 1, None)  # the month-end before the origin closes 31 days after it
    mrr[:, ahead] = rng.integers(0, 2, mrr[:, ahead].shape) * 10**9
    organic[:, ahead] = rng.integers(-(10**9), 10**9, organic[:, ahead].shape)
    frame = history.frame.copy()
    later = (frame["as_of"] >= origin).to_numpy()
    for slug in history.signals:
        frame.loc[later, slug] = rng.normal(0, 100, later.sum())
    panel = replace(history.panel, mrr=mrr, organic=organic)
    return replace(history, frame=frame, panel=panel)


def bytes_of(model):
    boosters = [t.score.booster for t in model.targets.values() if t.score.booster is not None]
    said = {name: target.to_json() for name, target in model.targets.items()}
    rest = (model.locked_rate, model.returns.tolist(), model.sizes.to_json())
    return said, rest, [booster.model_to_string() for booster in boosters]


def test_nothing_after_an_origin_changes_the_model_fitted_there():
    history = history_of(LAW)
    origin = history.dates[13]
    one = fitted(history, origin)
    two = fitted(poisoned(history, origin), origin)
    assert bytes_of(one) == bytes_of(two)


def test_the_poison_would_have_changed_a_model_that_looks():
    history = history_of(LAW)
    origin = history.dates[13]
    one = model_of(LAW)
    assert bytes_of(one) != bytes_of(fitted(poisoned(history, origin), history.known_until))


@pytest.mark.fault("T07")
def test_the_same_history_and_seed_give_the_same_digest(tmp_path):
    history, digests = history_of(LAW), []
    for run in range(2):
        model = fitted(history, history.known_until)
        said = {name: target.to_json() for name, target in model.targets.items()}
        boosters = {
            name: target.score.booster.model_to_string()
            for name, target in model.targets.items()
            if target.score.booster is not None
        }
        assert boosters
        golden = history.frame.loc[:, list(history.signals)].tail(4)
        digests.append(write_bundle(tmp_path / str(run), {"targets": said}, boosters, golden))
    assert digests[0] == digests[1]


def test_another_seed_is_another_draw():
    history = history_of(LAW)
    assert bytes_of(fitted(history, history.known_until, 1)) != bytes_of(model_of(LAW))


def test_the_locked_rate_by_hand():
    """Annual accounts in months without a decision: none leaves by law; twenty at one in 1,000."""
    history = history_of(LAW)
    outcomes = history.outcomes()
    locked = ~history.facts.free() & outcomes.still_paying_before & outcomes.closed
    expected = 20 * LOCKED_PRIOR / (locked.sum() + 20)
    assert model_of(LAW).locked_rate == pytest.approx(expected)


def test_returns_by_hand():
    """Two leave in month 2; one is back two months later. (1 / 22) from then on."""
    history = history_of(LAW)
    mrr = np.ones((2, 8), dtype=np.int64)
    mrr[0, 2:] = 0
    mrr[1, 2:4] = 0
    panel = Panel(pd.Index(["a", "b"]), date(2023, 1, 31), mrr, np.zeros_like(mrr))
    frame = history.frame.iloc[:2].assign(account_id=["a", "b"], as_of=date(2023, 2, 1))
    small = replace(history, frame=frame, panel=panel)
    rates = _returns(small, date(2030, 1, 1))
    assert rates[:2].tolist() == [0, 0]
    assert rates[2:] == pytest.approx(1 / 22)
    early = _returns(small, date(2023, 6, 2))  # knows month-ends to April: the return is to come
    assert early.max() == 0


def test_returns_are_learned_where_there_are_some():
    back = Law(accounts=180, months=21, returning=0.15)
    rates = model_of(back).returns
    assert rates.shape == (LEADS,)
    assert rates[0] == 0
    assert (np.diff(rates) >= 0).all()
    assert 0.3 < rates[6] < 0.8
    assert model_of(LAW).returns.max() == 0


def test_contraction_takes_the_signs_of_churn():
    stuff = material_of(history_of(LAW), 0)
    assert stuff.signs["contract"] == stuff.signs["churn"]
    assert set(stuff.signs["expand"]) <= {-1, 0, 1}


def test_rows_of_every_target_are_closed_and_unbooked():
    history = history_of(LAW)
    frame = history.frame.copy()
    frame.loc[frame.index[::7], "notice_ends_on"] = pd.Timestamp(2025, 1, 1)
    booked = replace(history, frame=frame)
    outcomes = history.outcomes()
    for rows in rows_of(booked, outcomes).values():
        assert outcomes.closed[rows.row, rows.lead - 1].all()
        assert not (rows.row % 7 == 0).any()


@pytest.mark.fault("T01")
@pytest.mark.parametrize("law", [Law(accounts=60, months=20), Law(accounts=150, months=12)])
def test_a_small_book_trains_and_predicts(law):
    model, frame = model_of(law), latest(law)
    prediction = model.predict(frame)
    outlook = model.outlook(frame, prediction)
    assert len(outlook) == len(frame)
    assert {target.rung for target in model.targets.values()} <= set(RUNGS)
    assert ((prediction.p_churn >= 0) & (prediction.p_churn <= 1)).all()


@pytest.mark.fault("T01")
def test_a_book_without_any_event_is_prior_driven():
    quiet = Law(accounts=60, months=12, leaving=1e-9, growing=1e-9, shrinking=0.0)
    model = model_of(quiet)
    assert {target.rung for target in model.targets.values()} == {RUNGS[0]}
    p = model.predict(latest(quiet)).p_churn[:, 11]
    assert (p > 0).all()
    assert p.mean() < 0.12


def test_a_model_finds_the_law():
    """Leaving follows health: signals of health order the accounts of a month not yet seen."""
    law = Law(accounts=180, months=21)
    history = history_of(law)
    model = fitted(history, add_months(history.known_until, -6))
    frame = latest(law)
    risk = model.predict(frame).p_churn[:, 2]
    monthly = (frame["decision"] == "monthly").to_numpy()
    health = frame.loc[monthly, "usage_active_days_28d"].to_numpy()
    assert np.corrcoef(risk[monthly], health)[0, 1] < -0.3
