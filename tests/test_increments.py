"""What a later ingest reads, rewrites, links and lets wait."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.book import latest_snapshot, open_book
from features.faults import CannotWrite, DataRejected
from features.ingest import attempt, ingest, is_current
from features.mapping import Workspace, read_workspace
from features.publication import read_manifest
from features.report import IngestReport
from features.rollup import number_of
from tests.peak_memory import PEAK_MB

NOW = datetime(2025, 7, 1, 12, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[1]
HEAD = "event_id,account_id,occurred_at,feature,count,recorded_at\n"
TICKETS = "ticket_id,account_id,opened_at,severity,updated_at\n"


@pytest.fixture
def book(tmp_path: Path) -> Workspace:
    """A book with one file of usage for May and one for June."""
    (tmp_path / "accounts.csv").write_text("account_id\na\nb\n")
    (tmp_path / "subscriptions.csv").write_text("account_id,starts_on,mrr\na,2025-01-01,5\n")
    (tmp_path / "usage").mkdir()
    deliver(tmp_path, "05.csv", "1,a,2025-05-01,s,2,", "2,a,2025-05-02,s,3,")
    deliver(tmp_path, "06.csv", "3,a,2025-06-01,s,1,", "4,new,2025-06-02,s,4,")
    return read_workspace(None, tmp_path)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The labels of the feeds' files, as they are read."""
    import features.feed_files as files

    labels: list[str] = []
    real = files.examined_chunks

    def noted(source: Any, *given: Any) -> Any:
        labels.append(source.label)
        return real(source, *given)

    monkeypatch.setattr(files, "examined_chunks", noted)
    return labels


@pytest.fixture
def first(book: Workspace, home: Path, read: list[str]) -> IngestReport:
    """What the first ingest told; what it read is forgotten."""
    report = ingest(book, home, NOW)
    read.clear()
    return report


def deliver(folder: Path, name: str, *rows: str, feed: str = "usage", head: str = HEAD) -> None:
    (folder / feed).mkdir(exist_ok=True)
    (folder / feed / name).write_text(head + "\n".join(rows) + "\n")


def months(home: Path, rollup: str = "usage_by_day", feed: str = "usage") -> dict[str, Path]:
    """Give the files of a roll-up by month."""
    manifest = read_manifest(home)
    assert manifest is not None
    folder = home / "snapshots" / manifest["id"]
    entries = manifest["tables"][feed]["rolled"][rollup]
    return {each["month"]: folder / each["file"] for each in entries}


def rows(home: Path, rollup: str = "usage_by_day", feed: str = "usage") -> list[dict[str, Any]]:
    parts = [pq.ParquetFile(path).read() for path in months(home, rollup, feed).values()]
    return list(pa.concat_tables(parts).to_pylist())


@pytest.mark.fault("I08")
def test_what_is_as_it_was_is_not_read_again(
    book: Workspace, tmp_path: Path, home: Path, first: IngestReport, read: list[str]
) -> None:
    again = ingest(book, home, NOW)
    assert (again.status, again.snapshot, read) == ("already_ingested", first.snapshot, [])
    assert again.tables["usage"] == first.tables["usage"]
    os.utime(tmp_path / "usage" / "05.csv", (1, 1))
    assert is_current(book, home)
    same = ingest(book, home, NOW)
    assert (same.status, read) == ("already_ingested", ["usage/05.csv"])


@pytest.mark.ci
@pytest.mark.fault("I32")
def test_ids_that_have_one_number_are_not_taken_for_one_another(
    book: Workspace, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(
        tmp_path, "again.csv", "2,a,2025-05-02,s,3,", "5,a,2025-06-09,s,1,", ",a,2025-06-10,s,1,"
    )
    first, told = ingest(book, home, NOW), rows(home)
    monkeypatch.setattr("features.chunks.key_hash", lambda _: "7::UBIGINT")
    deliver(tmp_path, "again.csv")
    ingest(book, tmp_path / "one", NOW)
    deliver(
        tmp_path, "again.csv", "2,a,2025-05-02,s,3,", "5,a,2025-06-09,s,1,", ",a,2025-06-10,s,1,"
    )
    second = ingest(book, tmp_path / "one", NOW)
    assert (second.snapshot, rows(tmp_path / "one")) == (first.snapshot, told)
    assert second.tables["usage"] == first.tables["usage"]


@pytest.mark.fault("I33")
def test_a_late_row_touches_its_own_month_alone(
    book: Workspace, tmp_path: Path, home: Path, first: IngestReport, read: list[str]
) -> None:
    before = {month: path.stat().st_ino for month, path in months(home).items()}
    deliver(tmp_path, "late.csv", "9,a,2025-05-01,s,5,2025-06-20")
    second = ingest(book, home, NOW)
    after = {month: path.stat().st_ino for month, path in months(home).items()}
    assert read == ["usage/late.csv"]
    assert before["2025-06"] == after["2025-06"]
    assert before["2025-05"] != after["2025-05"]
    late = [each for each in rows(home) if each["known_day"] == number_of(date(2025, 6, 20))]
    assert [(each["day"], each["count"]) for each in late] == [(number_of(date(2025, 5, 1)), 5000)]
    assert {first.snapshot, second.snapshot} <= {
        each.name for each in (home / "snapshots").iterdir()
    }


@pytest.mark.ci
@pytest.mark.fault("I09")
def test_new_bytes_under_an_old_name_take_the_place_of_the_old_ones(
    book: Workspace, tmp_path: Path, home: Path, first: IngestReport, read: list[str]
) -> None:
    deliver(tmp_path, "05.csv", "1,a,2025-05-01,s,7,")
    assert not is_current(book, home)
    second = ingest(book, home, NOW)
    assert read == ["usage/05.csv"]
    assert [each["count"] for each in rows(home)] == [7000, 1000]
    assert open_book(home, first.snapshot).snapshot_id != second.snapshot
    (tmp_path / "usage" / "05.csv").unlink()
    ingest(book, home, NOW)
    assert list(months(home)) == ["2025-06"]


@pytest.mark.ci
@pytest.mark.fault("I32")
def test_what_is_delivered_again_is_merged_once(
    book: Workspace, tmp_path: Path, home: Path, read: list[str]
) -> None:
    ingest(book, home, NOW)
    deliver(tmp_path, "07.csv", "2,a,2025-05-02,s,3,", "5,a,2025-06-03,s,1,")
    report = ingest(book, home, NOW).tables["usage"]
    assert (report.rows_in, report.accepted, report.duplicates) == (6, 4, 1)
    assert [each["count"] for each in rows(home)] == [2000, 3000, 1000, 1000]
    whole = ingest(book, tmp_path / "whole", NOW)
    assert latest_snapshot(home) == whole.snapshot


@pytest.mark.ci
@pytest.mark.fault("I32")
def test_rows_without_ids_are_merged_without_reading_the_old_file(
    book: Workspace, tmp_path: Path, home: Path, read: list[str]
) -> None:
    deliver(tmp_path, "x.csv", ",b,2025-06-03T10:00:00Z,s,1,", ",b,2025-06-03T11:00:00Z,s,1,")
    ingest(book, home, NOW)
    read.clear()
    deliver(tmp_path, "y.csv", ",b,2025-06-03T11:00:00Z,s,1,", ",b,2025-06-03T12:00:00Z,s,1,")
    report = ingest(book, home, NOW).tables["usage"]
    assert read == ["usage/y.csv"]
    assert report.files["usage/y.csv"]["duplicates"] == 1
    assert [each["count"] for each in rows(home) if each["account_id"] == "b"] == [3000]


@pytest.mark.ci
@pytest.mark.fault("I31")
def test_versions_of_a_ticket_meet_across_files_and_months(
    book: Workspace, tmp_path: Path, home: Path
) -> None:
    send = {"feed": "tickets", "head": TICKETS}
    deliver(tmp_path, "1.csv", "1,a,2025-05-31,low,2025-06-01", "2,a,2025-05-03,low,", **send)
    ingest(book, home, NOW)
    deliver(tmp_path, "2.csv", "1,a,2025-06-01,high,2025-06-02", "2,a,2025-05-03,high,", **send)
    report = ingest(book, home, NOW).tables["tickets"]
    assert (report.accepted, report.duplicates, report.quarantined) == (1, 1, 2)
    assert [each["severity"] for each in rows(home, "tickets", "tickets")] == ["high"]
    assert [(each.file, each.row, each.code) for each in report.errors] == [
        ("tickets/1.csv", 3, "key.conflict"),
        ("tickets/2.csv", 3, "key.conflict"),
    ]
    aside = home / "quarantine" / latest_snapshot(home) / "tickets.parquet"
    kept = pq.ParquetFile(aside).read().to_pylist()
    assert [each["severity"] for each in kept] == ["low", "high"]
    (tmp_path / "tickets" / "2.csv").unlink()
    report = ingest(book, home, NOW).tables["tickets"]
    assert (report.accepted, report.quarantined, report.errors) == (2, 0, ())


@pytest.mark.fault("I34")
def test_rows_of_strangers_wait_and_come_in_unread(
    book: Workspace, tmp_path: Path, home: Path, first: IngestReport, read: list[str]
) -> None:
    assert (first.tables["usage"].unmatched, first.tables["usage"].accepted) == (1, 3)
    (tmp_path / "accounts.csv").write_text("account_id\na\nb\nnew\n")
    second = ingest(book, home, NOW)
    assert (second.tables["usage"].unmatched, second.tables["usage"].accepted, read) == (0, 4, [])
    assert second.coverage["tables"]["usage"]["accounts_covered"] == round(2 / 3, 4)
    assert "new" in {each["account_id"] for each in rows(home)}
    (tmp_path / "accounts.csv").write_text("account_id\na\nb\n")
    assert ingest(book, home, NOW).snapshot == first.snapshot
    assert read == []


def test_what_lay_in_the_future_is_read_again_when_its_day_has_come(
    book: Workspace, tmp_path: Path, home: Path
) -> None:
    deliver(tmp_path, "07.csv", "7,a,2025-07-02,s,1,")
    report = ingest(book, home, NOW).tables["usage"]
    assert report.codes == {"timestamp.future": 1}
    later = ingest(book, home, datetime(2025, 7, 3, tzinfo=UTC)).tables["usage"]
    assert (later.codes, later.accepted) == ({}, 4)


@pytest.mark.ci
def test_quarantine_tells_of_files_that_were_not_read_again(
    book: Workspace, tmp_path: Path, home: Path
) -> None:
    deliver(tmp_path, "bad.csv", "6,a,nonsense,s,1,")
    ingest(book, home, NOW)
    deliver(tmp_path, "07.csv", "7,a,2025-06-30,s,lots,")
    report = ingest(book, home, NOW)
    folder = home / "quarantine" / str(report.snapshot)
    kept = pq.ParquetFile(folder / "usage.parquet").read().to_pylist()
    assert sorted((each["file"], each["codes"][0]) for each in kept) == [
        ("usage/07.csv", "number.format"),
        ("usage/bad.csv", "timestamp.format"),
    ]
    assert len((folder / "errors.jsonl").read_text().splitlines()) == 2


@pytest.mark.ci
def test_a_refused_file_refuses_the_book_and_the_old_snapshot_serves(
    book: Workspace, tmp_path: Path, home: Path
) -> None:
    first = ingest(book, home, NOW)
    (tmp_path / "usage" / "07.csv").write_text("account_id,when\na,2025-06-01\n")
    report = attempt(book, home, NOW)
    assert (report.status, report.exit_code) == ("refused", 65)
    assert latest_snapshot(home) == first.snapshot
    assert not list((home / "snapshots").glob(".tmp-*"))


@pytest.mark.ci
@pytest.mark.usefixtures("first")
def test_a_new_mapping_reads_everything_again(tmp_path: Path, home: Path, read: list[str]) -> None:
    (tmp_path / "perennial.toml").write_text('[tables.usage]\ngrain = "day"\n')
    again = read_workspace(tmp_path / "perennial.toml")
    assert not is_current(again, home)
    ingest(again, home, NOW)
    assert sorted(read) == ["usage/05.csv", "usage/06.csv"]


@pytest.mark.ci
@pytest.mark.fault("F14")
def test_a_partition_that_was_edited_or_removed_is_noticed_and_made_again(
    book: Workspace, tmp_path: Path, home: Path
) -> None:
    first = ingest(book, home, NOW).snapshot
    path = months(home)["2025-05"]
    whole = path.read_bytes()
    path.write_bytes(whole[:-20] + b"\0" * 8 + whole[-12:])
    with pytest.raises(DataRejected, match=r"usage_by_day/2025-05\.parquet.*snapshot\.corrupt"):
        open_book(home)
    assert ingest(book, home, NOW).snapshot == first
    assert path.read_bytes() == whole
    path.unlink()
    with pytest.raises(DataRejected, match=r"gone.*snapshot\.corrupt"):
        open_book(home)
    deliver(tmp_path, "07.csv", "7,a,2025-06-30,s,1,")
    ingest(book, home, NOW)
    assert open_book(home).has("usage")


@pytest.mark.ci
@pytest.mark.fault("I44")
@pytest.mark.parametrize("place", ["features.spool.ipc.new_file", "features.partitions.writing"])
def test_a_disk_that_is_full_while_feeds_are_staged(
    book: Workspace, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    first = ingest(book, home, NOW).snapshot
    deliver(tmp_path, "07.csv", "7,a,2025-06-30,s,1,")

    def full(*given: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(place, full)
        with pytest.raises(CannotWrite) as caught:
            ingest(book, home, NOW)
    assert caught.value.exit_code == 73
    assert latest_snapshot(home) == first
    assert not list((home / "snapshots").glob(".tmp-*"))
    assert ingest(book, home, NOW).status == "published"


BAD = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
from features.ingest import attempt
from features.mapping import read_workspace

folder = Path(sys.argv[1])
report = attempt(read_workspace(None, folder), folder / "home", datetime(2025, 7, 1, tzinfo=UTC))
usage = report.tables["usage"]
told = {
    "code": report.refusals[0].code, "exit": report.exit_code, "bad": usage.quarantined,
    "codes": usage.codes, "shown": len(usage.errors),
    "peak": PEAK_MB,
}
print(json.dumps(told))
""".replace("PEAK_MB", PEAK_MB)


@pytest.mark.ci
@pytest.mark.fault("I50")
def test_a_million_bad_rows_are_counted_in_flat_memory(book: Workspace, tmp_path: Path) -> None:
    import json

    peaks = []
    for height in (500_000, 1_000_000):
        lines = "".join(f"{n},a,2025-06-01,s,many,\n" for n in range(height))
        (tmp_path / "usage" / "05.csv").write_text(HEAD + lines)
        ended = subprocess.run(
            [sys.executable, "-c", BAD, str(tmp_path)], cwd=ROOT, capture_output=True, check=True
        )
        told = json.loads(ended.stdout)
        peaks.append(told.pop("peak"))
        assert told == {
            "code": "schema.type_drift",
            "exit": 65,
            "bad": height,
            "codes": {"number.format": height},
            "shown": 1000,
        }
    assert peaks[1] < peaks[0] + 200
