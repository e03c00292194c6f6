"""The doctor finds what wants a person, says the cure, and leaves with 1 where something fails."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from features.locking import held
from serving.backups.taking import take
from serving.database import FILE, HEAD
from serving.doctor import freshness, machine, state
from serving.doctor.checks import CHECKS, examined, told
from serving.doctor.finding import Finding
from serving.doctor.patient import Patient
from serving.settings import load
from serving.store import Store
from tests.command_line import made, perennial
from tests.example_publication import NOW, example

pytestmark = pytest.mark.ci
SHAPE = {"check", "state", "found", "cure"}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a run of 1 July 2025, and one of three weeks before."""
    folder = tmp_path_factory.mktemp("w")
    store = Store.open(folder / ".perennial")
    store.publish(example(), now=NOW)
    store.engine.dispose()
    return folder


def patient(folder: Path, now: datetime = NOW, toml: str = "") -> Patient:
    (folder / "perennial.toml").write_text(toml)
    return Patient(load(here=folder), now)


def only(found: list[Finding]) -> Finding:
    (one,) = found
    return one


def test_every_check_looks_and_tells_in_one_shape(published: Path) -> None:
    findings = examined(patient(published))
    names = {check.__name__ for check in CHECKS}
    assert {one.check for one in findings} <= names
    assert names - {one.check for one in findings} <= {"weeks"}
    body: Any = told(findings)
    assert all(set(one) == SHAPE for one in body["findings"])
    assert sum(body["counts"].values()) == len(findings)
    assert all(one.cure for one in findings if one.state != "ok")
    json.dumps(body, allow_nan=False)


def test_a_run_that_is_old_is_a_failure(published: Path) -> None:
    fresh = only(list(freshness.publish(patient(published))))
    assert (fresh.state, "0.3 days old" in fresh.found) == ("ok", True)
    late = patient(published, NOW + timedelta(days=9))
    assert only(list(freshness.publish(late))).state == "fail"
    longer = patient(published, NOW + timedelta(days=9), "[operation]\npublish_days = 30\n")
    assert only(list(freshness.publish(longer))).state == "ok"


@pytest.mark.fault("B05")
def test_weeks_without_a_run_are_listed(tmp_path: Path) -> None:
    store = Store.open(tmp_path / ".perennial")
    for days in (21, 0):
        as_of = example().as_of - timedelta(days=days)
        store.publish(example(as_of=as_of), now=NOW)
    (one,) = freshness.weeks(patient(tmp_path))
    assert one.state == "warn"
    assert "2025-06-16, 2025-06-23" in one.found


def test_tables_of_another_perennial_are_told_and_left_alone(tmp_path: Path) -> None:
    home = tmp_path / ".perennial"
    assert only(list(state.schema(patient(tmp_path)))).state == "warn"
    assert not home.exists(), "looking creates nothing"
    Store.open(home).engine.dispose()
    for found, how in ((HEAD, "ok"), ("0001", "warn"), ("9999", "fail")):
        with sqlite3.connect(home / FILE) as database:
            database.execute("UPDATE alembic_version SET version_num = ?", (found,))
        looked = patient(tmp_path)
        assert only(list(state.schema(looked))).state == how
        assert (looked.store is None) == (how != "ok")
        assert looked.revision == found
    damaged = tmp_path / "damaged" / ".perennial"
    damaged.mkdir(parents=True)
    (damaged / FILE).write_bytes(b"no database" * 1000)
    (told_of,) = examined(patient(tmp_path / "damaged"), [state.schema])
    assert (told_of.state, "store" in told_of.found) == ("fail", True)


def test_a_damaged_model_and_an_alert_that_was_given_up_fail(published: Path) -> None:
    assert only(list(state.model(patient(published)))).state == "fail"
    looked = patient(published)
    assert only(list(state.alerts(looked))).state == "ok"
    assert looked.store is not None
    with looked.store.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO outbox (delivery_id, run_id, sink, kind, body, state, tries, queued_at, "
            "due_at) VALUES ('d', 'r', 's', 'k', '{}', 'dead', 8, '', '')"
        )
    assert only(list(state.alerts(looked))).state == "fail"


def test_who_holds_a_lock_is_told(published: Path) -> None:
    home = published / ".perennial"
    assert only(list(machine.locks(patient(published)))).found == "nobody is at work"
    real = datetime.now(UTC)
    with held(home / "ingest.lock", 0):
        (one,) = machine.locks(patient(published, real))
        assert (one.state, "ingest.lock: held by process" in one.found) == ("ok", True)
        (late,) = machine.locks(patient(published, real + timedelta(hours=2)))
        assert late.state == "warn"
    (published / ".perennial" / "gone.lock").symlink_to("removed-meanwhile")
    (quiet,) = machine.locks(patient(published, real))
    assert quiet.found == "nobody is at work"
    (published / ".perennial" / "gone.lock").unlink()


def test_a_full_disk_and_an_old_backup_are_told(published: Path, tmp_path: Path) -> None:
    assert only(list(machine.disk(patient(published)))).state == "ok"
    full = patient(published, toml="[operation]\nfree_gigabytes = 1e9\n")
    assert only(list(machine.disk(full))).state == "fail"
    assert only(list(freshness.backup(patient(published)))).found == "none was taken yet"
    engine = Store.open(published / ".perennial").engine
    backup = take(engine, published / ".perennial", None, tmp_path, NOW)
    assert only(list(freshness.backup(patient(published)))).state == "ok"
    assert only(list(freshness.backup(patient(published, NOW + timedelta(days=9))))).state == "warn"
    backup.folder.rename(tmp_path / "elsewhere")
    assert only(list(freshness.backup(patient(published)))).state == "warn"


def test_surroundings_warn_and_fail_in_production(published: Path) -> None:
    for toml, how in (("", "warn"), ('[operation]\nprofile = "production"\n', "fail")):
        found = list(machine.surroundings(patient(published, toml=toml)))
        assert {one.state for one in found} == {how}


def test_a_feed_that_ended_is_named(tmp_path: Path) -> None:
    snapshot = tmp_path / ".perennial" / "snapshots" / "ab"
    snapshot.mkdir(parents=True)
    (snapshot.parent / "latest").write_text("ab\n")
    tables = {"usage": {"last": "2025-05-01"}, "tickets": {"last": "2025-06-30"}, "accounts": {}}
    text = json.dumps({"book": {"as_of": "2025-07-01"}, "tables": tables})
    (snapshot / "manifest.json").write_text(text)
    one = only(list(freshness.feeds(patient(tmp_path))))
    assert (one.state, one.found.startswith("usage: its newest row is of 2025-05-01")) == (
        "warn",
        True,
    )


def test_the_command_leaves_with_1_where_something_fails(tmp_path: Path) -> None:
    folder = made(tmp_path / "w")
    fresh = perennial(folder, "doctor", "--json")
    assert (fresh.code, fresh.body["well"]) == (0, True)
    assert not (folder / ".perennial").exists()
    Store.open(folder / ".perennial").engine.dispose()
    empty = perennial(folder, "doctor", "--json")
    assert (empty.code, empty.body["well"]) == (1, False)
    assert perennial(folder, "doctor").code == 1
    (folder / "perennial.toml").write_text("[operation]\nprofil = 'production'\n")
    wrong = perennial(folder, "doctor", "--json")
    assert wrong.code == 1
    (finding,) = wrong.body["findings"]
    assert (finding["check"], "perennial.toml:2" in finding["found"]) == ("configuration", True)
    assert "profile" in finding["cure"]
