"""The lease: numbers, signs of life, and whose word counts."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from features.faults import Busy, ConfigurationRefused
from serving import lease, ledger, queries, tables
from serving.database import opened, writing
from serving.kept import StoreSettings
from serving.settings import load
from serving.store import Store
from tests.example_publication import NOW, example

HASTY = StoreSettings(wait_seconds=0)


def row(engine: sa.Engine) -> sa.Row[tuple[object, ...]]:
    with engine.begin() as connection:
        return connection.execute(sa.select(tables.leases)).one()


@pytest.mark.fault("B03", partly=True)
def test_every_taking_has_the_next_number_and_the_one_before_is_fenced(tmp_path: Path) -> None:
    engine = opened(tmp_path)
    with lease.alone(engine, tmp_path, HASTY) as first:
        with (
            pytest.raises(Busy, match="held by process"),
            lease.alone(engine, tmp_path, HASTY),
        ):
            pass
        with writing(engine) as connection:  # its time runs out
            connection.execute(sa.update(tables.leases).values(until=0.0))
        with lease.alone(engine, tmp_path, HASTY) as second:
            assert (first.token, second.token) == (1, 2)
            for act in (first.renew, first.take):
                with pytest.raises(Busy, match="fenced"):
                    act()
            second.renew()
    assert row(engine).holder is None
    assert not list(tmp_path.glob("publish-*.lock"))


def test_who_died_on_this_machine_is_known_as_dead_at_once(tmp_path: Path) -> None:
    engine = opened(tmp_path)
    with lease.alone(engine, tmp_path, HASTY):
        pass
    gone = tmp_path / "publish-aaaaaaaaaaaa.lock"
    gone.touch()
    with writing(engine) as connection:
        holder = f"process 1 on here ({gone.name})"
        connection.execute(sa.update(tables.leases).values(holder=holder, since=0.0, until=9e9))
        connection.execute(sa.update(tables.leases).values(since=8e9 - 1))
    with lease.alone(engine, tmp_path, HASTY) as mine:
        assert mine.token == 2
    assert not gone.exists()


@pytest.mark.fault("B03", partly=True)
def test_who_wakes_before_it_begins_leaves_the_other_jobs_work_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, other = Store.open(tmp_path), tmp_path / "exports" / "2025-07-01-r1-other"

    def another_takes_over(*_asked: object) -> None:
        with store.engine.execution_options(write=True).begin() as taken:
            taken.execute(sa.update(tables.leases).values(token=9, holder="another"))
            ledger.begin(taken, other.name, NOW)
        other.mkdir(parents=True)

    monkeypatch.setattr(queries, "standing_run", another_takes_over)
    with pytest.raises(Busy, match="fenced"):
        store.publish(example(), now=NOW)
    assert other.is_dir()
    assert store.attempts() == [(other.name, "running")]


@pytest.mark.parametrize(
    "found", ['url = "postgresql://a:pa:ss@h/d"', 'url = "sqlite:///x"', "lease_seconds = 0"]
)
def test_a_store_is_named_by_a_variable_alone(tmp_path: Path, found: str) -> None:
    (tmp_path / "perennial.toml").write_text(f"[store]\n{found}\n")
    with pytest.raises(ConfigurationRefused) as refused:
        load(here=tmp_path)
    assert refused.value.exit_code == 78
    assert "pa:ss" not in str(refused.value)
