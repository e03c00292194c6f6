"""Canaries sing: at the future in a signal, at labels that can be learned though they were dealt."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from tests.small_history import Law, history_of, model_of, past_of
from training import canaries
from training.backtest import Backtest, backtest
from training.canaries import permuted, permuted_skill, surely_skilled, suspected_leaks
from training.evaluate import auc
from training.gate import _permuted, gate
from training.history import History
from training.origins import origins
from training.replay import Replay
from training.run import _tags

LAW = Law(accounts=180, months=21)


def smuggled() -> History:
    """Let a signal hold next month's MRR."""
    history = history_of(LAW)
    ahead = history.outcomes().mrr[:, 0].astype(float)
    return replace(history, frame=history.frame.assign(usage_wau_ratio=ahead / 1e6))


def failed(history: History, past: Any) -> list[str]:
    return [check.check for check in gate(history, past) if not check.passed]


@pytest.mark.ci
@pytest.mark.fault("T02")
def test_next_months_revenue_as_a_signal_is_held() -> None:
    """It knows nothing of the months after: at three months alone it would pass."""
    history = smuggled()
    assert suspected_leaks(history) == ["usage_wau_ratio"]
    checks = gate(history, past_of(LAW))
    (held,) = [check for check in checks if not check.passed]
    assert held.check == "single signals with AUC > .95 at risk"
    assert (held.code, held.value) == ("train.leak_suspected", "usage_wau_ratio")
    assert held.to_json()["code"] == "train.leak_suspected"
    assert all("code" not in one.to_json() for one in checks if one.passed)
    tags = _tags(model_of(LAW), tuple(checks))  # MLflow's page of the version
    assert tags["train.leak_suspected"] == "usage_wau_ratio"
    assert "AUC > .95" in tags["gate"]
    gone, free = history.outcomes().gone[:, 2], history.facts.free()[:, :3].any(axis=1)
    kept = free & history.outcomes().closed[:, 2]
    area = auc(-history.frame["usage_wau_ratio"].to_numpy()[kept], gone[kept].astype(int))
    assert area is not None
    assert area < 0.95


def test_areas_agree_with_one_by_one() -> None:
    rng = np.random.default_rng(0)
    y = rng.random(300) < 0.2
    values = np.column_stack([rng.normal(size=300) - 2 * y, np.round(rng.normal(size=300)), y])
    values[rng.random(300) < 0.1, 0] = np.nan
    filled = np.where(np.isnan(values), np.nanmedian(values, axis=0), values)
    told = canaries._areas(values, y[:, None])
    by_one = [auc(column, y.astype(int)) or 0.0 for column in filled.T]
    assert told == pytest.approx([max(one, 1 - one) for one in by_one])


def test_permuted_outcomes_are_the_same_ones_of_the_same_day() -> None:
    history = history_of(LAW)
    dealt = permuted(history, 0)
    for day in history.dates[:3]:
        rows = history.at(day)
        before, after = history.outcomes().gone[rows], dealt.outcomes().gone[rows]
        assert sorted(before.sum(axis=1)) == sorted(after.sum(axis=1))
        assert (before != after).any()


@pytest.mark.ci
@pytest.mark.fault("T02")
def test_permuted_labels_show_no_sure_skill() -> None:
    judged = permuted_skill(history_of(LAW), past_of(LAW), 0)
    assert judged
    assert not any(surely_skilled(one) for one in judged.values())


@pytest.mark.ci
@pytest.mark.fault("T02")
def test_permuted_labels_learned_in_sample_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal that is each row's own dealt outcome: what a leak in the machinery looks like."""
    history = history_of(Law(accounts=600, months=14))
    sound = canaries.permuted

    def leaking(history: History, seed: int) -> History:
        dealt = sound(history, seed)
        gone = dealt.outcomes().gone[:, 2].astype(float)
        return replace(dealt, frame=dealt.frame.assign(usage_wau_ratio=-gone))

    monkeypatch.setattr(canaries, "permuted", leaking)
    origin = cast(Replay, SimpleNamespace(origin=origins(history)[-1]))
    judged = permuted_skill(history, Backtest((origin,), {}, ()), 0)
    assert surely_skilled(judged["churn"])
    assert not _permuted(judged).passed


@pytest.mark.ci
@pytest.mark.fault("T02")
@pytest.mark.parametrize("seed", [0, 1])
def test_a_history_of_permuted_labels_is_refused(seed: int) -> None:
    dealt = permuted(history_of(LAW), seed)
    past = backtest(dealt, lambda _: {}, 0)
    assert "score" not in past.serves.values() or failed(dealt, past)
