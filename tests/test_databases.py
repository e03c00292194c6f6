"""Tables asked of a database: what is staged, as of one moment, and what is refused."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from features import extraction
from features.databases import extract
from features.faults import (
    CannotWrite,
    ConfigurationRefused,
    DataRejected,
    DependencyDown,
    Fault,
    InputMissing,
    NotPermitted,
)
from features.ingest import check, ingest, is_current
from features.mapping import TableSettings, Workspace, read_workspace
from features.row_file import RowFile
from features.selecting import SqlSource, one_select

NOW = datetime(2025, 7, 1, tzinfo=UTC)
CRM = """
create table firms (account_id text, name text, signed_on text, seats int, mrr real, live boolean);
insert into firms values ('a', 'Ada''s', '2025-01-31', 5, 99.9, true), ('b', null, null, 7, 1e3, 0);
create table clicks (account_id text, occurred_at text, feature text, n numeric);
insert into clicks values ('a', '2025-06-01 10:00:00', 'search', 3), ('a', '2025-06-02', 'x', 2.5);
"""


@pytest.fixture
def crm(tmp_path: Path) -> Path:
    with sqlite3.connect(tmp_path / "crm.db") as database:
        database.executescript(CRM)
    database.close()
    return tmp_path


def asking(folder: Path, url: str = "sqlite:///crm.db", **queries: str) -> Workspace:
    """Ask for tables: a text with a blank is a query, another one a table."""
    tables = {}
    for name, asked in queries.items():
        kind = {"query": asked} if " " in asked else {"table": asked}
        tables[name] = TableSettings(source=SqlSource.model_validate({"url": url} | kind))
    return Workspace(folder, folder, tables=tables)


def rows(workspace: Workspace) -> dict[str, list[dict[str, object]]]:
    staged = extract(workspace, workspace.directory / "staged", pause=never)
    return {name: pq.read_table(each.path).to_pylist() for name, each in staged.items()}


def refused(workspace: Workspace, kind: type[Fault], code: str, said: str) -> str:
    folder = workspace.directory / "staged"
    with pytest.raises(kind) as caught:
        extract(workspace, folder, pause=lambda seconds: None)
    assert caught.value.code == code
    assert said in str(caught.value)
    assert not folder.is_dir() or not list(folder.iterdir())
    return str(caught.value)


def never(seconds: float) -> None:
    raise AssertionError("nothing had to be tried again")


def test_a_book_without_queries_asks_nothing(tmp_path: Path) -> None:
    assert extract(Workspace(tmp_path, tmp_path), tmp_path / "staged") == {}
    assert not (tmp_path / "staged").exists()


def test_sqlite_gives_every_value_as_exact_text(crm: Path) -> None:
    found = rows(asking(crm, accounts="firms", usage="select account_id, n from clicks;"))
    assert found["accounts"] == [
        {"account_id": "a", "name": "Ada's", "signed_on": "2025-01-31", "seats": "5",
         "mrr": "99.9", "live": "1"},
        {"account_id": "b", "name": None, "signed_on": None, "seats": "7",
         "mrr": "1000.0", "live": "0"},
    ]  # fmt: skip
    assert found["usage"] == [{"account_id": "a", "n": "3"}, {"account_id": "a", "n": "2.5"}]


def test_what_is_staged_is_private_named_and_hashed_the_same_each_time(crm: Path) -> None:
    workspace = asking(crm, usage="select * from clicks order by occurred_at")
    first = extract(workspace, crm / "one")["usage"]
    second = extract(workspace, crm / "two")["usage"]
    assert (first.label, first.kind, first.stat) == ("usage (sqlite:///crm.db)", "parquet", None)
    assert first.sha256 == second.sha256
    assert first.path.stat().st_mode & 0o777 == 0o600
    assert first.path.parent.stat().st_mode & 0o777 == 0o700


def test_no_row_is_a_table_without_rows(crm: Path) -> None:
    staged = extract(asking(crm, usage="select * from clicks where 1 = 0"), crm / "staged")
    assert pq.read_table(staged["usage"].path).schema.names[0] == "account_id"
    assert rows(asking(crm, usage="select * from clicks where 1 = 0")) == {"usage": []}


def test_the_file_of_the_mapping_is_read(crm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_URL", f"sqlite:///{crm / 'crm.db'}")
    (crm / "perennial.toml").write_text(
        '[tables.accounts]\nsource = { url = "env:CRM_URL", table = "firms" }\n'
        '[tables.usage.source]\nurl = "sqlite:///crm.db"\nquery = """\nselect *\nfrom clicks"""\n'
    )
    assert {name: len(each) for name, each in rows(read_workspace(crm / "perennial.toml")).items()}
    staged = extract(read_workspace(crm / "perennial.toml"), crm / "staged")
    assert staged["accounts"].label == "accounts (env:CRM_URL)"


@pytest.mark.ci
def test_a_book_is_ingested_from_a_database(crm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (crm / "perennial.toml").write_text(
        '[tables.accounts]\nsource = { url = "env:CRM_URL", table = "firms" }\n'
        "[tables.subscriptions]\n"
        'source = { url = "env:CRM_URL", query = "select * from firms where mrr < 100" }\n'
        'columns = { starts_on = "signed_on" }\n'
        "[tables.usage]\n"
        'source = { url = "env:CRM_URL", query = "select *, \'?\' as odd from clicks" }\n'
        'columns = { count = "n" }\nwhere = "feature <> \'x\'"\n'
    )
    workspace, home = read_workspace(crm / "perennial.toml"), crm / "home"
    unset = check(workspace, NOW).refusals
    assert str(unset[0]).startswith("perennial.toml:2: [tables.accounts] source: CRM_URL is not")
    monkeypatch.setenv("CRM_URL", "sqlite:///crm.db")
    report = check(workspace, NOW)
    usage = report.tables["usage"]
    assert (report.exit_code, usage.accepted, usage.filtered) == (0, 1, 1)
    assert report.tables["accounts"].files.keys() == {"accounts (env:CRM_URL)"}
    first = ingest(workspace, home, NOW)
    assert (first.status, ingest(workspace, home, NOW).status) == ("published", "already_ingested")
    with sqlite3.connect(crm / "crm.db") as database:
        database.execute("insert into clicks values ('b', '2025-06-03', 'search', 9)")
    database.close()
    assert not is_current(workspace, home)
    assert is_current(workspace, home, asking=False)
    assert ingest(workspace, home, NOW).tables["usage"].accepted == 2
    monkeypatch.setenv("CRM_URL", "sqlite:///gone.db")
    with pytest.raises(InputMissing):
        ingest(workspace, home, NOW)
    assert not list(home.rglob("*.query.parquet"))


@pytest.mark.fault("I43")
def test_all_queries_of_one_database_see_one_moment(
    crm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = extraction._staged

    def late(connection: sa.Connection, question: object) -> object:
        found = staged(connection, question)  # type: ignore[arg-type]
        writer.execute("insert into clicks values ('late', '2025-06-03', 'late', 1)")
        writer.commit()
        return found

    writer = sqlite3.connect(crm / "crm.db")
    writer.execute("pragma journal_mode = wal")
    monkeypatch.setattr(extraction, "_staged", late)
    monkeypatch.setenv("CRM_URL", "sqlite:///crm.db")
    first = asking(crm, "env:CRM_URL", events="clicks").tables
    both = Workspace(crm, crm, tables={**first, **asking(crm, usage="clicks").tables})
    found = rows(both)
    writer.close()
    assert (len(found["events"]), len(found["usage"])) == (2, 2)


class Momentless(SQLiteDialect_pysqlite):
    """A database that has no level on which two queries see one moment."""

    name = "momentless"
    supports_statement_cache = True

    def get_isolation_level_values(self, dbapi_conn: object) -> list[str]:
        raise NotImplementedError


@pytest.mark.fault("I43")
def test_tables_of_different_moments_are_refused(crm: Path) -> None:
    registry.impls["momentless"] = lambda: Momentless
    url = f"momentless:///{crm / 'crm.db'}"
    both = asking(crm, url, accounts="firms", usage="clicks")
    refused(both, DataRejected, "extract.inconsistent", "accounts (momentless")
    assert len(rows(asking(crm, url, usage="clicks"))["usage"]) == 2
    newer = SqlSource(url=url, table="clicks", watermark="n")
    one = Workspace(crm, crm, tables={"usage": TableSettings(source=newer)})
    refused(one, DataRejected, "extract.inconsistent", "usage (momentless")


@pytest.mark.fault("I42")
def test_a_locked_database_is_tried_again_and_then_is_69(
    crm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("features.connecting.LOCKED_SECONDS", 0)
    workspace = asking(crm, usage="clicks")
    writer = sqlite3.connect(crm / "crm.db", isolation_level=None)
    writer.execute("begin exclusive")
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            writer.execute("rollback")

    assert extract(workspace, crm / "staged", pause=wait)["usage"].path.is_file()
    assert len(waits) == 2
    writer.execute("begin exclusive")
    with pytest.raises(DependencyDown, match=r"usage .*locked: extract\.unavailable") as caught:
        extract(workspace, crm / "staged", pause=waits.append)
    assert caught.value.exit_code == 69
    assert len(waits) == 5
    assert 0.25 <= waits[2] <= 0.75 <= waits[4] / 1.3
    assert not list((crm / "staged").iterdir())
    writer.close()


def test_what_a_database_refuses(crm: Path) -> None:
    refused(asking(crm, usage="select nme from clicks"), DataRejected, "extract.query", "nme")
    refused(asking(crm, usage="cliks"), DataRejected, "extract.query", "no such table: cliks")
    twice = asking(crm, usage="select n, feature, N from clicks")
    refused(twice, DataRejected, "schema.duplicate_column", "positions 1 and 3")
    blob = asking(crm, accounts="firms", usage="select account_id, x'00ff' as body from clicks")
    refused(blob, DataRejected, "schema.type", 'usage (sqlite:///crm.db): column "body" is bytes')
    (crm / "noise.db").write_bytes(b"noise" * 999)
    noise = asking(crm, "sqlite:///noise.db", usage="clicks")
    refused(noise, DataRejected, "extract.query", "not a database")


def test_sqlite_is_only_read(crm: Path) -> None:
    gone = asking(crm, "sqlite:///gone.db", usage="clicks")
    refused(gone, InputMissing, "feed.missing", "gone.db")
    assert not (crm / "gone.db").exists()
    (crm / "link.db").symlink_to(crm / "crm.db")
    link = asking(crm, "sqlite:///link.db", usage="clicks")
    refused(link, NotPermitted, "file.not_regular", "link.db")
    writing = asking(crm, usage="with a as (select 1) insert into clicks select 1, 2, 3, 4 from a")
    refused(writing, DataRejected, "extract.query", "readonly")


def test_a_full_disk_is_73(crm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(held: RowFile, columns: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RowFile, "add", full)
    refused(asking(crm, usage="clicks"), CannotWrite, "disk.full", "No space left")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "perennial.toml [tables.usage] source: DATABASE_URL is not set"),
        ("h0st/s3cret", "not the URL of a database"),
        ("nosuch://u:s3cret@h/d", 'unknown kind "nosuch"'),
        ("mssql+pymssql://u:s3cret@h/d", "the driver pymssql is not installed"),
        ("sqlite+aiosqlite:///crm.db", ""),
        ("postgresql://u:p@s3cret@h/d", "an @ in a password is written %40"),
        ("postgresql://u@127.0.0.1:1/d?nonsense=s3cret", "nonsense"),
    ],
)
def test_an_address_that_is_none_is_78_without_its_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, said: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    if not url:
        monkeypatch.delenv("DATABASE_URL")
    workspace = asking(tmp_path, "env:DATABASE_URL", usage="select 1 as account_id")
    if "aiosqlite" in url:
        refused(workspace, InputMissing, "feed.missing", "usage (env:DATABASE_URL)")
        return
    told = refused(workspace, ConfigurationRefused, "config", said)
    assert "s3cret" not in told


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('{ url = "env:X" }', "give a query or a table, one of the two"),
        ('{ url = "env:X", query = "select 1", table = "t" }', "one of the two"),
        ('{ url = "env:X", query = "drop table t" }', "not with DROP"),
        ('{ url = "env:", table = "t" }', "name of an environment variable"),
        ('{ url = "crm.db", table = "t" }', "dialect://host/database"),
        ('{ url = "postgresql://u:s3cret@h/d", table = "t" }', "a password may not stand"),
        ('{ url = "postgresql://u:s/3cret@h/d", table = "t" }', "a password may not stand"),
        ('{ url = "mysql://h/d?password=s3cret", table = "t" }', "a password may not stand"),
        ('{ url = ["postgresql://u:s3cret@h/d"], table = "t" }', "valid string"),
        ('{ url = "postgresql://u:s3cret@h/d", tabel = "t" }', "unknown key"),
        ("[1]", "write a file, a glob or a folder"),
    ],
)
def test_a_source_that_the_mapping_refuses(tmp_path: Path, source: str, said: str) -> None:
    (tmp_path / "perennial.toml").write_text(f"[tables.usage]\nsource = {source}\n")
    with pytest.raises(ConfigurationRefused) as caught:
        read_workspace(tmp_path / "perennial.toml")
    told = str(caught.value)
    assert told.startswith("perennial.toml:2: [tables.usage] source")
    assert said in told
    assert "3cret" not in told


@pytest.mark.parametrize(
    "query",
    [
        "select 1;",
        "  -- mine\n WITH a AS (select 1) select * from a ; -- the end",
        "(select 1) union (values (2))",
        "select ';', \"a;b\", $$;$$, $x$ $y$;$y$ $x$ /* ; */",
        "select E'\\';' as mark, '''' as quote",
        "select '''; drop table t; --'",
    ],
)
def test_one_select(query: str) -> None:
    assert query.startswith(one_select(query).rstrip())


@pytest.mark.parametrize(
    "query",
    [
        "",
        "-- nothing",
        "delete from t",
        "select 1; select 2",
        "select 1; commit; drop table t",
        "select E'\\'' ; commit; drop table t; --'",
        "select '\\'; commit; drop table t; --",
        "/* /* */ ' */ select 1; commit; drop table t; -- '",
        "select 1 as a$x$ ; commit; select 2 as b$x$",
        "explain select 1",
    ],
)
def test_not_one_select(query: str) -> None:
    with pytest.raises(ValueError, match=r"SELECT|semicolon|comment"):
        one_select(query)


def test_a_row_group_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("features.row_file.ROWS", 100)
    schema = pa.schema([("n", pa.int64())])
    with RowFile(tmp_path / "n.parquet", "n", schema) as held:
        for start in range(0, 1_000, 50):
            held.add([range(start, start + 50)])
    file = pq.ParquetFile(tmp_path / "n.parquet")
    assert file.metadata.num_row_groups == 10
    assert file.read()["n"].to_pylist() == list(range(1_000))
