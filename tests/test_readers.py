from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.copies import Staged
from features.csv_blocks import blocks
from features.csv_reader import csv_chunks
from features.faults import DataRejected
from features.mapping import TableSettings
from features.readers import SourceRows, read_whole
from features.source_rows import gathered


def read(
    content: bytes, kind: Literal["csv", "parquet"] = "csv", ignore: Sequence[str] = ()
) -> SourceRows:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "copy"
        path.write_bytes(content)
        settings = TableSettings(ignore=list(ignore))
        return read_whole(Staged(f"t.{kind}", path, "", kind, None), settings)


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
    rows = read(path.read_bytes(), "parquet").rows
    assert rows["n"].to_pylist() == ["1", "2"]
    assert rows["x"].to_pylist() == ["0.1", "1e+300"]
    assert rows["day"].to_pylist() == ["1970-01-01", "1970-01-02"]
    assert rows["at"][0].as_py() == "1970-01-01 00:00:00"
    assert rows["word"].to_pylist() == ["a", "b"]
    assert rows["yes"].to_pylist() == ["true", None]
    pq.write_table(pa.table({"list": [[1]]}), path)
    with pytest.raises(DataRejected, match=r'"list" is list.*schema\.type'):
        read(path.read_bytes(), "parquet")


@pytest.mark.fault("I51")
@pytest.mark.parametrize(
    "column",
    [
        pa.array([[1]]),
        pa.array([{"a": 1}]),
        pa.array([b"x"]),
        pa.array([b"abcd"], pa.binary(4)),
        pa.array([Decimal("1.5")], pa.decimal256(50, 2)),
    ],
)
def test_a_type_that_is_no_text_number_or_date_is_named(tmp_path: Path, column: pa.Array) -> None:
    pq.write_table(pa.table({"odd": column}), tmp_path / "t.parquet")
    with pytest.raises(DataRejected, match=r'"odd" is .*schema\.type'):
        read((tmp_path / "t.parquet").read_bytes(), "parquet")
    pq.write_table(pa.table({"odd": column, "even": ["x"]}), tmp_path / "t.parquet")
    held = read((tmp_path / "t.parquet").read_bytes(), "parquet", ignore=["Odd"])
    assert held.rows.to_pylist() == [{"even": "x"}]


@pytest.mark.fault("I51")
def test_old_timestamps_and_dictionaries_are_read(tmp_path: Path) -> None:
    when = pa.array([1_748_772_000_123_456_000], pa.timestamp("ns"))
    table = pa.table({"at": when, "word": pa.array(["a"]).dictionary_encode()})
    pq.write_table(table, tmp_path / "t.parquet", use_deprecated_int96_timestamps=True)
    held = read((tmp_path / "t.parquet").read_bytes(), "parquet")
    assert held.rows.to_pylist() == [{"at": "2025-06-01 10:00:00.123456", "word": "a"}]


HOSTILE = st.lists(
    st.sampled_from([*'ab,"\n\r', "\r\n", '""', ',"', '",', "é", "\udcff"]), max_size=60
)


@settings(max_examples=150, deadline=None)
@given(HOSTILE, st.integers(1, 9), st.integers(1, 40))
def test_where_a_csv_is_cut_changes_nothing(marks: list[str], piece: int, size: int) -> None:
    content = b"a,b\n" + "".join(marks).encode("utf-8", "surrogateescape")
    whole, parts = cut(content, len(content), 1 << 20), cut(content, piece, size)
    assert whole == parts


def cut(content: bytes, piece: int, size: int) -> object:
    """Read a CSV from pieces of some size, into blocks of some size."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder) / "t.csv"
        path.write_bytes(content)
        patch.setattr("features.csv_blocks.PIECE", piece)
        try:
            held = gathered(
                csv_chunks(Staged("t.csv", path, "", "csv", None), TableSettings(), size)
            )
        except DataRejected as refused:
            return refused.code, refused.message
        order = sorted(zip(held.breaches, held.raw, strict=True), key=lambda each: str(each))
        return held.rows.to_pylist(), held.lines.to_pylist(), order


def test_a_quote_inside_a_plain_value_opens_nothing() -> None:
    held = read(b'a,b\n5" pipe,"x\ny"\n7,"z"\n')
    assert held.rows.to_pylist() == [{"a": '5" pipe', "b": "x\ny"}, {"a": "7", "b": "z"}]
    assert held.lines.to_pylist() == [2, 4]


def test_lone_returns_among_line_feeds_end_rows() -> None:
    held = read(b"a,b\r1,2\r\n3,4\r5,6\n")
    assert held.rows["a"].to_pylist() == ["1", "3", "5"]
    assert held.lines.to_pylist() == [2, 3, 4]


@pytest.mark.fault("I20")
def test_a_quote_that_is_never_closed_is_told_with_line_and_byte() -> None:
    with pytest.raises(DataRejected, match=r"t\.csv:3: a quote is never closed \(byte 8\)"):
        read(b'a,b\n1,2\n3,"4\n5,6\n')
    with pytest.raises(DataRejected, match=r"t\.csv:2: a quote is never closed"):
        read(b'a,b\n5"x,"y\n1,2\n')


@pytest.mark.fault("I21")
def test_a_row_or_value_that_is_too_long_is_set_aside() -> None:
    row, value = b"x" * (1 << 20), b"y" * (1 << 16)
    held = read(b"a,b\n1,2\n" + row + b",3\n4,5\n6,z" + value + b'\n7,"' + value + b'"\n')
    assert [(each.row, each.code) for each in held.breaches] == [
        (3, "row.too_long"),
        (5, "row.too_long"),
    ]
    assert held.rows["a"].to_pylist() == ["1", "4", "7"]
    assert held.lines.to_pylist() == [2, 4, 6]
    assert max(map(len, held.raw)) <= 1 << 16


@pytest.mark.fault("I21")
@settings(max_examples=40, deadline=None)
@given(st.integers(1, 7), st.sampled_from([b'"a""b\nc"', b'x"y"', b'""', b'"\r\n"']))
def test_a_long_row_ends_where_it_ends_although_it_is_not_held(piece: int, value: bytes) -> None:
    content = b"1,2\n" + b",".join([value] * 9) + b"\n3,4\n"
    parts = [content[at : at + piece] for at in range(0, len(content), piece)]
    found = list(blocks(iter(parts), ",", "t.csv", longest=6))
    assert [each.long for each in found] == [False, True, False]
    assert found[2].content == b"3,4\n"
    assert found[2].line == content[: content.index(b"3,4")].count(b"\n") + 1


@pytest.mark.fault("I21")
def test_a_long_value_of_a_parquet_file(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": ["x", "y" * 70_000], "b": [1, 2]}), tmp_path / "t.parquet")
    held = read((tmp_path / "t.parquet").read_bytes(), "parquet")
    assert held.rows["a"].to_pylist() == ["x"]
    assert [(each.row, each.code) for each in held.breaches] == [(2, "row.too_long")]


def test_a_column_without_a_name_is_called_by_its_place() -> None:
    held = read(b",account_id\n0,a\n")
    assert held.rows.to_pylist() == [{"column 1": "0", "account_id": "a"}]
