"""A model that is surely worse than the champion is registered and does not serve."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.carried import Carried
from models.target import TARGETS
from tests.small_history import Law, carried_of, history_of, past_of
from training.backtest import Backtest
from training.challenge import challenge

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
