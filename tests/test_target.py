"""One target's logit: calendar, level, gain times score, calibration; and it survives JSON."""

from dataclasses import replace

import numpy as np
import pytest

from models.calibration import IDENTITY, Calibration
from models.target import LEAD_GROUPS, TargetModel, lead_group
from tests.small_history import Law, history_of, model_of

LAW = Law(accounts=180, months=21)


@pytest.fixture(scope="module")
def target():
    return model_of(LAW).targets["churn"]


BY_BAND = tuple(tuple(band + 0.1 * lead for lead in range(1, 13)) for band in range(4))
"""A whole number per ACV band, a tenth per lead."""


@pytest.fixture(scope="module")
def facts():
    return history_of(LAW).facts.take(np.arange(6))


def test_every_lead_belongs_to_its_group():
    for group, (first, last) in enumerate(LEAD_GROUPS):
        assert lead_group(np.arange(first, last + 1)).tolist() == [group] * (last - first + 1)
    assert LEAD_GROUPS[0][0] == 1
    assert LEAD_GROUPS[-1][1] == 12


def test_the_logit_by_hand(target, facts):
    plain = replace(target, levels=BY_BAND, gains=(1.0, 0.8, 0.5, 0.2))
    plain = replace(plain, calibration=IDENTITY, serves="score")
    score = np.linspace(-1, 1, 6)
    told = plain.logits(facts, score)
    calendar = plain.calendar.matrix(facts)
    assert told[:, 0] == pytest.approx(calendar[:, 0] + facts.band + 0.1 + score)
    assert told[:, 2] == pytest.approx(calendar[:, 2] + facts.band + 0.3 + 0.8 * score)
    assert told[:, 11] == pytest.approx(calendar[:, 11] + facts.band + 1.2 + 0.2 * score)


def test_the_calibration_comes_last_and_knows_its_lead(target, facts):
    shifted = replace(target, calibration=Calibration("intercept", -1.0, 0.5, 1.0, 1.0))
    bare = replace(target, calibration=IDENTITY)
    move = shifted.logits(facts, np.zeros(6)) - bare.logits(facts, np.zeros(6))
    assert move[:, :3] == pytest.approx(-1.0)
    assert move[:, 3:] == pytest.approx(0.5)


def test_where_the_calendar_serves_no_score_moves_anything(target, facts):
    served = replace(target, serves="calendar")
    assert not served.uses_score
    assert (served.scores(np.ones((6, 10))) == 0).all()
    assert (served.logits(facts, np.ones(6)) == served.calendar.matrix(facts)).all()


def test_no_gain_is_no_score(target):
    assert not replace(target, gains=(0.0,) * 4).uses_score


@pytest.mark.parametrize("name", ["churn", "expand", "contract"])
def test_gains_are_never_negative_and_rise_for_late_expansion_alone(name):
    gains = model_of(LAW).targets[name].gains
    assert all(gain >= 0 for gain in gains)
    assert all(gain <= 1 for gain in gains[:3])
    if name == "expand":
        assert gains[3] <= 2
    else:
        assert list(gains) == sorted(gains, reverse=True)


def test_json_gives_the_same_model(target, facts):
    again = TargetModel.from_json(target.to_json(), target.score.booster)
    values = history_of(LAW).frame.loc[:5, list(history_of(LAW).signals)].to_numpy(dtype=float)
    assert again.scores(values) == pytest.approx(target.scores(values))
    score = target.scores(values)
    assert (again.logits(facts, score) == target.logits(facts, score)).all()
    assert again.to_json() == target.to_json()
