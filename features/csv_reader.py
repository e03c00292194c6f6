"""The CSV reader: blocks of a CSV as rows of text, each with the line on which it starts.

Nothing is guessed: no sniffing, one declared delimiter and encoding, every value text. A row that
is not well formed is set aside with its line; a file that is not well formed is refused whole.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import StringIO
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from features.breaches import CURES, Breach
from features.copies import Staged
from features.csv_blocks import BLOCK, Block, blocks, pieces
from features.faults import ConfigurationRefused, DataRejected
from features.mapping import TableSettings
from features.source_rows import LONG_ROW, SourceRows, header, taken_out, without_long

__all__ = ["csv_chunks"]

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
PARSED = 1 << 24
Lines = npt.NDArray[np.int64]


def csv_chunks(source: Staged, settings: TableSettings, size: int = BLOCK) -> Iterator[SourceRows]:
    """Read a CSV, block by block; the first chunk may have no rows.

    Raises
    ------
    DataRejected
        ``schema.duplicate_column``, ``schema.identifier``, ``csv.delimiter``, ``csv.format``;
        ``csv.unterminated_quote`` and ``encoding.not_utf8`` may come after chunks were given.
    """
    delimiter, broken = settings.delimiter, _Broken(source.label)
    if not delimiter.isascii() or delimiter in '"\r\n':
        cure = "declare a comma, a semicolon, a tab or a pipe"
        raise ConfigurationRefused("config", f"delimiter = {delimiter!r}", cure)
    found = blocks(pieces(source, settings.encoding), delimiter, source.label, size)
    names: list[str] | None = None
    for block in chain([next(found, Block(b"", 1))], found):
        content, bad_lines = broken.mended(block, settings.encoding)
        line = block.line
        if names is None:
            names, height, content = _split_header(content, block.long, source.label, delimiter)
            line += height
        elif block.long:
            yield _long(source, names, block)
            continue
        yield _read(source, names, content, line, delimiter, bad_lines)
    broken.refuse_many()


def _read(
    source: Staged, names: list[str], content: bytes, line: int, delimiter: str, bad: list[int]
) -> SourceRows:
    rows, breaches, raw = _parse(content, names, source.label, delimiter)
    at = np.array([breach.row for breach in breaches], dtype=np.int64) - 1
    good = np.delete(np.arange(rows.num_rows + len(at)), at)
    starts = line + _starts(rows, good, at, raw, b'"' in content)
    moved = [replace(each, row=int(starts[n])) for each, n in zip(breaches, at, strict=True)]
    read = SourceRows(source.label, source.sha256, rows, pa.array(starts[good]), moved, raw)
    return without_long(_without_broken(_without_blank(read, content, line), bad))


def _long(source: Staged, names: list[str], block: Block) -> SourceRows:
    code, found = "row.too_long", f"a row of more than {LONG_ROW} bytes"
    breach = Breach(source.label, block.line, None, code, found, CURES[code])
    rows = pa.table({name: pa.array([], pa.string()) for name in names})
    raw = block.content.decode("utf-8", "replace")
    return SourceRows(source.label, source.sha256, rows, pa.array([], pa.int64()), [breach], [raw])


@dataclass
class _Broken:
    """Counts the lines that are not UTF-8: a few are set aside, many refuse the file."""

    label: str
    lines: int = 1
    many: int = 0
    first: int = 0

    def mended(self, block: Block, encoding: str) -> tuple[bytes, list[int]]:
        """Give a block with U+FFFD for what is not UTF-8, and the lines that have it."""
        self.lines += block.content.count(b"\n")
        if encoding != "utf-8" or block.long or _is_utf8(block.content):
            return block.content, []
        lines = enumerate(block.content.split(b"\n"), block.line)
        bad = [n for n, line in lines if not _is_utf8(line)]
        self.many, self.first = self.many + len(bad), self.first or bad[0]
        return block.content.decode("utf-8", "replace").encode("utf-8"), bad

    def refuse_many(self) -> None:
        """Refuse the file if more than one line in twenty is not UTF-8."""
        if self.many > max(1, self.lines // 20):
            cure = 'save it as UTF-8, or declare encoding = "latin-1"'
            message = f"{self.label}:{self.first}: and {self.many - 1} more lines"
            raise DataRejected("encoding.not_utf8", message, cure)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _split_header(
    content: bytes, long: bool, label: str, delimiter: str
) -> tuple[list[str], int, bytes]:
    """Give the names of the first line that holds anything, its height, and what follows it."""
    text = StringIO(content[: 2 * LONG_ROW].decode("utf-8", "ignore"), newline="")
    reader = csv.reader(text, delimiter=delimiter)
    try:
        names = next((row for row in reader if row), [])
    except csv.Error:
        long = True
    if long:
        message = f"{label}: the header is too long"
        raise DataRejected("schema.identifier", message, "give the columns plain names")
    end, lines = 0, reader.line_num
    for _ in range(lines):
        at = content.find(b"\n", end)
        end = len(content) if at < 0 else at + 1
    if len(names) == 1:
        _refuse_delimiter(names[0], label, delimiter)
    return header(names, label), lines, content[end:]


def _refuse_delimiter(names: str, label: str, delimiter: str) -> None:
    for mark, name in DELIMITERS.items():
        if mark != delimiter and mark in names:
            cure = f"declare delimiter = {mark!r}, or export with commas"
            raise DataRejected("csv.delimiter", f"{label}: looks separated by {name}", cure)


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
    ordered = pa_csv.ReadOptions(use_threads=False, column_names=names, block_size=PARSED)
    try:
        return pa_csv.read_csv(pa.BufferReader(body), ordered, how, text), breaches, raw
    except pa.ArrowInvalid as refused:
        cure = "export the table again"
        raise DataRejected("csv.format", f"{label}: {refused}", cure) from refused


def _starts(rows: pa.Table, good: Lines, bad: Lines, raw: list[str], quoted: bool) -> Lines:
    """Say how many lines stand before each row: a quoted value may hold line breaks."""
    height = np.ones(len(good) + len(bad), dtype=np.int64)
    for column in rows.columns if quoted else []:
        height[good] += pc.count_substring(column, "\n").to_numpy().astype(np.int64)
    if quoted:
        height[bad] += np.array([text.count("\n") for text in raw], dtype=np.int64)
    return np.cumsum(height) - height


def _without_blank(read: SourceRows, body: bytes, first: int) -> SourceRows:
    """Leave out lines that hold nothing at all."""
    kept = [n for n, text in enumerate(read.raw) if text.strip()]
    breaches, raw = [read.breaches[n] for n in kept], [read.raw[n] for n in kept]
    empty = np.ones(read.rows.num_rows, dtype=bool)
    for column in read.rows.columns:
        empty &= pc.equal(column, "").to_numpy()
    if empty.any():
        lines = body.split(b"\n")
        for at in np.flatnonzero(empty):
            empty[at] = not lines[read.lines[int(at)].as_py() - first].strip()
    keep = pa.array(~empty)
    return replace(
        read, rows=read.rows.filter(keep), lines=read.lines.filter(keep), breaches=breaches, raw=raw
    )


def _without_broken(read: SourceRows, bad_lines: list[int]) -> SourceRows:
    """Set aside the rows that start on a line which is not UTF-8, or hold such a line."""
    if not bad_lines:
        return read
    starts = read.lines.to_numpy()
    formless = np.array([breach.row for breach in read.breaches], dtype=np.int64)
    rows = np.sort(np.concatenate([starts, formless]))
    at = np.searchsorted(rows, bad_lines, side="right") - 1
    bad = np.isin(starts, rows[at[at >= 0]])
    return taken_out(read, bad, "encoding.invalid", "bytes that are not UTF-8")
