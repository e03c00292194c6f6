"""Blocks of a CSV: its bytes as UTF-8, cut where a row ends, so that no row is read in halves.

A line end inside quotes ends no row. A quote opens a value only where the value begins; inside,
two of them stand for one. A lone carriage return ends a row as a line feed does. A row that is
longer than a megabyte comes as a block of its own, of which only the beginning is held.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.copies import Staged
from features.faults import DataRejected
from features.source_rows import LONG_FIELD, LONG_ROW

__all__ = ["Block", "blocks", "pieces", "row_ends"]

PIECE = 1 << 20
BLOCK, LINES = 32 << 20, 250_000
FEED, RETURN, QUOTE = 10, 13, 34
Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Block:
    """Whole rows of a CSV.

    Attributes
    ----------
    content : bytes
        Rows, each with its line feed (the last one of a file may lack it).
    line : int
        The line on which the first of them starts.
    long : bool
        Whether it is one row of more than a megabyte, cut short.
    """

    content: bytes
    line: int
    long: bool = False


def pieces(source: Staged, encoding: str) -> Iterator[bytes]:
    """Give the bytes of a copy in steps, as UTF-8 and without byte order mark.

    Raises
    ------
    DataRejected
        ``encoding.not_utf8`` for UTF-16 by its mark; ``encoding.not_<encoding>`` for bytes that
        a declared encoding does not know. Lines that are not UTF-8 are left to the reader.
    """
    with source.path.open("rb") as file:
        first = file.read(max(PIECE, 4))
        if encoding != "utf-8":
            yield from _decoded(first, iter(lambda: file.read(PIECE), b""), encoding, source.label)
            return
        if first[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            cure = 'save it as UTF-8, or declare encoding = "utf-16"'
            raise DataRejected("encoding.not_utf8", f"{source.label}: UTF-16 (by its mark)", cure)
        yield first.removeprefix(codecs.BOM_UTF8)
        while piece := file.read(PIECE):
            yield piece


def _decoded(first: bytes, rest: Iterator[bytes], encoding: str, label: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        yield decoder.decode(first).removeprefix("\ufeff").encode("utf-8")
        for piece in rest:
            yield decoder.decode(piece).encode("utf-8")
        yield decoder.decode(b"", final=True).encode("utf-8")
    except UnicodeError as refused:
        cure = "declare the encoding that the file has"
        raise DataRejected(f"encoding.not_{encoding}", label, cure) from refused


def blocks(
    parts: Iterator[bytes], delimiter: str, label: str, size: int = BLOCK, longest: int = LONG_ROW
) -> Iterator[Block]:
    """Cut a CSV into blocks of about ``size`` bytes.

    Raises
    ------
    DataRejected
        ``csv.unterminated_quote`` with the line and byte of the row that never ends.

    Examples
    --------
    >>> found = blocks(iter([b'a,"x', b'\\ny"\\nb,', b"z\\n"]), ",", "a.csv", size=1)
    >>> [(block.line, block.content) for block in found]
    [(1, b'a,"x\\ny"\\n'), (3, b'b,z\\n')]
    """
    cutter = _Cutter(delimiter.encode(), label, longest)
    held: list[bytes] = []
    line, lines = 1, 0
    for content, height, long in cutter.runs(parts):
        full = lines + height > LINES or sum(map(len, held)) + len(content) > size
        if held and (long or full):
            yield Block(b"".join(held), line)
            held, line, lines = [], line + lines, 0
        if long:
            yield Block(content, line, long=True)
            line += height
        else:
            held.append(content)
            lines += height
    if held:
        yield Block(b"".join(held), line)


class _Cutter:
    """Walks over a CSV and remembers how a row that has not ended yet began."""

    def __init__(self, delimiter: bytes, label: str, longest: int) -> None:
        self.delimiter, self.label, self.longest = delimiter, label, longest
        self.rest, self.quoted = b"", False
        self.line, self.byte = 1, 0
        self.long: bytes | None = None
        self.lines_dropped, self.bytes_dropped = 0, 0

    def runs(self, parts: Iterator[bytes]) -> Iterator[tuple[bytes, int, bool]]:
        """Give rows, how many lines they take, and whether it is one long row."""
        for part in parts:
            yield from self._cut(self.rest + part, final=False)
        yield from self._cut(self.rest, final=True)

    def _cut(self, text: bytes, final: bool) -> Iterator[tuple[bytes, int, bool]]:
        ends, self.quoted = row_ends(text, self.delimiter, final)
        if final and self.quoted:
            message = f"{self.label}:{self.line}: a quote is never closed (byte {self.byte})"
            cure = "close or double the quote"
            raise DataRejected("csv.unterminated_quote", message, cure)
        text = _with_feeds(text, ends)
        if final and text and not text.endswith(b"\n"):
            ends = np.append(ends, len(text))
        start = 0
        for end, long in _by_length(ends, self.longest, self.long is not None):
            content, start = text[start : end + 1], end + 1
            yield self._told(content, long)
        self.rest = text[start:]
        if len(self.rest) > self.longest or self.long is not None:
            self._drop()

    def _told(self, content: bytes, long: bool) -> tuple[bytes, int, bool]:
        height = content.count(b"\n")
        self.byte += len(content)
        if long:
            content = (content if self.long is None else self.long)[:LONG_FIELD]
            height = max(height + self.lines_dropped, 1)
            self.byte += self.bytes_dropped
            self.long, self.lines_dropped, self.bytes_dropped = None, 0, 0
        self.line += height
        return content, height, long

    def _drop(self) -> None:
        """Forget what was read of a row that is too long, but not in which state it stands."""
        if self.long is None:
            self.long = self.rest[:LONG_FIELD]
        body = self.rest.removesuffix(b"\r").rstrip(b'"')
        quotes = self.rest.count(b'"', len(body))
        tail = b'"' * (quotes if quotes < 3 else 2 - quotes % 2) + self.rest[len(body) + quotes :]
        inside = row_ends(body, self.delimiter, final=False)[1]
        kept = (b'"' if inside else body[-1:]) + tail
        self.lines_dropped += body.count(b"\n")
        self.bytes_dropped += len(self.rest) - len(kept)
        self.rest = kept


def row_ends(text: bytes, delimiter: bytes, final: bool) -> tuple[Positions, bool]:
    """Find the line ends outside quotes, in a text that begins with a row.

    Returns
    -------
    (positions, quoted)
        Where rows end, and whether the text ends inside quotes.

    Examples
    --------
    >>> ends, quoted = row_ends(b'a,"x\\ny"\\nb"c\\rd', b",", final=False)
    >>> ends.tolist(), quoted
    ([7, 11], False)
    """
    marks = np.frombuffer(text, dtype=np.uint8)
    ends = np.flatnonzero(marks == FEED)
    if b"\r" in text:
        ends = np.union1d(ends, _lone_returns(marks, final))
    if b'"' not in text:
        return ends, False
    quotes = np.flatnonzero(marks == QUOTE)
    if not _in_pairs(marks, quotes, delimiter[0]):
        quotes = _that_count(text, delimiter)
    outside = np.searchsorted(quotes, ends) % 2 == 0
    return ends[outside], len(quotes) % 2 == 1


def _lone_returns(marks: npt.NDArray[np.uint8], final: bool) -> Positions:
    returns = np.flatnonzero(marks == RETURN)
    after = np.append(marks, FEED if not final else 0)[returns + 1]
    return returns[after != FEED]


def _in_pairs(marks: npt.NDArray[np.uint8], quotes: Positions, delimiter: int) -> bool:
    """Say whether every other quote opens a value, or is the second of two inside one."""
    opening = quotes[::2]
    before = marks[opening - 1]
    starts = (before == delimiter) | (before == FEED) | (before == RETURN) | (opening == 0)
    starts[1:] |= opening[1:] == quotes[1:-1:2] + 1
    return bool(starts.all())


def _that_count(text: bytes, delimiter: bytes) -> Positions:
    """Find the quotes that open and close values, past those that stand inside plain ones."""
    value = rb'(?:(?<=[\n\r%s])|\A)"(?>[^"]+|"")*+("|\Z)' % re.escape(delimiter)
    found = [place for each in re.finditer(value, text) for place in (each.start(), each.start(1))]
    return np.array([place for place in found if place < len(text)], dtype=np.int64)


def _with_feeds(text: bytes, ends: Positions) -> bytes:
    """Let every row end with a line feed."""
    if b"\r" not in text:
        return text
    marks = np.frombuffer(text, dtype=np.uint8).copy()
    marks[ends] = FEED
    return marks.tobytes()


def _by_length(ends: Positions, longest: int, first: bool) -> Iterator[tuple[int, bool]]:
    """Give where runs of rows end: each long row is a run of its own."""
    long = np.diff(ends, prepend=-1) > longest
    long[:1] |= first
    done = 0
    for at in np.flatnonzero(long):
        if at > done:
            yield int(ends[at - 1]), False
        yield int(ends[at]), True
        done = int(at) + 1
    if done < len(ends):
        yield int(ends[-1]), False
