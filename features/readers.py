"""Readers: a file's bytes as a table of text, with the line of every row.

Nothing is guessed: no sniffing, one declared delimiter and encoding, every value text. A row that
is not well formed is set aside with its line; a file that is not well formed is refused whole.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO, StringIO

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from features.breaches import CURES, Breach
from features.copies import Staged
from features.faults import DataRejected
from features.mapping import TableSettings
from features.sources import INFLATED, SourceBytes

__all__ = ["SourceRows", "read_chunks", "read_rows", "read_whole"]

BLOCK = 1 << 24
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}


@dataclass(frozen=True)
class SourceRows:
    """The rows of one file, as text.

    Attributes
    ----------
    label, sha256 : str
        The file and the digest of its bytes.
    rows : pyarrow.Table
        Source columns under their trimmed names, every value text.
    lines : pyarrow.Array of int64
        Line (CSV) or row number (Parquet) of each row.
    breaches : list of Breach
        Rows that were not well formed.
    raw : list of str
        What those rows held, in the same order.
    """

    label: str
    sha256: str
    rows: pa.Table
    lines: pa.Array
    breaches: list[Breach] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)


def read_rows(source: SourceBytes, settings: TableSettings) -> SourceRows:
    """Read a file's rows.

    Raises
    ------
    DataRejected
        ``parquet.truncated``, ``schema.type``, ``schema.duplicate_column``,
        ``schema.identifier``, ``encoding.not_utf8``, ``csv.delimiter``,
        ``csv.unterminated_quote``, ``file.too_expensive``.

    Examples
    --------
    >>> source = SourceBytes("a.csv", b"account_id, mrr\\r\\na,1\\r\\nb\\r\\nc,3\\r\\n", "")
    >>> read = read_rows(source, TableSettings())
    >>> read.rows.to_pydict(), read.lines.to_pylist()
    ({'account_id': ['a', 'c'], 'mrr': ['1', '3']}, [2, 4])
    >>> read.breaches[0].code, read.breaches[0].row
    ('row.missing_columns', 3)
    """
    read = _read_parquet if source.kind == "parquet" else _read_csv
    return read(source, settings)


def read_chunks(source: Staged, settings: TableSettings) -> Iterator[SourceRows]:
    """Read the rows of a copy, chunk by chunk; the first chunk may have no rows.

    Raises
    ------
    DataRejected
        As ``read_rows``; some of it may come after chunks were given.
    """
    yield read_whole(source, settings)


def read_whole(source: Staged, settings: TableSettings) -> SourceRows:
    """Read all rows of a copy at once, for a table that is not a feed."""
    held = SourceBytes(source.label, source.path.read_bytes(), source.sha256)
    read = _read_parquet if source.kind == "parquet" else _read_csv
    return read(held, settings)


def _read_parquet(source: SourceBytes, settings: TableSettings) -> SourceRows:
    content, label = source.content, source.label
    if content[:4] != b"PAR1" or content[-4:] != b"PAR1":
        raise DataRejected("parquet.truncated", f"{label}: no PAR1 mark", "copy the file again")
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        groups = range(file.metadata.num_row_groups)
        if sum(file.metadata.row_group(n).total_byte_size for n in groups) > INFLATED:
            raise DataRejected("file.too_expensive", f"{label}: beyond 2 GB", "split the export")
        table = file.read()
    except (pa.ArrowInvalid, OSError) as cut:
        raise DataRejected("parquet.truncated", f"{label}: {cut}", "copy the file again") from cut
    names = _header(table.column_names, label)
    _refuse_nested(table.schema, label)
    lines = pa.array(np.arange(1, table.num_rows + 1, dtype=np.int64))
    return SourceRows(label, source.sha256, _as_text(table.rename_columns(names)), lines)


def _refuse_nested(schema: pa.Schema, label: str) -> None:
    for column in schema:
        if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
            message = f'{label}: column "{column.name}" is {column.type}'
            raise DataRejected("schema.type", message, "export it as text, a number or a date")


def _as_text(table: pa.Table) -> pa.Table:
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("source", table)
    names = ", ".join(
        f"CAST({quoted} AS VARCHAR) AS {quoted}" for quoted in map(_quote, table.column_names)
    )
    return connection.sql(f"SELECT {names} FROM source").to_arrow_table()


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _read_csv(source: SourceBytes, settings: TableSettings) -> SourceRows:
    content, bad_lines = _decode(source, settings.encoding)
    if b"\n" not in content:
        content = content.replace(b"\r", b"\n")
    _refuse_open_quote(content, source.label, settings.delimiter)
    names, head_lines, body = _split_header(content, source.label, settings.delimiter)
    rows, breaches, raw = _parse(body, names, source.label, settings.delimiter)
    rows, lines, breaches = _number(rows, breaches, raw, head_lines)
    read = SourceRows(source.label, source.sha256, rows, lines, breaches, raw)
    read = _without_blank(read, body, head_lines)
    return _without_broken(read, bad_lines) if bad_lines else read


def _decode(source: SourceBytes, encoding: str) -> tuple[bytes, list[int]]:
    content = source.content
    if encoding != "utf-8":
        try:
            return content.decode(encoding).removeprefix("\ufeff").encode("utf-8"), []
        except UnicodeError as refused:
            cure = "declare the encoding that the file has"
            raise DataRejected(f"encoding.not_{encoding}", source.label, cure) from refused
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        cure = 'save it as UTF-8, or declare encoding = "utf-16"'
        raise DataRejected("encoding.not_utf8", f"{source.label}: UTF-16 (by its mark)", cure)
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return _mark_bad_lines(content, source.label)
    return content, []


def _mark_bad_lines(content: bytes, label: str) -> tuple[bytes, list[int]]:
    lines = content.split(b"\n")
    bad = [n for n, line in enumerate(lines, 1) if not _is_utf8(line)]
    if len(bad) > max(1, len(lines) // 20):
        cure = 'save it as UTF-8, or declare encoding = "latin-1"'
        raise DataRejected(
            "encoding.not_utf8", f"{label}:{bad[0]}: and {len(bad) - 1} more lines", cure
        )
    return content.decode("utf-8", "replace").encode("utf-8"), bad


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _refuse_open_quote(content: bytes, label: str, delimiter: str) -> None:
    if content.count(b'"') % 2 == 0:
        return
    reader = csv.reader(
        StringIO(content.decode("utf-8"), newline=""), strict=True, delimiter=delimiter
    )
    line = 1
    try:
        for _ in reader:
            line = reader.line_num + 1
    except csv.Error as refused:
        at = sum(len(part) + 1 for part in content.split(b"\n")[: line - 1])
        message = f"{label}:{line}: a quote is never closed (byte {at})"
        raise DataRejected(
            "csv.unterminated_quote", message, "close or double the quote"
        ) from refused


def _split_header(content: bytes, label: str, delimiter: str) -> tuple[list[str], int, bytes]:
    text = StringIO(content[: 1 << 20].decode("utf-8", "ignore"), newline="")
    reader = csv.reader(text, delimiter=delimiter)
    names = next(reader, [])
    end, lines = 0, reader.line_num
    for _ in range(lines):
        at = content.find(b"\n", end)
        end = len(content) if at < 0 else at + 1
    if len(names) == 1:
        _refuse_delimiter(names[0], label, delimiter)
    return _header(names, label), lines, content[end:]


def _refuse_delimiter(header: str, label: str, delimiter: str) -> None:
    for mark, name in DELIMITERS.items():
        if mark != delimiter and mark in header:
            cure = f"declare delimiter = {mark!r}, or export with commas"
            raise DataRejected("csv.delimiter", f"{label}: looks separated by {name}", cure)


def _header(names: list[str], label: str) -> list[str]:
    trimmed = [name.strip().removeprefix("\ufeff").strip() for name in names]
    seen: dict[str, int] = {}
    for at, name in enumerate(trimmed, 1):
        if len(name) > 200 or any(ord(mark) < 32 for mark in name):
            message = f"{label}: header {at} has {len(name)} characters"
            raise DataRejected("schema.identifier", message, "give the column a plain name")
        first = seen.setdefault(name.casefold(), at)
        if first != at:
            message = f'{label}: "{name}" at positions {first} and {at}'
            raise DataRejected("schema.duplicate_column", message, "keep or rename one of them")
    return trimmed


def _parse(
    body: bytes, names: list[str], label: str, delimiter: str
) -> tuple[pa.Table, list[Breach], list[str]]:
    """Parse the lines below the header; a breach bears the ordinal of its row."""
    breaches: list[Breach] = []
    raw: list[str] = []

    def set_aside(row: pa_csv.InvalidRow) -> str:
        short = row.actual_columns < row.expected_columns
        code = "row.missing_columns" if short else "row.extra_columns"
        found = f"{row.actual_columns} columns of {row.expected_columns}"
        breaches.append(Breach(label, row.number, None, code, found, CURES[code]))
        raw.append(row.text)
        return "skip"

    if not body.strip():
        return pa.table({name: pa.array([], pa.string()) for name in names}), [], []
    how = pa_csv.ParseOptions(
        delimiter=delimiter,
        newlines_in_values=b'"' in body,
        ignore_empty_lines=False,
        invalid_row_handler=set_aside,
    )
    types = dict.fromkeys(names, pa.string())
    text = pa_csv.ConvertOptions(column_types=types, strings_can_be_null=False)
    ordered = pa_csv.ReadOptions(use_threads=False, column_names=names, block_size=BLOCK)
    try:
        return pa_csv.read_csv(BytesIO(body), ordered, how, text), breaches, raw
    except pa.ArrowInvalid as refused:
        cure = "export the table again"
        raise DataRejected("csv.format", f"{label}: {refused}", cure) from refused


def _number(
    rows: pa.Table, breaches: list[Breach], raw: list[str], head_lines: int
) -> tuple[pa.Table, pa.Array, list[Breach]]:
    """Give every row the line on which it starts: a quoted value may hold line breaks."""
    bad = np.array([breach.row for breach in breaches], dtype=np.int64) - 1
    good = np.delete(np.arange(rows.num_rows + len(bad)), bad)
    height = np.ones(rows.num_rows + len(bad), dtype=np.int64)
    for column in rows.columns:
        height[good] += pc.count_substring(column, "\n").to_numpy().astype(np.int64)
    height[bad] += np.array([text.count("\n") for text in raw], dtype=np.int64)
    starts = head_lines + 1 + np.cumsum(height) - height
    moved = [replace(each, row=int(starts[at])) for each, at in zip(breaches, bad, strict=True)]
    return rows, pa.array(starts[good]), moved


def _without_blank(read: SourceRows, body: bytes, head_lines: int) -> SourceRows:
    """Leave out lines that hold nothing at all."""
    kept = [n for n, text in enumerate(read.raw) if text.strip()]
    breaches, raw = [read.breaches[n] for n in kept], [read.raw[n] for n in kept]
    empty = np.ones(read.rows.num_rows, dtype=bool)
    for column in read.rows.columns:
        empty &= pc.equal(column, "").to_numpy()
    if empty.any():
        lines = body.split(b"\n")
        for at in np.flatnonzero(empty):
            line = lines[read.lines[int(at)].as_py() - head_lines - 1]
            empty[at] = not line.strip()
    keep = pa.array(~empty)
    return replace(
        read, rows=read.rows.filter(keep), lines=read.lines.filter(keep), breaches=breaches, raw=raw
    )


def _without_broken(read: SourceRows, bad_lines: list[int]) -> SourceRows:
    """Set aside the rows that start on a line which is not UTF-8, or hold such a line."""
    starts = read.lines.to_numpy()
    formless = {breach.row for breach in read.breaches}
    lines = [line for line in bad_lines if line not in formless]
    at = np.unique(np.searchsorted(starts, lines, side="right") - 1)
    at = at[at >= 0]
    code = "encoding.invalid"
    breaches = [
        Breach(read.label, int(starts[n]), None, code, "bytes that are not UTF-8", CURES[code])
        for n in at
    ]
    keep = np.ones(len(starts), dtype=bool)
    keep[at] = False
    mask = pa.array(keep)
    raw = [
        ",".join(str(value) for value in read.rows.slice(int(n), 1).to_pylist()[0].values())
        for n in at
    ]
    return replace(
        read,
        rows=read.rows.filter(mask),
        lines=read.lines.filter(mask),
        breaches=read.breaches + breaches,
        raw=read.raw + raw,
    )
