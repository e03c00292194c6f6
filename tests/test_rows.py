"""Training rows by hand: who is at risk, what is sampled, and with what weight."""

from datetime import date

import numpy as np
import pytest

from features.faults import DataRejected
from models.calendar import calendar_facts
from tests.small_history import frame_of
from training.labels import Outcomes
from training.rows import Rows, all_rows, distinct_events, independent_share, refuse_unfit, sample

M = 1_000_000


def outcomes_of(*paths, closed=12):
    """MRR at leads 1, 2, … of accounts that open at 100; the last value holds on."""
    mrr = np.array([list(path) + [path[-1]] * (12 - len(path)) for path in paths]) * M
    opening = np.full(len(paths), 100 * M)
    known = np.tile(np.arange(1, 13) <= closed, (len(paths), 1))
    return Outcomes(opening, mrr, np.where(mrr > 0, mrr - 100 * M, 0), known)


def facts_of(*rows):
    return calendar_facts(frame_of([{"as_of": date(2025, 7, 1)} | row for row in rows]))


ANNUAL = {"decision": "term", "term_months": 12.0, "next_renewal_on": date(2025, 9, 15)}
MONTHLY = {"decision": "monthly", "term_months": 1.0}


def cells(rows):
    return list(zip(rows.row.tolist(), rows.lead.tolist(), rows.y.tolist(), strict=True))


def test_only_months_with_a_decision_are_at_risk_of_churn():
    outcomes = outcomes_of([100], [100, 100, 0], [100, 0], closed=4)
    rows = all_rows("churn", outcomes, facts_of(ANNUAL, ANNUAL, MONTHLY), np.ones(3, dtype=bool))
    assert cells(rows) == [(0, 3, 0), (1, 3, 1), (2, 1, 0), (2, 2, 1)]


def test_an_account_that_left_is_no_longer_at_risk_even_if_it_returns():
    outcomes = outcomes_of([0, 100, 0], closed=4)
    rows = all_rows("churn", outcomes, facts_of(MONTHLY), np.ones(1, dtype=bool))
    assert cells(rows) == [(0, 1, 1)]


def test_an_annual_account_that_left_before_its_decision_is_not_at_risk_in_it():
    outcomes = outcomes_of([0], closed=4)
    rows = all_rows("churn", outcomes, facts_of(ANNUAL), np.ones(1, dtype=bool))
    assert len(rows) == 0


def test_states_are_asked_of_those_who_pay():
    outcomes = outcomes_of([100, 110, 0, 90], closed=4)
    facts, modelled = facts_of(ANNUAL), np.ones(1, dtype=bool)
    assert cells(all_rows("expand", outcomes, facts, modelled)) == [(0, 1, 0), (0, 2, 1), (0, 4, 0)]
    assert cells(all_rows("contract", outcomes, facts, modelled)) == [(0, 1, 0), (0, 4, 1)]


def test_nothing_is_learned_from_what_is_booked():
    outcomes = outcomes_of([100], [0], closed=2)
    rows = all_rows("churn", outcomes, facts_of(MONTHLY, MONTHLY), np.array([True, False]))
    assert set(rows.row.tolist()) == {0}


def test_open_cells_are_never_looked_at():
    outcomes = outcomes_of([100, 100, 0], closed=2)
    rows = all_rows("churn", outcomes, facts_of(MONTHLY), np.ones(1, dtype=bool))
    assert cells(rows) == [(0, 1, 0), (0, 2, 0)]


def many(rows=400, leads=12):
    row = np.repeat(np.arange(rows), leads)
    lead = np.tile(np.arange(1, leads + 1), rows)
    y = ((row * 7 + lead * 3) % 5 == 0).astype(np.int64)
    return Rows(row, lead, y, np.ones(len(row)))


def test_a_sample_keeps_the_first_lead_and_two_more():
    drawn = sample(many(), np.random.default_rng(0))
    assert (np.bincount(drawn.row) == 3).all()
    assert (np.bincount(drawn.row[drawn.lead == 1]) == 1).all()
    assert (drawn.weight[drawn.lead == 1] == 1).all()
    assert drawn.weight[drawn.lead > 1] == pytest.approx(11 / 2)


@pytest.mark.parametrize("leads", [1, 2, 3])
def test_few_leads_are_all_kept_with_weight_one(leads):
    drawn = sample(many(50, leads), np.random.default_rng(0))
    assert len(drawn) == 50 * leads
    assert (drawn.weight == 1).all()


def test_weights_always_sum_to_the_rows():
    for most in (60_000, 600):
        drawn = sample(many(), np.random.default_rng(3), most)
        assert len(drawn) <= most
    assert sample(many(), np.random.default_rng(3)).weight.sum() == pytest.approx(400 * 12)


@pytest.mark.parametrize("most", [60_000, 500])
def test_weighted_sums_are_right_in_expectation(most):
    """Sums of y, of the lead, and of both, over 600 samples: within four standard errors."""
    rows = many()
    draws = []
    for seed in range(600):
        one = sample(rows, np.random.default_rng(seed), most)
        draws.append([one.weight @ v for v in (one.y, one.lead, one.y * one.lead)])
    truth = np.array([rows.y.sum(), rows.lead.sum(), (rows.y * rows.lead).sum()])
    error = np.std(draws, axis=0) / np.sqrt(len(draws))
    assert (np.abs(np.mean(draws, axis=0) - truth) <= 4 * error + 1e-9).all()


def test_the_same_seed_draws_the_same_rows():
    one, two = (sample(many(), np.random.default_rng(5), 300) for _ in range(2))
    assert cells(one) == cells(two)
    assert cells(one) != cells(sample(many(), np.random.default_rng(6), 300))


def test_an_empty_sample_of_nothing():
    none = Rows(*(np.zeros(0, dtype=np.int64) for _ in range(3)), np.zeros(0))
    assert len(sample(none, np.random.default_rng(0))) == 0
    assert distinct_events("churn", none) == 0
    assert independent_share(none) == 1.0


def test_one_departure_seen_from_three_months_is_one_event():
    """It leaves in month 3, seen from months 0, 1, 2 at leads 3, 2, 1."""
    rows = Rows(np.arange(3), np.array([3, 2, 1]), np.ones(3, dtype=np.int64), np.ones(3))
    assert distinct_events("churn", rows) == 1


def test_departures_with_notice_are_counted_where_they_were_still_open():
    """Two leave in month 3 with two months' notice: only the row of month 0 is learned from."""
    rows = Rows(np.arange(2), np.array([3, 3]), np.ones(2, dtype=np.int64), np.ones(2))
    assert distinct_events("churn", rows) == 2


def test_a_state_that_lasts_is_one_event():
    rows = Rows(np.zeros(4), np.arange(1, 5), np.ones(4, dtype=np.int64), np.ones(4))
    assert distinct_events("expand", rows) == 1


def test_account_months_per_row():
    """400 accounts x 12 leads see 400 months, each twelve times."""
    assert independent_share(many()) == pytest.approx(1 / 12)


@pytest.mark.fault("T04")
@pytest.mark.parametrize(
    ("y", "weight"), [(2, 1.0), (1, np.inf), (1, np.nan), (0, 0.0), (0, -1.0), (np.nan, 1.0)]
)
def test_a_row_without_outcome_or_weight_is_refused_by_its_number(y, weight):
    lead = np.array([1, 1, 1])
    rows = Rows(np.array([3, 5, 8]), lead, np.array([0, y, 1]), np.array([1.0, weight, 2.0]))
    with pytest.raises(DataRejected, match=r"churn: 1 training .* rows 5: train\.label") as refused:
        refuse_unfit("churn", rows)
    assert refused.value.exit_code == 65
