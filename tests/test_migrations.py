"""Migrations: killed at any write they start anew, and the Perennial before works with what adds."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from features.faults import ConfigurationRefused
from serving import database
from serving.backups.restoring import verify_backup
from serving.backups.taking import take
from serving.doctor import state
from serving.doctor.patient import Patient
from serving.settings import load
from serving.store import Store
from tests.example_publication import NOW, example

pytestmark = pytest.mark.ci
FIRST = "0001"


def changed(home: Path, *statements: str) -> None:
    with closing(sqlite3.connect(home / database.FILE)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A home of the first revision, with a run."""
    from alembic import command
    from alembic.config import Config

    home = tmp_path / "old"
    store = Store.open(home)
    store.publish(example(), now=NOW)
    config = Config()
    config.set_main_option("script_location", str(database.MIGRATIONS))
    with database.writing(store.engine) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, FIRST)
    store.engine.dispose()
    return home


def killed_at(home: Path, number: int) -> bool:
    """Open a store in a process that is killed before its n-th write; whether it was."""
    child = os.fork()
    if child == 0:
        seen = 0

        def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            nonlocal seen
            seen += not statement.lstrip().startswith(("SELECT", "PRAGMA"))
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)

        sa.event.listen(sa.Engine, "before_cursor_execute", count)
        Store.open(home)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL)
    return status != 0


@pytest.mark.fault("C14")
def test_a_migration_that_is_killed_at_any_write_is_run_again(old: Path, tmp_path: Path) -> None:
    run = None
    for number in range(1, 1000):
        home = Path(shutil.copytree(old, tmp_path / str(number)))
        killed = killed_at(home, number)
        with closing(sqlite3.connect(home / database.FILE)) as found:
            (revision,) = found.execute("SELECT version_num FROM alembic_version").fetchone()
        assert revision in (FIRST, database.HEAD), "all of it or nothing"
        if number % 4 == 0 or not killed:
            store = Store.open(home)
            (run,) = store.verify()
            assert len(store.scores().rows) == 12
            store.engine.dispose()
        shutil.rmtree(home)
        if not killed:
            break
    assert run is not None
    assert number > 20, "it has many writes to be killed at"


@pytest.mark.fault("C14")
def test_the_perennial_before_works_with_tables_that_only_gained(tmp_path: Path) -> None:
    home = tmp_path / ".perennial"
    first = Store.open(home).publish(example(), now=NOW)
    changed(
        home,
        "ALTER TABLE scores ADD COLUMN novelty TEXT",
        "CREATE TABLE novelties (name TEXT PRIMARY KEY)",
        "INSERT INTO novelties VALUES ('kept')",
        "UPDATE alembic_version SET version_num = '9999'",
        f"UPDATE reach SET revision = '9999', oldest = '{database.HEAD}'",
    )
    store = Store.open(home)
    second = store.publish(example(snapshot_id="s2"), now=NOW)
    held = store.publish(example(snapshot_id="s3"), now=NOW, held=("looks odd",))
    assert store.approve(held.run_id, now=NOW).run_id == held.run_id
    assert store.verify() == [held.run_id, second.run_id, first.run_id]
    assert len(store.history("a01")) == 1
    looked = Patient(load(here=tmp_path), NOW)
    (schema,) = state.schema(looked)
    assert (schema.state, looked.store is not None) == ("warn", True)
    backup = take(store.engine, home, None, tmp_path / "into", NOW).folder
    assert verify_backup(backup)[0].store["revision"] == "9999"
    with closing(sqlite3.connect(backup / "home" / database.FILE)) as copy:
        assert copy.execute("SELECT name FROM novelties").fetchall() == [("kept",)]


@pytest.mark.fault("C14")
@pytest.mark.fault("B20")
@pytest.mark.parametrize(
    "told",
    ["revision = '9999', oldest = '9999'", "revision = '9998', oldest = '0001'", "slot = 2"],
)
def test_tables_that_promise_nothing_are_refused(tmp_path: Path, told: str) -> None:
    Store.open(tmp_path)
    changed(
        tmp_path,
        "UPDATE alembic_version SET version_num = '9999'",
        f"UPDATE reach SET {told}",
    )
    with pytest.raises(ConfigurationRefused, match="9999"):
        Store.open(tmp_path)
