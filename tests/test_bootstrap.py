"""Intervals of scores: they cover, quarters widen them where quarters differ, never otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from training.bootstrap import RESAMPLES, Clusters, bounds
from training.evaluate import INTERVALS, Judged, judge
from training.influence import area, caught, lift, ratio, skill, slope

ACCOUNTS, QUARTERS = 300, 6


def drawn(seed: int, shock: float = 0.0, quarters: int = QUARTERS) -> Judged:
    """Give probabilities that are right on average; a shock moves all accounts of a quarter."""
    rng = np.random.default_rng(seed)
    account = np.tile(np.arange(ACCOUNTS), quarters)
    origin = np.repeat(np.arange(quarters), ACCOUNTS)
    eta = -2 + rng.normal(size=len(account))
    y = rng.random(len(eta)) < expit(eta + shock * rng.normal(size=quarters)[origin])
    ones = np.ones(len(eta))
    return Judged(expit(eta), 0.15 * ones, eta, y.astype(np.int64), account, ones > 0, ones, origin)


def test_every_score_carries_its_interval() -> None:
    told = judge(drawn(0))
    for name in INTERVALS:
        assert told[f"{name}_p05"] < told[name] < told[f"{name}_p95"]
    assert told["skill_p05"] < told["skill_p10"] < told["skill_p90"] < told["skill_p95"]
    assert told["auc_at_risk_p95"] <= 1
    assert judge(drawn(0)) == told


@pytest.mark.fault("T01")
def test_what_nobody_did_has_no_interval() -> None:
    one = drawn(0)
    told = judge(Judged(**{**vars(one), "y": np.zeros_like(one.y)}))
    for name in INTERVALS[1:]:
        assert told[f"{name}_p05"] is told[f"{name}_p95"] is None
    assert told["lift"] is told["caught"] is None


@pytest.mark.parametrize("name", ["ratio", "skill", "area", "slope", "lift", "caught"])
def test_influence_is_what_leaving_rows_out_does(name: str) -> None:
    """Leaving a block of rows out moves the score by the block's influence, nearly."""
    one = drawn(1)
    calendar = np.full(len(one.y), 0.1)

    def scored(keep: np.ndarray) -> object:
        p, y = one.p[keep], one.y[keep]
        loss, theirs = (-np.log(np.where(y == 1, q, 1 - q)) for q in (p, calendar[keep]))
        return {
            "ratio": lambda: ratio(p, y),
            "skill": lambda: skill(loss, theirs),
            "area": lambda: area(p, y),
            "slope": lambda: slope(p, y)[0],
            "lift": lambda: lift(p, y),
            "caught": lambda: caught(p, y, np.ones(len(y))),
        }[name]()

    rng, everyone = np.random.default_rng(0), np.arange(len(one.y))
    whole = scored(everyone)
    assert whole.influence.sum() == pytest.approx(0, abs=1e-4)
    told, moved = [], []
    for _ in range(60):
        out = rng.choice(everyone, 60, replace=False)
        moved.append(scored(np.setdiff1d(everyone, out)).value - whole.value)
        told.append(-whole.influence[out].sum())
    assert np.corrcoef(told, moved)[0, 1] > 0.85
    assert 0.8 < np.std(told) / np.std(moved) < 1.25


def test_the_area_agrees_with_scikit_learn() -> None:
    one = drawn(2)
    tied = np.round(one.p, 1)
    assert area(tied, one.y).value == pytest.approx(roc_auc_score(one.y, tied))


@pytest.mark.ci
@pytest.mark.parametrize(("shock", "least"), [(0.0, 0.82), (0.6, 0.72)])
def test_intervals_cover_what_is_so(shock: float, least: float) -> None:
    """Observed over expected of right probabilities, 90 %; six quarters are few under a shock."""
    inside, widths = [], []
    for seed in range(60):
        one = drawn(seed, shock)
        score = ratio(one.p, one.y)
        draws = Clusters(one.account, one.origin).draws(score.influence[:, None], seed)
        low, high = bounds(float(score.value or 0), draws[:, 0])
        truth = expit_mean(shock) / expit_mean(0.0)
        inside.append(low <= truth <= high)
        widths.append(high - low)
    assert np.mean(inside) >= least
    assert (np.mean(widths) > 0.35) == (shock > 0)


def expit_mean(shock: float) -> float:
    z = np.random.default_rng(0).normal(size=200_000) * np.sqrt(1 + shock**2)
    return float(expit(-2 + z).mean())


def test_one_quarter_is_bounded_by_its_accounts() -> None:
    one = drawn(3, quarters=1)
    influence = ratio(one.p, one.y).influence[:, None]
    draws = Clusters(one.account, one.origin).draws(influence, 0)
    assert draws.shape == (RESAMPLES, 1)
    assert draws.std() == pytest.approx(np.sqrt((influence**2).sum()), rel=0.15)


def test_quarters_that_do_not_differ_widen_nothing() -> None:
    """The same rows in every quarter: no quarter differs, and the draws are the accounts'."""
    rows = np.tile(np.random.default_rng(4).normal(size=ACCOUNTS), 4)
    influence = (rows - rows.mean())[:, None]
    account, origin = np.tile(np.arange(ACCOUNTS), 4), np.repeat(np.arange(4), ACCOUNTS)
    alone = Clusters(account, np.zeros(len(account), dtype=np.int64)).draws(influence, 0)
    assert np.array_equal(Clusters(account, origin).draws(influence, 0), alone)
