"""Simulated worlds keep their laws, repeat byte for byte, and their truth is true."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from features.asof import add_months
from features.contracts import TABLES
from features.faults import UsageFault
from features.mapping import read_workspace
from training.worlds import World, simulate
from training.worlds.scenarios import SCENARIOS

pytestmark = pytest.mark.ci

HAPPENED = {
    "subscriptions": ("starts_on", "signed_on", "canceled_on"),
    "usage": ("occurred_at", "recorded_at"),
    "tickets": ("opened_at", "closed_at"),
    "touchpoints": ("occurred_at",),
    "limits": ("observed_on",),
    "events": ("occurred_at",),
    "accounts": ("signed_on",),
    "fx_rates": ("date",),
}


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(accounts=400, months=24, seed=3)


def core(world: World) -> pd.DataFrame:
    """Core lines; a renewal up to 31 days late is taken as no gap."""
    lines = world.tables["subscriptions"].query("product == 'core'")
    lines = lines.sort_values(["account_id", "starts_on"])
    following = lines.groupby("account_id").starts_on.shift(-1)
    wait = (following - lines.ends_on).dt.days
    return lines.assign(ends_on=lines.ends_on.mask(wait.between(1, 31), following))


def net(lines: pd.DataFrame) -> pd.Series:
    return lines.mrr * (1 - lines.discount)


def paid_on(world: World, day: Any) -> pd.Series:
    """MRR of each account on a day: the lines in force, add-ons bridged like their core line."""
    lines = world.tables["subscriptions"].sort_values(["account_id", "product", "starts_on"])
    following = lines.groupby(["account_id", "product"]).starts_on.shift(-1)
    wait = (following - lines.ends_on).dt.days
    ends = lines.ends_on.mask(wait.between(1, 31), following)
    runs = (lines.starts_on <= day) & (ends.isna() | (ends > day))
    return net(lines)[runs].groupby(lines.account_id[runs]).sum()


# --- laws that hold in every world


@settings(max_examples=4, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    scenario=st.sampled_from(sorted(SCENARIOS)),
    last_day=st.dates(date(2020, 1, 1), date(2027, 12, 31)),
)
def test_nothing_is_written_that_happened_after_the_last_day(
    seed: int, scenario: str, last_day: date
) -> None:
    book = simulate(accounts=30, months=6, seed=seed, scenario=scenario, last_day=last_day)
    for table, columns in HAPPENED.items():
        for column in columns if table in book.tables else ():
            days = book.tables[table][column].dropna()
            assert days.empty or days.max().date() <= last_day, (table, column)


@settings(max_examples=2, deadline=None)
@given(seed=st.integers(0, 10_000), scenario=st.sampled_from(sorted(SCENARIOS)))
def test_lines_of_a_product_follow_each_other(seed: int, scenario: str) -> None:
    lines = simulate(accounts=40, months=12, seed=seed, scenario=scenario).tables["subscriptions"]
    lines = lines.sort_values(["account_id", "product", "starts_on"])
    before = lines.groupby(["account_id", "product"]).ends_on.shift()
    first = ~lines.duplicated(["account_id", "product"])
    assert (lines.ends_on.isna() | (lines.ends_on > lines.starts_on)).all()
    assert (first | (before <= lines.starts_on)).all()
    assert (lines.mrr > 0).all()


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10_000), scenario=st.sampled_from(sorted(SCENARIOS)))
def test_the_truth_is_a_probability(seed: int, scenario: str) -> None:
    truth = simulate(accounts=30, months=8, seed=seed, scenario=scenario).truth
    for horizon in (1, 3, 12):
        parts = truth[[f"p_{what}_{horizon}" for what in ("churn", "contract", "expand")]]
        assert ((parts >= 0) & (parts <= 1)).all(axis=None)
        assert (parts.sum(axis=1) <= 1 + 1e-9).all()


# --- the shape of the tables


def test_every_column_is_in_the_contract(world: World) -> None:
    for name, table in world.tables.items():
        contract = TABLES[name]
        known = {column.name for column in contract.columns} | {"mrr", "amount"}
        assert set(table.columns) <= known, name
        assert set(contract.required) <= set(table.columns), name


def test_ids_are_unique_and_every_row_has_its_account(world: World) -> None:
    accounts = world.tables["accounts"]
    assert accounts.account_id.is_unique
    assert accounts.name.is_unique
    parents = accounts.parent_account_id.dropna()
    assert set(parents) <= set(accounts.account_id)
    for name, table in world.tables.items():
        if "account_id" in table:
            assert set(table.account_id.astype(str)) <= set(accounts.account_id), name
    for name, key in (("subscriptions", "subscription_id"), ("tickets", "ticket_id")):
        assert world.tables[name][key].is_unique


def test_an_end_to_come_is_the_contracts_or_was_announced(world: World) -> None:
    lines = world.tables["subscriptions"]
    ahead = lines[lines.ends_on > str(world.time.last_day)]
    assert len(ahead) > 50
    assert ((ahead.ends_on == ahead.renews_on) | ahead.canceled_on.notna()).all()
    assert (ahead.canceled_on.dropna() <= ahead.ends_on[ahead.canceled_on.notna()]).all()


def test_a_renewed_term_ends_after_its_months(world: World) -> None:
    lines = core(world)
    renewed = lines[lines.starts_on == lines.groupby("account_id").renews_on.shift()]
    by_term = [
        pd.Timestamp(add_months(start.date(), term))
        for start, term in zip(renewed.starts_on, renewed.term_months, strict=True)
    ]
    assert len(renewed) > 50
    assert (renewed.renews_on == by_term).all()


def test_the_book_opens_with_customers_and_gains_others(world: World) -> None:
    first = world.tables["subscriptions"].groupby("account_id").starts_on.min()
    opening = (first == "2024-01-01").mean()
    live = paid_on(world, pd.Timestamp(world.time.last_day)).count() / len(first)
    assert 0.4 < opening < 0.7
    assert 0.5 < live < 0.8


def test_some_feeds_are_absent_and_some_rows_late(world: World) -> None:
    usage, accounts = world.tables["usage"], world.tables["accounts"]
    silent = 1 - usage.account_id.astype(str).nunique() / len(accounts)
    late = usage.recorded_at.notna().mean()
    assert 0.04 < silent < 0.20
    assert 0.01 < late < 0.05
    assert set(usage.occurred_at.dt.day_of_week) == {0}
    behind = usage.recorded_at - usage.occurred_at
    assert (behind.dropna() > pd.Timedelta(days=7)).all()


def test_features_have_tiers_and_one_activates(world: World) -> None:
    catalog = world.tables["feature_catalog"]
    assert len(catalog) == 12
    assert catalog.activation.sum() == 1
    assert set(catalog.tier) == {"core", "advanced", "integration", "admin"}
    assert set(world.tables["usage"].feature.astype(str)) <= set(catalog.feature)


def test_satisfaction_is_missing_more_where_health_is_low(world: World) -> None:
    tickets = world.tables["tickets"].query("closed_at.notna()")
    month = tickets.opened_at.dt.tz_localize(None).astype("datetime64[us]")
    month = month.dt.to_period("M").dt.to_timestamp().astype("datetime64[us]")
    truth = world.truth.assign(as_of=pd.to_datetime(world.truth.as_of).astype("datetime64[us]"))
    joined = tickets.assign(as_of=month).merge(truth, on=["account_id", "as_of"])
    asked = joined.groupby(joined.health < joined.health.median()).csat.apply(
        lambda scores: scores.isna().mean()
    )
    assert asked[True] > asked[False] + 0.02
    assert joined.query("csat.notna()").csat.between(1, 5).all()


# --- switches


def test_an_unknown_scenario_names_the_nearest() -> None:
    with pytest.raises(UsageFault, match='did you mean "no-shock"'):
        simulate(scenario="noshock")


def test_a_book_without_room_is_refused() -> None:
    with pytest.raises(UsageFault, match="at least 10 accounts"):
        simulate(accounts=3)


def test_tiny_is_tiny() -> None:
    tiny = simulate(scenario="tiny")
    assert len(tiny.tables["accounts"]) <= 40
    assert tiny.time.months == 18


def test_currencies_come_with_rates() -> None:
    mixed = simulate(accounts=60, months=8, scenario="currencies")
    assert set(mixed.tables["subscriptions"].currency) == {"USD", "EUR", "GBP"}
    rates = mixed.tables["fx_rates"]
    assert set(rates.currency) == {"EUR", "GBP"}
    assert rates.date.min() < pd.Timestamp(mixed.time.date_of(mixed.time.start(0)))


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    simulate(accounts=12, months=6, progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] == len(told)


# --- the same seed gives the same bytes


def digests(directory: Path) -> dict[str, str]:
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        simulate(accounts=40, months=8, seed=seed).write(tmp_path / name)
    one, two, other = (digests(tmp_path / name) for name in "abc")
    assert one == two
    assert one["subscriptions.csv"] != other["subscriptions.csv"]
    assert set(one) == {
        "accounts.csv",
        "events.csv",
        "feature_catalog.csv",
        "limits.csv",
        "perennial.toml",
        "subscriptions.csv",
        "tickets.csv",
        "touchpoints.csv",
        "truth/truth.parquet",
        "usage.parquet",
    }


def test_the_workspace_that_is_written_can_be_read(tmp_path: Path) -> None:
    simulate(accounts=12, months=6, last_day=date(2025, 6, 30)).write(tmp_path)
    workspace = read_workspace(tmp_path / "perennial.toml")
    assert workspace.book.fiscal_year_starts == 2
    assert str(workspace.book.as_of) == "2025-07-01"
    assert workspace.table("usage").grain == "week"
    assert pd.read_csv(tmp_path / "subscriptions.csv").starts_on.max() <= "2025-06-30"


# --- the truth is true


def outcomes(world: World, horizon: int) -> pd.DataFrame:
    """States at the horizon by what the written lines say, beside the truth's own."""
    rows = []
    for as_of, there in world.truth.groupby("as_of"):
        first = pd.Timestamp(as_of)
        later = first + pd.DateOffset(months=horizon) - pd.Timedelta(days=1)
        if later <= pd.Timestamp(world.time.last_day) - pd.Timedelta(days=31):
            paid = paid_on(world, later).reindex(there.account_id).fillna(0.0)
            before = paid_on(world, first - pd.Timedelta(days=1)).reindex(there.account_id)
            rows.append(there.assign(before=before.to_numpy(), after=paid.to_numpy()))
    return pd.concat(rows)


@pytest.mark.parametrize(
    "horizon", [pytest.param(1, marks=pytest.mark.ci), 3, pytest.param(12, marks=pytest.mark.ci)]
)
def test_the_truths_outcomes_are_what_the_lines_say(world: World, horizon: int) -> None:
    rows = outcomes(world, horizon).query("before.notna()")
    assert len(rows) > 1_000
    gone = rows[f"state_{horizon}"] == "churn"
    assert (gone == (rows.after == 0)).mean() > 0.999
    contracted = rows[f"state_{horizon}"] == "contract"
    assert (rows.after < rows.before)[contracted].mean() > 0.9


@pytest.fixture(scope="module")
def calm() -> pd.DataFrame:
    return simulate(accounts=800, months=12, seed=11, scenario="no-shock").truth


@pytest.mark.parametrize("horizon", [1, 3])
def test_the_truth_is_calibrated(calm: pd.DataFrame, horizon: int) -> None:
    truth = calm
    for what in ("churn", "contract", "expand"):
        chance = truth[f"p_{what}_{horizon}"]
        happened = truth[f"state_{horizon}"] == what
        spread = np.sqrt((chance * (1 - chance)).sum() * horizon)
        assert abs(happened.sum() - chance.sum()) < 4 * spread, what


@pytest.mark.ci
def test_signals_are_idle_in_the_null_world() -> None:
    truth = simulate(accounts=800, months=18, seed=2, scenario="null").truth
    able = truth[truth.p_churn_3 > 0]
    assert abs(roc_auc_score(able.state_3 == "churn", able.health) - 0.5) < 0.05
    assert abs(roc_auc_score(truth.state_3 == "expand", truth.demand_gap) - 0.5) < 0.05


@pytest.mark.ci
def test_a_stronger_shock_makes_months_differ_more() -> None:
    def spread(scenario: str) -> float:
        parts = []
        for seed in range(3):
            truth = simulate(accounts=600, months=24, seed=seed, scenario=scenario).truth
            expected = truth.groupby("as_of").p_churn_1.mean()
            parts.append(float(expected.rolling(3).mean().std()))
        return float(np.mean(parts))

    assert spread("strong-shock") > 1.15 * spread("no-shock")
