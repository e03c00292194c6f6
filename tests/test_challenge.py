"""A model that is surely worse than the champion is registered and does not serve."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from models.carried import Carried
from models.prediction import HealthModel
from models.score import Score
from models.target import TARGETS
from tests.small_history import Law, carried_of, history_of, latest, past_of
from training.backtest import Backtest
from training.challenge import MOST_MOVED, challenge
from training.moved import moved

pytestmark = pytest.mark.ci  # a backtest

LAW = Law(accounts=180, months=21)


@pytest.fixture(scope="module")
def champion() -> Carried:
    carried = carried_of(LAW)
    serving = carried.model.served_by(past_of(LAW).serves)
    return replace(carried, model=serving)


def failed(past: Backtest, champion: Carried | None) -> list[str]:
    checks = challenge(history_of(LAW), past, champion)
    return [check.check.partition(":")[0] for check in checks if not check.passed]


def of_the_first_quarter(champion: Carried) -> Carried:
    """Give the champion that was trained at the first origin, and knows nothing later."""
    past = past_of(LAW)
    first = past.replays[0]
    return replace(champion, trained_through=first.origin, model=first.model.served_by(past.serves))


def strengthened(model: HealthModel, factor: float) -> HealthModel:
    """Give a model whose scores are so many times as strong; below none, the other way round."""
    targets = {}
    for name, one in model.targets.items():
        ridge = one.score.ridge
        assert ridge is not None
        turned = replace(ridge, weights=factor * ridge.weights)
        targets[name] = replace(one, serves="score", score=Score(turned, None))
    return replace(model, targets=targets)


def too_sure(past: Backtest) -> Backtest:
    """Give a challenger that is far too sure of its scores."""
    replays = []
    for replay in past.replays:
        targets = {
            name: replace(target, gains=tuple(8 * gain for gain in target.gains), serves="score")
            for name, target in replay.model.targets.items()
        }
        replays.append(replace(replay, model=replace(replay.model, targets=targets)))
    return replace(past, replays=tuple(replays), serves=dict.fromkeys(TARGETS, "score"))


@pytest.mark.fault("T12")
def test_without_a_champion_nothing_is_asked() -> None:
    assert challenge(history_of(LAW), past_of(LAW), None) == []


@pytest.mark.fault("T12")
def test_the_same_model_is_not_worse_than_itself(champion: Carried) -> None:
    assert failed(past_of(LAW), champion) == []
    earlier = of_the_first_quarter(champion)
    assert failed(past_of(LAW), earlier) == []


@pytest.mark.fault("T12")
def test_worse_on_what_the_champion_did_not_know_is_held(champion: Carried) -> None:
    earlier = of_the_first_quarter(champion)
    assert "churn" in failed(too_sure(past_of(LAW)), earlier)
    checks = challenge(history_of(LAW), too_sure(past_of(LAW)), earlier)
    value = next(check.value for check in checks if not check.passed)
    ours, theirs = (float(part.split()[-1]) for part in str(value).split(","))
    assert ours > theirs


@pytest.mark.fault("T12")
def test_a_skill_surely_below_the_champions_is_held(champion: Carried) -> None:
    past = past_of(LAW)
    better = {"skill": 0.5, "skill_p10": 0.4, "skill_p90": 0.6}
    judged = {name: {**champion.probabilities[name], **better} for name in TARGETS}
    model = champion.model.served_by(dict.fromkeys(TARGETS, "score"))
    assert failed(past, replace(champion, probabilities=judged, model=model)) == list(TARGETS)
    others = [dict(period, origin="2001-01-01") for period in champion.periods]
    elsewhere = replace(champion, probabilities=judged, model=model, periods=others)
    checks = challenge(history_of(LAW), past, elsewhere)
    assert [(check.value, check.passed) for check in checks] == [(None, True)] * 3


@pytest.mark.fault("T12")
def test_worse_on_average_is_held_though_not_surely(champion: Carried) -> None:
    """Nearly the same model: the interval says nothing, the mean does."""
    earlier = of_the_first_quarter(champion)
    checks = challenge(history_of(LAW), past_of(LAW), earlier)
    mean = next(check for check in checks if "all targets" in check.check)
    assert float(str(mean.value)) <= 0
    assert mean.passed
    worse = challenge(history_of(LAW), too_sure(past_of(LAW)), earlier)
    assert not next(check for check in worse if "all targets" in check.check).passed


@pytest.mark.fault("T12")
def test_a_worse_forecast_than_the_champions_is_held(champion: Carried) -> None:
    earlier = of_the_first_quarter(champion)
    assert len(past_of(LAW).replays) == 3
    found = [c for c in challenge(history_of(LAW), past_of(LAW), earlier) if "NRR" in c.check]
    assert found[0].passed
    assert isinstance(found[0].value, float)
    latest = replace(earlier, trained_through=past_of(LAW).replays[-1].origin)
    found = [c for c in challenge(history_of(LAW), past_of(LAW), latest) if "NRR" in c.check]
    assert (found[0].value, found[0].passed) == (None, True)
    assert "not applicable" in found[0].limit


@pytest.mark.fault("T12")
def test_sealed_quarters_alone_compare_where_there_are_any(champion: Carried) -> None:
    """Of four later quarters one is sealed: nothing else is looked at for log-losses."""
    past = past_of(LAW)
    sealed = replace(past, sealed=(past.replays[-1].origin,), sealed_on=past.probabilities)
    known = replace(champion, trained_through=past.replays[0].origin)
    one, all_of_them = (challenge(history_of(LAW), each, known) for each in (sealed, past))
    assert one[0].value != all_of_them[0].value
    learned = replace(champion, trained_through=date(2030, 1, 1))
    said = challenge(history_of(LAW), sealed, learned)
    assert [check.check.partition(":")[2] for check in said] == [" skill beside the champion's"] * 3


def test_the_same_model_moves_no_cell(champion: Carried) -> None:
    frame = latest(LAW)
    assert moved(frame, champion, champion.model) == (0, 0)
    assert moved(frame.head(0), champion, champion.model) == (0, 0)


def test_cells_that_move_are_counted_with_their_cut_offs_mapped(champion: Carried) -> None:
    frame = latest(LAW)
    champion = replace(champion, model=strengthened(champion.model, 1.0))
    flipped = strengthened(champion.model, -1.0)
    at_once, settled = moved(frame, champion, flipped)
    assert MOST_MOVED < at_once <= settled
    checks = challenge(history_of(LAW), past_of(LAW), champion, 0, flipped)
    held = next(check for check in checks if "cells" in check.check)
    assert not held.passed
    assert max(moved(frame, champion, strengthened(champion.model, 1.02))) < MOST_MOVED


def test_cells_by_rules_are_not_compared(champion: Carried) -> None:
    bare = champion.model.bare()
    held = challenge(history_of(LAW), past_of(LAW), champion, 0, bare)[-1]
    assert (held.value, held.passed) == (None, True)
