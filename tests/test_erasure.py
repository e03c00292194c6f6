"""An account erased from the store, its runs and its files, whatever cuts the erasure off."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from features.book import latest_snapshot, open_book
from features.closing import close, closed_periods
from features.erasing import snapshots_without
from features.faults import Busy, ConfigurationRefused, DataRejected, Fault, InputMissing
from features.ingest import ingest
from features.rules import Rules
from models.contacts import Call
from serving import outbox, tables
from serving.audit import entries, verify_chain
from serving.backups.restoring import restore
from serving.backups.taking import take
from serving.database import reading, writing
from serving.facts import Facts
from serving.history import record_call
from serving.kept import StoreSettings
from serving.privacy import erasure
from serving.privacy.erasure import CERTIFICATES, certificates, erase, erased_again, replayed
from serving.privacy.looking import accounts_in
from serving.privacy.marks import caught_up, refuse_erased
from serving.retention import RetentionSettings, purge
from serving.settings import Settings, load
from serving.store import Publication, Store
from serving.tombstones import FILE, erased_of
from tests import own_postgres
from tests.command_line import perennial
from tests.example_publication import NOW, example

pytestmark = pytest.mark.ci

ID, NAME = "acct-canary-77", "Quillon Vantage"
DAYS = (date(2025, 6, 24), date(2025, 7, 1))
STEPS = ["tombstone", "closed ledgers", "snapshots", "store", "exports", "proof", "free pages"]


def publication(day: date, snapshot: str) -> Publication:
    """Give the example with the account in every part of it."""
    scores = example(day).scores
    mine = scores["account_id"] == "a02"
    scores.loc[mine, ["account_id", "name"]] = [ID, NAME]
    memory = {account: json.dumps({"model": "m"}) for account in scores["account_id"]}
    ids = pd.DataFrame({"account_id": scores["account_id"]})
    held = {"log": [{"account_id": ID, "play": "call"}, {"account_id": "a03", "play": "call"}]}
    plain = example(day, scores=scores, snapshot_id=snapshot, memory=memory)
    listed = plain.outreach.replace({"a02": ID, "Birch & Co": NAME})
    fact = {"key": str(day), "level": "red", "text": "seen"}
    alerts = tuple(
        {
            "sink": "desk", "kind": "new", "account_id": account, "quiet_days": 0,
            "body": {"items": [{"account_id": account, "name": name, "facts": [fact]}]},
        }
        for account, name in ((ID, NAME), ("a03", "Cobalt Labs"))
    )  # fmt: skip
    return replace(
        plain,
        outreach=listed,
        outlook=ids.to_parquet(),
        basis={"as_of": str(day)},
        holdout=held,
        notes={"warnings": [f"{NAME} and {ID} were late", "a03 was not"]},
        alerts=alerts,
        facts=Facts(details={ID: {"lines": [NAME]}, "a03": {"lines": []}}),
    )


def made(folder: Path) -> Settings:
    """Make a workspace: a snapshot, a closed month, two runs, a call, a contact, a note of others."""
    folder.mkdir()
    names = {"a03": "Cobalt Labs", ID: NAME}
    rows = "".join(f"{account},{name}\n" for account, name in names.items())
    (folder / "accounts.csv").write_text(f"account_id,name\n{rows}")
    lines = "".join(f"{account},2025-01-01,100\n" for account in names)
    (folder / "subscriptions.csv").write_text(f"account_id,starts_on,mrr\n{lines}{ID},soon,1\n")
    (folder / "perennial.toml").write_text('[book]\nas_of = "2025-07-01"\n')
    settings = load(here=folder)
    snapshot = str(ingest(settings.workspace, settings.home, NOW).snapshot)
    close(open_book(settings.home), Rules(), "2025-05", settings.home)
    store = Store.open(settings.home)
    for day in DAYS:
        store.publish(publication(day, snapshot), now=NOW)
    record_call(store.engine, ID, Call(retention="Low", note="theirs"), NOW)
    record_call(store.engine, "a03", Call(retention="Low", note=f"as {NAME} left"), NOW)
    store.engine.dispose()
    return settings


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the workspace once."""
    folder = tmp_path_factory.mktemp("ready") / "book"
    made(folder)
    return folder


@pytest.fixture
def settings(ready: Path, tmp_path: Path) -> Settings:
    """Give a workspace of one's own."""
    shutil.copytree(ready, tmp_path / "book", copy_function=shutil.copy2)
    return load(here=tmp_path / "book")


def told(folder: Path) -> str:
    """Give all that the files of a folder say, Parquet read out."""
    said = []
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        said.append(path.read_bytes().decode("utf-8", "replace"))
        if path.suffix == ".parquet":
            said.append(str(pq.read_table(path).to_pylist()))
    return "\n".join(said)


def gone(home: Path) -> bool:
    """Whether nothing under a home speaks of the account, the store's bytes included."""
    said = told(home)
    return ID not in said and NAME not in said


@pytest.mark.fault("G01")
def test_an_account_is_gone_from_everything_that_is_kept(settings: Settings) -> None:
    home, store = settings.home, Store.open(settings.home)
    before = {run.run_id: run for run in store.runs()}
    figures = closed_periods(home)[0]["totals"]
    assert not gone(home)
    steps: list[str] = []
    certificate = erase(settings, ID, NOW, steps.append)
    assert steps == STEPS
    assert gone(home)
    assert store.verify() == list(before)
    assert verify_chain(store.engine).entries == 3
    after = {run.run_id: run for run in store.runs()}
    for name, run in after.items():
        changed = certificate["digests"]["runs"][name]
        assert changed == {"before": before[name].digest, "after": run.digest}
        assert run.accounts == before[name].accounts - 1
        assert run.snapshot_id == latest_snapshot(home) != before[name].snapshot_id
        body = store.document(name, "notes")
        assert body == {
            "warnings": ["an erased account and an erased account were late", "a03 was not"]
        }
        assert len(store.document(name, "holdout")["log"]) == 1
    assert closed_periods(home)[0]["totals"] == figures
    ledger = pq.read_table(next((home / "closed" / "2025-05").glob("*.parquet")))
    assert sum(one.startswith("erased-") for one in set(ledger["account_id"].to_pylist())) == 1
    assert not any(
        alias in told(home / CERTIFICATES) for alias in set(ledger["account_id"].to_pylist())
    )
    with reading(store.engine) as connection:
        notes = connection.scalars(sa.select(tables.calls.c.note)).all()
        mark = connection.execute(sa.select(tables.tombstones)).one()
    assert notes == ["as an erased account left"]
    assert (mark.alias, mark.done_at, mark.certificate) == (None, NOW.isoformat(), certificate)
    assert json.loads(next((home / CERTIFICATES).iterdir()).read_text()) == certificate


def test_what_others_are_told_is_as_it_was(settings: Settings) -> None:
    store = Store.open(settings.home)
    run = store.runs()[0].run_id
    folder = settings.home / "exports" / run
    others = [one for one in store.scores(run=run).rows if one["account_id"] != ID]
    sheet = [line for line in (folder / "scores.csv").read_text().split("\n") if ID not in line]
    erase(settings, ID, NOW)
    assert store.scores(run=run).rows == others
    assert (folder / "scores.csv").read_text().split("\n") == sheet
    digest = store.document(run, "outlook")["sha256"]
    assert [path.name for path in folder.glob("outlook-*")] == [f"outlook-{digest[:16]}.parquet"]
    assert store.account(ID) is None


@pytest.mark.fault("A14")
def test_what_is_queued_of_an_erased_account_is_dropped_and_that_is_audited(
    settings: Settings,
) -> None:
    erase(settings, ID, NOW)
    store = Store.open(settings.home)
    with reading(store.engine) as connection:
        rows = outbox.listed(connection)
    dropped = [one for one in rows if one.state == "dropped"]
    assert {(one.account_id, one.said) for one in dropped} == {(None, "its account was erased")}
    assert {one.account_id for one in rows if one.state == "waiting"} == {"a03"}
    last, *earlier = entries(store.engine)
    assert (last["did"], len(last["subject"])) == ("account.erased", 16)
    assert [one["subject"][:7] for one in earlier if one["subject"] != "a03"] == ["erased-"]


@pytest.mark.fault("G04")
@pytest.mark.parametrize("cut", STEPS)
def test_an_erasure_that_was_cut_off_goes_on_and_only_the_end_is_certified(
    settings: Settings, cut: str
) -> None:
    digests = {run.run_id: run.digest for run in Store.open(settings.home).runs()}

    def dying(step: str) -> None:
        if step == cut:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        erase(settings, ID, NOW, dying)
    assert not (settings.home / CERTIFICATES).exists()
    assert [one["done_at"] for one in certificates(settings)] == [None] * (cut != "tombstone")
    certificate = erase(settings, ID, NOW + timedelta(days=1))
    assert gone(settings.home)
    assert {run: one["before"] for run, one in certificate["digests"]["runs"].items()} == digests
    assert len(Store.open(settings.home).verify()) == 2
    assert erase(settings, ID, NOW) == certificate


KILLED = """
import os, signal, sys
from datetime import datetime, timezone
from pathlib import Path
from serving.privacy import erasure, rows
from serving.settings import load
point = sys.argv[2]
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if point == "rename":
    from features import erasing
    erasing.note_renamed = die
elif point == "transaction":
    rows._sealed_again = die
elif point == "names":
    erasure.unnamed = die
else:
    erasure.scoured = die
erasure.erase(load(here=Path(sys.argv[1])), sys.argv[3], datetime(2025, 7, 1, tzinfo=timezone.utc))
"""


@pytest.mark.slow
@pytest.mark.fault("G04")
@pytest.mark.parametrize("point", ["rename", "transaction", "names", "end"])
def test_a_killed_erasure_is_finished_by_the_next(settings: Settings, point: str) -> None:
    folder = str(settings.workspace.directory)
    ended = subprocess.run([sys.executable, "-c", KILLED, folder, point, ID], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not (settings.home / CERTIFICATES).exists()
    (certificate,) = erased_again(settings, NOW)
    assert gone(settings.home)
    assert len(certificate["digests"]["runs"]) == 2
    assert len(Store.open(settings.home).verify()) == 2


@pytest.mark.fault("G03")
def test_a_run_made_before_the_erasure_is_not_published_after_it(settings: Settings) -> None:
    late = publication(date(2025, 7, 8), "s9")
    store = Store.open(settings.home)
    before = [run.run_id for run in store.runs()]
    guard = refuse_erased(settings.home, None, late.scores["account_id"])
    erase(settings, ID, NOW)
    with pytest.raises(Busy, match=r"erased while it was made: privacy\.tombstone"):
        store.publish(late, now=NOW, guard=guard)
    assert [run.run_id for run in store.runs()] == before
    assert gone(settings.home)


@pytest.mark.fault("G03")
def test_facts_made_before_the_erasure_are_not_kept_after_it(settings: Settings) -> None:
    store = Store.open(settings.home)
    run = store.publish(publication(date(2025, 7, 8), "s9"), now=NOW).run_id
    facts = Facts({"n": 1}, {"figures": []}, {ID: {"lines": []}})
    guard = refuse_erased(settings.home, None, facts.details)
    erase(settings, ID, NOW)
    with pytest.raises(Busy, match=r"privacy\.tombstone"):
        store.add_facts(run, facts, guard)
    assert gone(settings.home)


@pytest.mark.fault("G03")
def test_an_account_that_is_erased_within_the_publication_stops_it(settings: Settings) -> None:
    late = publication(date(2025, 7, 8), "s9")
    store = Store.open(settings.home)
    guard = refuse_erased(settings.home, None, late.scores["account_id"])

    def meanwhile(point: str) -> None:
        if point == "exports.written":  # only the tombstone: the rest waits for who publishes
            quick = settings.store.model_copy(update={"wait_seconds": 0.0})
            with pytest.raises(Busy):
                erase(replace(settings, store=quick), ID, NOW)

    with pytest.raises(Busy, match=r"privacy\.tombstone"):
        store.publish(late, now=NOW, guard=guard, checkpoint=meanwhile)
    erase(settings, ID, NOW)
    assert gone(settings.home)


@pytest.mark.fault("G02")
def test_a_restored_backup_is_erased_again_before_it_is_moved_in(
    settings: Settings, tmp_path: Path
) -> None:
    home, store = settings.home, Store.open(settings.home)
    kept = take(store.engine, home, None, tmp_path / "backups", NOW)
    erase(settings, ID, NOW)
    store.engine.dispose()
    seen: list[bool] = []

    def again(there: Path) -> None:
        seen.append(not gone(there))
        replayed(settings, there, NOW + timedelta(days=1))
        seen.append(gone(there))

    restore(kept.folder, home, None, settings.store, NOW, over=True, replay=again)
    assert seen == [True, True]
    assert gone(home)
    assert len(Store.open(home).verify()) == 2
    assert erased_again(settings, NOW) == []


@pytest.mark.fault("G02")
def test_an_older_store_that_was_put_back_by_hand_is_noticed(
    settings: Settings, ready: Path
) -> None:
    erase(settings, ID, NOW)
    for path in settings.home.glob("perennial.db*"):
        path.unlink()
    shutil.copy2(ready / ".perennial" / "perennial.db", settings.home)
    store = Store.open(settings.home)
    with pytest.raises(Busy, match="older than they are"), reading(store.engine) as connection:
        caught_up(connection, settings.home)
    assert len(erased_again(settings, NOW)) == 1
    with reading(store.engine) as connection:
        caught_up(connection, settings.home)
    assert gone(settings.home)


def test_another_machine_of_the_same_store_learns_of_an_erasure(
    settings: Settings, tmp_path: Path
) -> None:
    erase(settings, ID, NOW)
    other = tmp_path / "other"
    other.mkdir()
    with reading(Store.open(settings.home).engine) as connection:
        with pytest.raises(Busy, match="on another machine"):
            caught_up(connection, other)
        caught_up(connection, other)


@pytest.mark.fault("G02", partly=True)
def test_an_ingest_without_the_pepper_is_refused(settings: Settings) -> None:
    erase(settings, ID, NOW)
    again = load(here=settings.workspace.directory)
    assert again.workspace.erased.among([ID, "a03"]) == [ID]
    (settings.home / "pepper.key").unlink()
    with pytest.raises(ConfigurationRefused, match=r"privacy\.pepper"):
        load(here=settings.workspace.directory)


def test_an_unknown_account_is_refused(settings: Settings) -> None:
    with pytest.raises(InputMissing, match=r"account\.unknown"):
        erase(settings, "nobody", NOW)
    assert not (settings.home / FILE).exists()
    assert not erased_of(settings.home)


def test_what_was_tampered_with_is_not_made_good(settings: Settings) -> None:
    store = Store.open(settings.home)
    run = store.runs()[0].run_id
    with writing(store.engine) as connection:
        s = tables.scores
        connection.execute(
            sa.update(s).where(s.c.run_id == run, s.c.account_id == "a03").values(mrr=1)
        )
    certificate = erase(settings, ID, NOW)
    assert certificate["unsealed"] == [run]
    assert gone(settings.home)
    with pytest.raises(DataRejected, match=r"ledger\.mismatch"):
        store.verify(run)


def test_no_certificate_is_given_while_something_is_left(settings: Settings) -> None:
    stray = settings.home / "notes.txt"
    stray.write_text(f"ask {NAME} again")
    with pytest.raises(DataRejected, match=r"notes\.txt: erase\.remains"):
        erase(settings, ID, NOW)
    assert not (settings.home / CERTIFICATES).exists()
    stray.unlink()
    assert erase(settings, ID, NOW)["certificate"]


def test_a_reader_that_stays_holds_the_certificate_back(settings: Settings) -> None:
    quick = replace(settings, store=settings.store.model_copy(update={"wait_seconds": 0.1}))
    store = Store.open(settings.home)
    with reading(store.engine) as connection:
        connection.execute(sa.select(tables.runs)).first()
        with pytest.raises(Fault, match=r"erase\.reader|busy"):
            erase(quick, ID, NOW)
    assert not (settings.home / CERTIFICATES).exists()
    assert erase(quick, ID, NOW)["certificate"]


@pytest.mark.fault("G05")
def test_what_is_past_its_time_is_removed_once(settings: Settings) -> None:
    home, kept = settings.home, RetentionSettings()
    latest, old, served = (
        latest_snapshot(home),
        home / "snapshots" / "old",
        home / "snapshots" / "own",
    )
    aside = home / "quarantine" / latest
    for folder in (old, served):
        shutil.copytree(home / "snapshots" / latest, folder)
    written = datetime(2025, 1, 1, tzinfo=UTC)
    for path in [*home.rglob("*")]:
        os.utime(path, (written.timestamp(),) * 2)
    day = timedelta(days=1)
    assert purge(home, kept, written + 30 * day) == {"quarantine": [], "snapshots": []}
    assert aside.is_dir()
    assert purge(home, kept, written + 31 * day, ["own"]) == {
        "quarantine": [latest],
        "snapshots": [],
    }
    assert purge(home, kept, written + 400 * day, ["own"]) == {"quarantine": [], "snapshots": []}
    assert purge(home, kept, written + 401 * day, ["own"]) == {
        "quarantine": [],
        "snapshots": ["old"],
    }
    assert purge(home, kept, written + 401 * day, ["own"]) == {"quarantine": [], "snapshots": []}
    assert served.is_dir()
    assert not aside.exists()
    assert open_book(home).snapshot_id == latest


@pytest.mark.slow
@pytest.mark.skipif(own_postgres.programs() is None, reason="no PostgreSQL here")
@pytest.mark.fault("G01")
def test_an_account_is_gone_from_a_database_in_a_server(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_postgres.server() as url, own_postgres.own_schema(url) as address:
        monkeypatch.setenv("PERENNIAL_STORE_URL", address)
        kept = StoreSettings(url="env:PERENNIAL_STORE_URL")
        store = Store.open(settings.home, kept)
        for day in DAYS:
            store.publish(publication(day, latest_snapshot(settings.home)), now=NOW)
        record_call(store.engine, "a03", Call(retention="Low", note=f"as {NAME} left"), NOW)
        (settings.home / "perennial.db").unlink()
        there = replace(settings, store=kept)
        certificate = erase(there, ID, NOW)
        assert len(certificate["digests"]["runs"]) == len(store.verify()) == 2
        with reading(store.engine) as connection:
            said = str(
                [connection.execute(sa.select(t)).all() for t in tables.metadata.sorted_tables]
            )
        assert ID not in said
        assert NAME not in said
        assert gone(settings.home)
        store.engine.dispose()


def test_the_command_erases_lists_and_purges(settings: Settings) -> None:
    folder = settings.workspace.directory
    assert perennial(folder, "erase").code == 2
    assert perennial(folder, "erase", "nobody").code == 66
    assert perennial(folder, "erase", "--list", "--json").body == {"erasures": []}
    (certificate,) = perennial(folder, "erase", ID, "--json").body["erased"]
    (listed,) = perennial(folder, "erase", "--list", "--json").body["erasures"]
    assert listed["certificate"] == certificate["certificate"]
    assert perennial(folder, "erase", "--again", "--json").body == {"erased": []}
    assert "no account was erased" in perennial(folder, "erase", "--again").out
    assert certificate["certificate"] in perennial(folder, "erase", "--list").out
    assert perennial(folder, "purge", "--json").body == {"quarantine": [], "snapshots": []}


def test_a_name_or_an_id_that_is_a_common_word_harms_no_other_text(settings: Settings) -> None:
    """An account whose id is a number and whose name is a word of every page."""
    store = Store.open(settings.home)
    plain = publication(date(2025, 7, 8), latest_snapshot(settings.home))
    scores = plain.scores.replace({ID: "3", NAME: "Expansion"})
    store.publish(replace(plain, scores=scores, outlook=b"", alerts=()), now=NOW)
    run = store.runs()[0].run_id
    before = {key: store.forecast(key, run=run) for key in (1, 3, 12)}
    assert erase(settings, "3", NOW)["certificate"]
    assert {key: store.forecast(key, run=run) for key in (1, 3, 12)} == before
    assert len(store.scores(run=run).rows) == 11
    assert len(store.verify()) == 3


def test_what_an_ingest_at_work_leaves_behind_goes_too(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = settings.home / "sources"

    def ended(home: Path, *rest: Any) -> dict[str, str]:
        """Wait for an ingest that began before the tombstone, as its lock makes one do."""
        shelf.mkdir()
        (shelf / "usage.json").write_text("{}")
        pd.DataFrame({"customer": [ID]}).to_parquet(shelf / "part.parquet")
        return snapshots_without(home, *rest)

    monkeypatch.setattr(erasure, "snapshots_without", ended)
    erase(settings, ID, NOW)
    assert not list(shelf.glob("*"))
    assert gone(settings.home)


def test_a_file_that_cannot_be_read_is_named(settings: Settings) -> None:
    broken = settings.home / "quarantine" / "empty.parquet"
    broken.parent.mkdir(exist_ok=True)
    broken.touch()
    with pytest.raises(DataRejected, match=r"empty\.parquet.*snapshot\.corrupt"):
        erase(settings, ID, NOW)
    assert not certificates(settings)
    broken = broken.rename(broken.with_name(".tmp-empty.parquet"))  # still being written
    assert ID in accounts_in(settings.home)
    broken.unlink()
    with pytest.raises(InputMissing, match=r"account\.unknown"):
        erase(settings, "\udcff", NOW)


def test_a_damaged_file_of_tombstones_is_refused_and_made_anew(settings: Settings) -> None:
    erase(settings, ID, NOW)
    path, folder = settings.home / FILE, settings.workspace.directory
    before = path.read_bytes()
    for damaged in ("{", "[]", "{}", '{"tombstones": 3}'):
        path.write_text(damaged)
        with pytest.raises(DataRejected, match=r"privacy\.damaged"):
            load(here=folder)
    path.unlink()
    erased_again(load(here=folder), NOW)
    assert path.read_bytes() == before
