"""Tables asked of a real PostgreSQL, which the tests start themselves."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from features import extraction
from features.databases import extract
from features.faults import DataRejected, DependencyDown, Fault, NotPermitted
from features.ingest import ingest
from features.mapping import BookSettings, TableSettings, Workspace
from features.row_file import RowFile
from features.selecting import SqlSource
from features.shelf import Shelf
from tests import own_postgres
from tests.peak_memory import PEAK_MB

pytestmark = [
    pytest.mark.ci,
    pytest.mark.skipif(own_postgres.programs() is None, reason="no PostgreSQL here"),
]

SCHEMA = """
create schema crm;
create type crm.tier as enum ('smb', 'ent');
create table crm.firms (
    account_id uuid primary key, name varchar(80), tier crm.tier, seats int, mrr numeric(12, 4),
    share numeric, score real, live boolean, signed_on date, seen timestamp, told timestamptz,
    "Odd Name" text);
insert into crm.firms values
    ('00000000-0000-0000-0000-00000000000a', 'Ada "the" first', 'smb', 5, 12345678.0100,
     0.1234567890123456789, 0.1, true, '2025-01-31', '2025-06-01 10:00:00.123456',
     '2025-06-01 10:00:00+02', '100 % :mine');
insert into crm.firms values ('00000000-0000-0000-0000-00000000000b');
create table clicks (account_id text, occurred_at timestamptz, feature text, count bigint);
insert into clicks select 'a' || n % 500, timestamptz '2025-01-01' + n * interval '1 minute',
    'feature ' || n % 7, n from generate_series(1, 25000) as n;
create role outsider login;
"""
Asking = Callable[..., Workspace]


@pytest.fixture(scope="module")
def database() -> Iterator[sa.URL]:
    with own_postgres.server() as url:
        run(url, SCHEMA)
        yield url


@pytest.fixture
def asking(tmp_path: Path, database: sa.URL, monkeypatch: pytest.MonkeyPatch) -> Asking:
    """Ask for tables: a text with a blank is a query, another one a table."""
    monkeypatch.setenv("DATABASE_URL", database.render_as_string(hide_password=False))

    def ask(zone: str = "UTC", **queries: str) -> Workspace:
        tables = {
            name: TableSettings(
                source=SqlSource(
                    url="env:DATABASE_URL", **{"query" if " " in asked else "table": asked}
                )
            )
            for name, asked in queries.items()
        }
        return Workspace(tmp_path, tmp_path, BookSettings(timezone=zone), tables)

    return ask


def run(url: sa.URL, sql: str) -> None:
    engine = sa.create_engine(
        url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execution_options(no_parameters=True).exec_driver_sql(sql)
    engine.dispose()


def read(workspace: Workspace) -> dict[str, pa.Table]:
    staged = extract(workspace, workspace.directory / "staged", pause=never)
    return {name: pq.read_table(each.path) for name, each in staged.items()}


def refused(workspace: Workspace, kind: type[Fault], code: str, said: str) -> None:
    with pytest.raises(kind) as caught:
        extract(workspace, workspace.directory / "staged", pause=lambda seconds: None)
    assert caught.value.code == code
    assert said in str(caught.value)
    assert "pa:ss/word" not in str(caught.value)
    assert not list((workspace.directory / "staged").iterdir())


def never(seconds: float) -> None:
    raise AssertionError("nothing had to be tried again")


def test_types_are_the_databases_own(asking: Asking) -> None:
    found = read(asking("Europe/Berlin", accounts="crm.firms"))["accounts"]
    first, second = found.to_pylist()
    assert first == {
        "account_id": "00000000-0000-0000-0000-00000000000a", "name": 'Ada "the" first',
        "tier": "smb", "seats": 5, "mrr": "12345678.0100", "share": "0.1234567890123456789",
        "score": pytest.approx(0.1), "live": True, "signed_on": date(2025, 1, 31),
        "seen": datetime(2025, 6, 1, 10, 0, 0, 123456),  # noqa: DTZ001
        "told": datetime(2025, 6, 1, 8, tzinfo=UTC), "Odd Name": "100 % :mine",
    }  # fmt: skip
    assert set(second.values()) == {"00000000-0000-0000-0000-00000000000b", None}
    types = {field.name: str(field.type) for field in found.schema}
    assert types["told"] == "timestamp[us, tz=UTC]"
    assert types["seen"] == "timestamp[us]"
    assert (types["seats"], types["score"], types["live"]) == ("int64", "double", "bool")


def test_the_query_thinks_in_the_zone_of_the_book(asking: Asking) -> None:
    days = "select (timestamptz '2025-06-30 23:30+00')::date as day, '10%' like '%:%' as odd"
    assert read(asking("UTC", usage=days))["usage"]["day"].to_pylist() == [date(2025, 6, 30)]
    berlin = read(asking("Europe/Berlin", usage=days))["usage"]
    assert berlin["day"].to_pylist() == [date(2025, 7, 1)]
    assert berlin["odd"].to_pylist() == [False]


@pytest.mark.fault("I43")
def test_what_is_written_between_two_queries_is_not_seen(
    asking: Asking, database: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = extraction._staged

    def late(connection: sa.Connection, question: object) -> object:
        found = staged(connection, question)  # type: ignore[arg-type]
        run(database, "insert into clicks values ('late', now(), 'late', 1)")
        return found

    monkeypatch.setattr(extraction, "_staged", late)
    found = read(asking(events="clicks", usage="select * from clicks"))
    assert found["events"].num_rows == found["usage"].num_rows
    monkeypatch.undo()
    monkeypatch.setenv("DATABASE_URL", database.render_as_string(hide_password=False))
    assert read(asking(usage="clicks"))["usage"].num_rows == found["usage"].num_rows + 2
    run(database, "delete from clicks where account_id = 'late'")


@pytest.mark.fault("I42")
def test_a_lost_connection_begins_again_with_a_new_moment(
    asking: Asking,
    database: sa.URL,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    waits: list[float] = []
    taken = RowFile.add

    def cut(held: RowFile, columns: list[tuple[object, ...]]) -> None:
        if not waits and held.label.startswith("usage"):
            terminate(database)
        taken(held, columns)

    monkeypatch.setattr(RowFile, "add", cut)
    workspace = asking(accounts="crm.firms", usage="clicks")
    staged = extract(workspace, workspace.directory / "staged", pause=waits.append)
    assert len(waits) == 1
    assert pq.read_table(staged["usage"].path).num_rows == 25_000
    assert pq.read_table(staged["accounts"].path).num_rows == 2
    assert capfd.readouterr() == ("", "")


@pytest.mark.fault("I42")
def test_a_connection_that_is_lost_each_time_is_69(
    asking: Asking, database: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RowFile, "add", lambda held, columns: terminate(database))
    refused(
        asking(accounts="crm.firms", usage="clicks"),
        DependencyDown,
        "extract.unavailable",
        "accounts (env:DATABASE_URL): terminating connection",
    )


@pytest.mark.fault("I42")
def test_a_server_that_is_not_there_is_69(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, waits = asking(usage="clicks"), []
    monkeypatch.setenv("DATABASE_URL", "postgres://u:s3cret@127.0.0.1:1/d")
    with pytest.raises(DependencyDown, match="refused") as caught:
        extract(workspace, workspace.directory / "staged", pause=waits.append)
    assert (caught.value.exit_code, len(waits)) == (69, 3)
    assert "s3cret" not in str(caught.value)


def terminate(database: sa.URL) -> None:
    """End every other connection, and wait until they are gone."""
    others = (
        "from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'"
    )
    run(database, f"select pg_terminate_backend(pid, 5000) {others}")


def test_the_database_itself_refuses_to_write(
    asking: Asking, database: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = "with gone as (delete from clicks returning *) select * from gone"
    refused(asking(usage=gone), DataRejected, "extract.query", "must not contain data-modifying")
    made = "select set_config('crm.x', lo_create(0)::text, true) as account_id"
    refused(asking(usage=made), DataRejected, "extract.query", "read-only transaction")
    two = "select 1 as account_id; commit; drop table clicks"
    with monkeypatch.context() as unchecked:
        unchecked.setattr(extraction, "_sql", lambda connection, question: two)
        refused(asking(usage="clicks"), DataRejected, "extract.query", "multiple commands")
    assert read(asking(usage="clicks"))["usage"].num_rows == 25_000


@pytest.mark.parametrize(
    ("asked", "kind", "code", "said"),
    [
        ("select acount_id from clicks", DataRejected, "extract.query", '"acount_id" does not'),
        ("select 'infinity'::timestamptz as t", DataRejected, "extract.query", "infinity"),
        ("select array[1, 2] as a", DataRejected, "schema.type", 'column "a" is list'),
        ("select '\\x00'::bytea as a", DataRejected, "schema.type", 'column "a" is bytes'),
        ("select '{\"a\": 1}'::jsonb as a", DataRejected, "schema.type", 'column "a" is dict'),
    ],
)
def test_what_cannot_be_taken(
    asking: Asking, asked: str, kind: type[Fault], code: str, said: str
) -> None:
    refused(asking(usage=asked), kind, code, said)


def test_a_user_without_the_right_is_77(
    asking: Asking, database: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = asking(usage="clicks")
    outsider = database.set(username="outsider").render_as_string(hide_password=False)
    monkeypatch.setenv("DATABASE_URL", outsider)
    refused(workspace, NotPermitted, "extract.denied", "permission denied for table clicks")


def test_no_secret_is_written_anywhere(
    asking: Asking, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = "select account_id, '2025-01-01'::date as starts_on, 9.5 as mrr from crm.firms"
    events = "select account_id, timestamp '2025-06-01' as occurred_at, 'x' as kind from crm.firms"
    book = asking(accounts="crm.firms", subscriptions=lines, events=events)
    report = ingest(book, tmp_path / "home", datetime(2025, 7, 1, tzinfo=UTC))
    assert report.status == "published"
    assert [report.tables[name].accepted for name in book.tables] == [2, 2, 2]
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    for secret in ("pa:ss/word", "pa%3Ass", "ss%2Fword"):
        assert not any(secret.encode() in content for content in written)
        assert secret not in str(report) + str(capfd.readouterr())


MEASURED = """
import sys
from pathlib import Path
from features.databases import extract
from features.mapping import TableSettings, Workspace
from features.selecting import SqlSource
folder = Path(sys.argv[1])
query = (
    "select 'account ' || n % 5000 as account_id, now() as occurred_at, repeat('feature', 20) "
    "as feature, n as count from generate_series(1, " + sys.argv[2] + ") as n"
)
usage = TableSettings(source=SqlSource(url="env:DATABASE_URL", query=query))
extract(Workspace(folder, folder, tables={"usage": usage}), folder)
print(PEAK_MB)
""".replace("PEAK_MB", PEAK_MB)


def test_memory_does_not_grow_with_the_rows(asking: Asking, tmp_path: Path) -> None:
    asking()

    def peak(rows: int) -> int:
        asked = [sys.executable, "-c", MEASURED, str(tmp_path), str(rows)]
        made = subprocess.run(asked, check=True, capture_output=True, text=True)
        return int(made.stdout)

    small, large = peak(300_000), peak(900_000)  # both beyond the bound of what is held
    assert pq.ParquetFile(tmp_path / "usage.query.parquet").metadata.num_rows == 900_000
    assert large - small < 30, f"{small} MB for 300,000 rows, {large} MB for 900,000"


def test_only_newer_rows_are_asked_of_postgresql(
    tmp_path: Path, database: sa.URL, asking: Asking
) -> None:
    run(
        database,
        "create table told (id int, at timestamptz, note text); insert into told select n, "
        "timestamptz '2025-06-01' + n * interval '1 hour', '100 %' from generate_series(1, 9) n",
    )
    query = "select *, '50 %' as odd from told -- all of them"
    source = SqlSource(url="env:DATABASE_URL", query=query, watermark="at", overlap=90)
    workspace = Workspace(tmp_path, tmp_path, tables={"usage": TableSettings(source=source)})

    def told() -> tuple[list[int], list[int]]:
        shelf = Shelf(tmp_path / "kept")
        staged = extract(workspace, tmp_path / "staged", pause=never, shelf=shelf)["usage"]
        kept = [pq.read_table(each.path) for each in shelf.parts("usage", "usage").values()]
        opened = pq.read_table(staged.path)
        assert all(row["odd"] == "50 %" for row in opened.to_pylist())
        ids = [one for table in [*kept, opened] for one in table["id"].to_pylist()]
        return sorted(ids), sorted(opened["id"].to_pylist())

    assert told() == (list(range(1, 10)), [8, 9])
    run(
        database, "insert into told values (10, '2025-06-01 08:01+00'), (11, '2025-06-02 00:00+00')"
    )
    assert told() == (list(range(1, 12)), [11])
    assert told() == (list(range(1, 12)), [11])
