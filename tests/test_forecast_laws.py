"""What every forecast must keep to, whoever the accounts are: laws, and hostile cohorts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from benchmarks.forecast_scale import agreement, equal_draws
from benchmarks.forecast_scale_book import book as scale_book
from benchmarks.forecast_scale_contenders import GROUPS, perennial, plain_paths
from models.figures import FIGURES, LEVELS
from models.flows import Cohort, cohort_at, means
from models.forecast import forecast
from models.outcomes import Outlook

RISE, FALL = (0.2, 0.2), (2.0, 6.0)  # a lognormal's mean and deviation; a beta's two numbers
FLAT_RISE, FLAT_FALL = (0.3, 0.05, 0.03), (0.1, 2.0, 98.0)  # with their chances before them
FLOWS = ("expansion_mrr", "contraction_mrr", "churned_mrr")


def log_law(mean: float, sd: float) -> tuple[float, float]:
    spread = np.log(1 + (sd / mean) ** 2)
    return float(np.log(mean) - spread / 2), float(np.sqrt(spread))


def lognormal(mean: float, sd: float) -> np.ndarray:
    at, width = log_law(mean, sd)
    return np.array([np.exp(k * at + (k * width) ** 2 / 2) for k in (1, 2, 3)])


def beta(a: float, b: float) -> np.ndarray:
    return np.cumprod([(a + k) / (a + b + k) for k in range(3)])


def book(mrr: Any, churn: Any, contract: Any, expand: Any, **more: Any) -> Outlook:
    """Build a book whose probabilities are the same at every lead, drifting as the laws above."""
    n = len(mrr)
    accounts = pd.DataFrame(
        {
            "account_id": [f"a{i:05d}" for i in range(n)],
            "mrr_micros": np.round(np.asarray(mrr, dtype=float) * 1e6).astype(np.int64),
            "segment": [("smb", "mid", None)[i % 3] for i in range(n)],
            "region": [("north", "south")[i % 2] for i in range(n)],
        }
    )
    wide = [
        np.broadcast_to(np.reshape(np.asarray(p, dtype=float), (-1, 1)), (n, 12)).copy()
        for p in (churn, contract, expand)
    ]
    drift = (FLAT_RISE[0] * lognormal(*FLAT_RISE[1:]), FLAT_FALL[0] * beta(*FLAT_FALL[1:]))
    sizes = [np.tile(one, (n, 12, 1)) for one in (lognormal(*RISE), beta(*FALL), *drift)]
    notice = more.get("notice", np.zeros((n, 12), dtype=bool))
    signed = more.get("signed", np.full((n, 12), np.nan))
    return Outlook(accounts, *wide, *sizes[:2], notice, signed, *sizes[2:])


def random_book(n: int, seed: int = 0) -> Outlook:
    rng = np.random.default_rng(seed)
    churn, rise, fall = (expit(rng.normal(at, 1.0, n)) for at in (-3.0, -2.0, -3.0))
    notice, signed = np.zeros((n, 12), dtype=bool), np.full((n, 12), np.nan)
    mrr = 500 * np.exp(rng.standard_normal(n))
    notice[::17], signed[5::23] = True, 1e6 * 480
    contract = (1 - churn) * (1 - rise) * fall
    return book(mrr, churn, contract, (1 - churn) * rise, notice=notice, signed=signed)


def told(outlook: Outlook, tau: float = 0.3, **more: Any) -> dict[str, Any]:
    given_ = {"as_of": date(2025, 7, 1), "definition": {}, "n_eff": 4.0} | more
    return forecast(outlook, 3, tau, **given_)


GRID = np.linspace(-7, 7, 57)
DENSITY = np.exp(-(GRID**2) / 2) / np.exp(-(GRID**2) / 2).sum()


def level_of(p: np.ndarray, tilt: float, weight: np.ndarray) -> np.ndarray:
    """Give the logits whose chances, tilted by the factor, have the mean p: by bisection."""
    low, high = np.full(len(p), -45.0), np.full(len(p), 45.0)
    for _ in range(50):
        middle = (low + high) / 2
        over = (weight * expit(middle + tilt * GRID[:, None])).sum(axis=0) > p
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    sure = p >= weight.sum(axis=0) - 1e-15
    return np.where(p <= 0.0, -np.inf, np.where(sure, np.inf, low))


def chances(cohort: Cohort, tau: float, z: np.ndarray) -> list[np.ndarray]:
    """Give each path's chances of leaving, of rising if it pays, and of falling if neither."""
    weight, found = np.repeat(DENSITY[:, None], len(cohort.mrr), axis=1), []
    for p, tilt in (
        (cohort.p_churn, tau),
        (cohort.p_expand, -0.5 * tau),
        (cohort.p_contract, 1.3 * tau),
    ):
        level = level_of(p, tilt, weight)
        weight = weight * (1 - expit(level + tilt * GRID[:, None]))
        found.append(expit(level + tilt * z[:, None]))
    return found


def brute_force(outlook: Outlook, tau: float, paths: int, seed: int) -> dict[str, np.ndarray]:
    """Walk every account of every path to month 3, the factor an AR(1) that is N(0, 1) there."""
    cohort, rng = cohort_at(outlook, 3), np.random.default_rng(seed)
    z, keep = rng.standard_normal(paths), 0.8
    for _ in range(3):
        z = keep * z + np.sqrt(1 - keep**2) * rng.standard_normal(paths)
    churn, expand, contract = chances(cohort, tau, z)
    shape, booked = churn.shape, cohort.signed | cohort.notice
    luck = rng.random((4, *shape))
    gone = luck[0] < churn
    more = ~gone & (luck[1] < expand)
    less = ~gone & ~more & (luck[2] < contract)
    flat = ~(gone | more | less | booked)
    some, few = flat & (luck[3] < FLAT_RISE[0]), flat & (luck[3] > 1 - FLAT_FALL[0])
    rise = more * rng.lognormal(*log_law(*RISE), shape)
    rise += some * rng.lognormal(*log_law(*FLAT_RISE[1:]), shape)
    fall = less * rng.beta(*FALL, shape) + few * rng.beta(*FLAT_FALL[1:], shape)
    opening = cohort.mrr.sum()
    up = rise @ cohort.mrr + cohort.signed_up.sum()
    down = fall @ cohort.mrr + cohort.signed_down.sum()
    left = gone @ cohort.mrr
    closing = opening + up - down - left
    ratios = {"nrr": closing / opening, "grr": 1 - (down + left) / opening}
    flows = dict(zip(FLOWS, (up, down, left), strict=True))
    return ratios | flows | {"closing_mrr": closing, "logos_lost": gone.sum(axis=1)}


def beyond_luck(figure: dict[str, float], paths: np.ndarray) -> float:
    """Largest distance of a quantile from its level, in standard errors of the paths."""
    worst = 0.0
    for level in LEVELS:
        q = figure[f"p{round(100 * level):02d}"]
        near = 1e-6 * max(1.0, abs(q))  # an atom is hit whatever the last digits
        miss = max(np.mean(paths < q - near) - level, level - np.mean(paths <= q + near), 0.0)
        worst = max(worst, miss / np.sqrt(level * (1 - level) / len(paths)))
    return worst


@pytest.mark.parametrize(
    ("accounts", "tau", "paths"),
    [(9, 0.5, 4_000)]
    + [
        pytest.param(n, tau, 6_000, marks=pytest.mark.ci)
        for n in (40, 300, 900)
        for tau in (0, 0.6)
    ],
)
def test_every_published_quantile_agrees_with_brute_force(
    accounts: int, tau: float, paths: int
) -> None:
    outlook = random_book(accounts, seed=accounts)
    played = brute_force(outlook, tau, paths, seed=3)
    found = told(outlook, tau)
    flows = {k: float(v.sum()) for k, v in means(cohort_at(outlook, 3)).items()}
    for name in FIGURES:
        assert beyond_luck(found[name], played[name]) < 4.5, name
        error = played[name].std() / np.sqrt(paths)
        assert abs(found[name]["mean"] - played[name].mean()) < 4.5 * error + 1e-9, name
    for name in FLOWS:
        assert found[name]["mean"] == pytest.approx(flows[name.removesuffix("_mrr")])


@pytest.mark.parametrize(
    "accounts", [1, *(pytest.param(n, marks=pytest.mark.ci) for n in (30, 1200))]
)
def test_nobody_leaves_is_a_grr_of_one_and_all_leave_of_zero(accounts: int) -> None:
    mrr = np.linspace(10.0, 500.0, accounts)
    for everybody, grr in ((0.0, 1.0), (1.0, 0.0)):
        outlook = book(mrr, everybody, 0.0, 0.0)
        still = np.zeros((accounts, 12, 3))
        outlook = replace(outlook, drift_up=still, drift_down=still)
        found = told(outlook, cuts=["segment"])
        for part in (found, *found["by_cut"]):
            assert set(part["grr"].values()) == set(part["nrr"].values()) == {grr}
        assert {point["grr"]["mean"] for point in found["monthly_path"]} == {grr}
    rising = told(replace(book(mrr, 0.0, 0.0, 0.0), drift_down=still))
    assert set(rising["grr"].values()) == {1.0}  # who drifts up loses nothing
    assert rising["nrr"]["mean"] == pytest.approx(1 + FLAT_RISE[0] * FLAT_RISE[1])


def shuffled(outlook: Outlook, seed: int) -> Outlook:
    return outlook.of(np.random.default_rng(seed).permutation(len(outlook)))


@pytest.mark.ci
@pytest.mark.parametrize("accounts", [60, 1500])
def test_neither_the_order_of_accounts_nor_that_of_cuts_changes_a_byte(accounts: int) -> None:
    outlook = random_book(accounts, seed=2)
    found = told(outlook, cuts=["segment", "region"])
    again = told(shuffled(outlook, 1), cuts=["segment", "region"])
    assert json.dumps(again) == json.dumps(found)
    turned = told(shuffled(outlook, 2), cuts=["region", "segment"])
    by = [json.dumps(sorted(json.dumps(one) for one in f["by_cut"])) for f in (found, turned)]
    assert by[0] == by[1]
    assert turned | {"by_cut": None} == found | {"by_cut": None}


def test_cuts_add_up_in_mean_and_sit_beside_the_whole() -> None:
    found = told(random_book(7, seed=4), cuts=["segment", "region"])
    for cut in ("segment", "region"):
        parts = [one for one in found["by_cut"] if cut in one["cut"]]
        for name in (*FLOWS, "closing_mrr", "logos_lost"):
            assert sum(one[name]["mean"] for one in parts) == pytest.approx(found[name]["mean"])
        assert sum(one["opening_mrr"] for one in parts) == pytest.approx(found["opening_mrr"])


THREADS = """
import json, sys
sys.path.insert(0, "tests")
from test_forecast_laws import random_book, told
print(json.dumps(told(random_book(5000, seed=8), cuts=["segment", "region"])))
"""


@pytest.mark.ci
def test_threads_and_hash_seeds_change_no_byte() -> None:
    said = set()
    for threads in ("1", "2", "5"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONHASHSEED")
        environment = os.environ | dict.fromkeys(names, threads)
        done = subprocess.run(
            [sys.executable, "-c", THREADS], env=environment, capture_output=True, check=True
        )
        said.add(done.stdout)
    assert len(said) == 1


@st.composite
def hostile(draw: st.DrawFn) -> Outlook:
    """One account or a few; all signed, none paying, one giant; probabilities of exactly 0 and 1."""
    n = draw(st.integers(1, 6))
    extreme = st.sampled_from([0.0, 1.0]) | st.floats(0, 1)
    p = np.array([[draw(extreme) for _ in range(3)] for _ in range(n)])
    giant = draw(st.sampled_from([0.0, 1e-6, 1.0, 1e9]))
    mrr = np.array([giant] + [draw(st.sampled_from([0.0, 0.01, 100.0])) for _ in range(n - 1)])
    notice, signed = np.zeros((n, 12), dtype=bool), np.full((n, 12), np.nan)
    notice[draw(st.integers(0, n)) :, draw(st.integers(0, 11)) :] = True
    signed[draw(st.integers(0, n)) :] = draw(st.sampled_from([0.0, 5e7, 1e13]))
    churn, rise, fall = p.T
    contract, expand = (1 - churn) * (1 - rise) * fall, (1 - churn) * rise
    return book(mrr, churn, contract, expand, notice=notice, signed=signed)


@pytest.mark.ci
@settings(deadline=None, max_examples=20)
@given(hostile(), st.sampled_from([0.0, 0.4, 2.0]))
def test_a_hostile_cohort_keeps_the_laws(outlook: Outlook, tau: float) -> None:
    found = told(outlook, tau, cuts=["segment"], nrr_target=1.0)
    assert json.dumps(found, allow_nan=False) == json.dumps(
        told(outlook, tau, cuts=["segment"], nrr_target=1.0)
    )
    opening = found["opening_mrr"]
    for part in (found, *found["by_cut"]):
        if part["opening_mrr"] <= 0.0:
            assert part["nrr"] is None
            continue
        mean = {name: part[name]["mean"] for name in FIGURES}
        walk = part["opening_mrr"] + mean["expansion_mrr"] - mean["contraction_mrr"]
        walk -= mean["churned_mrr"]
        size = max(opening, mean["closing_mrr"], 1e-6)
        assert mean["closing_mrr"] == pytest.approx(walk, abs=1e-9 * size)
        for name in FIGURES:
            values = [part[name][f"p{round(100 * level):02d}"] for level in LEVELS]
            assert values == sorted(values)
            assert values[0] >= 0.0
        assert part["grr"]["p95"] <= 1.0
        assert part["grr"]["mean"] <= 1.0
        assert part["logos_lost"]["p95"] <= part["cohort_accounts"]
        assert part["churned_mrr"]["p95"] <= part["opening_mrr"]
    assert found["p_target"] is None or 0.0 <= found["p_target"] <= 1.0


@pytest.mark.ci
def test_the_benchmark_at_scale_judges_a_small_book_rightly() -> None:
    outlook = scale_book(2_000)
    ours = perennial(outlook)
    draws, cost = plain_paths(outlook, 600, seed=1)
    assert draws.shape == (600, GROUPS, len(FIGURES))
    assert cost["seconds"] > 0
    quantiles = np.array(ours["figures"])
    assert agreement(quantiles, draws, own=4_000).max() < 4.5
    assert agreement(1.05 * quantiles, draws, own=4_000).max() > 4.5
    error, equal = equal_draws(quantiles, draws)
    assert equal == pytest.approx(0.05 * 0.95 / error**2)
