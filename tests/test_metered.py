"""Accounts that are billed by usage are forecast by their growth, and nothing else moves for it."""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from features.catalog import CATALOG
from features.consumption import PAST_MONTHS
from models.flows import cohort_at, means
from models.metered import (
    MeteredFacts,
    MeteredGrowth,
    metered_facts,
    metered_outlook,
)
from models.metered_fit import fit_metered, has_fallen
from models.outcomes import LEADS, Outlook
from models.scoring import score_accounts
from tests.small_history import Law, latest, model_of

SEEN, ALL = 25, 38
H = np.arange(1, LEADS + 1)


def world(seed, accounts=150, mean=0.02, own=0.015):
    """Means of three months' bills: every account has a pace that slowly returns to the mean."""
    rng = np.random.default_rng(seed)
    pace = rng.normal(mean, own, accounts)
    level, bills = np.zeros(accounts), []
    for _ in range(ALL + 2):
        pace = mean + 0.93 * (pace - mean) + own * 0.37 * rng.normal(size=accounts)
        drops = np.where(rng.random(accounts) < 0.004, 0.7, 0.0)
        level = level + pace + 0.03 * rng.normal(size=accounts) - drops
        bills.append(np.exp(level + 0.05 * rng.normal(size=accounts)))
    size = np.exp(rng.normal(6.0, 1.0, accounts))
    bills = np.array(bills)
    return size * (bills[2:] + bills[1:-1] + bills[:-2]) / 3


def rows_at(paid, month):
    """What is known of every account in a month, and what it paid later over what it pays now."""
    count = sum(month >= months for months in PAST_MONTHS)
    since = PAST_MONTHS[count - 1]
    pace = np.log(paid[month] / paid[month - since]) / since
    n = paid.shape[1]
    zeros = np.zeros(n, dtype=np.int64)
    facts = MeteredFacts(np.ones(n), zeros, zeros + count, pace, np.log(paid[month]))
    later = [paid[min(month + h, ALL - 1)] / paid[month] for h in H]
    return facts, np.column_stack(later), np.tile(month + H < SEEN, (n, 1))


def learned(paid):
    """The growth learned from what had closed in the month ``SEEN``."""
    parts = [rows_at(paid, month) for month in range(3, SEEN - 1)]
    names = MeteredFacts.__dataclass_fields__
    facts = MeteredFacts(*(np.concatenate([getattr(p[0], name) for p in parts]) for name in names))
    ratio, closed = (np.concatenate([part[at] for part in parts]) for at in (1, 2))
    accounts = np.tile(np.arange(paid.shape[1]), len(parts))
    age = np.repeat(SEEN - np.arange(3, SEEN - 1), paid.shape[1]).astype(float)
    return fit_metered(facts, ratio, closed, accounts, age)


@cache
def lived(seed=0, **law):
    paid = world(seed, **law)
    return paid, learned(paid)


def expected(growth, facts):
    """Mean of MRR over MRR at the opening, given that the account pays."""
    up, down = growth.moments(facts)
    flat = 1 + up[..., 0] - down[..., 0]
    return (1 - growth.fall) * flat + growth.fall * (1 - growth.fallen[:, 0])


def outlook_of(n, **more):
    plain = np.full((n, LEADS), 0.05)
    frame = pd.DataFrame({"account_id": range(n), "mrr_micros": [10**9] * n})
    moments = np.tile([0.2, 0.05, 0.02], (n, LEADS, 1))
    booked = np.zeros((n, LEADS), dtype=bool)
    given = (plain, plain, plain, moments, moments, booked, np.full((n, LEADS), np.nan))
    return Outlook(frame, *given, **more)


def test_facts_are_read_from_a_snapshot():
    frame = pd.DataFrame(
        {
            "mrr_micros": [100e6, 100e6, 100e6],
            "usage_mrr_micros": [100e6, 40e6, np.nan],
            "usage_mrr_3m_micros": [50e6, 20e6, 10e6],
            "usage_mrr_6m_micros": [100e6, np.nan, np.nan],
            "usage_mrr_12m_micros": [np.nan, 10e6, np.nan],
        }
    )
    facts = metered_facts(frame, np.zeros(3, dtype=np.int64))
    assert facts.share.tolist() == [1.0, 0.4, 0.0]
    assert facts.billed.tolist() == [True, False, False]
    assert facts.past.tolist() == [2, 1, 0]
    assert facts.pace == pytest.approx([0.0, 0.4 * np.log(2) / 3, 0.0])


def test_a_snapshot_that_knows_no_usage_has_no_facts():
    facts = metered_facts(pd.DataFrame({"mrr_micros": [5]}), np.zeros(1, dtype=np.int64))
    assert not facts.billed.any()


def test_moments_are_those_of_the_distribution():
    _, growth = lived()
    facts, _, _ = rows_at(world(0), SEEN)
    one = facts.take(np.array([3]))
    up, down = growth.moments(one)
    draws = np.random.default_rng(0).normal(size=400_000)
    for lead in (0, 11):
        x = growth.drift(one)[0, lead] + growth.level[lead] + growth.spread[lead] * draws
        change = np.expm1(x)
        for k in (1, 2, 3):
            rise, fall = (np.maximum(sign * change, 0) ** k for sign in (1, -1))
            assert up[0, lead, k - 1] == pytest.approx(rise.mean(), rel=0.04)
            assert down[0, lead, k - 1] == pytest.approx(fall.mean(), rel=0.04, abs=1e-6)


def test_a_growing_book_is_forecast_without_bias_and_better_than_no_change():
    off, still = [], []
    for seed in range(12):
        paid, growth = lived(seed)
        facts, ratio, _ = rows_at(paid, SEEN)
        money = paid[SEEN] / paid[SEEN].sum()
        came = money @ ratio
        off.append(money @ expected(growth, facts) - came)
        still.append(1 - came)
    off, still = np.array(off)[:, [2, 11]], np.array(still)[:, [2, 11]]
    error = off.std(axis=0) / np.sqrt(len(off))
    assert (np.abs(off.mean(axis=0)) < 2.5 * error).all()
    assert (np.abs(off).mean(axis=0) < 0.4 * np.abs(still).mean(axis=0)).all()


def test_what_is_learned_is_coherent_and_leans_on_the_book():
    _, growth = lived()
    assert growth.pace == pytest.approx(0.02, abs=0.008)
    assert (np.diff(growth.spread) >= 0).all()
    assert (np.diff(growth.fall) >= 0).all()
    assert growth.fall[0] == 0.0
    assert ((growth.pull >= 0) & (growth.pull <= 1)).all()
    assert (growth.pull[0] == 0).all()


def test_one_account_says_little():
    paid = world(0, accounts=1, mean=0.1)
    growth = learned(paid)
    grown = float(np.log(paid[SEEN - 1] / paid[3]).item()) / (SEEN - 4)
    assert 0 < growth.pace.max() < 0.6 * grown
    assert growth.pull.max() < 0.1
    assert np.isfinite(json.loads(json.dumps(growth.to_json()))["spread"]).all()


def test_a_history_without_usage_learns_nothing():
    facts = MeteredFacts(*(np.zeros(2, dtype=kind) for kind in (float, int, int, float, float)))
    ones = np.ones((2, LEADS))
    assert fit_metered(facts, ones, ones > 0, np.arange(2), np.ones(2)) is None


def test_a_fall_is_one_that_lasts_two_months():
    ratio = np.array([[1.0, 0.74, 0.76, 0.75, 0.7, 0.0], [0.5, 0.5, 0.5, 2.0, 0.5, 0.4]])
    assert has_fallen(ratio).tolist() == [
        [False, False, False, False, True, False],
        [False, True, True, False, False, True],
    ]


def test_a_book_without_usage_keeps_its_outlook():
    _, growth = lived()
    outlook = outlook_of(2)
    nobody = metered_facts(outlook.accounts, np.zeros(2, dtype=np.int64))
    assert metered_outlook(outlook, nobody, growth) is outlook
    facts, _, _ = rows_at(world(0), SEEN)
    assert metered_outlook(outlook, facts.take(np.arange(2)), None) is outlook


def test_only_the_accounts_billed_by_usage_change():
    _, growth = lived()
    facts, _, _ = rows_at(world(0), SEEN)
    facts = facts.take(np.arange(3))
    facts.share[1] = 0.4
    before = outlook_of(3)
    after = metered_outlook(before, facts, growth)
    for name in ("p_expand", "p_contract", "down_moments", "drift_up", "drift_down"):
        assert np.array_equal(getattr(after, name)[1], getattr(before, name)[1])
    assert (after.p_expand[[0, 2]] == 0).all()
    assert after.p_contract[0] == pytest.approx(0.95 * growth.fall)
    assert np.array_equal(after.p_churn, before.p_churn)


def test_the_forecasts_mean_is_the_growth_of_those_that_pay():
    _, growth = lived()
    facts, _, _ = rows_at(world(0), SEEN)
    outlook = metered_outlook(outlook_of(150), facts, growth)
    closing = means(cohort_at(outlook, 12))["closing"] / 1000
    assert closing == pytest.approx(0.95 * expected(growth, facts)[:, 11])


def test_it_comes_out_of_json_as_it_went_in():
    _, growth = lived()
    again = MeteredGrowth.from_json(json.loads(json.dumps(growth.to_json(), allow_nan=False)))
    facts, _, _ = rows_at(world(0), SEEN)
    assert all(map(np.array_equal, again.moments(facts), growth.moments(facts)))


def test_of_wild_accounts_the_mean_is_right_too():
    n, rng = 2_000, np.random.default_rng(0)
    size = np.abs(rng.normal(0.0, 1.0, (n, 1))) * np.linspace(0.8, 1.4, LEADS)
    ratio = np.exp(np.clip(size * np.where(rng.random((n, LEADS)) < 0.5, 1, -1), -2.0, 2.0))
    codes, still = np.zeros(n, dtype=int), np.zeros(n)
    facts = MeteredFacts(np.ones(n), codes, codes, still, still)
    growth = fit_metered(facts, ratio, np.ones_like(ratio, dtype=bool), np.arange(n), still)
    up, down = growth.moments(facts.take(np.array([0])))
    came = ratio[~has_fallen(ratio)[:, -1], -1].mean()
    assert 1 + up[0, -1, 0] - down[0, -1, 0] == pytest.approx(came, rel=0.02)


def test_an_account_says_that_its_amounts_are_of_its_growth():
    """Half of the rows are billed by usage: their amounts are the growth's, their chances not."""
    law = Law(accounts=180, months=21)
    frame, model = latest(law), replace(model_of(law), metered=learned(world(0)))
    billed = np.arange(len(frame)) % 2 == 0
    frame["usage_mrr_micros"] = np.where(billed, frame["mrr_micros"], np.nan)
    table = score_accounts(model, frame, CATALOG, {}).table
    assert (table["status_reason"].notna() == billed).all()
    assert "usage" in table["status_reason"][0]
    still = score_accounts(replace(model, metered=None), frame, CATALOG, {}).table
    assert still["status_reason"].isna().all()
    assert (still["p_expand"] == table["p_expand"]).all()
    assert (still["expected_mrr"] != table["expected_mrr"])[billed].all()
    assert (still["expected_mrr"] == table["expected_mrr"])[~billed].all()
