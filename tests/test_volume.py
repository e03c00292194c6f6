"""A snapshot beside those that were scored before: rows and gaps as usual, or said."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.book import Book
from features.faults import DataRejected
from serving.volume import Volume, judged, odd_tables, volumes
from tests.command_line import copied, perennial, workspace

USUAL = {"accounts": (100, 2), "subscriptions": (120, 0), "usage": (900, 90)}
Counts = dict[str, tuple[int, int]]


def snapshot(home: Path, name: str, counts: Counts) -> None:
    """Write a snapshot of tables with so many rows, so many of them without a segment."""
    folder = home / "snapshots" / name
    folder.mkdir(parents=True)
    entries: dict[str, dict[str, Any]] = {}
    for table, (rows, gaps) in counts.items():
        segment = pa.array([None] * gaps + ["smb"] * (rows - gaps), pa.string())
        pq.write_table(pa.table({"segment": segment}), folder / f"{table}.parquet")
        month = {"month": "2025-06", "file": f"{table}.parquet"}
        held = {"rolled": {table: [month]}} if table == "usage" else {"file": month["file"]}
        entries[table] = {"rows": rows} | held
    (folder / "manifest.json").write_text(json.dumps({"tables": entries}))


def judge(home: Path, weeks: list[Counts], accept: bool = False) -> tuple[Book, list[str]]:
    """Judge the last week's snapshot beside those before it, each scored in its week."""
    for number, counts in enumerate(weeks):
        snapshot(home, f"s{number}", counts)
    runs = [
        SimpleNamespace(snapshot_id=f"s{number}", published_at=f"2025-07-{number + 1:02}")
        for number in reversed(range(len(weeks) - 1))
    ]
    book = Book.of({name: pd.DataFrame({"account_id": ["a"]}) for name in weeks[-1]})
    object.__setattr__(book, "snapshot_id", f"s{len(weeks) - 1}")
    return judged(home, book, SimpleNamespace(runs=lambda: runs), accept)  # type: ignore[arg-type]


def test_the_volumes_of_a_snapshot(tmp_path: Path) -> None:
    snapshot(tmp_path, "s", USUAL)
    assert volumes(tmp_path, "s")["usage"] == Volume(900, {"segment": 0.1})
    assert volumes(tmp_path, "gone") == {}
    snapshot(tmp_path, "cut", USUAL)
    (tmp_path / "snapshots" / "cut" / "usage.parquet").unlink()
    assert volumes(tmp_path, "cut") == {}
    (tmp_path / "snapshots" / "cut" / "manifest.json").write_text('{"tables": {')
    assert volumes(tmp_path, "cut") == {}


@pytest.mark.fault("I36")
def test_a_required_table_that_is_off_is_held(tmp_path: Path) -> None:
    weeks = [*([USUAL] * 4), USUAL | {"subscriptions": (70, 0)}]
    with pytest.raises(DataRejected, match="subscriptions: 70 rows, usually 120") as caught:
        judge(tmp_path / "a", weeks)
    assert (caught.value.code, caught.value.exit_code) == ("volume.anomaly", 65)
    assert "--accept-volume" in caught.value.cure
    book, said = judge(tmp_path / "b", weeks, accept=True)
    assert said == ["subscriptions: 70 rows, usually 120"]
    assert book.has("subscriptions")


@pytest.mark.fault("I36")
def test_gaps_that_are_new_are_held(tmp_path: Path) -> None:
    with pytest.raises(DataRejected, match=r"segment is empty in 40% of the rows, usually in 2%"):
        judge(tmp_path, [*([USUAL] * 4), USUAL | {"accounts": (100, 40)}])


@pytest.mark.fault("I36")
def test_a_feed_that_is_off_is_left_out_and_the_run_goes_on(tmp_path: Path) -> None:
    book, said = judge(tmp_path, [*([USUAL] * 4), USUAL | {"usage": (500, 50)}])
    assert said == ["usage: 500 rows, usually 900: its signals are left out"]
    assert (book.has("usage"), book.has("accounts")) == (False, True)


@pytest.mark.fault("I36")
def test_four_earlier_snapshots_are_needed(tmp_path: Path) -> None:
    assert judge(tmp_path, [*([USUAL] * 3), USUAL | {"accounts": (10, 0)}])[1] == []


@pytest.mark.fault("I36")
@pytest.mark.parametrize(
    ("past", "now", "said"),
    [
        ([100] * 4, 130, 0),
        ([100] * 4, 131, 1),
        ([100] * 4, 70, 0),
        ([100] * 4, 69, 1),
        ([100] * 4, None, 1),
        ([19] * 4, 1, 0),
        ([100] * 4 + [200] * 9, 200, 0),
        ([10_000, 100, 100, 100, 100, 100, 100, 100, 100], 100, 0),
    ],
)
def test_what_is_off(past: list[int], now: int | None, said: int) -> None:
    weeks = [{"usage": Volume(rows, {})} for rows in past]
    found = odd_tables(weeks, {} if now is None else {"usage": Volume(now, {})})
    assert len(found) == said


@pytest.mark.fault("I36")
def test_what_was_accepted_is_usual_from_then_on() -> None:
    weeks = [{"accounts": Volume(rows, {})} for rows in (100, 100, 100, 100, 200)]
    assert odd_tables(weeks, {"accounts": Volume(200, {})}) == []
    feeds = [{"usage": week["accounts"]} for week in weeks]
    assert odd_tables(feeds, {"usage": Volume(200, {})})[0].said == "usage: 200 rows, usually 100"


@pytest.mark.ci
@pytest.mark.fault("I36")
def test_the_weekly_job_on_an_export_that_was_cut(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.volume.FEWEST", 1)
    folder = copied(workspace(tmp_path_factory), tmp_path / "w")
    before = json.loads((folder / "scored.json").read_text())["run_id"]
    cut(folder / "subscriptions.csv", 0.4)
    held = perennial(folder, "score", "--json")
    assert (held.code, held.body["error"]["code"]) == (65, "volume.anomaly")
    assert perennial(folder, "outreach", "--json").body["run_id"] == before
    taken = perennial(folder, "score", "--json", "--accept-volume").body
    assert taken["published"]
    assert taken["warnings"][0].startswith("subscriptions: ")
    cut(folder / "tickets.csv", 0.4)
    told = perennial(folder, "score")
    assert told.code == 0
    assert "tickets: " in told.out
    assert "its signals are left out" in told.out


def cut(path: Path, share: float) -> None:
    """Leave the first rows of a file."""
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[: int(len(lines) * share)]))
