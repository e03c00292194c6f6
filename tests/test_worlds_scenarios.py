"""Each scenario changes what it says, and nothing else; sizes and scenarios join."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.contracts import TABLES
from features.faults import UsageFault
from tests.command_line import perennial
from training.worlds import SCENARIOS, World, simulate
from training.worlds.parameters import Laws
from training.worlds.scenarios import laws_of

pytestmark = pytest.mark.ci

MONTHS = 9
TURN = 6


@pytest.fixture(scope="module")
def plain() -> World:
    return simulate(100, MONTHS, 3)


@pytest.fixture(scope="module")
def treated() -> World:
    return simulate(40, 6, 3, "treatment-constant")


def lines_until(world: World, month: int) -> pd.DataFrame:
    """Lines that started before a month, as far as they are told by then."""
    day = pd.Timestamp(world.time.date_of(world.time.start(month)))
    lines = world.tables["subscriptions"].drop(columns="subscription_id")
    lines = lines[lines.starts_on < day]
    told = lines.assign(ends_on=lines.ends_on.mask(lines.ends_on >= day), canceled_on=pd.NaT)
    return told.reset_index(drop=True)


# --- joining


def test_scenarios_join_and_the_last_word_counts() -> None:
    laws = laws_of("strong-shock, currencies,no-shock,small")
    assert (laws.shock, laws.accounts, laws.months) == (0.0, 250, 24)
    assert laws.currencies == ("USD", "EUR", "GBP")
    with pytest.raises(UsageFault, match=r'scenario "smal": .*did you mean "small"'):
        laws_of("null,smal")


def test_sizes_are_what_they_say_and_what_is_asked_for_wins() -> None:
    sizes = {name: (laws_of(name).accounts, laws_of(name).months) for name in SCENARIOS}
    assert (sizes["tiny"], sizes["small"], sizes["large"], sizes["default"]) == (
        (40, 18),
        (250, 24),
        (20_000, 36),
        (1_500, 36),
    )
    asked = simulate(30, 6, scenario="large")
    assert len(asked.roster) == 30
    assert asked.time.months == 6


def test_every_scenario_changes_laws_that_there_are() -> None:
    known = set(Laws.__dataclass_fields__)
    for changes in SCENARIOS.values():
        assert set(changes) <= known
        assert {name for name, _ in changes.get("turned", ())} <= known


def test_every_scenario_and_every_column_of_the_truths_is_on_the_page(treated: World) -> None:
    page = (Path(__file__).resolve().parents[1] / "docs" / "simulated-book.md").read_text("utf-8")
    for name in SCENARIOS:
        assert f"| `{name}` |" in page, name
    plain = [name for name in treated.truth if not name.startswith(("p_churn_3_", "state_", "p_"))]
    for name in (*plain, "p_churn_3_treated", "p_churn_3_held", "nrr_rank", "opening_mrr"):
        assert f"`{name}`" in page, name


# --- what each changes


def test_in_an_outage_six_weeks_of_usage_are_missing_for_all(plain: World) -> None:
    outage = simulate(100, MONTHS, 3, "feed-outage")
    for name, table in plain.tables.items():
        if name != "usage":
            pd.testing.assert_frame_equal(outage.tables[name], table)
    before, after = plain.tables["usage"], outage.tables["usage"]
    gone = sorted(set(before.occurred_at) - set(after.occurred_at))
    assert len(gone) == 6
    assert gone[-1] - gone[0] == pd.Timedelta(weeks=5)
    kept = before[~before.occurred_at.isin(gone)].reset_index(drop=True)
    pd.testing.assert_frame_equal(after, kept)


def test_a_regime_changes_nothing_before_its_day(plain: World) -> None:
    changed = simulate(100, MONTHS, 3, "regime-change")
    for name in ("alive", "mrr", "gap", "noticed"):
        before, after = (getattr(w.history, name)[: TURN + 1] for w in (plain, changed))
        assert (before == after).all(), name
    pd.testing.assert_frame_equal(lines_until(changed, TURN), lines_until(plain, TURN))
    assert not (plain.history.mrr[TURN + 2] == changed.history.mrr[TURN + 2]).all()
    early, late = (
        pd.concat([w.truth[w.truth.as_of == day] for w in (plain, changed)], keys=["no", "yes"])
        for day in (plain.truth.as_of.min(), plain.truth.as_of.unique()[TURN])
    )
    assert late.p_churn_3["yes"].mean() > 1.1 * late.p_churn_3["no"].mean()
    assert late.p_expand_1["yes"].mean() < 0.75 * late.p_expand_1["no"].mean()
    assert early.p_churn_3["yes"].mean() == pytest.approx(early.p_churn_3["no"].mean(), abs=0.005)


def test_a_list_price_rises_at_once_for_monthly_and_at_renewal_for_terms(plain: World) -> None:
    raised = simulate(100, MONTHS, 3, "price-rise")
    past = raised.history
    pd.testing.assert_frame_equal(lines_until(raised, TURN), lines_until(plain, TURN))
    stays = past.alive[TURN] & past.alive[TURN + 1] & (past.plan[TURN] == past.plan[TURN + 1])
    growth = past.unit[TURN + 1] / past.unit[TURN]
    monthly, due = past.term[TURN] == 1, past.due_month[TURN] == TURN
    assert growth[stays & monthly] == pytest.approx(1.09, abs=0.02)
    assert (growth[stays & due] > 1.08).all()
    assert (growth[stays & ~monthly & ~due] == 1.0).all()
    worse, calm = (w.truth[w.truth.as_of == w.truth.as_of.unique()[TURN]] for w in (raised, plain))
    assert worse.p_churn_1.mean() > 1.2 * calm.p_churn_1.mean()


def test_only_worlds_with_outreach_have_its_log_and_its_truth(plain: World, treated: World) -> None:
    assert "outreach_log" not in plain.tables
    assert "treated" not in plain.truth
    own = {column.name for column in TABLES["outreach_log"].columns}
    assert set(treated.tables["outreach_log"].columns) - own == {"propensity"}
    assert {"treated", "p_churn_3_treated", "p_churn_3_held"} <= set(treated.truth.columns)


# --- fresh accounts of the same world


@pytest.mark.ci
def test_fresh_accounts_share_the_worlds_weather_and_nothing_else(plain: World) -> None:
    one, again, other = (plain.fresh(25, draw) for draw in (0, 0, 1))
    assert (one.history.factor == plain.history.factor).all()
    assert one.laws == plain.laws
    pd.testing.assert_frame_equal(one.truth, again.truth)
    assert one.tables["subscriptions"].equals(again.tables["subscriptions"])
    assert not (one.roster.acv == other.roster.acv).any()
    assert not np.isin(one.roster.acv, plain.roster.acv).any()


# --- the command, and the same bytes everywhere


@pytest.mark.ci
def test_the_command_writes_both_truths_apart(tmp_path: Path) -> None:
    asked = ("--accounts", "30", "--months", "8", "--scenario", "strong-shock,tiny", "--json")
    told = perennial(tmp_path, "simulate", "book", *asked)
    assert told.code == 0
    assert told.body["tables"]["accounts"] <= 30
    names = sorted(path.name for path in (tmp_path / "book" / "truth").iterdir())
    assert names == ["oracle.parquet", "truth.parquet"]
    refused = perennial(tmp_path, "simulate", "other", "--scenario", "strong")
    assert refused.code == 2
    assert 'did you mean "strong-shock"' in refused.err


WRITE = """
import hashlib, sys
from pathlib import Path
from training.worlds import simulate
folder = Path(sys.argv[1])
simulate(40, 8, 5, "treatment-constant,price-rise,currencies").write(folder, oracle=True)
for path in sorted(folder.rglob("*.*")):
    print(path.name, hashlib.sha256(path.read_bytes()).hexdigest())
"""


@pytest.mark.ci
def test_the_bytes_hang_on_no_thread_hash_seed_or_time_zone(tmp_path: Path) -> None:
    told = set()
    for number, (seed, zone, threads) in enumerate(
        [("0", "Asia/Kolkata", "1"), ("99", "America/New_York", "4")]
    ):
        changed = {"PYTHONHASHSEED": seed, "TZ": zone, "OMP_NUM_THREADS": threads}
        command = [sys.executable, "-c", WRITE, str(tmp_path / str(number))]
        root = Path(__file__).resolve().parents[1]
        done = subprocess.run(
            command, env=os.environ | changed, cwd=root, capture_output=True, text=True, check=True
        )
        told.add(done.stdout)
    assert len(told) == 1
    assert "oracle.parquet" in told.pop()
