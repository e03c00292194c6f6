from __future__ import annotations

import csv
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.faults import Busy, DataRejected
from features.mapping import TableSettings
from features.readers import SourceRows, read_rows
from features.sources import SourceBytes, read_bytes


def read(content: bytes, label: str = "t.csv") -> SourceRows:
    return read_rows(SourceBytes(label, content, ""), TableSettings())


TEXT = st.text(st.sampled_from('ab,"\n\r é;'), max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT, st.just("x")), max_size=8))
def test_what_a_csv_writer_writes_is_read_back_with_its_lines(rows: list[tuple[str, ...]]) -> None:
    sink = io.StringIO(newline="")
    writer = csv.writer(sink, lineterminator="\r\n")
    writer.writerow(["a", "b", "c"])
    lines = []
    for row in rows:
        lines.append(sink.getvalue().count("\n") + 1)
        writer.writerow(row)
    held = read(sink.getvalue().encode())
    assert [tuple(row.values()) for row in held.rows.to_pylist()] == rows
    assert held.lines.to_pylist() == lines
    assert held.breaches == []


def test_the_line_of_a_row_counts_breaks_inside_quotes_and_blank_lines() -> None:
    held = read(b'a,b\n1,"x\ny"\n\n2\n3,z\n,\n4,w,v\n')
    assert held.rows.to_pydict() == {"a": ["1", "3", ""], "b": ["x\ny", "z", ""]}
    assert held.lines.to_pylist() == [2, 6, 7]
    assert [(each.row, each.code) for each in held.breaches] == [
        (5, "row.missing_columns"),
        (8, "row.extra_columns"),
    ]


def test_a_line_that_is_broken_and_short_is_counted_once() -> None:
    held = read(b"a,b\n1,2\n\xff\n3,4\n5,6\n")
    assert [(each.row, each.code) for each in held.breaches] == [(3, "row.missing_columns")]
    assert held.lines.to_pylist() == [2, 4, 5]


def test_old_line_ends() -> None:
    assert read(b"a,b\r1,2\r3,4\r").rows.to_pydict() == {"a": ["1", "3"], "b": ["2", "4"]}


@pytest.mark.fault("I41")
def test_a_header_over_two_lines_is_no_name() -> None:
    with pytest.raises(DataRejected, match=r"schema\.identifier"):
        read(b'a,"b\nc"\n1,2\n')


@pytest.mark.fault("I51")
def test_parquet_types(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = pa.table(
        {
            "n": [1, 2],
            "x": [0.1, 1e300],
            "day": pa.array([0, 1], pa.date32()),
            "at": pa.array([0, 1], pa.timestamp("ns")),
            "word": pa.array(["a", "b"]).dictionary_encode(),
            "yes": [True, None],
        }
    )
    pq.write_table(table, path)
    rows = read(path.read_bytes(), "t.parquet").rows
    assert rows["n"].to_pylist() == ["1", "2"]
    assert rows["x"].to_pylist() == ["0.1", "1e+300"]
    assert rows["day"].to_pylist() == ["1970-01-01", "1970-01-02"]
    assert rows["at"][0].as_py() == "1970-01-01 00:00:00"
    assert rows["word"].to_pylist() == ["a", "b"]
    assert rows["yes"].to_pylist() == ["true", None]
    pq.write_table(pa.table({"list": [[1]]}), path)
    with pytest.raises(DataRejected, match=r'"list" is list.*schema\.type'):
        read(path.read_bytes(), "t.parquet")


@pytest.mark.fault("I06")
def test_a_file_that_grows_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n1\n")
    assert read_bytes(path, tmp_path).label == "t.csv"

    def grow(seconds: float) -> None:
        with path.open("a") as file:
            file.write("2\n")

    monkeypatch.setattr("features.sources.time.sleep", grow)
    with pytest.raises(Busy) as caught:
        read_bytes(path, tmp_path, settle_seconds=1)
    assert (caught.value.code, caught.value.exit_code) == ("feed.incomplete", 75)


@pytest.mark.fault("I07")
def test_a_checksum_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"a\n1\n")
    digest = read_bytes(path, tmp_path).sha256
    (tmp_path / "t.csv.sha256").write_text(f"{digest}  t.csv\n")
    assert read_bytes(path, tmp_path).sha256 == digest
    path.write_bytes(b"a\n2\n")
    with pytest.raises(DataRejected, match=digest):
        read_bytes(path, tmp_path)
