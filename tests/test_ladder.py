"""The ladder: what is fitted follows the events; levels are right, gains shrink, time is split."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from models.score import RUNGS
from tests.small_history import Law, history_of, model_of
from training.fit import material_of, rows_of
from training.ladder import CONFIGURATIONS, fit_target, search, split_in_time
from training.rows import Rows, distinct_events

LAW = Law(accounts=180, months=21)
NULL = Law(accounts=180, months=21, strength=0.0)


def material(law):
    history = history_of(law)
    return material_of(history, 0), rows_of(history, history.outcomes())


def with_events(rows, most):
    """The same rows with the events of few snapshot rows alone."""
    keep = np.unique(rows.row[(rows.y == 1) & (rows.lead == 1)])[:most]
    return replace(rows, y=np.where(np.isin(rows.row, keep) & (rows.lead == 1), rows.y, 0))


@pytest.mark.fault("T01")
@pytest.mark.parametrize(("events", "rung"), [(0, 0), (9, 0), (10, 1), (19, 1)])
def test_the_rung_follows_the_events(events, rung):
    stuff, rows = material(LAW)
    model = fit_target("expand", with_events(rows["expand"], events), stuff)
    assert model.events == events
    assert model.rung == RUNGS[rung]
    assert (model.score.ridge is not None) == (rung > 0)
    assert model.score.booster is None
    assert model.uses_score in ((False,) if rung == 0 else (True, False))


@pytest.mark.fault("T01")
def test_no_row_at_all_is_no_failure():
    stuff, _ = material(LAW)
    none = Rows(*(np.zeros(0, dtype=np.int64) for _ in range(3)), np.zeros(0))
    for target in ("churn", "expand", "contract"):
        model = fit_target(target, none, stuff)
        assert model.rung == RUNGS[0]
        assert np.isfinite(model.logits(stuff.facts, np.zeros(len(stuff.facts)))).all()


@pytest.mark.fault("T01")
def test_one_class_is_no_failure():
    stuff, rows = material(LAW)
    for y in (0, 1):
        only = replace(rows["churn"], y=np.full(len(rows["churn"]), y))
        model = fit_target("churn", only, stuff)
        p = expit(model.logits(stuff.facts, model.scores(stuff.values)))
        assert np.isfinite(p).all()
        assert abs(p.mean() - y) < 0.2


@pytest.mark.parametrize("law", [LAW, pytest.param(NULL, marks=pytest.mark.ci)])
@pytest.mark.parametrize("target", ["churn", "expand"])
def test_a_score_does_not_move_the_mean(law, target):
    """Expected events of the training rows are those of the calendar, however small the gain."""
    stuff, rows = material(law)
    model, all_rows = model_of(law).targets[target], rows[target]
    raw = model.logits(stuff.facts, model.scores(stuff.values))
    bare = model.calendar.matrix(stuff.facts)
    at = (all_rows.row, all_rows.lead - 1)
    assert expit(raw[at]).sum() / expit(bare[at]).sum() == pytest.approx(1, abs=0.08)


def test_what_tells_nothing_keeps_little_gain():
    told, nothing = (model_of(law).targets["churn"] for law in (LAW, NULL))
    assert nothing.gains[0] < told.gains[0]


def test_zero_rows_fit_the_calendar_alone():
    stuff, rows = material(LAW)
    model = fit_target("churn", rows["churn"], stuff, most_rows=0)
    assert model.score.ridge is None
    assert not model.uses_score


def test_the_same_rows_give_the_same_model():
    stuff, rows = material(LAW)
    one, two = (fit_target("expand", rows["expand"], stuff) for _ in range(2))
    assert one.to_json() == two.to_json()
    assert one.score.booster.model_to_string() == two.score.booster.model_to_string()


def test_a_split_in_time_does_not_overlap():
    """Months 0 to 11; the cut lies two thirds on: no outcome of the early part reaches it."""
    row, lead = np.repeat(np.arange(12), 3), np.tile([1, 2, 3], 12)
    rows = Rows(row, lead, np.zeros(36, dtype=np.int64), np.ones(36))
    month = np.arange(12)
    before, after = split_in_time(rows, month, 2 / 3)
    cut = np.quantile(month, 2 / 3)
    assert (month[rows.row[before]] + rows.lead[before]).max() <= cut
    assert month[rows.row[after]].min() >= cut
    assert not set(rows.row[before]) & set(rows.row[after])


def test_only_the_top_rung_searches():
    stuff, rows = material(LAW)
    assert distinct_events("churn", rows["churn"]) < 300
    assert search("churn", rows["churn"], stuff) == {}


@pytest.mark.ci
def test_the_search_gives_one_of_its_configurations():
    stuff, rows = material(Law(accounts=600, months=26, growing=0.08))
    assert distinct_events("expand", rows["expand"]) >= 300
    assert search("expand", rows["expand"], stuff) in [dict(one) for one in CONFIGURATIONS]
