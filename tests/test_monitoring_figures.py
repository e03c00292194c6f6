"""The figures of monitoring: sums, estimates, gaps and marks, held beside what they are designed for."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.cusum import DISPERSION, FEWEST, LIMIT, MOST, Month, cusum
from models.drifting import Drift, bins, drifted, drifts, marks
from models.foretold import Foretold, auc
from models.missingness import gaps

FIRST = date(2020, 1, 1)


def months(seen: list[int], expected: float, model: str = "") -> list[Month]:
    days = (FIRST + timedelta(days=31 * n) for n in range(len(seen)))
    return [Month(day, expected, many, model) for day, many in zip(days, seen, strict=True)]


def first_alarms(expected: float, times: float, books: int, length: int) -> list[int]:
    """Draw books of uneven months; give in which month each raised first, or their length."""
    mean, uneven = expected * times, DISPERSION - 1
    rng = np.random.default_rng(3)
    drawn = rng.negative_binomial(mean / uneven, 1 / DISPERSION, (books, length))
    found = []
    for book in drawn.tolist():
        steps = cusum(months(book, expected))
        raised = [n for n, step in enumerate(steps, 1) if step.alarm]
        found.append(raised[0] if raised else length)
    return found


@pytest.mark.ci
def test_in_quiet_books_a_sum_raises_about_once_in_thirty_years() -> None:
    length = 120
    found = first_alarms(12.0, 1.0, 150, length)
    raised = sum(n < length for n in found)
    per_month = raised / sum(found)
    assert 1 / 800 < per_month < 1 / 200  # designed: one month in 400


@pytest.mark.ci
@pytest.mark.parametrize(("times", "within"), [(2.0, 4), (1.5, 9)])
def test_a_turn_is_found_within_months(times: float, within: int) -> None:
    assert np.median(first_alarms(12.0, times, 100, 60)) <= within


def test_a_sum_below_finds_events_that_stay_away() -> None:
    steps = cusum(months([0] * 4, 12.0))
    assert [step.alarm for step in steps] == ["", "", "below", "below"]


def test_one_great_month_is_forgotten_in_time() -> None:
    steps = cusum(months([500] + [12] * 12, 12.0))
    assert steps[0].above == MOST
    assert (steps[9].alarm, steps[10].alarm) == ("above", "")


def test_months_with_few_events_are_taken_together() -> None:
    steps = cusum(months([1, 0, 2, 1, 1], 2.0))
    assert [(s.expected, s.observed) for s in steps] == [(6.0, 3)]
    assert steps[0].expected >= FEWEST


def test_after_an_alarm_another_model_starts_anew_and_without_one_it_does_not() -> None:
    bad = months([30] * 4, 12.0, "old")
    assert cusum(bad)[-1].above > LIMIT
    later = Month(bad[-1].as_of + timedelta(days=31), 12.0, 12, "new")
    assert cusum([*bad, later])[-1].above == 0.0
    half = months([24] * 1, 12.0, "old")
    assert cusum([*half, later])[-1].above == pytest.approx(cusum(half)[-1].above - 0.5)


@pytest.mark.ci
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=30))
@settings(max_examples=40, deadline=None)
def test_the_area_counts_pairs(rows: list[tuple[int, bool]]) -> None:
    score = np.array([float(one) for one, _ in rows])
    seen = np.array([happened for _, happened in rows])
    if not 0 < seen.sum() < len(seen):
        return
    apart = score[seen][:, None] - score[~seen][None, :]
    assert auc(score, seen) == pytest.approx(((apart > 0) + (apart == 0) / 2).mean())


@pytest.mark.ci
def test_an_estimate_is_what_right_chances_give_on_average() -> None:
    rng = np.random.default_rng(5)
    p = rng.beta(1.0, 6.0, 400).round(2)
    everybody = np.ones(400, dtype=bool)
    said = Foretold(p, everybody, everybody)
    told = said.estimated()
    drawn = [auc(p, rng.random(400) < p) for _ in range(200)]
    assert told["auc_estimated"] == pytest.approx(np.mean(drawn), abs=0.01)
    assert told["auc_spread"] == pytest.approx(np.std(drawn), rel=0.25)
    assert told["expected"] == pytest.approx(p.sum())
    assert said.estimated() == told  # the same twice


def test_with_few_events_no_ranking_is_judged() -> None:
    p = np.full(50, 0.02)
    everybody = np.ones(50, dtype=bool)
    told = Foretold(p, everybody, everybody).judged(np.arange(50) < 2)
    assert (told["observed"], told["auc"], told["auc_estimated"]) == (2, None, None)


def test_a_feed_that_stops_is_a_gap_and_a_few_more_without_are_none() -> None:
    rng = np.random.default_rng(1)
    then = pd.DataFrame(rng.gamma(2.0, 3.0, (600, 12)), columns=[f"s{n:02}" for n in range(12)])
    kept = bins(then, list(then.columns))
    now = then.copy()
    now.loc[:299, "s03"] = np.nan
    now.loc[:19, "s04"] = np.nan  # 3 %: sure, and not worth a word
    assert [(one.signal, one.then, one.now) for one in gaps(now, kept)] == [("s03", 0.0, 0.5)]
    assert gaps(then, bins(now, list(now.columns))) == []  # what comes back asks for nothing


@pytest.mark.ci
def test_quiet_signals_are_seldom_named() -> None:
    rng = np.random.default_rng(2)
    named = 0
    for _ in range(20):
        lacking = rng.random((2, 500, 10)) < 0.3
        frames = [pd.DataFrame(np.where(one, np.nan, 1.0 * one)).add_prefix("s") for one in lacking]
        named += len(gaps(frames[1], bins(frames[0], list(frames[0].columns))))
    assert named <= 2  # of 200


@pytest.mark.ci
@given(st.lists(st.floats(0.0, 0.6), min_size=1, max_size=12), st.integers(0, 50))
@settings(max_examples=60, deadline=None)
def test_a_signal_drifts_where_it_is_beyond_its_mark_and_nowhere_else(
    psis: list[float], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    found = [Drift(f"s{n}", psi, psi / 0.004 / 9, 9, unit=0.004) for n, psi in enumerate(psis)]
    usual = {one.signal: rng.uniform(0.5, 6.0, 5).tolist() for one in found}
    mark = marks(found, usual, 0.01, 0.25)
    beyond = {one.signal for one in found if one.psi >= mark[one.signal]}
    assert {one.signal for one in drifted(found, usual, 0.01, 0.25)} == beyond


def test_a_signal_whose_usual_drift_is_not_known_has_no_mark() -> None:
    then = pd.DataFrame({"visits": np.arange(400.0)})
    found = drifts(then * 9, bins(then, ["visits"]))
    assert marks(found, {"visits": [1.0] * 3}, 0.01, 0.25) == {}
    assert set(marks(found, {"visits": [1.0] * 4}, 0.01, 0.25)) == {"visits"}
