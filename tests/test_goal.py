"""Goal-seek: what it says to pull is pulled, and the forecast then reaches the target."""

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from models.forecast import forecast
from models.goal import MOST_LIKELIER, reach
from tests.test_forecast import outlook, random_book

BOOK = random_book(450, seed=3)
TARGET = 1.0


@pytest.fixture(scope="module")
def told():
    return reach(BOOK, 12, 0.3, TARGET)


def again(book):
    said = forecast(
        book, 12, 0.3, as_of=date(2025, 7, 1), definition={}, n_eff=4, nrr_target=TARGET
    )
    return said["nrr"]["mean"], said["p_target"], said["expansion_mrr"]["mean"], said["churned_mrr"]


def grown(likelier):
    room = 1 - BOOK.p_churn - BOOK.p_contract
    return replace(BOOK, p_expand=np.minimum(BOOK.p_expand * likelier, room))


def test_the_multiple_of_the_mean_brings_the_mean_to_the_target(told):
    mean = told["expansion"]["mean"]
    nrr, _, expansion, _ = again(grown(mean["times_as_likely"]))
    assert nrr == pytest.approx(TARGET, abs=1e-6)
    assert expansion == pytest.approx(mean["expansion_mrr"], rel=1e-6)


@pytest.mark.ci
@pytest.mark.parametrize(("name", "level"), [("p50", 0.5), ("p80", 0.8)])
def test_the_multiple_of_a_chance_brings_that_chance(told, name, level):
    assert again(grown(told["expansion"][name]["times_as_likely"]))[1] == pytest.approx(
        level, abs=0.02
    )


@pytest.mark.ci
def test_less_churn_brings_the_mean_and_the_chance(told):
    for name, reached in (("mean", lambda said: said[0] >= TARGET - 1e-6), ("p50", None)):
        less = told["churn"][name]
        kept = replace(BOOK, p_churn=BOOK.p_churn * (1 - less["reduction"]))
        said = again(kept)
        assert said[3]["mean"] == pytest.approx(less["churned_mrr"], rel=1e-4)
        assert reached(said) if reached else said[1] == pytest.approx(0.5, abs=0.02)


def test_more_certainty_asks_for_more(told):
    assert told["expansion"]["p80"]["multiple"] > told["expansion"]["p50"]["multiple"] > 1
    assert told["nrr_mean"], told["p_target"] == again(BOOK)[:2]


def test_what_is_reached_already_asks_for_nothing():
    said = reach(BOOK, 12, 0.3, 0.5)
    assert said["churn"]["p80"]["reduction"] == said["expansion"]["p80"]["multiple"] == 0.0


@pytest.mark.ci
def test_what_nothing_reaches_says_why():
    said = reach(BOOK, 12, 0.3, 9.0)
    assert said["expansion"]["mean"]["times_as_likely"] is None
    needed = said["expansion"]["mean"]["expansion_mrr"]
    year = forecast(BOOK, 12, 0.3, as_of=date(2025, 7, 1), definition={}, n_eff=4)
    lost = year["contraction_mrr"]["mean"] + year["churned_mrr"]["mean"]
    assert needed == pytest.approx(8 * year["opening_mrr"] + lost, rel=1e-9)
    assert said["expansion"]["p50"]["multiple"] is None
    assert f"{MOST_LIKELIER:g} times as likely" in said["expansion"]["p50"]["reason"]
    assert said["churn"]["mean"]["reason"].startswith("not reached without any modelled churn")
    still = reach(outlook(np.ones(30), 0.1, 0.0, 0.0), 3, 0.0, 1.1)
    assert still["expansion"]["mean"]["reason"] == "no expansion is forecast that could be likelier"
    json.dumps([said, still], allow_nan=False)


def test_booked_things_stand():
    notice, signed = np.zeros((2, 12), dtype=bool), np.full((2, 12), np.nan)
    notice[0], signed[1] = True, 130e6
    book = outlook(np.array([100.0, 100.0]), 0.1, 0.0, 0.5, notice=notice, signed=signed)
    said = reach(book, 3, 0.0, 1.0)
    assert said["nrr_mean"] == 0.65
    assert said["expansion"]["mean"]["reason"] == "no expansion is forecast that could be likelier"
    assert said["churn"]["mean"]["reason"].endswith("65.0%")


def test_an_empty_cohort_has_nothing_to_reach():
    said = reach(BOOK.of(np.array([], dtype=np.int64)), 3, 0.2, 1.1)
    assert (said["nrr_mean"], said["expansion"]) == (None, None)
    assert said["reason"] == "no opening MRR: the cohort is empty"


@pytest.mark.ci
def test_the_order_of_accounts_changes_nothing(told):
    assert reach(BOOK.of(np.random.default_rng(0).permutation(450)), 12, 0.3, TARGET) == told
