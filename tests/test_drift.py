"""Accounts that count as flat and still move a little: in means, cumulants and paths alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from features.faults import InternalFault
from models.factor import lean
from models.flows import cohort_at, means, sums_given_factor
from models.forecast import forecast
from models.laws import Drift
from models.outcomes import Outlook
from models.paths import simulate

RISE, FALL = (0.4, 0.05, 0.02), (0.1, 2.0, 38.0)  # chance, and a lognormal's or a beta's numbers


def moments() -> tuple[np.ndarray, np.ndarray]:
    """Raw moments of a rise of 5 % on average by 40 %, and of a fall by 10 %, zeros included."""
    chance, mean, sd = RISE
    spread = np.log(1 + (sd / mean) ** 2)
    up = [chance * mean**k * np.exp(k * (k - 1) * spread / 2) for k in (1, 2, 3)]
    chance, a, b = FALL
    down = chance * np.cumprod([(a + k) / (a + b + k) for k in range(3)])
    return np.array(up), down


def book(n: int, seed: int = 0) -> Outlook:
    rng = np.random.default_rng(seed)
    accounts = pd.DataFrame(
        {
            "account_id": [f"a{i:05d}" for i in range(n)],
            "mrr_micros": np.rint(1e8 * rng.lognormal(0, 0.8, n)).astype(np.int64),
        }
    )
    churn, contract, expand = (np.tile(rng.uniform(0, top, (n, 1)), 12) for top in (0.1, 0.05, 0.2))
    notice, signed = np.zeros((n, 12), dtype=bool), np.full((n, 12), np.nan)
    notice[0], signed[1] = True, 70e6
    up, down = (np.tile(one, (n, 12, 1)) for one in moments())
    rises, falls = np.tile([0.2, 0.05, 0.02], (n, 12, 1)), np.tile([0.3, 0.1, 0.04], (n, 12, 1))
    return Outlook(accounts, churn, contract, expand, rises, falls, notice, signed, up, down)


def test_a_drift_is_expansion_and_contraction_and_the_walk_still_adds_up() -> None:
    drifting = book(40)
    zeros = np.zeros((40, 12, 3))
    still = replace(drifting, drift_up=zeros, drift_down=zeros)
    cohort, plain = cohort_at(drifting, 3), cohort_at(still, 3)
    flows, before = means(cohort), means(plain)
    up, down = moments()
    flat = np.where(cohort.signed | cohort.notice, 0.0, cohort.p_flat * cohort.mrr)
    np.testing.assert_allclose(flows["expansion"] - before["expansion"], flat * up[0])
    np.testing.assert_allclose(flows["contraction"] - before["contraction"], flat * down[0])
    assert (flows["churned"] == before["churned"]).all()
    assert not cohort.flat_up[:2].any()  # notice given, successor signed
    opened = cohort.mrr + flows["expansion"] - flows["contraction"] - flows["churned"]
    np.testing.assert_allclose(flows["closing"], opened)
    found = forecast(drifting, 3, 0.4, as_of=date(2025, 7, 1), definition={}, n_eff=4.0)
    assert found["grr"]["p95"] <= 1.0
    assert found["bridge"]["closing_mrr"] == pytest.approx(found["closing_mrr"]["mean"])
    lost = found["contraction_mrr"]["mean"] + found["churned_mrr"]["mean"]
    assert found["grr"]["mean"] == pytest.approx(1 - lost / found["opening_mrr"], abs=1e-9)


def test_no_drift_is_zeros_and_a_drift_of_other_accounts_is_refused() -> None:
    drifting = book(12)
    told = {}
    for name, drift in (("left out", np.zeros((0, 12, 3))), ("zeros", np.zeros((12, 12, 3)))):
        outlook = replace(drifting, drift_up=drift, drift_down=drift)
        told[name] = forecast(outlook, 3, 0.4, as_of=date(2025, 7, 1), definition={}, n_eff=4.0)
    assert told["left out"] == told["zeros"]
    for drift in (np.zeros((11, 12, 3)), np.full((12, 12, 3), -0.1), np.full((12, 12, 3), np.nan)):
        with pytest.raises(InternalFault, match=r"outlook\.incoherent"):
            replace(drifting, drift_up=drift)


def test_the_split_keeps_the_moments() -> None:
    up, down = moments()
    drift = Drift.of(up[None], down[None])
    assert drift.up[0] == pytest.approx(RISE[0])
    assert drift.down[0] == pytest.approx(FALL[0], rel=0.2)  # the third moment in part only
    rng, who = np.random.default_rng(0), np.zeros(200_000, dtype=np.int64)
    for chance, told, sizes in (
        (drift.up[0], up, drift.sizes.rises(who, rng)),
        (drift.down[0], down, drift.sizes.falls(who, rng)),
    ):
        played = [chance * np.mean(sizes**k) for k in (1, 2, 3)]
        np.testing.assert_allclose(played[:2], told[:2], rtol=0.02)
        assert played[2] == pytest.approx(told[2], rel=0.25)
    both = Drift.of(np.array([[0.9, 0.81, 0.729]]), np.array([[0.5, 0.3, 0.2]]))
    assert both.up[0] + both.down[0] <= 1 + 1e-12


@pytest.mark.parametrize("tau", [0.0, 0.8])
def test_paths_agree_with_the_cumulants_in_mean_and_variance(tau: float) -> None:
    cohort = cohort_at(book(60, seed=3), 3)
    leaning = lean(cohort.p_churn, cohort.p_contract, cohort.p_expand, tau)
    one = np.zeros(1)
    sums = sums_given_factor(cohort, leaning, one, np.ones((1, 60))) if tau == 0.0 else None
    paths = simulate(cohort, leaning, 20_000, seed=1)
    for name, flow in means(cohort).items():
        error = paths[name].std() / np.sqrt(20_000)
        assert abs(paths[name].mean() - flow.sum()) < 4.5 * error, name
        if sums is not None:
            assert paths[name].var() == pytest.approx(sums[name][0, 1, 0], rel=0.06), name
    for asked in ("loss", "contraction", "expansion"):  # what is not asked for changes no chance
        alone = simulate(cohort, leaning, 20_000, seed=1, names=(asked,))[asked]
        assert alone.mean() == pytest.approx(paths[asked].mean(), rel=0.04), asked
