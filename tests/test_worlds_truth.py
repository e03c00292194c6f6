"""The truth and the oracle against futures drawn one by one, and against what then happened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from features.book import open_book
from features.ingest import ingest
from features.ledger import mrr_on
from features.mapping import read_workspace
from features.rules import Rules
from training.worlds import World, simulate
from training.worlds.chronicle import resumed
from training.worlds.hidden import next_factor
from training.worlds.oracle import QUANTILES, oracle_table
from training.worlds.outreach import log_table

WORDS = ("churn", "contract", "expand")


class Always:
    """Luck that treats everybody (0) or nobody (1)."""

    def __init__(self, draw: float) -> None:
        self.draw = draw

    def random(self, size: int) -> Any:
        return np.full(size, self.draw)


def futures(
    world: World, row: int, paths: int, luck: Always | None = None, months: int = 12
) -> dict[int, dict[str, Any]]:
    """Draw the futures of all customers of a month-end, every account on paths of its own.

    Gives, per horizon, the share of the paths in each state, by account.
    """
    past, rng = world.history, np.random.default_rng(1)
    who = np.repeat(np.flatnonzero(past.alive[row]), paths)
    life = resumed(world.roster, past, row, who, world.time, world.laws, rng)
    life.luck = life.luck if luck is None else luck  # type: ignore[assignment]
    factor, seen = np.full(len(who), past.factor[row]), {}
    for ahead in range(months):
        life.month(row + ahead, factor)
        factor = next_factor(factor, rng.standard_normal(len(who)))
        change = life.organic / past.mrr[row, who]
        states = (~life.alive, life.alive & (change <= -0.02), life.alive & (change >= 0.02))
        shares = (state.reshape(-1, paths).mean(axis=1) for state in states)
        seen[ahead + 1] = dict(zip(WORDS, shares, strict=True))
    return seen


def truth_at(world: World, row: int) -> pd.DataFrame:
    day = pd.Timestamp(world.time.date_of(world.time.start(row)))
    return world.truth[pd.to_datetime(world.truth.as_of) == day]


def off(chance: Any, share: Any) -> float:
    """Difference of the means in standard errors, which the account's own differences give."""
    difference = chance.to_numpy() - share
    return float(abs(difference.mean()) / (difference.std(ddof=1) / np.sqrt(len(share))))


# --- the truth against brute force


def agrees(world: World, row: int, paths: int, bound: float) -> None:
    truth, drawn = truth_at(world, row), futures(world, row, paths)
    for horizon in (1, 3, 12):
        for word in WORDS:
            chance, share = truth[f"p_{word}_{horizon}"], drawn[horizon][word]
            assert off(chance, share) < bound, (horizon, word)
            ordered = np.argsort(share, kind="stable")
            for third in np.array_split(ordered, 3):
                near = abs(chance.to_numpy()[third].mean() - share[third].mean())
                assert near < 0.03, (horizon, word)


def test_the_truth_is_what_many_futures_say() -> None:
    agrees(simulate(120, 6, 8), row=3, paths=200, bound=4.0)


@pytest.mark.ci
@pytest.mark.parametrize(
    "scenario",
    [
        "default",
        "strong-shock",
        "null",
        "regime-change",
        "price-rise",
        "treatment-lost-causes",
        "treatment-sleeping-dogs",
    ],
)
def test_the_truth_is_what_many_futures_say_in_every_world(scenario: str) -> None:
    agrees(simulate(500, 12, 7, scenario), row=7, paths=600, bound=4.5)


@pytest.mark.ci
@pytest.mark.parametrize("effect", ["constant", "lost-causes", "sleeping-dogs"])
def test_the_truth_of_each_arm_is_what_many_futures_say(effect: str) -> None:
    world = simulate(400, 9, 4, f"treatment-{effect}")
    truth = truth_at(world, 6)
    for arm, draw in (("treated", 0.0), ("held", 1.0)):
        drawn = futures(world, 6, 1_000, Always(draw), months=3)
        assert off(truth[f"p_churn_3_{arm}"], drawn[3]["churn"]) < 4.5, arm


@pytest.mark.ci
def test_what_happens_is_as_often_as_the_truth_says() -> None:
    """Eight worlds: observed over expected, the error from the worlds."""
    counts = []
    for seed in range(8):
        truth = simulate(400, 12, 300 + seed, "strong-shock").truth
        counts.append(
            [
                (truth[f"state_{h}"] == word).sum() - truth[f"p_{word}_{h}"].sum()
                for word in WORDS
                for h in (1, 3)
            ]
        )
    table = np.array(counts)
    error = table.std(axis=0, ddof=1) / np.sqrt(len(table))
    assert (abs(table.mean(axis=0)) < 4 * error).all()


# --- the oracle


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(60, 9, 5)


@pytest.fixture(scope="module")
def oracle(world: World) -> pd.DataFrame:
    return world.oracle(60)


def test_the_oracle_speaks_at_each_quarter_end(world: World, oracle: pd.DataFrame) -> None:
    days = pd.to_datetime(oracle.as_of).drop_duplicates()
    assert [f"{day:%Y-%m-%d}" for day in days] == ["2025-05-01", "2025-08-01", "2025-11-01"]
    assert oracle.horizon_months.tolist() == [1, 3, 12] * 3
    assert (oracle.paths == 60).all()
    there = truth_at(world, 1)
    assert oracle.accounts[0] == len(there)


def test_the_oracles_figures_are_in_order(oracle: pd.DataFrame) -> None:
    for name in ("nrr", "grr"):
        quantiles = oracle[[f"{name}_p{q:02}" for q in QUANTILES]].to_numpy()
        assert (np.diff(quantiles, axis=1) >= 0).all()
        assert oracle[f"{name}_rank"].between(0, 1).all()
        assert (oracle.groupby("as_of")[f"{name}_sd"].diff().dropna() > 0).all()
    assert (oracle.grr_p95 <= 1).all()
    assert (oracle.grr_mean <= oracle.nrr_mean).all()
    assert (oracle.grr_real <= np.minimum(oracle.nrr_real, 1)).all()


def test_the_oracle_repeats_itself(world: World, oracle: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(world.oracle(60), oracle)
    other = oracle_table(world.roster, world.history, world.time, world.laws, None, (6,), 60)
    assert (other.nrr_real == oracle.nrr_real).all()
    assert not (other.nrr_mean == oracle.nrr_mean).any()


@pytest.mark.ci
def test_one_more_path_is_what_really_came() -> None:
    """Over many worlds the rank of what came among the oracle's paths is uniform."""
    parts = []
    for seed in range(24):
        told = simulate(70, 12, 700 + seed, "strong-shock").oracle(100)
        parts.append(told[told.as_of == told.as_of.unique()[seed % 4]])
    for horizon, ranks in pd.concat(parts).groupby("horizon_months"):
        for name in ("nrr", "grr"):
            assert stats.kstest(ranks[f"{name}_rank"], "uniform").pvalue > 0.001, (horizon, name)


def fiscal_year(first: Any) -> int:
    """Fiscal year (from February) of the day before: the one whose rates value that month-end."""
    day = first - timedelta(days=1)
    return int(day.year - (day.month < 2))


@pytest.mark.ci
@pytest.mark.parametrize("scenario", ["treatment-constant,price-rise", "currencies"])
def test_what_came_is_what_the_ledger_counts(scenario: str, tmp_path: Path) -> None:
    world = simulate(200, 18, 3, scenario)
    world.write(tmp_path)
    settings = read_workspace(tmp_path / "perennial.toml", None)
    ingest(settings, tmp_path / "home", datetime(2026, 1, 1, tzinfo=UTC))
    book, compared = open_book(tmp_path / "home"), 0
    for line in world.oracle(20).itertuples():
        day = pd.Timestamp(line.as_of)
        close = day + pd.DateOffset(months=line.horizon_months)
        if close.date() > world.time.last_day or (
            scenario == "currencies" and fiscal_year(day) != fiscal_year(close)
        ):
            continue
        before, after = (
            mrr_on(book, (end - timedelta(days=1)).date(), Rules()).set_index("account_id")
            for end in (day, close)
        )
        held = before.mrr_micros / 1e6
        paid = after.mrr_micros.reindex(held.index).fillna(0) / 1e6
        assert len(held) == line.accounts
        assert held.sum() == pytest.approx(line.opening_mrr, abs=0.01)
        assert paid.sum() / held.sum() == pytest.approx(line.nrr_real, abs=1e-6)
        assert np.minimum(paid, held).sum() / held.sum() == pytest.approx(line.grr_real, abs=1e-6)
        compared += 1
    assert compared >= 5


# --- outreach


@pytest.mark.ci
def test_what_is_logged_is_what_was_drawn() -> None:
    world = simulate(400, 12, 2, "treatment-constant")
    log, accounts = world.tables["outreach_log"], world.tables["accounts"]
    assert log.outreach_id.is_unique
    assert set(log.arm) == {"treated", "holdout"}
    assert set(log.account_id) <= set(accounts.account_id)
    assert set(pd.to_datetime(log.assigned_on).dt.month) == {1, 4, 7, 10}
    assert log.propensity.between(0.25, 0.75).all()
    treated = log.arm == "treated"
    error = np.sqrt((log.propensity * (1 - log.propensity)).sum())
    assert abs(treated.sum() - log.propensity.sum()) < 4 * error
    assert log.acted_on[~treated].isna().all()
    assert (log.acted_on.dropna() >= log.assigned_on[log.acted_on.notna()]).all()
    csm = log.account_id.map(accounts.set_index("account_id").csm)
    assert (csm == log.csm).all()
    again = log_table(
        world.roster,
        world.history,
        world.time,
        accounts.set_index("account_id").csm,
        np.random.default_rng(0),
    )
    assert (again.arm == log.arm).all()


@pytest.mark.ci
@pytest.mark.parametrize("effect", ["constant", "lost-causes", "sleeping-dogs"])
def test_each_kind_of_effect_is_of_its_kind(effect: str) -> None:
    truth = simulate(150, 6, 2, f"treatment-{effect}").truth
    able = truth[truth.p_churn_3_held > 1e-6]
    ratio = able.p_churn_3_treated / able.p_churn_3_held
    lost = able.fading & (able.health < -1.5)
    well = ~able.fading & (able.health > 1.2)
    if effect == "constant":
        assert ratio[able.p_churn_3_held < 0.6].between(0.68, 0.90).all()
        assert ratio.median() == pytest.approx(0.75, abs=0.01)
    if effect == "lost-causes":
        assert ratio[lost].mean() > 0.95
        assert ratio[well].mean() < 0.72
    if effect == "sleeping-dogs":
        assert ratio[lost].mean() < 0.80
        assert ratio[well].mean() > 1.4
