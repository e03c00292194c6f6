"""The engines: equal frames on all of them, days in UTC, memory within its bounds."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import engines
from features.activation import activation
from features.asof import instant
from features.book import Book, BookFacts, Partition, open_book
from features.contracts import canonical
from features.engines import EngineSettings, chosen, duckdb_in_memory, memory_watched, spill_folder
from features.faults import CannotWrite, ConfigurationRefused, DataRejected
from features.ingest import ingest
from features.mapping import read_workspace
from features.rollup import day_number, number_of
from features.snapshot import snapshot
from tests.command_line import made
from tests.peak_memory import PEAK_MB
from tests.random_feeds import Company, random_company
from tests.small_books import line

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def seen(company: Company, engine: str, day: date) -> pd.DataFrame:
    return snapshot(company.book(engine=engine), day)


def equal(one: pd.DataFrame, other: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(one, other, check_exact=False, rtol=1e-12, atol=1e-12)


def compare(engine: str, seeds: range) -> None:
    for seed in seeds:
        company = random_company(seed)
        day = company.facts.as_of
        equal(seen(company, "duckdb", day), seen(company, engine, day))
        books = (company.book(engine=name) for name in ("duckdb", engine))
        assert len({repr(activation(book, day)) for book in books}) == 1


@pytest.mark.ci
def test_polars_gives_what_duckdb_gives():
    compare("polars", range(1, 2))


@pytest.mark.ci
def test_polars_gives_what_duckdb_gives_on_many_books():
    compare("polars", range(2, 14))


@pytest.mark.slow
def test_spark_gives_what_duckdb_gives():
    pytest.importorskip("pyspark", reason="the spark extra is not installed")
    compare("spark", range(1, 3))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ingest a random company's files."""
    folder, company = tmp_path_factory.mktemp("published"), random_company(3)
    for row in company.tables["subscriptions"]:
        row.pop("list_mrr_micros", None)
    company.write(folder / "book")
    workspace = read_workspace(folder / "book" / "perennial.toml", folder / "book")
    ingest(workspace, folder / "home", NOW)
    return folder / "home"


def from_files(home: Path, folder: Path, engine: str) -> None:
    """Compare a snapshot's partitions, here and copied elsewhere, with DuckDB."""
    shutil.copytree(home / "snapshots", folder / "bucket")
    afar = EngineSettings(feeds=(folder / "bucket").as_uri())
    expected = snapshot(book := open_book(home), book.facts.as_of)
    for asked in (None, afar):
        found = open_book(home, engine=engine, settings=asked)
        months = found.partitions["usage_by_day"]
        assert all(each.file.startswith("file:") == bool(asked) for each in months)
        equal(expected, snapshot(found, found.facts.as_of))


@pytest.mark.ci
def test_polars_reads_a_published_snapshot_and_its_copy(home, tmp_path):
    from_files(home, tmp_path, "polars")


@pytest.mark.slow
def test_spark_reads_a_published_snapshot_and_its_copy(home, tmp_path):
    pytest.importorskip("pyspark", reason="the spark extra is not installed")
    from_files(home, tmp_path, "spark")


@pytest.mark.ci
def test_duckdb_reads_its_own_files(home):
    book = open_book(home, settings=EngineSettings(feeds="s3a://bucket/snapshots"))
    assert book.partitions["usage_by_day"][0].file.startswith(str(home))


def test_a_snapshot_of_another_format_is_refused(tmp_path):
    home, book = tmp_path / "home", made(tmp_path / "book")
    ingest(read_workspace(None, book), home, NOW)
    (manifest,) = home.glob("snapshots/*/manifest.json")
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 1}))
    with pytest.raises(
        DataRejected, match=r"format 1, not 2: snapshot.format: run `perennial ingest`"
    ):
        open_book(home)


def test_an_engine_that_is_not_known_or_not_installed(monkeypatch):
    with pytest.raises(
        ConfigurationRefused, match=r"dask: engine.unknown: duckdb, polars or spark"
    ):
        Book.of({}, engine="dask")
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ConfigurationRefused, match=r"pip install 'perennial\[polars\]'") as absent:
        Book.of({}, engine="polars")
    assert (absent.value.code, absent.value.exit_code) == ("engine.missing", 78)


def test_only_the_months_of_a_window_are_read():
    months = {
        "usage_by_day": tuple(
            Partition(f"{m}.parquet", number_of(date(2025, m + 1, 1))) for m in (1, 2, 3)
        )
    }
    read: list[tuple[str, ...]] = []

    class Reader:
        def parquet(self, files):
            read.append(tuple(files))
            return files

    book = Book("x", BookFacts(), {}, duckdb_in_memory(), "duckdb", months)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("features.book.chosen", lambda *_: Reader())
        for since in (None, number_of(date(2025, 2, 28)), number_of(date(2025, 3, 1))):
            book.rolled("usage_by_day", since)
            book.rolled("usage_by_day", since)
    every = ("1.parquet", "2.parquet", "3.parquet")
    assert read == [every, every[1:], every[2:]]
    assert book.rolled("usage_by_day", number_of(date(2025, 4, 1))).collect().shape == (0, 6)


# Clocks change in Berlin and New York, leap days, week 53 and the turn of its year.
TURNS = [
    date.fromisoformat(day)
    for day in ("2025-03-31", "2025-10-27", "2025-11-03", "2024-03-01", "2021-01-04", "2027-01-01")
]
OFFSETS = [-1, 0, 1, 3_600_000_000, -3_600_000_000, 43_200_000_000]


def around(day: date) -> list[datetime]:
    """Give moments on both sides of each bound of 7, 28 and 91 days before a midnight in UTC."""
    midnight = instant(day)
    edges = [midnight - timedelta(days=days) for days in (0, 7, 28, 91)]
    return [edge + timedelta(microseconds=offset) for edge in edges for offset in OFFSETS]


@pytest.mark.fault("F06")
@pytest.mark.parametrize(
    "as_of", [TURNS[0], *(pytest.param(day, marks=pytest.mark.ci) for day in TURNS[1:])]
)
def test_windows_are_half_open_days_of_utc(as_of):
    moments = around(as_of)
    names = [f"a{n:02d}" for n in range(len(moments))]
    midnight = instant(as_of)
    usage = [
        {"account_id": name, "occurred_at": at, "feature": "f"}
        for name, moment in zip(names, moments, strict=True)
        for at in (moment, midnight - timedelta(days=200))
    ]
    usage += [
        {"account_id": "z", "occurred_at": midnight - timedelta(microseconds=1), "feature": "f"}
    ]
    lines = [line(name, starts="2019-01-01") for name in [*names, "z"]]
    tables = {
        "accounts": pd.DataFrame({"account_id": [*names, "z"]}),
        "subscriptions": pd.DataFrame(lines),
        "usage": pd.DataFrame(usage),
    }
    book = Book.of(
        {name: canonical(name, rows) for name, rows in tables.items()}, BookFacts(as_of=as_of)
    )
    frame = snapshot(book, as_of).set_index("account_id")
    for days in (7, 28, 91):
        inside = [float(midnight - timedelta(days=days) <= at < midnight) for at in moments]
        assert frame.loc[names, f"usage_events_{days}d"].tolist() == inside


@pytest.mark.fault("F06")
@given(st.lists(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)), min_size=50))  # noqa: DTZ001
@settings(max_examples=10)
def test_a_day_is_numbered_alike_by_sql_and_by_expression(moments):
    table = pa.table({"at": pa.array(moments, pa.timestamp("us"))})
    expected = [(moment.date() - date(1970, 1, 1)).days for moment in moments]
    for engine in (chosen("duckdb", duckdb_in_memory()), chosen("polars", duckdb_in_memory())):
        rows = engine.arrow(table).select(day_number("at").alias("day")).collect("pyarrow")
        assert rows["day"].to_list() == expected
    growth = pa.table({"observed_on": [moment.date() for moment in moments]})
    connection = duckdb_in_memory()
    connection.register("rows", growth)
    sql = "SELECT epoch_us(CAST(observed_on AS TIMESTAMPTZ)) // 86400000000 FROM rows"
    assert [day for (day,) in connection.execute(sql).fetchall()] == expected


GREEDY = """SELECT count(*) FROM (SELECT k, max(m) FROM (
    SELECT hash(range)::VARCHAR || repeat('y', 40) AS k, range AS m FROM range(1_000_000)) GROUP BY 1)"""


@pytest.mark.ci
@pytest.mark.fault("F10")
def test_beyond_its_memory_duckdb_spills_and_beyond_that_it_says_so(tmp_path):
    place = spill_folder(tmp_path)
    wide = duckdb_in_memory("60MB", place, "1GB")
    assert wide.execute(GREEDY).fetchall() == [(1_000_000,)]
    wide.close()
    assert not place.exists()
    for narrow in (duckdb_in_memory("60MB"), duckdb_in_memory("60MB", place, "1MB")):
        said = r"memory.exceeded: give it more memory or disk"
        with pytest.raises(CannotWrite, match=said) as over, memory_watched():
            narrow.execute(GREEDY)
        assert over.value.exit_code == 73


@pytest.mark.ci
@pytest.mark.fault("F10")
def test_a_snapshot_that_outgrows_its_memory_is_not_made(home):
    book = open_book(home, settings=EngineSettings(memory="1MB", spill="1MB"))
    with pytest.raises(CannotWrite, match=r"memory.exceeded"):
        snapshot(book, book.facts.as_of)


def test_what_a_dead_process_spilled_is_removed(tmp_path):
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    left, ours = tmp_path / f".spill-{int(gone.stdout)}-0a1b2c3d", spill_folder(tmp_path)
    left.mkdir()
    ours.mkdir()
    spill_folder(tmp_path)
    assert (left.exists(), ours.exists()) == (False, True)


@pytest.mark.ci
def test_nothing_heavy_is_imported_unless_asked():
    script = (
        "import sys, features.book; print([m for m in ('polars', 'pyspark') if m in sys.modules])"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "[]"
    assert engines.ENGINES == ("duckdb", "polars", "spark")


ONE_ACCOUNT = """
    SELECT 'a' AS account_id, 'f' || (n % 50) AS feature, 'u' || (n % 20011) AS user_id,
        make_timestamptz(1751328000000000 - 1 - (n * 7919 % 39312000) * 1000000) AS occurred_at
    FROM range({rows}) AS made(n)"""

MEASURED = """
import sys
from datetime import datetime, UTC
from pathlib import Path
from features.book import open_book
from features.ingest import ingest
from features.mapping import read_workspace
from features.snapshot import snapshot
folder = Path(sys.argv[1])
ingest(read_workspace(None, folder / "book"), folder / "home", datetime(2025, 7, 1, tzinfo=UTC))
book = open_book(folder / "home")
row = snapshot(book, datetime(2025, 7, 1).date()).iloc[0]
peak = PEAK_MB
print(int(row["usage_events_28d"]), int(row["usage_users_91d"]), peak)
""".replace("PEAK_MB", PEAK_MB)


def one_account(folder: Path, rows: int) -> int:
    """Ingest and measure one account with so many events in 455 days; give the peak in MB."""
    (folder / "book").mkdir()
    made = duckdb_in_memory()
    made.execute(f"COPY ({ONE_ACCOUNT.format(rows=rows)}) TO '{folder}/book/usage.parquet'")
    pd.DataFrame({"account_id": ["a"]}).to_csv(folder / "book" / "accounts.csv", index=False)
    bought = {"account_id": ["a"], "starts_on": ["2024-01-01"], "mrr": [9]}
    pd.DataFrame(bought).to_csv(folder / "book" / "subscriptions.csv", index=False)
    told = subprocess.run(
        [sys.executable, "-c", MEASURED, str(folder)], capture_output=True, text=True, check=True
    )
    usage = f"'{folder}/book/usage.parquet'"
    last = "1751328000 - epoch(occurred_at) <= 86400"
    expected = made.execute(
        f"SELECT (SELECT count(*) FROM {usage} WHERE {last} * 28), "
        f"(SELECT count(DISTINCT user_id) FROM {usage} WHERE {last} * 91)"
    ).fetchall()
    *found, peak = map(int, told.stdout.split())
    assert [tuple(found)] == expected
    return peak


@pytest.mark.ci
@pytest.mark.fault("F11")
def test_one_account_with_a_million_events(tmp_path):
    assert one_account(tmp_path, 1_000_000) < 900


@pytest.mark.slow
@pytest.mark.fault("F11")
def test_one_account_with_ten_million_events(tmp_path):
    assert one_account(tmp_path, 10_000_000) < 900
