"""How wide a forecast has to be: laws of strength, stretch and n_eff."""

import numpy as np
import pandas as pd
import pytest

from features.faults import InternalFault
from models.flows import cohort_at
from models.outcomes import HORIZONS, Outlook
from models.scale import alone_variance
from models.spread import phi_of, shared_scale, usual_scale, usually_shared
from tests.closing_variance import closing_variance
from training.width import factor_of, missed_by

QUARTERS = ("2024-01-01", "2024-04-01", "2024-07-01", "2024-10-01", "2025-01-01", "2025-04-01")


def book(accounts, p_churn=0.05):
    """Give equal accounts of 1,000 each, of which some leave, shrink and grow."""
    p = np.full((accounts, 12), p_churn)
    table = {"account_id": [f"A{at}" for at in range(accounts)], "mrr_micros": 10**9}
    up = np.tile([0.2, 0.05, 0.02], (accounts, 12, 1))
    none = np.full((accounts, 12), np.nan)
    return Outlook(pd.DataFrame(table), p, p, p, up, up, p > 1, none)


def periods(z, horizon=3, shared=1.0):
    """Give past periods of six quarters at most, by their errors."""
    return [
        {"origin": day, "horizon_months": horizon, "z": one, "shared": shared}
        for day, one in zip(QUARTERS, z, strict=False)
    ]


def test_no_past_is_the_usual():
    usual = {"strength": 1.0, "n_eff": 0.0, "stretch": 1.0}
    assert factor_of([]) == dict.fromkeys(HORIZONS, usual)


def test_more_misses_are_wider():
    found = [factor_of(periods([size] * 6))[3] for size in (0.0, 0.5, 1.0, 2.0, 4.0)]
    for name in ("strength", "stretch"):
        values = [one[name] for one in found]
        assert values == sorted(values)
        assert values[0] < values[-1]


def test_misses_as_expected_raise_the_strength_by_what_is_doubted_alone():
    """A z squared of 1 + shared is what the usual factor brings: six periods weigh 1.5 beside .5."""
    found = factor_of(periods([2.0**0.5] * 6, shared=1.0))[3]
    assert found["strength"] == pytest.approx(1.0 + 0.6 * 1.5 / 2.0**2)
    assert found["stretch"] == pytest.approx(((6 * 2.0 / 2.225 + 8) / 14) ** 0.5)


def test_few_periods_hardly_move_the_stretch():
    assert 0.9 <= factor_of(periods([0.0]))[3]["stretch"] <= 1.0
    one, six = (factor_of(periods([3.0] * n, shared=0.0))[3]["stretch"] for n in (1, 6))
    assert 1.0 < one < 1.5 < six < 3.0


def test_quiet_periods_never_make_accounts_independent():
    found = factor_of(periods([0.0] * 6, shared=9.0))
    assert found[3]["strength"] > 0.0
    assert found[3]["stretch"] == 0.9


def test_one_wild_period_has_a_bounded_say():
    wild, wilder = (factor_of(periods([z, 0.5, 0.5, 0.5]))[3] for z in (1e3, 1e9))
    assert wild == wilder


def test_periods_in_which_nothing_is_shared_say_nothing_of_the_strength():
    assert factor_of(periods([5.0] * 6, shared=0.0))[3]["strength"] == 1.0


def test_every_horizon_learns_from_all_but_stretches_alone():
    found = factor_of(periods([3.0] * 6, horizon=1) + periods([0.5] * 2, horizon=12))
    assert len({one["strength"] for one in found.values()}) == 1
    assert found[1]["stretch"] > found[3]["stretch"] == 1.0
    assert (found[1]["n_eff"], found[3]["n_eff"], found[12]["n_eff"]) == (6.0, 0.0, 1.25)


def test_overlapping_periods_count_as_those_that_do_not():
    assert factor_of(periods([1.0] * 6, horizon=12))[12]["n_eff"] == pytest.approx(2.25)
    assert factor_of(periods([1.0] * 6))[3]["n_eff"] == 6.0


def test_the_order_of_periods_does_not_matter():
    told = periods([0.3, -2.0, 1.1, 0.7, -0.2, 1.9]) + periods([1.7, -0.1, 0.6], horizon=12)
    rng = np.random.default_rng(0)
    for _ in range(5):
        assert factor_of([told[at] for at in rng.permutation(len(told))]) == factor_of(told)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["z", "shared"])
def test_what_is_no_number_is_refused(bad, name):
    with pytest.raises(InternalFault, match=r"forecast\.not_finite"):
        factor_of([periods([1.0])[0] | {name: bad}])


def test_a_factor_widens_a_large_book_more_than_a_small_one():
    phi = [phi_of(book(n), 3, 1.0) for n in (50, 500, 5_000)]
    assert 1.0 < phi[0] < phi[1] < phi[2]
    assert phi_of(book(500), 3, 2.0) - 1 == pytest.approx(2 * (phi[1] - 1))


def test_the_usual_strength_is_the_usual_scale():
    for horizon in HORIZONS:
        scale = shared_scale(book(500), horizon, phi_of(book(500), horizon, 1.0))
        assert scale == pytest.approx(usual_scale(horizon), rel=1e-4)


def test_a_miss_is_counted_in_independent_deviations():
    cohort = cohort_at(book(500), 3)
    alone = closing_variance(cohort, 0.0)
    assert alone == pytest.approx(alone_variance(cohort))
    mean = missed_by(cohort, 1.0, 3)["z"] * alone**0.5
    nrr = 1.0 - mean / cohort.mrr.sum() + 2.0 * alone**0.5 / cohort.mrr.sum()
    told = missed_by(cohort, nrr, 3)
    assert told == {"z": pytest.approx(2.0), "shared": pytest.approx(usually_shared(cohort, 3))}


def test_where_nothing_is_open_nothing_is_missed():
    assert missed_by(cohort_at(book(20, p_churn=0.0), 12), 0.5, 12) == {"z": 0.0, "shared": 0.0}
    assert shared_scale(book(20, p_churn=0.0), 12, phi_of(book(20, p_churn=0.0), 12, 9.0)) == 0.0
