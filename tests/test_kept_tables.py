"""Whole tables that are as they were are taken over, and nothing shows that they were."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.ingest import ingest
from features.kept_table import KeptTable
from features.mapping import Workspace, read_workspace
from features.publication import last_ingest
from features.report import IngestReport

NOW = datetime(2025, 7, 1, 12, tzinfo=UTC)
HEADS = {
    "accounts": "account_id,segment",
    "account_history": "account_id,valid_from,segment,merged_into",
    "contacts": "contact_id,account_id,role,updated_at",
    "payments": "invoice_id,account_id,due_on,paid_on,amount,status",
    "fx_rates": "currency,date,rate",
}


@pytest.fixture
def book(tmp_path: Path) -> Workspace:
    """A book with a row of an unknown account, and one that is broken."""
    send(tmp_path, "accounts", "a,smb", "b,")
    send(tmp_path, "contacts", "1,a,champion,", "2,ghost,user,", "3,b,nonsense,")
    (tmp_path / "subscriptions.csv").write_text("account_id,starts_on,mrr\na,2025-01-01,5\n")
    return read_workspace(None, tmp_path)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The labels of the whole tables' files, as they are read."""
    import features.examination as examination

    labels: list[str] = []
    real = examination.read_whole

    def noted(source: Any, *given: Any) -> Any:
        labels.append(source.label)
        return real(source, *given)

    monkeypatch.setattr(examination, "read_whole", noted)
    return labels


def send(folder: Path, table: str, *rows: str) -> None:
    (folder / f"{table}.csv").write_text("\n".join([HEADS[table], *rows]) + "\n")


def told(report: IngestReport) -> str:
    """Give a report as scripts see it, its order included, whatever its status."""
    return json.dumps(report.to_json() | {"status": None})


def aside(home: Path, report: IngestReport) -> dict[str, Any]:
    """Give what was set aside for a snapshot."""
    folder = home / "quarantine" / str(report.snapshot)
    found: dict[str, Any] = {
        path.name: pq.ParquetFile(path).read().to_pylist() for path in folder.glob("*.parquet")
    }
    errors = folder / "errors.jsonl"
    return found | {"errors": errors.read_text() if errors.is_file() else ""}


def same(book: Workspace, home: Path, whole: Path, now: datetime = NOW) -> IngestReport:
    """Ingest a book after others and once alone: both must tell and hold the same."""
    report, alone = ingest(book, home, now), ingest(book, whole, now)
    assert told(report) == told(alone)
    assert aside(home, report) == aside(whole, alone)
    return report


@pytest.mark.fault("I08")
def test_a_whole_table_that_is_as_it_was_is_linked_and_told_again(
    book: Workspace, tmp_path: Path, read: list[str]
) -> None:
    home = tmp_path / "home"
    first = ingest(book, home, NOW)
    again = ingest(book, home, NOW)
    assert sorted(read) == ["accounts.csv", "contacts.csv", "subscriptions.csv"]
    assert (again.status, told(again)) == ("already_ingested", told(first))
    read.clear()
    (tmp_path / "subscriptions.csv").write_text("account_id,starts_on,mrr\na,2025-01-01,7\n")
    second = ingest(book, home, NOW)
    assert read == ["subscriptions.csv"]
    files = [home / "snapshots" / str(r.snapshot) / "contacts.parquet" for r in (first, second)]
    assert files[0].samefile(files[1])
    assert told(second) == told(ingest(book, tmp_path / "whole", NOW))
    assert aside(home, second) == aside(tmp_path / "whole", second)
    assert len(aside(home, second)["contacts.unmatched.parquet"]) == 1


@pytest.mark.ci
@pytest.mark.fault("I34")
def test_a_table_with_rows_of_strangers_is_judged_again_when_an_account_comes(
    book: Workspace, tmp_path: Path, read: list[str]
) -> None:
    home = tmp_path / "home"
    ingest(book, home, NOW)
    read.clear()
    send(tmp_path, "accounts", "a,smb", "b,", "c,")
    same(book, home, tmp_path / "one")
    assert read[:2] == ["accounts.csv", "contacts.csv"]
    send(tmp_path, "contacts", "1,b,champion,")
    ingest(book, home, NOW)
    read.clear()
    send(tmp_path, "accounts", "a,smb", "b,", "c,", "d,")
    ingest(book, home, NOW)
    assert read == ["accounts.csv"]
    send(tmp_path, "accounts", "a,smb", "c,", "d,", "e,")
    assert same(book, home, tmp_path / "two").tables["contacts"].unmatched == 1


@pytest.mark.ci
def test_a_row_of_the_future_a_cleared_quarantine_and_an_edited_file_are_read_again(
    book: Workspace, tmp_path: Path, read: list[str]
) -> None:
    home, lines = tmp_path / "home", "account_id,starts_on,mrr,recorded_at\n"
    rows = "a,2025-01-01,5,\nb,2025-01-01,5,2025-07-03\n"
    (tmp_path / "subscriptions.csv").write_text(lines + rows)
    assert ingest(book, home, NOW).tables["subscriptions"].codes == {"timestamp.future": 1}
    later = same(book, home, tmp_path / "one", datetime(2025, 7, 9, tzinfo=UTC))
    assert later.tables["subscriptions"].accepted == 2
    folder = home / "quarantine" / str(later.snapshot)
    (folder / "contacts.unmatched.parquet").unlink()
    read.clear()
    ingest(book, home, NOW.replace(month=8))
    assert (read, (folder / "contacts.unmatched.parquet").is_file()) == (["contacts.csv"], True)
    path = home / "snapshots" / str(later.snapshot) / "subscriptions.parquet"
    path.write_bytes(path.read_bytes()[:-9] + b"damaged!!")
    read.clear()
    assert ingest(book, home, NOW.replace(month=8)).snapshot == later.snapshot
    assert read == ["subscriptions.csv"]


def test_what_is_remembered_is_read_back_as_it_was(book: Workspace, tmp_path: Path) -> None:
    report = ingest(book, tmp_path / "home", NOW)
    for name, last in last_ingest(tmp_path / "home").tables.items():
        entry = json.loads(json.dumps(last.table.to_json(), sort_keys=True))
        assert KeptTable.of(entry, last.table.kept.at.parent) == last.table
        assert last.table.report == report.tables[name]


def turned(folder: Path, rng: random.Random) -> None:
    """Let one table change: rows come, go, break, or are of accounts that nobody knows."""
    table, who = rng.choice([*HEADS, "accounts", "mapping"]), rng.choice
    if table == "mapping":
        said = who(["", "[tables.contacts]\nwhere = \"role = 'user'\"\n"])
        (folder / "perennial.toml").write_text(f'[book]\ncurrency = "USD"\n{said}')
        return
    made = {
        "accounts": lambda n: f"{'abcde'[n]},{who(['smb', ''])}",
        "account_history": lambda n: (
            f"{who('abcdef')},2025-0{n + 1}-01,x,{who(['', '', 'a', 'f'])}"
        ),
        "contacts": lambda n: f"{who('123')},{who('abcdf')},{who(['user', 'odd', ''])},",
        "payments": lambda n: f"{n},{who('abcf')},2025-05-01,,{who(['5', 'much'])},",
        "fx_rates": lambda n: f"EUR,2025-0{n + 1}-01,1.1",
    }[table]
    if table not in ("accounts",) and rng.random() < 0.1:
        (folder / f"{table}.csv").unlink(missing_ok=True)
    else:
        send(folder, table, *(made(n) for n in range(rng.randrange(1, 6))))


@pytest.mark.ci
@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10**6))
def test_any_history_of_whole_tables_tells_the_same(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    rng, place = random.Random(seed), tmp_path_factory.mktemp("history")
    book = place / "book"
    book.mkdir()
    send(book, "accounts", "a,smb", "b,")
    (book / "perennial.toml").write_text("[book]\n")
    (book / "subscriptions.csv").write_text("account_id,starts_on,mrr\na,2025-01-01,5\n")
    for turn in range(4):
        for _ in range(rng.choice([1, 2, 4])):
            turned(book, rng)
        workspace = read_workspace(book / "perennial.toml")
        same(workspace, place / "home", place / f"whole-{turn}")
