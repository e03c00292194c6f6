"""The forecast against brute force, its laws, and the cases at its edges."""

from __future__ import annotations

import json
import time
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from features.faults import InternalFault
from models.factor import factor_nodes, lean
from models.figures import FIGURES, LEVELS
from models.flows import cohort_at
from models.forecast import forecast, shared_scale
from models.outcomes import Outlook
from tests.closing_variance import closing_variance

AS_OF = date(2025, 7, 1)
UP = (0.2, 0.2)  # mean and standard deviation of a lognormal rise
DOWN = (2.0, 6.0)  # a beta fall


def outlook(
    mrr: np.ndarray,
    churn: np.ndarray | float,
    contract: np.ndarray | float,
    expand: np.ndarray | float,
    **extra: Any,
) -> Outlook:
    n = len(mrr)
    spread = np.log(1 + (UP[1] / UP[0]) ** 2)
    mean = np.log(UP[0]) - spread / 2
    up = [np.exp(k * mean + k * k * spread / 2) for k in (1, 2, 3)]
    a, total = DOWN[0], sum(DOWN)
    down = np.cumprod([(a + k) / (total + k) for k in range(3)])
    accounts = pd.DataFrame(
        {
            "account_id": [f"a{i:05d}" for i in range(n)],
            "mrr_micros": np.round(np.asarray(mrr) * 1e6).astype(np.int64),
            "segment": extra.pop("segment", ["smb"] * n),
        }
    )
    wide = [
        np.broadcast_to(np.reshape(p, (-1, 1)), (n, 12)).copy() for p in (churn, contract, expand)
    ]
    return Outlook(
        accounts,
        *wide,
        np.tile(up, (n, 12, 1)),
        np.tile(down, (n, 12, 1)),
        extra.pop("notice", np.zeros((n, 12), dtype=bool)),
        extra.pop("signed", np.full((n, 12), np.nan)),
    )


def random_book(n: int, seed: int = 0, spread: float = 1.0) -> Outlook:
    rng = np.random.default_rng(seed)
    churn = expit(rng.normal(-3.0, 1.0, n))
    rise, fall = expit(rng.normal(-2.0, 1.0, n)), expit(rng.normal(-3.0, 1.0, n))
    mrr = 500 * np.exp(spread * rng.standard_normal(n))
    segment = rng.choice(["smb", "mid"], n)
    contract = (1 - churn) * (1 - rise) * fall
    return outlook(mrr, churn, contract, (1 - churn) * rise, segment=segment)


def told(book: Outlook, horizon: int = 3, tau: float = 0.0, **more: Any) -> dict[str, Any]:
    given_ = {"as_of": AS_OF, "definition": {}, "n_eff": 4.0} | more
    return forecast(book, horizon, tau, **given_)


def brute_force(book: Outlook, tau: float, paths: int, seed: int = 5) -> dict[str, np.ndarray]:
    """Play every account of every path, with the factor drawn anew for each path."""
    cohort, rng = cohort_at(book, 3), np.random.default_rng(seed)
    level = lean(cohort.p_churn, cohort.p_contract, cohort.p_expand, tau)
    spread = np.log(1 + (UP[1] / UP[0]) ** 2)
    parts = []
    for _ in range(paths // 1000):
        z = rng.standard_normal((1000, 1))
        luck = rng.random((3, 1000, len(cohort.mrr)))
        gone = luck[0] < expit(level.churn + tau * z)
        more = ~gone & (luck[1] < expit(level.expand - 0.5 * tau * z))
        less = ~gone & ~more & (luck[2] < expit(level.contract + 1.3 * tau * z))
        rise = rng.lognormal(np.log(UP[0]) - spread / 2, np.sqrt(spread), gone.shape)
        fall = rng.beta(*DOWN, gone.shape)
        sums = [(more * rise) @ cohort.mrr, (less * fall) @ cohort.mrr, gone @ cohort.mrr]
        parts.append([*sums, gone.sum(axis=1)])
    up, down, left, logos = np.concatenate(parts, axis=1)
    opening = cohort.mrr.sum()
    closing = opening + up - down - left
    return {
        "nrr": closing / opening,
        "grr": 1 - (down + left) / opening,
        "expansion_mrr": up,
        "contraction_mrr": down,
        "churned_mrr": left,
        "closing_mrr": closing,
        "logos_lost": logos,
    }


def miss(figure: dict[str, float], paths: np.ndarray) -> float:
    """Largest distance, in probability, between quantiles told and the paths' distribution."""
    worst = 0.0
    for level in LEVELS:
        q = figure[f"p{round(100 * level):02d}"]
        near = 1e-6 * max(1.0, abs(q))  # an atom is hit whatever the last digits
        below, upto = np.mean(paths < q - near), np.mean(paths <= q + near)
        worst = max(worst, below - level, level - upto)
    return worst


@pytest.mark.parametrize(
    ("accounts", "tau"), [(12, 0.3), (120, 0.0), pytest.param(700, 0.4, marks=pytest.mark.ci)]
)
def test_quantiles_agree_with_brute_force(accounts: int, tau: float) -> None:
    book = random_book(accounts, seed=accounts)
    paths = brute_force(book, tau, 10_000)
    found = told(book, tau=tau)
    for name in FIGURES:
        assert miss(found[name], paths[name]) < 0.03, name
        error = abs(found[name]["mean"] - paths[name].mean())
        assert error < 4.5 * paths[name].std() / 100, name


@pytest.mark.slow
@pytest.mark.parametrize("accounts", [40, 300, 1500])
@pytest.mark.parametrize("tau", [0.0, 0.3, 1.0])
def test_quantiles_agree_with_many_paths(accounts: int, tau: float) -> None:
    book = random_book(accounts, seed=accounts)
    paths = brute_force(book, tau, 60_000)
    found = told(book, tau=tau)
    for name in FIGURES:
        assert miss(found[name], paths[name]) < 0.015, name


def test_a_worked_book() -> None:
    # 1000 + 500; the first leaves with .1, the second rises by a fifth with .5.
    book = outlook(np.array([1000.0, 500.0]), np.array([0.1, 0.0]), 0.0, np.array([0.0, 0.5]))
    found = told(book)
    assert found["opening_mrr"] == 1500.0
    assert found["churned_mrr"]["mean"] == pytest.approx(100.0)
    assert found["expansion_mrr"]["mean"] == pytest.approx(50.0)
    assert found["closing_mrr"]["mean"] == pytest.approx(1450.0)
    assert found["nrr"]["mean"] == pytest.approx(1450 / 1500)
    assert found["grr"]["mean"] == pytest.approx(1400 / 1500)
    assert found["logos_lost"]["mean"] == pytest.approx(0.1)
    assert found["grr"]["p05"] == pytest.approx(1 / 3)
    assert found["grr"]["p25"] == 1.0
    assert found["period_end"] == "2025-09-30"
    assert found["confidence"] == "thin"


@pytest.mark.parametrize("accounts", [1, 30, 600])
def test_nobody_leaves_everybody_leaves(accounts: int) -> None:
    stay = told(outlook(np.full(accounts, 100.0), 0.0, 0.0, 0.0), tau=0.5)
    leave = told(outlook(np.full(accounts, 100.0), 1.0, 0.0, 0.0), tau=0.5)
    assert set(stay["grr"].values()) == set(stay["nrr"].values()) == {1.0}
    assert set(leave["grr"].values()) == set(leave["nrr"].values()) == {0.0}
    assert set(leave["logos_lost"].values()) == {float(accounts)}
    grow = told(outlook(np.full(accounts, 100.0), 0.0, 0.0, 1.0), tau=0.5)
    assert set(grow["grr"].values()) == {1.0}
    assert grow["nrr"]["mean"] == pytest.approx(1.2)


@pytest.mark.fault("T01")
def test_an_empty_cohort_says_so() -> None:
    found = told(outlook(np.array([]), np.array([]), np.array([]), np.array([])), nrr_target=1.0)
    assert all(found[name] is None for name in FIGURES)
    assert "empty" in found["reason"]
    assert found["p_target"] is None
    assert found["monthly_path"][0]["nrr"] is None
    json.dumps(found, allow_nan=False)


def test_what_is_booked_comes_first() -> None:
    notice, signed = np.zeros((3, 12), dtype=bool), np.full((3, 12), np.nan)
    notice[0, 1:] = True  # service ends in the second month
    signed[1, 2:] = 150e6  # renewed at 150 from the third
    book = outlook(np.array([100.0, 100.0, 100.0]), 0.5, 0.0, 0.0, notice=notice, signed=signed)
    bridge = told(book)["bridge"]
    assert bridge["booked"]["notice_mrr"] == -100.0
    assert bridge["booked"]["signed_increase_mrr"] == 50.0
    assert bridge["modelled"]["churned_mrr"] == -50.0
    assert bridge["closing_mrr"] == 200.0 == told(book)["closing_mrr"]["mean"]
    first = told(book, horizon=1)["bridge"]
    assert first["booked"]["notice_accounts"] == first["booked"]["signed_accounts"] == 0
    notice[1], signed[0] = True, np.nan
    both = outlook(np.array([100.0] * 3), 0.5, 0.0, 0.0, notice=notice, signed=signed)
    assert told(both)["bridge"]["booked"]["signed_accounts"] == 1  # signed outranks notice


def test_cuts_add_up_and_the_order_of_accounts_changes_nothing() -> None:
    book = random_book(450, seed=2)
    found = told(book, tau=0.3, cuts=["segment"])
    for name in set(FIGURES) - {"nrr", "grr"}:
        total = sum(cut[name]["mean"] for cut in found["by_cut"])
        assert total == pytest.approx(found[name]["mean"], rel=1e-9)
    assert sum(cut["cohort_accounts"] for cut in found["by_cut"]) == 450
    order = np.random.default_rng(0).permutation(450)
    shuffled = Outlook(
        book.accounts.iloc[order],
        *(getattr(book, name)[order] for name in ("p_churn", "p_contract", "p_expand")),
        book.up_moments[order],
        book.down_moments[order],
        book.booked_churn[order],
        book.booked_mrr_micros[order],
    )
    assert told(shuffled, tau=0.3, cuts=["segment"]) == found


def test_the_monthly_path_meets_the_forecast_and_plain_json() -> None:
    found = told(random_book(40), horizon=3, tau=0.2, path_taus=[0.1] * 12)
    assert [point["month"] for point in found["monthly_path"]] == list(range(1, 13))
    third = found["monthly_path"][2]
    assert third["nrr"] == {k: found["nrr"][k] for k in ("mean", "p10", "p50", "p90")}
    assert third["period_end"] == found["period_end"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_thin_says_why() -> None:
    even = outlook(np.full(100, 10.0), 0.05, 0.0, 0.0)
    assert told(even)["confidence"] == "normal"
    assert told(even, n_eff=1.5)["interval_note"] == "prior-driven width"
    assert told(even, n_eff=1.5)["confidence"] == "thin"
    assert told(even, reasons=["prior-driven rates"])["confidence_reasons"] == [
        "prior-driven rates"
    ]
    large = outlook(np.array([500.0] + [1.0] * 99), 0.05, 0.0, 0.0)
    assert "5 largest" in told(large)["confidence_reasons"][0]
    assert told(large)["concentration"]["largest_accounts"][0] == "a00000"
    assert told(large)["concentration"]["nrr_without_largest"] == pytest.approx(0.95)


def test_a_stretch_widens_about_the_median_and_leaves_means() -> None:
    book = random_book(500, seed=4)
    plain, wide = told(book, tau=0.2), told(book, tau=0.2, stretch=1.5)
    for name in ("nrr", "closing_mrr", "grr"):
        assert wide[name]["mean"] == plain[name]["mean"]
        assert wide[name]["p50"] == pytest.approx(plain[name]["p50"])
    width = plain["nrr"]["p95"] - plain["nrr"]["p50"]
    assert wide["nrr"]["p95"] - wide["nrr"]["p50"] == pytest.approx(1.5 * width)
    assert wide["grr"]["p95"] <= 1.0


@pytest.mark.ci
@pytest.mark.parametrize("accounts", [60, 900])
def test_the_probability_of_a_target_is_where_its_quantile_lies(accounts: int) -> None:
    book = random_book(accounts, seed=9, spread=0.5)
    for stretch in (1.0, 1.4):
        found = told(book, tau=0.2, stretch=stretch)
        for level in (0.25, 0.5, 0.9):
            target = found["nrr"][f"p{round(100 * level)}"]
            p = told(book, tau=0.2, stretch=stretch, nrr_target=target)["p_target"]
            assert p == pytest.approx(1 - level, abs=0.002)


def test_inputs_that_cannot_be_are_refused() -> None:
    book = random_book(3)
    for bad in ({"horizon": 0}, {"horizon": 13}, {"tau": -0.1}, {"cuts": ["region"]}):
        with pytest.raises(InternalFault, match=r"forecast\.input"):
            told(book, **bad)
    with pytest.raises(InternalFault, match=r"forecast\.input"):
        told(book, path_taus=[0.1])


@pytest.mark.parametrize("phi", [1.3, 1.8, 3.0])
def test_the_scale_reaches_the_variance_that_was_asked_for(phi: float) -> None:
    book = random_book(800, seed=6)
    cohort = cohort_at(book, 3)
    tau = shared_scale(book, 3, phi)
    assert closing_variance(cohort, tau) == pytest.approx(
        phi * closing_variance(cohort, 0.0), rel=1e-4
    )


def test_no_scale_where_nothing_is_shared_or_open() -> None:
    assert shared_scale(random_book(50), 3, 1.0) == 0.0
    assert shared_scale(outlook(np.array([1.0]), 0.0, 0.0, 0.0), 3, 3.0) == 0.0
    assert shared_scale(outlook(np.array([1.0]), 0.5, 0.0, 0.0), 3, 3.0) == 2.0


chances = st.tuples(*[st.floats(0, 1)] * 3)


@settings(deadline=None, max_examples=60)
@given(st.lists(chances, min_size=1, max_size=8), st.floats(0, 2))
def test_the_factor_keeps_every_probability(rows: list[tuple[float, ...]], tau: float) -> None:
    churn, rise, fall = np.array(rows).T
    expand = (1 - churn) * rise
    contract = (1 - churn) * (1 - rise) * fall
    z, weight = factor_nodes(tau)
    at = lean(churn, contract, expand, tau).at(z)
    for told_, asked in ((at.churn, churn), (at.contract, contract), (at.expand, expand)):
        np.testing.assert_allclose(told_ @ weight, asked, atol=1e-6)
    assert (at.churn + at.contract + at.expand <= 1 + 1e-9).all()


@pytest.mark.ci
@settings(deadline=None, max_examples=25)
@given(st.integers(1, 30), st.integers(0, 10_000), st.floats(0, 1.5), st.floats(0.5, 2.0))
def test_laws_of_every_forecast(accounts: int, seed: int, tau: float, stretch: float) -> None:
    book = random_book(accounts, seed)
    found = told(book, tau=tau, stretch=stretch)
    names = ["p05", "p10", "p25", "p50", "p75", "p90", "p95"]
    opening = found["opening_mrr"]
    for name in FIGURES:
        values = [found[name][q] for q in names]
        assert values == sorted(values)
        assert values[0] >= 0.0
    for q in names:
        assert found["grr"][q] <= min(1.0, found["nrr"][q])
        assert found["closing_mrr"][q] == pytest.approx(found["nrr"][q] * opening)
        assert found["churned_mrr"][q] <= opening
    flow = {name: found[f"{name}_mrr"]["mean"] for name in ("expansion", "contraction", "churned")}
    closing = opening + flow["expansion"] - flow["contraction"] - flow["churned"]
    assert found["closing_mrr"]["mean"] == pytest.approx(closing)
    lost = (flow["contraction"] + flow["churned"]) / opening
    assert found["grr"]["mean"] == pytest.approx(1 - lost, abs=1e-9)
    assert found["bridge"]["closing_mrr"] == pytest.approx(closing)


@pytest.mark.ci
def test_a_book_of_1500_is_forecast_in_seconds_of_cpu() -> None:
    book = random_book(1500)
    scales = [shared_scale(book, horizon, 1.8) for horizon in (1, 3, 12)]
    began = time.process_time()
    for horizon, tau in zip((1, 3, 12), scales, strict=True):
        told(book, horizon=horizon, tau=tau, cuts=["segment"])
    assert time.process_time() - began < 5.0
