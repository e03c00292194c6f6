from __future__ import annotations

import math
import subprocess
import sys
import tempfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.chunks import ExaminedChunk, chunk_schema, examined_chunks, staged
from features.contracts import TABLES
from features.faults import DataRejected
from features.mapping import BookSettings, TableSettings, Workspace
from tests.peak_memory import PEAK_MB

NOW = datetime(2025, 7, 1, 12, tzinfo=UTC)
USAGE = (
    "event_id,account_id,occurred_at,feature,count\n"
    "e1,a,2025-06-01T10:00:00Z,search,3\n"
    "e2,a,2025-06-02T10:00:00Z,search,many\n"
    "e3,b,2025-06-03T10:00:00Z,search,\n"
)


def at(*parts: int) -> datetime:
    """Give a time without zone."""
    return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001


def chunks(
    folder: Path,
    name: str,
    content: bytes,
    table: str = "usage",
    settings: TableSettings | None = None,
    zone: str = "UTC",
) -> list[ExaminedChunk]:
    """Examine one file as a feed of a book."""
    (folder / name).write_bytes(content)
    (folder / "copies").mkdir(exist_ok=True)
    book = BookSettings(timezone=zone)
    workspace = Workspace(folder, folder, book, {table: settings or TableSettings()})
    source = staged(folder / name, folder, folder / "copies")
    return list(examined_chunks(source, workspace, TABLES[table], NOW))


def parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=7)
    return bytes(sink.getvalue())


def test_a_chunk_has_the_stored_columns_and_its_marks(tmp_path: Path) -> None:
    (chunk,) = chunks(tmp_path, "usage.csv", USAGE.encode())
    assert chunk.rows.schema == chunk_schema("usage")
    assert chunk.rows["__line"].to_pylist() == [2, 4]
    assert chunk.rows["count"].to_pylist() == [3.0, 1.0]
    assert (chunk.report.rows_in, chunk.report.accepted, chunk.report.quarantined) == (3, 2, 1)
    assert chunk.aside is not None
    assert chunk.aside.bad["event_id"].to_pylist() == ["e2"]
    assert chunk.provided == ("event_id", "account_id", "occurred_at", "feature", "count")


def test_an_event_has_one_key_in_csv_and_in_parquet(tmp_path: Path) -> None:
    (text,) = chunks(tmp_path, "usage.csv", USAGE.encode())
    table = pa.table({"event_id": ["e1", "e3"], "account_id": ["a", "b"], "feature": ["s", "s"]})
    days = pa.array([datetime(2025, 6, 1, tzinfo=UTC)] * 2, pa.timestamp("us", tz="UTC"))
    (typed,) = chunks(tmp_path, "usage.parquet", parquet(table.append_column("occurred_at", days)))
    assert text.rows["__key"].to_pylist() == typed.rows["__key"].to_pylist()


def test_a_header_alone_is_one_chunk_without_rows(tmp_path: Path) -> None:
    (text,) = chunks(tmp_path, "usage.csv", USAGE.splitlines()[0].encode())
    columns = {name: pa.array([], pa.string()) for name in ("account_id", "occurred_at", "feature")}
    (typed,) = chunks(tmp_path, "usage.parquet", parquet(pa.table(columns)))
    assert (text.report.rows_in, typed.report.rows_in) == (0, 0)
    assert text.rows.schema == typed.rows.schema


WORDS = ["a", "acme-0001", "é", " padded", "", "x\ty", "1E+05", "2-Mar", "\u200b", "A B", "z" * 300]
NUMBERS = [0.0, -0.0, 1.5, -1.0, math.nan, math.inf, 1e15, 1.1e15, 3e-310, 5.0]
INSTANTS = [
    at(2025, 6, 1, 10), at(2025, 3, 30, 2, 30), at(2024, 10, 27, 2, 30),
    at(2025, 7, 1, 12, 14), at(2025, 7, 1, 12, 16), at(2025, 7, 1, 14, 14),
    at(1989, 12, 31, 23), at(2100, 1, 1), at(2025, 6, 1, 10, 0, 0, 123456),
]  # fmt: skip
WHOLE = st.integers(-3, 5) | st.sampled_from([2**53, -(2**63), 10**15])
VALUES: dict[str, dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]]] = {
    "text": {
        "string": (pa.string(), st.sampled_from(WORDS)),
        "dictionary": (pa.dictionary(pa.int32(), pa.string()), st.sampled_from(WORDS)),
        "int64": (pa.int64(), WHOLE),
        "date": (pa.date32(), st.dates(date(2025, 1, 1), date(2025, 6, 1))),
    },
    "number": {
        "double": (pa.float64(), st.sampled_from(NUMBERS)),
        "float": (pa.float32(), st.sampled_from([0.1, -1.0, 2.5, math.inf])),
        "int64": (pa.int64(), WHOLE),
        "uint8": (pa.uint8(), st.integers(0, 255)),
        "decimal": (pa.decimal128(12, 2), st.sampled_from([Decimal("1.10"), Decimal("-0.01")])),
        "wide": (pa.decimal128(30, 9), st.sampled_from([Decimal("1.1"), Decimal("1e16")])),
        "string": (pa.string(), st.sampled_from(["1", "1e3", "many", ""])),
    },
    "instant": {
        "us": (pa.timestamp("us"), st.sampled_from(INSTANTS)),
        "utc": (pa.timestamp("us", tz="UTC"), st.sampled_from(INSTANTS)),
        "zoned": (pa.timestamp("ms", tz="Asia/Tokyo"), st.sampled_from(INSTANTS[:6])),
        "ns": (
            pa.timestamp("ns"),
            st.sampled_from([1_750_000_000_000_000_000, 1_750_000_000_000_000_999]),
        ),
        "day": (pa.date32(), st.dates(date(2025, 3, 1), date(2025, 7, 9))),
        "string": (pa.string(), st.sampled_from(["2025-06-01", "01/02/2025"])),
        "int64": (pa.int64(), st.sampled_from([1_748_772_000])),
    },
    "yes": {
        "bool": (pa.bool_(), st.booleans()),
        "string": (pa.string(), st.sampled_from(["no", "?"])),
    },
}
OF = {"id": "text", "text": "text", "choice": "text", "number": "number", "boolean": "yes"}
PLAIN = {"text": "string", "number": "double", "instant": "utc", "yes": "bool"}


@st.composite
def feeds(draw: st.DrawFn) -> tuple[str, pa.Table]:
    """Draw a feed with columns of any type, mostly of the contract's, and any values."""
    name = draw(st.sampled_from(["usage", "events", "tickets", "touchpoints", "limits", "growth"]))
    height = draw(st.integers(1, 20))
    columns = {
        "memo": pa.array(draw(st.lists(st.sampled_from(WORDS), min_size=height, max_size=height)))
    }
    for column in TABLES[name].columns:
        if not column.required and draw(st.booleans()):
            continue
        kind = OF.get(column.kind, "instant")
        odd = draw(st.integers(0, 7)) == 0
        form = draw(st.sampled_from(sorted(VALUES[kind]))) if odd else PLAIN[kind]
        arrow, values = VALUES[kind][form]
        if column.allowed and arrow == pa.string():
            values = st.sampled_from([*column.allowed, "LOW", "other"])
        if column.required or draw(st.booleans()):
            held = draw(st.lists(values, min_size=height, max_size=height))
        else:
            held = draw(st.lists(values | st.none(), min_size=height, max_size=height))
        columns[column.name] = _array(held, arrow)
    return name, pa.table(columns)


def _array(held: list[Any], arrow: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(arrow):
        return pa.array(held, arrow.value_type).dictionary_encode()
    return pa.array(held, arrow)


ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns"])


@pytest.mark.ci
@settings(max_examples=4, deadline=None)
@given(feeds(), ZONES)
def test_rows_taken_by_type_are_those_that_text_gives(
    feed: tuple[str, pa.Table], zone: str
) -> None:
    assert _both_ways(*feed, zone)


@pytest.mark.ci
@settings(max_examples=60, deadline=None)
@given(feeds(), ZONES)
def test_rows_taken_by_type_are_those_that_text_gives_on_many_feeds(
    feed: tuple[str, pa.Table], zone: str
) -> None:
    assert _both_ways(*feed, zone)


def _both_ways(name: str, table: pa.Table, zone: str) -> bool:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        content = parquet(table)
        by_type = chunks(Path(folder), f"{name}.parquet", content, name, zone=zone)
        patch.setattr("features.chunks.typed_rows", lambda *_: None)
        by_text = chunks(Path(folder), f"{name}.parquet", content, name, zone=zone)
    return _sum(by_type) == _sum(by_text)


def _peak_of_bad_rows(rows: int, form: str, folder: Path) -> int:
    """Measure the memory, in MB, of a process that examines so many rows, all bad."""
    path = folder / f"usage.{form}"
    if form == "csv":
        row = "acme,yesterday,search\n" * 99 + "a short row\n"
        path.write_text("account_id,occurred_at,feature\n" + row * (rows // 100))
    else:
        columns = {"account_id": ["acme"], "occurred_at": ["yesterday"], "feature": ["search"]}
        part = pa.table({name: word * 100_000 for name, word in columns.items()})
        with pq.ParquetWriter(path, part.schema) as file:
            for _ in range(rows // 100_000):
                file.write_table(part)
    (folder / "copies").mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(path), str(folder), str(folder / "copies")],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    bad, peak = done.stdout.split()
    assert int(bad) == rows
    return int(peak)


MEASURED = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from features.chunks import examined_chunks, staged
from features.contracts import TABLES
from features.mapping import Workspace
path, folder, copies = map(Path, sys.argv[1:])
source, now = staged(path, folder, copies), datetime(2025, 7, 1, tzinfo=UTC)
found = examined_chunks(source, Workspace(folder, folder), TABLES["usage"], now)
bad = sum(chunk.report.quarantined for chunk in found)
print(bad, PEAK_MB)
""".replace("PEAK_MB", PEAK_MB)


def _sum(found: list[ExaminedChunk]) -> object:
    """Put chunks together, whatever their order."""
    rows = pa.concat_tables(each.rows for each in found).sort_by("__line")
    counts: dict[str, int] = {}
    for each in found:
        held = {"in": each.report.rows_in, "good": each.report.accepted} | each.report.codes
        for key, value in held.items():
            counts[key] = counts.get(key, 0) + value
    errors = sorted(str(error) for each in found for error in each.report.errors)
    aside = sorted(str(row) for each in found if each.aside for row in each.aside.bad.to_pylist())
    ignored = {each.report.ignored_columns for each in found}
    return str(rows.to_pydict()), counts, errors, aside, ignored, {e.provided for e in found}


def test_only_doubtful_rows_go_the_way_of_text(tmp_path: Path) -> None:
    when = pa.array([at(2025, 6, 1)] * 9 + [at(2026, 6, 1)], pa.timestamp("us"))
    table = pa.table({"account_id": ["acme"] * 10, "feature": ["search"] * 10, "occurred_at": when})
    sound, doubtful = chunks(tmp_path, "usage.parquet", parquet(table))
    assert (sound.report.accepted, sound.aside) == (9, None)
    assert doubtful.report.codes == {"timestamp.future": 1}
    assert [each.row for each in doubtful.report.errors] == [10]


def test_a_column_that_bears_another_ones_name_is_read_as_mapped(tmp_path: Path) -> None:
    mapped = TableSettings(columns={"account_id": "user_id", "user_id": "account_id"})
    when = pa.array([at(2025, 6, 1)], pa.timestamp("us"))
    table = pa.table({"account_id": ["u"], "user_id": ["a"], "feature": ["s"], "occurred_at": when})
    (chunk,) = chunks(tmp_path, "usage.parquet", parquet(table), settings=mapped)
    assert (chunk.rows["account_id"].to_pylist(), chunk.rows["user_id"].to_pylist()) == (
        ["a"],
        ["u"],
    )


@pytest.mark.fault("I38")
def test_a_parquet_file_that_claims_too_many_rows_is_refused_unread(tmp_path: Path) -> None:
    ones = pa.array(np.zeros(11_000_000, np.int32))
    same = pa.DictionaryArray.from_arrays(ones, pa.array(["x"]))
    sink = pa.BufferOutputStream()
    table = pa.table(dict.fromkeys(("account_id", "occurred_at", "feature"), same))
    pq.write_table(table, sink, compression="zstd", row_group_size=11_000_000)
    with pytest.raises(DataRejected, match="11000000 rows in") as caught:
        chunks(tmp_path, "usage.parquet", bytes(sink.getvalue()))
    assert (caught.value.code, caught.value.exit_code) == ("file.too_expensive", 65)


@pytest.mark.ci
@pytest.mark.fault("I38")
def test_a_page_that_inflates_beyond_the_memory_is_refused_and_we_live_on(tmp_path: Path) -> None:
    bomb = pa.array(["x" * (700 << 20)], pa.large_string())
    table = pa.table({"account_id": ["a"], "occurred_at": ["2025-06-01"], "feature": bomb})
    path = tmp_path / "usage.parquet"
    pq.write_table(table, path, compression="zstd", write_statistics=False, use_dictionary=False)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(DataRejected, match="of memory or") as caught:
        chunks(tmp_path, "usage.parquet", path.read_bytes())
    assert (caught.value.code, caught.value.exit_code) == ("file.too_expensive", 65)


@pytest.mark.ci
@pytest.mark.fault("I50")
@pytest.mark.parametrize("form", ["csv", pytest.param("parquet", marks=pytest.mark.slow)])
def test_three_million_bad_rows_take_no_more_memory_than_one(form: str, tmp_path: Path) -> None:
    one, three = (
        [_peak_of_bad_rows(rows, form, tmp_path) for _ in range(2)]
        for rows in (1_000_000, 3_000_000)
    )
    assert min(three) < max(one) + 150  # a peak alone differs by 100 from run to run
