"""An account erased from the book: gone from what was kept, and dropped when it comes again."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.book import latest_snapshot, open_book
from features.current import mapping_digest
from features.erased import CODE, Erased, without
from features.erasing import names_of, set_aside_without, snapshots_without
from features.ingest import ingest, is_current
from features.mapping import Workspace, read_workspace
from features.renamed import renamed

pytestmark = pytest.mark.ci

NOW = datetime(2025, 7, 1, 12, tzinfo=UTC)
GONE = Erased(frozenset({"<acct-gone>"}), lambda account: f"<{account}>")
ACCOUNTS = (
    "account_id,name,parent_account_id\n"
    "acct-a,Ada Ltd,acct-gone\nacct-gone,Vanished Ltd,\nacct-c,Cee Ltd,\n"
)
LINES = (
    "account_id,starts_on,mrr\nacct-a,2025-01-01,100\n acct-gone ,2025-01-01,50\n"
    "acct-c,2025-02-01,900\nacct-gone,2025-02-01,dear\n"
)
TICKETS = (
    "ticket_id,account_id,opened_at\n1,acct-gone,2025-06-01T10:00:00Z\n"
    "2,acct-a,2025-05-02T10:00:00Z\n3,acct-gone,soon\n4,acct-gone\n5,acct-c\n"
)


def book(folder: Path, erased: Erased | None = None) -> Workspace:
    """Write a book of three accounts, one of which also has broken rows."""
    folder.mkdir(exist_ok=True)
    for name, text in (("accounts", ACCOUNTS), ("subscriptions", LINES), ("tickets", TICKETS)):
        if not (folder / f"{name}.csv").is_file():
            (folder / f"{name}.csv").write_text(text)
    if not (folder / "usage.parquet").is_file():
        days = pd.to_datetime(["2025-04-01", "2025-05-01", "2025-06-01", "2025-06-02"], utc=True)
        ids = ["acct-gone", "acct-a", "acct-gone", "acct-c"]
        rows = {"account_id": ids, "occurred_at": days, "feature": ["x", "x", "y", "y"]}
        pd.DataFrame(rows).to_parquet(folder / "usage.parquet")
    found = read_workspace(None, folder, folder)
    return replace(found, erased=erased) if erased else found


def said(folder: Path) -> str:
    """Give all that the files of a folder say, Parquet read out."""
    told = []
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        told.append(path.read_bytes().decode("utf-8", "replace"))
        if path.suffix == ".parquet":
            told.append(str(pq.read_table(path).to_pylist()))
    return "\n".join(told)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, dict[str, str]]:
    """Ingest the book, and erase the account from what was kept."""
    folder = tmp_path_factory.mktemp("erasing")
    home = folder / "home"
    old = str(ingest(book(folder / "book"), home, NOW).snapshot)
    assert "Vanished" in said(home)
    assert names_of(home, "acct-gone") == ["Vanished Ltd"]
    set_aside_without(home, GONE, ("acct-gone", "Vanished Ltd"))
    mapping = mapping_digest(book(folder / "book", GONE))
    return folder, old, snapshots_without(home, GONE, mapping)


@pytest.mark.fault("G01", partly=True)
def test_nothing_that_was_kept_names_an_erased_account(
    kept: tuple[Path, str, dict[str, str]],
) -> None:
    folder, old, moved = kept
    told = said(folder / "home")
    assert "acct-gone" not in told
    assert "Vanished" not in told
    assert "acct-a" in told
    assert not (folder / "home" / "snapshots" / old).exists()
    assert moved == renamed(folder / "home") == {old: latest_snapshot(folder / "home")}
    assert snapshots_without(folder / "home", GONE, "") == {}


def test_the_new_snapshot_is_the_one_that_a_first_ingest_without_the_account_publishes(
    kept: tuple[Path, str, dict[str, str]], tmp_path: Path
) -> None:
    folder, old, moved = kept
    first = ingest(book(folder / "book", GONE), tmp_path / "other", NOW)
    assert first.snapshot == moved[old]
    assert is_current(book(folder / "book", GONE), folder / "home")
    assert not is_current(book(folder / "book"), folder / "home")
    again = ingest(book(folder / "book", GONE), folder / "home", NOW)
    assert (again.status, again.snapshot) == ("already_ingested", moved[old])


def test_a_snapshot_is_opened_by_its_old_name_too(kept: tuple[Path, str, dict[str, str]]) -> None:
    folder, old, moved = kept
    opened = open_book(folder / "home", old)
    assert opened.snapshot_id == moved[old]
    people = opened.table("accounts").collect("pandas").to_native()
    assert people.set_index("account_id")["parent_account_id"].isna().all()


@pytest.mark.fault("G02", partly=True)
def test_rows_of_an_erased_account_are_dropped_when_they_come_again(tmp_path: Path) -> None:
    report = ingest(book(tmp_path / "book", GONE), tmp_path / "home", NOW)
    gone = {name: table.codes.get(CODE, 0) for name, table in report.tables.items()}
    assert gone == {"accounts": 1, "subscriptions": 2, "tickets": 2, "usage": 2}
    assert report.tables["subscriptions"].rows_in == 2
    assert report.tables["subscriptions"].filtered == 2
    told = said(tmp_path / "home")
    assert "acct-gone" not in told
    assert "Vanished" not in told
    errors = (tmp_path / "home" / "quarantine" / str(report.snapshot) / "errors.jsonl").read_text()
    assert [json.loads(line)["code"] for line in errors.splitlines()] == ["row.missing_columns"] * 2


def test_what_was_read_before_an_account_was_erased_is_read_again(tmp_path: Path) -> None:
    before = ingest(book(tmp_path / "book"), tmp_path / "home", NOW)
    after = ingest(book(tmp_path / "book", GONE), tmp_path / "home", NOW)
    assert after.status == "published"
    assert before.snapshot != after.snapshot
    here = tmp_path / "home" / "snapshots" / str(after.snapshot)
    assert "acct-gone" not in said(here)


def test_a_snapshot_of_which_only_the_memory_named_the_account_keeps_its_name(
    tmp_path: Path,
) -> None:
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "accounts.csv").write_text("account_id\nacct-a\nacct-c\n")
    (tmp_path / "book" / "subscriptions.csv").write_text(
        "account_id,starts_on,mrr\nacct-a,2025-01-01,5\n"
    )
    home = tmp_path / "home"
    old = str(ingest(book(tmp_path / "book"), home, NOW).snapshot)
    assert "acct-gone" in said(home / "snapshots")
    assert snapshots_without(home, GONE, "") == {old: old}
    assert "acct-gone" not in said(home / "snapshots")
    assert open_book(home).snapshot_id == old
    assert renamed(home) == {}


def test_a_merged_account_no_longer_names_the_one_that_took_it_over() -> None:
    rows = pa.table({"account_id": ["acct-a"], "merged_into": ["acct-gone"]})
    assert without(rows, GONE)[0]["merged_into"].to_pylist() == [None]
