"""Trials: the effect by hand, its interval beside published figures, and how often it holds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.trial import NEEDED, effect, score_interval, weighted_difference

PUBLISHED = [
    ((80, 48, 70, 56), (0.0528, 0.3382)),  # Newcombe (1998), table II: Miettinen and Nurminen
    ((10, 0, 10, 10), (0.6777, 1.0)),
]


def one(*counts: float) -> list[np.ndarray]:
    return [np.array([[count]], dtype=float) for count in counts]


def test_the_published_interval() -> None:
    counts, (low, high) = PUBLISHED[0]
    found = score_interval(*one(*counts))
    assert (found[0][0], found[1][0]) == (
        pytest.approx(low, abs=5e-5),
        pytest.approx(high, abs=5e-5),
    )


def test_arms_without_events_still_have_a_width() -> None:
    low, high = score_interval(*one(10, 0, 20, 0))
    assert low[0] < -0.1
    assert high[0] > 0.1
    low, high = score_interval(*one(10, 0, 10, 10))
    assert high[0] == pytest.approx(1.0, abs=1e-6)
    assert 0.5 < low[0] < 0.8


def test_turning_the_arms_round_turns_the_interval_round() -> None:
    low, high = score_interval(*one(40, 3, 15, 4))
    back = score_interval(*one(15, 4, 40, 3))
    assert (low[0], high[0]) == (pytest.approx(-back[1][0]), pytest.approx(-back[0][0]))


def test_strata_are_weighed_by_hand_and_one_armed_ones_say_nothing() -> None:
    n1, e1 = np.array([[30.0, 10.0, 9.0]]), np.array([[3.0, 4.0, 9.0]])
    n0, e0 = np.array([[10.0, 10.0, 0.0]]), np.array([[2.0, 5.0, 0.0]])
    by_hand = (7.5 * (0.2 - 0.1) + 5.0 * (0.5 - 0.4)) / 12.5
    assert weighted_difference(n1, e1, n0, e0)[0] == pytest.approx(by_hand)
    whole = score_interval(n1, e1, n0, e0)
    without = score_interval(n1[:, :2], e1[:, :2], n0[:, :2], e0[:, :2])
    np.testing.assert_allclose(np.array(whole), np.array(without))


def assigned(treated: int, events: int, held: int, held_events: int) -> pd.DataFrame:
    arm = ["treated"] * treated + ["holdout"] * held
    event = [n < events for n in range(treated)] + [n < held_events for n in range(held)]
    return pd.DataFrame({"arm": arm, "stratum": "ML, smb", "event": event})


@pytest.mark.parametrize(
    ("counts", "kind", "verdict"),
    [
        ((499, 10, 900, 90), "save", "priority, not proven lift"),
        ((NEEDED, 10, NEEDED, 60), "save", "proven lift"),
        ((NEEDED, 60, NEEDED, 10), "save", "proven harm"),
        ((NEEDED, 60, NEEDED, 10), "expansion", "proven lift"),
        ((NEEDED, 50, NEEDED, 52), "save", "no lift shown"),
    ],
)
def test_what_may_be_called_lift(
    counts: tuple[int, int, int, int], kind: str, verdict: str
) -> None:
    told = effect(assigned(*counts), kind)
    assert told["verdict"] == verdict
    assert told["low"] <= told["effect"] <= told["high"]


def test_no_stratum_with_both_arms_is_no_effect() -> None:
    told = effect(assigned(30, 3, 0, 0))
    assert (told["effect"], told["verdict"]) == (None, "priority, not proven lift")
    assert told["strata"] == {"compared": 0, "left_out": 1}


def test_the_interval_holds_the_truth_with_few_events() -> None:
    rng = np.random.default_rng(1)
    sizes = np.array([[60, 8], [90, 11], [200, 22], [40, 5]])
    held = np.array([0.05, 0.1, 0.03, 0.2])
    treated = 0.88 * held
    trials = (600, len(sizes))
    n1, n0 = (np.broadcast_to(sizes[:, at].astype(float), trials) for at in (0, 1))
    e1 = rng.binomial(sizes[:, 0], treated, trials).astype(float)
    e0 = rng.binomial(sizes[:, 1], held, trials).astype(float)
    weight = sizes.prod(axis=1) / sizes.sum(axis=1)
    true = (weight * (held - treated)).sum() / weight.sum()
    low, high = score_interval(n1, e1, n0, e0)
    assert 0.92 <= ((low <= true) & (true <= high)).mean() <= 0.98
