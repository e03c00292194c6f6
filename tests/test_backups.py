"""A backup is taken while others write, refused when it is not what was written, and put back whole."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from features.faults import Busy, CannotWrite, DataRejected, Fault, InputMissing
from features.locking import held
from serving import keyring, tables
from serving.audit import verify_chain
from serving.backups import restoring, taking
from serving.backups.contents import NOTE
from serving.backups.copying import Copier
from serving.backups.database import copied_rows, filled
from serving.backups.manifest import MANIFEST, opened_manifest
from serving.backups.restoring import restore, verify_backup
from serving.backups.taking import keep_pepper, kept_backups, last_backup, pruned, take
from serving.kept import StoreSettings
from serving.pepper import made_pepper, pepper
from serving.store import Store
from serving.tombstones import noted, written
from tests import own_postgres
from tests.command_line import copied, perennial, workspace
from tests.example_publication import NOW, example
from tests.publishing_job import VARIABLE

pytestmark = pytest.mark.ci
BARE = StoreSettings()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a run, a key and files that were published."""
    home = tmp_path_factory.mktemp("kept") / ".perennial"
    store = Store.open(home)
    store.publish(example(), now=NOW)
    secret = made_pepper(home)
    keyring.make(store.engine, secret, "admin", now=NOW, by="test", name="ops")
    (home / "models.jsonl").write_text("{}\n")
    store.engine.dispose()
    return home


@pytest.fixture(scope="module")
def taken(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return take(Store.open(home).engine, home, None, tmp_path_factory.mktemp("into"), NOW).folder


def refused(code: str, folder: Path) -> None:
    with pytest.raises(Fault) as told:
        verify_backup(folder)
    assert told.value.code == code


@pytest.mark.fault("C13")
def test_while_a_job_publishes_a_backup_is_one_state_and_restored_verifies(tmp_path: Path) -> None:
    home = tmp_path / "home"
    store = Store.open(home)
    store.publish(example(), now=NOW)
    done, published = threading.Event(), []

    def job() -> None:
        number = 1
        while not done.is_set() or number < 3:
            number += 1
            published.append(store.publish(example(snapshot_id=f"s{number}"), now=NOW).run_id)

    worker = threading.Thread(target=job)
    worker.start()
    try:
        backups = [
            take(Store.open(home).engine, home, None, tmp_path / "into", NOW + timedelta(seconds=n))
            for n in range(4)
        ]
    finally:
        done.set()
        worker.join()
    assert len(store.runs()) == len(published) + 1 > 2, "nobody was hindered"
    for number, backup in enumerate(backups):
        manifest, runs = verify_backup(backup.folder)
        assert len(runs) == manifest.store["runs"] >= 1
        assert manifest.store["accounts"] == 12 * len(runs)
        there = tmp_path / f"there{number}"
        again = restore(backup.folder, there, None, BARE, NOW)
        assert again.runs == runs
        back = Store.open(there)
        assert back.verify() == runs
        assert back.scores().rows == store.scores(run=runs[0]).rows
        for run in runs:
            assert (there / "exports" / run / "scores.parquet").is_file()


@pytest.mark.fault("C13")
def test_a_backup_that_is_not_what_was_written_is_refused(taken: Path, tmp_path: Path) -> None:
    def spoiled(name: str) -> Path:
        return Path(shutil.copytree(taken, tmp_path / name))

    flipped = spoiled("flipped")
    data = bytearray((flipped / "home/perennial.db").read_bytes())
    data[len(data) // 2] ^= 1
    (flipped / "home/perennial.db").write_bytes(bytes(data))
    gone = spoiled("gone")
    next(gone.rglob("scores.parquet")).unlink()
    more = spoiled("more")
    (more / "home" / "bundles").mkdir()
    (more / "home" / "bundles" / "serving.json").write_text("{}")
    told = spoiled("told")
    text = (told / MANIFEST).read_text()
    (told / MANIFEST).write_text(text.replace('"runs": 1', '"runs": 2'))
    half = spoiled("half")
    (half / MANIFEST).write_text(text[: len(text) // 2])
    outside = spoiled("outside")
    (outside / MANIFEST).write_text(text.replace("home/perennial.db", "../perennial.db"))
    for folder in (flipped, gone, more, told, half, outside):
        refused("backup.corrupt", folder)
        with pytest.raises(DataRejected):
            restore(folder, tmp_path / "nowhere", None, BARE, NOW)
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(InputMissing):
        opened_manifest(tmp_path)
    verify_backup(taken)


@pytest.mark.fault("U14")
def test_the_pepper_is_no_part_of_a_backup_and_is_kept_apart(
    home: Path, taken: Path, tmp_path: Path
) -> None:
    secret = (home / "pepper.key").read_bytes()
    for path in [path for path in taken.rglob("*") if path.is_file()]:
        assert secret not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0, path
    assert taken.stat().st_mode & 0o077 == 0
    assert keep_pepper(home, tmp_path / "safe" / "pepper")
    assert not keep_pepper(tmp_path, tmp_path / "safe" / "none")
    with_it = restore(taken, tmp_path / "b", None, BARE, NOW, pepper=tmp_path / "safe" / "pepper")
    assert with_it.manifest.store["keys"] == 1
    assert pepper(tmp_path / "b").mark == pepper(home).mark  # type: ignore[union-attr]
    restore(taken, tmp_path / "c", None, BARE, NOW)
    assert pepper(tmp_path / "c") is None


def test_what_is_there_is_not_written_over_and_moved_aside_when_told(
    taken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restoring, "_WAIT_SECONDS", 0.0)
    home = tmp_path / "home"
    Store.open(home).publish(example(snapshot_id="newer"), now=NOW)
    secret = made_pepper(home)
    with pytest.raises(CannotWrite, match=r"restore\.occupied"):
        restore(taken, home, None, BARE, NOW)
    with held(home / "ingest.lock", 0), pytest.raises(Busy):
        restore(taken, home, None, BARE, NOW, over=True)
    done = restore(taken, home, None, BARE, NOW, over=True)
    assert Store.open(home).verify() == done.runs
    assert pepper(home) == secret, "the home keeps its own"
    (aside,) = done.aside
    assert Store.open(aside).current().snapshot_id == "newer"  # type: ignore[union-attr]


@pytest.mark.fault("C13")
@pytest.mark.parametrize("step", ["verify it", "move it in"])
def test_a_restore_that_dies_changes_nothing_and_is_run_again(
    taken: Path, tmp_path: Path, step: str
) -> None:
    home = tmp_path / "home"
    old = Store.open(home).publish(example(snapshot_id="newer"), now=NOW)

    def dies(what: str) -> None:
        if what == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore(taken, home, None, BARE, NOW, over=True, step=dies)
    assert Store.open(home).current().run_id == old.run_id  # type: ignore[union-attr]
    assert restore(taken, home, None, BARE, NOW, over=True).runs
    assert not list(tmp_path.glob(".restoring-*"))


def test_a_restore_that_dies_between_two_renames_loses_no_secret(
    taken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pepper and the tombstones lie in the home that is aside when it is run again."""
    home = tmp_path / "home"
    Store.open(home).publish(example(snapshot_id="newer"), now=NOW)
    secret, erased = made_pepper(home), {"0" * 64: made_pepper(home).mark}
    noted(home, erased)
    renamed = Path.rename

    def dies(path: Path, target: Path) -> Path:
        if path.name.startswith(".restoring-"):
            raise KeyboardInterrupt
        return renamed(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", dies)
        with pytest.raises(KeyboardInterrupt):
            restore(taken, home, None, BARE, NOW, over=True)
    assert not home.exists()
    assert restore(taken, home, None, BARE, NOW + timedelta(seconds=1), over=True).runs
    assert pepper(home).mark == secret.mark  # type: ignore[union-attr]
    assert written(home) == erased


def test_a_manifest_that_names_no_store_is_refused(taken: Path, tmp_path: Path) -> None:
    """Whoever wrote it could reckon its seal too."""
    plain = opened_manifest(taken)
    for one in (replace(plain, store={}), replace(plain, store=[]), replace(plain, files={})):  # type: ignore[arg-type]
        one.keep(tmp_path)
        refused("backup.corrupt", tmp_path)


def test_a_home_that_is_a_volume_of_its_own_is_refused_at_once(
    taken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "is_mount", lambda path: path.name == "volume")
    with pytest.raises(CannotWrite, match=r"restore\.mounted"):
        restore(taken, tmp_path / "volume", None, BARE, NOW, over=True)
    assert not list(tmp_path.iterdir())


def test_a_home_that_a_link_names_stays_where_it_is(taken: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    link = tmp_path / "home"
    link.symlink_to(tmp_path / "disk" / "state")
    assert restore(taken, link, None, BARE, NOW).runs
    assert link.is_symlink()
    assert [each.name for each in (tmp_path / "disk").iterdir()] == ["state"]


def test_backups_are_listed_noted_and_pruned(home: Path, tmp_path: Path) -> None:
    engine = Store.open(home).engine
    made = [take(engine, home, None, tmp_path, NOW + timedelta(days=n)).folder for n in range(3)]
    assert kept_backups(tmp_path) == made[::-1]
    assert last_backup(home)["folder"] == str(made[-1])  # type: ignore[index]
    assert last_backup(tmp_path) is None
    for damaged in ("{}", '{"made_at": "x", "folder": "y"}', '{"made_at": 3}'):
        (tmp_path / NOTE).write_text(damaged)
        assert last_backup(tmp_path) is None
    assert pruned(tmp_path, 2) == made[:1]
    assert kept_backups(tmp_path) == made[:0:-1]
    with pytest.raises(CannotWrite, match=r"backup\.exists"):
        take(engine, home, None, tmp_path, NOW + timedelta(days=2))
    verify_backup(made[-1])


def test_a_snapshot_that_is_renewed_meanwhile_is_copied_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "snapshots" / "ab"
    folder.mkdir(parents=True)
    manifest = folder / "manifest.json"
    manifest.write_text('{"tables": {}}')
    (tmp_path / "snapshots" / "latest").write_text("ab\n")
    (tmp_path / "to").mkdir()
    real, renewals = Copier.folder, iter([1, 2])

    def renewed(copier: Copier, *given: Any) -> None:
        real(copier, *given)
        number = next(renewals, None)
        if number is not None:
            manifest.write_text(f'{{"tables": {{}}, "n": {number}}}')

    monkeypatch.setattr(Copier, "folder", renewed)
    copier = Copier(tmp_path / "to")
    taking._snapshots(copier, tmp_path / "snapshots", "s")
    assert json.loads((tmp_path / "to/s/ab/manifest.json").read_text())["n"] == 2
    assert sorted(copier.entries) == ["s/ab/manifest.json", "s/latest"]
    renewals = iter(range(9))
    with pytest.raises(Busy, match=r"backup\.moving"):
        taking._snapshots(copier, tmp_path / "snapshots", "s")


def test_a_workspace_is_backed_up_and_put_back_elsewhere_by_commands(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    folder = copied(workspace(tmp_path_factory), tmp_path / "w")
    made = perennial(folder, "backup", str(tmp_path / "safe"), "--keep", "1", "--json").body
    assert made["verified"] == made["store"]["runs"] == 1
    assert perennial(folder, "verify", "--backup", made["backup"], "--json").body["verified"] == 1
    there = tmp_path / "there"
    there.mkdir()
    for path in folder.iterdir():
        if path.is_file():
            shutil.copy2(path, there)
    back = perennial(there, "restore", made["backup"], "--json").body
    assert (back["verified"], back["aside"]) == (1, [])
    whole = perennial(there, "verify", "--json").body
    assert len(whole["snapshots"]) == 1
    assert whole["models"]
    again = perennial(there, "score", "--json").body
    assert again["published"] is False, "the same input, published already"
    assert perennial(there, "models", "show", "1", "--json").body["verified"] is True
    assert perennial(there, "restore", made["backup"]).code == 73
    assert perennial(folder, "backup", str(folder / ".perennial" / "b")).code == 2
    for words in (("verify",), ("verify", "--backup", made["backup"])):
        assert perennial(there, *words).code == 0


def test_verify_names_the_file_that_does_not_agree(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    folder = copied(workspace(tmp_path_factory), tmp_path / "w")
    home = folder / ".perennial"
    for pattern, code in (
        ("snapshots/*/accounts.parquet", "snapshot.corrupt"),
        ("bundles/*/contract.json", "model.digest"),
        ("exports/*/outlook-*.parquet", "outlook.damaged"),
    ):
        (path, *_) = sorted(home.glob(pattern))
        kept = path.read_bytes()
        path.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
        answer = perennial(folder, "verify", "--json")
        assert (answer.code, answer.body["error"]["code"]) == (65, code)
        path.write_bytes(kept)
    assert perennial(folder, "verify", "--json").code == 0


@pytest.fixture(scope="module")
def server() -> Iterator[sa.URL]:
    with own_postgres.server() as url:
        yield url


@pytest.mark.slow
@pytest.mark.skipif(own_postgres.programs() is None, reason="no PostgreSQL on this machine")
@pytest.mark.fault("C13")
def test_a_postgresql_is_backed_up_into_a_file_and_back(
    server: sa.URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = StoreSettings(url=f"env:{VARIABLE}")
    with own_postgres.own_schema(server) as one, own_postgres.own_schema(server) as other:
        monkeypatch.setenv(VARIABLE, one)
        store = Store.open(tmp_path / "one", kept)
        store.publish(example(), now=NOW)
        keyring.make(store.engine, made_pepper(store.home), "cs", now=NOW, by="t", name="a")
        made = take(store.engine, store.home, None, tmp_path / "into", NOW).folder
        manifest, runs = verify_backup(made)
        assert (manifest.store["kind"], manifest.store["keys"]) == ("postgresql", 1)

        in_file = restore(made, tmp_path / "file", None, BARE, NOW)
        assert in_file.runs == runs
        assert Store.open(tmp_path / "file").scores().rows == store.scores().rows

        monkeypatch.setenv(VARIABLE, other)
        restore(made, tmp_path / "two", None, kept, NOW)
        back = Store.open(tmp_path / "two", kept)
        assert back.verify() == runs
        assert verify_chain(back.engine).entries == manifest.store["audit_entries"] > 0
        assert back.publish(example(snapshot_id="s2"), now=NOW).revision == 2
        with pytest.raises(CannotWrite, match="the database"):
            restore(made, tmp_path / "three", None, kept, NOW)
        assert restore(made, tmp_path / "two", None, kept, NOW, over=True).runs == runs
        assert Store.open(tmp_path / "two", kept).verify() == runs
        for engine in (store.engine, back.engine):
            engine.dispose()


def test_rows_are_copied_letter_by_letter(home: Path, tmp_path: Path) -> None:
    source, target = Store.open(home).engine, Store.open(tmp_path).engine
    copied_rows(source, target)
    asked = [sa.text(f"SELECT * FROM {table.name}") for table in tables.metadata.sorted_tables]
    with source.connect() as one, target.connect() as two:
        for each in asked:
            assert sorted(map(str, one.execute(each))) == sorted(map(str, two.execute(each)))
    assert filled(target) == ["runs", "keys", "audit"]


@pytest.mark.fault("G02")
def test_who_was_erased_since_is_erased_again_when_a_backup_is_put_back(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    folder = copied(workspace(tmp_path_factory), tmp_path / "w")
    made = perennial(folder, "backup", str(tmp_path / "safe"), "--json").body["backup"]
    account = perennial(folder, "outreach", "--json").body["items"][0]["account_id"]
    assert perennial(folder, "explain", account).code == 0
    assert perennial(folder, "erase", account, "--json").code == 0
    back = perennial(folder, "restore", made, "--replace", "--json")
    assert back.code == 0, back.err
    assert back.body["erased_again"] == 1
    assert perennial(folder, "explain", account).code == 66
    assert perennial(folder, "verify", "--json").code == 0
