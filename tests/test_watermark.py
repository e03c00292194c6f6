"""A query with a watermark: only newer rows are asked, no row is lost, none is told twice."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql.psycopg import dialect as psycopg
from sqlalchemy.dialects.sqlite.pysqlite import dialect as sqlite

from features import extraction
from features import shelf as shelves
from features.book import latest_snapshot
from features.databases import extract
from features.erased import Erased
from features.faults import ConfigurationRefused, DataRejected, DependencyDown
from features.ingest import check, ingest
from features.mapping import TableSettings, Workspace, read_workspace
from features.selecting import SqlSource
from features.shelf import SHELF, Shelf, emptied
from features.watermark import Selection

NOW = datetime(2025, 7, 1, tzinfo=UTC)


class Clicks:
    """A database of clicks, and what is asked of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run("create table clicks (id integer, told text, who text)")

    def run(self, sql: str, *values: object) -> None:
        with closing(sqlite3.connect(self.folder / "crm.db")) as database, database:
            database.execute(sql, values)

    def add(self, *ids: int | None) -> None:
        for each in ids:
            self.run("insert into clicks values (?, ?, 'a')", each, f"2025-06-{each or 0:02d}")

    def read(
        self, watermark: str = "id", overlap: float = 0, whole: bool = False, **more: Any
    ) -> tuple[list[str | None], list[str | None]]:
        """Extract; give the ids of all parts, and those that were asked now and are still open."""
        asked = {"url": "sqlite:///crm.db", "table": "clicks"} | more
        source = SqlSource(**asked, watermark=watermark, overlap=overlap)
        workspace = Workspace(
            self.folder, self.folder, tables={"usage": TableSettings(source=source)}
        )
        shelf = Shelf(self.folder / "kept", whole=whole)
        staged = extract(workspace, self.folder / "staged", shelf=shelf)["usage"]
        parts = shelf.parts("usage", staged.label).values()
        opened = ids(staged.path)
        return [one for part in parts for one in ids(part.path)] + opened, opened

    def kept(self) -> list[Path]:
        return sorted((self.folder / "kept").glob("*.parquet"))


def ids(path: Path) -> list[str | None]:
    return list(pq.read_table(path)["id"].to_pylist())


@pytest.fixture
def clicks(tmp_path: Path) -> Clicks:
    return Clicks(tmp_path)


def test_only_rows_from_the_mark_on_are_asked_again(clicks: Clicks) -> None:
    assert clicks.read() == ([], [])
    clicks.add(1, 2, 3)
    assert clicks.read() == (["1", "2", "3"], ["3"])
    clicks.add(3, 4, None)
    assert clicks.read() == (["1", "2", "3", "3", "4", None], ["4", None])
    assert clicks.read() == (["1", "2", "3", "3", "4", None], ["4", None])
    assert len(clicks.kept()) == 2


def test_text_is_a_mark_too_and_a_late_row_within_the_overlap_is_found(clicks: Clicks) -> None:
    clicks.add(1, 2, 9)
    assert clicks.read("told") == (["1", "2", "9"], ["9"])
    clicks.add(8)  # below the mark, which text has no overlap under
    assert clicks.read("told")[0] == ["1", "2", "9"]
    assert clicks.read(overlap=5) == (["1", "2", "9", "8"], ["9", "8"])
    clicks.add(5, 20)
    assert clicks.read(overlap=5) == (["1", "2", "9", "8", "5", "20"], ["20"])


def test_a_row_with_a_key_that_comes_again_stands_for_the_older_one(clicks: Clicks) -> None:
    clicks.run("create table lines (id text, told integer, gone text)")
    for id_, told in (("x", 1), ("y", 2), ("z", 2), ("w", 3)):
        clicks.run("insert into lines values (?, ?, 'no')", id_, told)
    keyed = {"watermark": "told", "table": "lines", "key": "id"}
    assert clicks.read(**keyed)[0] == ["x", "y", "z", "w"]
    first = clicks.kept()
    clicks.run("update lines set told = 3, gone = 'yes' where id = 'y'")
    assert clicks.read(**keyed) == (["x", "z", "y", "w"], ["y", "w"])
    assert clicks.kept() != first
    second = clicks.kept()
    assert clicks.read(**keyed)[0] == ["x", "z", "y", "w"]
    assert clicks.kept() == second
    clicks.run("update lines set told = 5 where id in ('x', 'z')")
    assert clicks.read(**keyed) == (["y", "w", "x", "z"], ["x", "z"])
    clicks.run("update lines set told = 9")
    assert clicks.read(**keyed)[0] == ["x", "y", "z", "w"]
    assert clicks.kept() == []
    with pytest.raises(DataRejected, match=r'key "ID" is none of its columns: extract\.watermark'):
        clicks.read(watermark="told", table="lines", key="ID")
    with pytest.raises(ValueError, match="a key is for a watermark"):
        SqlSource(url="env:X", table="t", key="id")


@pytest.mark.fault("I42")
def test_a_connection_that_is_lost_half_way_loses_no_row(
    clicks: Clicks, monkeypatch: pytest.MonkeyPatch
) -> None:
    clicks.add(1, 2, 3)
    clicks.read()
    before = {each.name: each.read_bytes() for each in (clicks.folder / "kept").iterdir()}
    clicks.add(4, 5)
    run, asked = extraction._run, 0

    def lost(connection: Any, question: Any, how: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked % 3 == 0:  # the highest mark and what is settled came, the rest does not
            raise DependencyDown("extract.unavailable", "gone", "try again")
        return run(connection, question, how)

    monkeypatch.setattr(extraction, "_run", lost)
    monkeypatch.setattr("features.databases.PAUSE", 0)
    with pytest.raises(DependencyDown):
        clicks.read()
    assert asked == 12
    assert {e.name: e.read_bytes() for e in (clicks.folder / "kept").iterdir()} == before
    assert not list((clicks.folder / "staged").iterdir())
    monkeypatch.setattr(extraction, "_run", run)
    assert clicks.read() == (["1", "2", "3", "4", "5"], ["5"])


def test_what_is_kept_is_private_and_named_by_its_bytes(clicks: Clicks) -> None:
    clicks.add(1, 2)
    clicks.read()
    part = clicks.kept()[0]
    assert part.stat().st_mode & 0o777 == 0o600
    assert part.parent.stat().st_mode & 0o777 == 0o700
    told = json.loads((part.parent / "usage.json").read_bytes())
    assert (told["mark"], told["parts"][0]["sha256"]) == (["int", "2"], part.stem)


def test_a_row_that_was_deleted_stays_until_the_whole_is_asked(clicks: Clicks) -> None:
    clicks.add(1, 2, 3)
    clicks.read()
    clicks.run("delete from clicks where id < 3")
    assert clicks.read()[0] == ["1", "2", "3"]
    assert clicks.read(whole=True)[0] == ["3"]
    assert clicks.read()[0] == ["3"]
    assert clicks.kept() == []
    clicks.run("delete from clicks")
    assert clicks.read()[0] == []


@pytest.mark.parametrize("harm", [b"noise", None])
def test_a_part_that_is_not_what_was_written_is_asked_again(
    clicks: Clicks, harm: bytes | None
) -> None:
    clicks.add(1, 2, 3)
    clicks.read()
    clicks.kept()[0].write_bytes(harm) if harm else clicks.kept()[0].unlink()
    clicks.run("update clicks set who = 'b'")
    assert clicks.read()[0] == ["1", "2", "3"]


@pytest.mark.parametrize("left", [b"", b"[]", b'{"mark": null}', b'{"mark": ["set", "1"]}'])
def test_a_note_that_cannot_be_read_is_none(clicks: Clicks, left: bytes) -> None:
    clicks.add(1, 2)
    clicks.read()
    (clicks.folder / "kept" / "usage.json").write_bytes(left)
    assert clicks.read()[0] == ["1", "2"]


def test_another_question_is_asked_whole(clicks: Clicks) -> None:
    clicks.add(1, 2, 3)
    clicks.read()
    query = "select * from clicks where id % 2 = 1 -- the odd ones"
    assert clicks.read(query=query, table=None)[0] == ["1", "3"]
    assert clicks.read("told")[0] == ["1", "2", "3"]


def test_after_many_parts_the_whole_is_asked_again(
    clicks: Clicks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelves, "MOST", 2)
    for number in (1, 2, 3):
        clicks.add(number)
        clicks.read()
    assert len(clicks.kept()) == 2
    clicks.run("delete from clicks where id = 1")
    clicks.add(4)
    assert clicks.read() == (["2", "3", "4"], ["4"])
    assert len(clicks.kept()) == 1


def test_without_a_shelf_all_is_asked(clicks: Clicks) -> None:
    clicks.add(1, 2, 3)
    source = SqlSource(url="sqlite:///crm.db", table="clicks", watermark="id")
    one = Workspace(clicks.folder, clicks.folder, tables={"usage": TableSettings(source=source)})
    assert ids(extract(one, clicks.folder / "staged")["usage"].path) == ["1", "2", "3"]


def test_what_is_no_mark_is_refused(clicks: Clicks) -> None:
    clicks.run("insert into clicks values (x'00', '', '')")
    with pytest.raises(DataRejected, match=r'watermark "id" holds bytes: extract\.watermark'):
        clicks.read()
    with pytest.raises(DataRejected, match=r"no such column: asked\.nosuch: extract\.query"):
        clicks.read("nosuch")
    named = psycopg()
    named.paramstyle, named.driver = "named", "hdb"
    with pytest.raises(ConfigurationRefused, match="hdb"):
        Selection(named, "usage", "select 1", "id").open(3)
    for odd in ("", "a%b", "a\0b"):
        with pytest.raises(ValueError, match="watermark"):
            SqlSource(url="env:X", table="t", watermark=odd)


def test_a_percent_sign_is_doubled_only_beside_a_value() -> None:
    asked = Selection(psycopg(), "usage", "select '%' as told", "Told")
    assert asked.open(None).sql == "SELECT * FROM (select '%' as told\n) asked"
    assert asked.open("x").sql.startswith("SELECT * FROM (select '%%' as told\n) asked WHERE")
    assert 'asked."Told" >= %s OR asked."Told" IS NULL' in asked.open("x").sql


@pytest.mark.parametrize(
    ("mark", "lowered"),
    [
        (NOW, NOW - timedelta(minutes=60)),
        (100, 40),
        (100.5, 40.5),
        (Decimal("100.25"), Decimal("40.25")),
        (date(2025, 6, 1), date(2025, 6, 1)),
        ("2025-06-01", "2025-06-01"),
    ],
)
def test_a_mark_of_every_kind_is_kept_as_it_is(
    tmp_path: Path, mark: object, lowered: object
) -> None:
    asked = Selection(sqlite(), "usage", "select 1", "id", 60)
    assert asked.until(None, mark) == lowered
    assert asked.until(lowered, lowered) == lowered
    row = shelves._Row("terms", lowered)  # type: ignore[arg-type]
    again = shelves._Row.of(json.loads(json.dumps(row.to_json())), tmp_path)
    assert again == row


def test_a_mark_of_another_kind_moves_nothing() -> None:
    asked = Selection(sqlite(), "usage", "select 1", "id")
    naive = NOW.replace(tzinfo=None)
    assert asked.until(naive, NOW) == naive
    assert asked.until(5, "9") == 5
    for odd in (float("nan"), True, b"1"):
        with pytest.raises(DataRejected):
            asked.until(None, odd)


@pytest.mark.ci
@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 30), max_size=4), min_size=1, max_size=4), st.integers(0, 9)
)
def test_rows_that_come_within_the_overlap_are_told_once_each(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[int]], overlap: int
) -> None:
    clicks, there, high = Clicks(tmp_path_factory.mktemp("clicks")), [], 0
    for batch in batches:
        timely = [max(each, high - overlap) for each in batch]
        clicks.add(*timely)
        there += timely
        high = max([high, *timely])
        found = clicks.read(overlap=overlap)[0]
        assert sorted(map(int, found)) == sorted(there)  # type: ignore[arg-type]


TOML = """
[tables.accounts]
source = { url = "sqlite:///crm.db", table = "firms" }
[tables.subscriptions]
source = { url = "sqlite:///crm.db", table = "lines", watermark = "updated_at" }
columns = { subscription_id = "id" }
[tables.usage]
source = { url = "sqlite:///crm.db", table = "uses", watermark = "n", overlap = 0 }
columns = { event_id = "n" }
"""
BOOK = """
create table firms as select 'a' as account_id union select 'b';
create table lines (id text, account_id text, starts_on text, mrr text, updated_at text);
insert into lines values ('1', 'a', '2025-01-01', '10.00', '2025-01-01T00:00:00Z'),
    ('2', 'b', '2025-01-01', '20.00', '2025-02-01T00:00:00Z');
create table uses (n integer, account_id text, occurred_at text, feature text);
insert into uses values (1, 'a', '2025-05-01', 'x'), (2, 'b', '2025-06-01', 'x');
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with closing(sqlite3.connect(tmp_path / "crm.db")) as database:
        database.executescript(BOOK)
        (tmp_path / "perennial.toml").write_text(TOML)
        yield read_workspace(tmp_path / "perennial.toml")


def change(workspace: Workspace, *sql: str) -> None:
    with closing(sqlite3.connect(workspace.directory / "crm.db")) as database, database:
        for each in sql:
            database.execute(each)


@pytest.mark.ci
def test_a_book_that_grew_is_the_book_that_is_asked_whole(workspace: Workspace) -> None:
    home = workspace.directory / "home"
    first = ingest(workspace, home, NOW)
    assert ingest(workspace, home, NOW).status == "already_ingested"
    change(
        workspace,
        "update lines set mrr = '12.00', updated_at = '2025-06-20T00:00:00Z' where id = '1'",
        "insert into uses values (3, 'a', '2025-05-03', 'y'), (4, 'a', '2025-06-03', 'y')",
    )
    grown = ingest(workspace, home, NOW)
    assert grown.snapshot != first.snapshot
    assert (grown.tables["usage"].accepted, grown.tables["usage"].duplicates) == (4, 0)
    assert (grown.tables["subscriptions"].accepted, grown.tables["subscriptions"].rows_in) == (2, 3)
    assert "usage (sqlite:///crm.db) part 1" in grown.tables["usage"].files
    whole = ingest(workspace, workspace.directory / "other", NOW)
    assert whole.snapshot == grown.snapshot
    assert not check(workspace, NOW).refusals
    change(workspace, "delete from uses where n = 1")
    assert ingest(workspace, home, NOW).snapshot == grown.snapshot
    full = ingest(workspace, home, NOW, full=True)
    assert full.tables["usage"].accepted == 3
    assert latest_snapshot(home) == full.snapshot


@pytest.mark.ci
def test_a_book_that_is_refused_loses_no_row(workspace: Workspace) -> None:
    home = workspace.directory / "home"
    change(workspace, "alter table firms rename column account_id to who")
    with pytest.raises(DataRejected):
        ingest(workspace, home, NOW)
    change(workspace, "alter table firms rename column who to account_id")
    assert ingest(workspace, home, NOW).tables["usage"].accepted == 2
    assert emptied(home / SHELF) > 2
    assert ingest(workspace, home, NOW).status == "already_ingested"
    (workspace.directory / "perennial.toml").write_text(TOML.replace(', watermark = "n"', ""))
    ingest(read_workspace(workspace.directory / "perennial.toml"), home, NOW)
    assert [each.name for each in (home / SHELF).glob("*.json")] == ["subscriptions.json"]


GONE = Erased(frozenset({"A"}), str.upper)


@pytest.mark.ci
@pytest.mark.fault("G01", partly=True)
def test_of_an_erased_account_nothing_is_kept(workspace: Workspace) -> None:
    home = workspace.directory / "home"
    report = ingest(replace(workspace, erased=GONE), home, NOW)
    kept = [pq.read_table(each) for each in (home / SHELF).glob("*.parquet")]
    assert {one for part in kept for one in part["account_id"].to_pylist()} <= {"b"}
    assert report.tables["usage"].accepted == 1
    assert ingest(replace(workspace, erased=GONE), home, NOW).status == "already_ingested"


def test_rows_of_nobody_knows_whom_are_asked_each_time(clicks: Clicks) -> None:
    clicks.add(1, 2, 3)
    source = SqlSource(url="sqlite:///crm.db", table="clicks", watermark="id", overlap=0)
    tables = {"usage": TableSettings(source=source)}
    one = Workspace(clicks.folder, clicks.folder, tables=tables, erased=GONE)
    for _ in range(2):
        shelf = Shelf(clicks.folder / "kept")
        staged = extract(one, clicks.folder / "staged", shelf=shelf)["usage"]
        assert (ids(staged.path), clicks.kept()) == (["1", "2", "3"], [])
    who = TableSettings(source=source, columns={"account_id": "who"})
    shelf = Shelf(clicks.folder / "kept")
    staged = extract(replace(one, tables={"usage": who}), clicks.folder / "staged", shelf=shelf)
    assert (ids(staged["usage"].path), clicks.kept()) == (["3"], [])


@pytest.mark.ci
def test_a_row_that_its_source_marks_as_deleted_is_gone(workspace: Workspace) -> None:
    home, toml = workspace.directory / "home", workspace.directory / "perennial.toml"
    keyed = TOML.replace('"updated_at" }', '"updated_at", key = "id" }\nwhere = "gone = \'no\'"')
    toml.write_text(keyed)
    change(workspace, "alter table lines add column gone text default 'no'")
    asked = read_workspace(toml)
    assert ingest(asked, home, NOW).tables["subscriptions"].accepted == 2
    gone = "update lines set gone = 'yes', updated_at = '2025-06-20T00:00:00Z' where id = '1'"
    change(workspace, gone)
    lines = ingest(asked, home, NOW).tables["subscriptions"]
    assert (lines.accepted, lines.filtered, lines.rows_in) == (1, 1, 1)
