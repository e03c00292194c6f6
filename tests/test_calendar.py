"""The calendar by hand: leads of decisions, months in which one can leave, codes, prior rates."""

from datetime import date
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit

from features.asof import add_months, lead_day
from models.calendar import COLUMNS, TERMS, CalendarModel, calendar_facts
from models.calendar_fit import SCALES, fit_calendar
from models.published import BENCHMARK_ANNUAL_RATES, benchmark_rate, published


def facts_of(*rows, fiscal_year_starts=1, as_of=date(2025, 7, 1)):
    """Rows are (decision, term months, renewal, tenure days, segment)."""
    frame = pd.DataFrame(
        list(rows),
        columns=["decision", "term_months", "next_renewal_on", "tenure_days", "acv_segment"],
    )
    return calendar_facts(frame.assign(as_of=as_of), fiscal_year_starts)


def annual(renewal, tenure=300.0):
    return ("term", 12.0, renewal, tenure, "smb")


@pytest.mark.parametrize(
    ("as_of", "end", "lead"),
    [
        (date(2025, 7, 1), date(2025, 7, 15), 1),  # gone by 31 July
        (date(2025, 7, 1), date(2025, 7, 31), 1),  # an end is exclusive: the 31st is not paid
        (date(2025, 7, 1), date(2025, 8, 1), 2),  # still paid on 31 July
        (date(2025, 7, 1), date(2026, 6, 30), 12),
        (date(2025, 7, 1), date(2025, 6, 1), 1),  # overdue: the decision is now
        (date(2025, 7, 15), date(2025, 8, 14), 1),  # seen from mid-month, lead 1 is 14 August
        (date(2025, 7, 15), date(2025, 8, 15), 2),
        (date(2025, 1, 31), date(2025, 2, 27), 1),  # a month from the 31st is 27 February
        (date(2025, 1, 31), date(2025, 2, 28), 2),
    ],
)
def test_a_decision_has_the_lead_of_the_first_state_that_can_show_it(as_of, end, lead):
    assert facts_of(annual(end), as_of=as_of).decision.tolist() == [lead]


@given(
    st.dates(date(2020, 1, 1), date(2028, 12, 31)),
    st.integers(min_value=0, max_value=400),
)
def test_the_lead_is_the_first_day_of_state_that_is_no_longer_served(as_of, days):
    end = date.fromordinal(as_of.toordinal() + days)
    lead = int(facts_of(annual(end), as_of=as_of).decision[0])
    assert lead_day(as_of, lead) >= end
    assert lead == 1 or lead_day(as_of, lead - 1) < end


def test_months_that_hold_a_decision():
    facts = facts_of(
        annual(date(2025, 9, 15)),
        ("term", 3.0, date(2025, 8, 10), 100.0, "smb"),
        ("monthly", 1.0, None, 30.0, "smb"),
        ("unknown", np.nan, None, 30.0, "smb"),
        ("term", 24.0, date(2026, 12, 1), 30.0, "smb"),
        ("term", 12.0, None, 30.0, "smb"),
    )
    leads = [(np.flatnonzero(row) + 1).tolist() for row in facts.free()]
    every = list(range(1, 13))
    assert leads == [[3], [2, 5, 8, 11], every, every, [], []]


def test_terms_and_bands_are_coded():
    kinds = [("monthly", 1.0), ("unknown", np.nan), ("term", 6.0), ("term", 12.0), ("term", 36.0)]
    facts = facts_of(*[(kind, months, None, 1.0, "enterprise") for kind, months in kinds])
    assert [TERMS[code] for code in facts.term] == list(TERMS)
    assert facts.band.tolist() == [2] * 5


def test_codes_by_hand():
    """As of 2025-07-01 with a fiscal year from February: January is its last month, lead 7."""
    facts = facts_of(
        annual(date(2025, 9, 15), tenure=30.4375 * 11.5),
        ("monthly", 1.0, None, 30.4375, "mid-market"),
        fiscal_year_starts=2,
    )
    names = [name for name, _ in COLUMNS]
    coded = facts.codes(np.array([0, 0, 1, 1]), np.array([1, 7, 1, 4]), cumulative=False)
    told = pd.DataFrame(coded, columns=names)
    assert told["fiscal_year_end"].tolist() == [0, 1, 0, 0]
    assert told["tenure"].tolist() == [2, 3, 1, 2]  # 12.5, 18.5, 2 and 5 months
    assert told["monthly_tenure"].tolist() == [5, 5, 1, 2]  # 5 = not monthly
    assert told["lead"].tolist() == [0, 6, 0, 3]
    assert told["decided"].tolist() == [0, 0, 0, 0]
    states = facts.codes(np.array([0, 0, 1]), np.array([2, 3, 3]), cumulative=True)
    assert states[:, names.index("decided")].tolist() == [0, 1, 2]


def test_every_code_lies_within_its_column():
    facts = facts_of(
        *[("monthly", 1.0, None, days, "strategic") for days in (0.0, 1e4, np.nan)],
        annual(date(2026, 1, 1)),
    )
    rows, leads = np.repeat(np.arange(4), 12), np.tile(np.arange(1, 13), 4)
    for cumulative in (False, True):
        codes = facts.codes(rows, leads, cumulative)
        assert (codes >= 0).all()
        assert (codes < [levels for _, levels in COLUMNS]).all()


def coded(n, term=3, band=0, lead=1):
    codes = np.zeros((n, len(COLUMNS)), dtype=np.int64)
    codes[:, 0], codes[:, 1], codes[:, 5] = term, band, lead - 1
    return codes, np.full(n, lead)


def rate_of(model, term=3, band=0, lead=1):
    return float(
        expit(model.weights[0][term] + model.weights[1][band] + model.weights[5][lead - 1])
    )


@pytest.mark.fault("T01")
@pytest.mark.parametrize(("n", "events"), [(0, 0), (40, 0), (40, 8), (9, 9), (4000, 3)])
def test_a_cell_alone_takes_the_empirical_bayes_rate(n, events):
    """(n r + 20 r0) / (n + 20), with an annual decision at twelve times the monthly odds."""
    monthly = benchmark_rate("churn", "smb", 1)
    prior = 12 * monthly / (1 + 11 * monthly)
    codes, leads = coded(n)
    y = (np.arange(n) < events).astype(np.int64)
    model = fit_calendar("churn", codes, y, True, leads)
    assert rate_of(model) == pytest.approx((events + 20 * prior) / (n + 20), rel=5e-3)


@pytest.mark.fault("T01")
def test_rows_that_see_the_same_months_count_once():
    once = fit_calendar("churn", coded(40)[0], (np.arange(40) < 8).astype(int), True, coded(40)[1])
    codes, leads = coded(480)
    often = fit_calendar("churn", codes, (np.arange(480) < 96).astype(int), True, leads, 1 / 12)
    assert rate_of(often) == pytest.approx(rate_of(once), rel=1e-4)


def test_what_one_band_shows_says_something_of_its_term_elsewhere():
    codes, leads = coded(200)
    model = fit_calendar("churn", codes, (np.arange(200) < 60).astype(int), True, leads)
    unseen = fit_calendar("churn", codes[:0], np.zeros(0, dtype=int), True, leads[:0])
    assert rate_of(model, band=2) > rate_of(unseen, band=2)
    assert rate_of(model, term=0, band=2) == pytest.approx(rate_of(unseen, term=0, band=2))


def test_published_rates_of_states_grow_with_the_lead():
    codes, leads = coded(0)
    model = fit_calendar("expand", codes, np.zeros(0, dtype=int), True, leads)
    told = [rate_of(model, lead=lead) for lead in range(1, 13)]
    assert told == sorted(told)
    assert told[11] == pytest.approx(BENCHMARK_ANNUAL_RATES["expand"]["smb"], rel=0.15)


def test_one_class_is_never_a_failure():
    codes, leads = coded(100)
    model = fit_calendar("churn", codes, np.ones(100, dtype=np.int64), False, leads)
    assert 0.8 < rate_of(model) < 0.9


def evidence(one_hot, base, y, variances):
    """Laplace's approximation by a general optimiser, over rows that are not aggregated."""
    design = np.column_stack([np.ones(len(y)), one_hot])
    precision = np.concatenate([[1e-6], 1 / variances])

    def loss(moves):
        eta = base + design @ moves
        value = (np.logaddexp(0, eta) - y * eta).sum() + (precision * moves) @ moves / 2
        return value, (expit(eta) - y) @ design + precision * moves

    found = minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B", tol=1e-13)
    p = expit(base + design @ found.x)
    curve = (design.T * (p * (1 - p))) @ design + np.diag(precision)
    return (np.log(precision).sum() - np.linalg.slogdet(curve)[1]) / 2 - found.fun, p


def test_the_fit_is_the_likeliest_under_the_likeliest_scales():
    rng = np.random.default_rng(0)
    codes = np.column_stack([rng.integers(0, levels, 600) for _, levels in COLUMNS])
    y = (rng.random(600) < np.where(codes[:, 0] == 0, 0.3, 0.1)).astype(np.int64)
    model = fit_calendar("churn", codes, y, False, codes[:, 5] + 1)
    one_hot = np.concatenate([np.eye(k)[codes[:, at]] for at, (_, k) in enumerate(COLUMNS)], axis=1)
    base = published("churn", 1.0, False).of(codes)
    told = []
    for deciding, rest in product(SCALES, SCALES):
        by_column = [
            np.full(k, deciding if name in ("term", "decided") else rest) for name, k in COLUMNS
        ]
        told.append(evidence(one_hot, base, y, np.concatenate(by_column)))
    best = max(told, key=lambda one: one[0])[1]
    assert np.abs(expit(model.of(codes)) - best).max() < 2e-3


def test_a_small_book_keeps_what_is_published_and_a_large_one_speaks():
    """Monthly accounts leave as often as annual ones decide: ten events say little of it."""
    told = {}
    for n in (100, 20_000):
        codes, leads = coded(n)
        codes[: n // 2, 0] = 0
        y = (np.arange(n) % 10 == 0).astype(np.int64)
        model = fit_calendar("churn", codes, y, False, leads)
        annual_rate, monthly_rate = expit(model.of(codes[[n - 1, 0]]))
        told[n] = float(annual_rate / monthly_rate)
    assert told[100] > 1.1 > told[20_000] > 0.9


def test_a_matrix_is_the_logit_at_every_lead_and_survives_json():
    facts = facts_of(annual(date(2025, 9, 15)), ("monthly", 1.0, None, 30.0, "smb"))
    rng = np.random.default_rng(1)
    weights = tuple(tuple(rng.normal(size=levels).tolist()) for _, levels in COLUMNS)
    model = CalendarModel(-2.0, weights, cumulative=True)
    matrix = model.matrix(facts)
    assert matrix[1, 4] == model.logit(facts, np.array([1]), np.array([5]))[0]
    again = CalendarModel.from_json(model.to_json())
    assert (again.matrix(facts) == matrix).all()
    picked = facts.take(np.array([1]))
    assert (model.matrix(picked) == matrix[1:]).all()


def test_a_state_twelve_months_on_stands_in_the_same_month():
    facts = facts_of(annual(None), as_of=date(2025, 1, 1))
    assert facts.month.tolist() == [12]  # the book stands at 31 December
    assert add_months(date(2025, 1, 1), 12).month == 1


def test_a_lead_that_no_row_has_seen_follows_the_slope_of_the_others():
    """P(up) = .03 x lead, seen to lead 6 alone: at lead 12 it is about .33, not the average .1."""
    rng = np.random.default_rng(0)
    leads = rng.integers(1, 7, 6000)
    codes, _ = coded(len(leads))
    codes[:, 5] = leads - 1
    y = (rng.random(len(leads)) < 0.03 * leads).astype(np.int64)
    model = fit_calendar("expand", codes, y, False, leads, 1 / 6)
    zero = np.zeros((1, len(COLUMNS)), dtype=np.int64)
    zero[0, 0] = 3

    def at(lead):
        zero[0, 5] = lead - 1
        parts = [np.asarray(w)[zero[0, column]] for column, w in enumerate(model.weights)]
        return float(expit(model.intercept + sum(parts)))

    assert at(3) == pytest.approx(0.09, abs=0.03)
    assert 0.24 < at(12) < 0.42
