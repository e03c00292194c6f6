"""A head: the header of a file and its first rows as text, read to be recognised."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from features.composing import worded
from features.faults import DataRejected, Fault, NotPermitted
from features.source_rows import SourceRows, header
from features.sources import SUFFIXES

__all__ = ["Head", "Unread", "heads"]

BYTES, ROWS, LINES = 1 << 20, 2000, 10
MARKS = ",;\t|"


@dataclass(frozen=True)
class Head:
    """The beginning of a file.

    Attributes
    ----------
    place : str
        Where it lies in the book.
    rows : SourceRows
        Its first rows under the trimmed names of its header.
    delimiter : str
        The mark that stands oftenest in its header; a comma for Parquet.
    encoding : str
        How its text is written, as a mapping calls it.
    """

    place: str
    rows: SourceRows
    delimiter: str = ","
    encoding: str = "utf-8"

    @property
    def header(self) -> list[str]:
        """The names of its columns."""
        return list(self.rows.rows.column_names)

    @property
    def declared(self) -> list[str]:
        """The lines of a mapping that say how it is written, where it is not as usual."""
        other = self.delimiter != ","
        lines = [f"delimiter = {worded(self.delimiter)}   # it separates the header"] * other
        said = "not UTF-8; hold a name with an umlaut or accent against it"
        odd = self.encoding != "utf-8"
        return lines + [f"encoding = {worded(self.encoding)}   # {said}"] * odd

    def values(self, column: str) -> list[str]:
        """Give what the column holds, without what is empty."""
        cells = self.rows.rows[column].to_pylist()
        return [cell.strip() for cell in cells if cell and cell.strip()]


@dataclass(frozen=True)
class Unread:
    """A file that is not read.

    Attributes
    ----------
    place, why : str
        Which one, and what is in the way.
    """

    place: str
    why: str


def heads(folder: Path) -> tuple[list[Head], list[Unread]]:
    """Read the head of every table in a folder and in the folders right below it.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "list.csv").write_text("Customer;Plan\\nAda;pro\\n")
    >>> _ = (folder / "notes.xlsx").write_bytes(b"PK")
    >>> found, unread = heads(folder)
    >>> found[0].header, found[0].delimiter, found[0].values("Plan")
    (['Customer', 'Plan'], ';', ['pro'])
    >>> unread[0].why
    'no CSV and no Parquet: save it as CSV UTF-8'
    """
    found: list[Head] = []
    unread: list[Unread] = []
    for path in _files(folder):
        place = path.relative_to(folder).as_posix()
        if not place.isprintable():
            unread.append(Unread(repr(place), "a name with signs that do not print: rename it"))
            continue
        if not path.name.lower().endswith(SUFFIXES):
            unread.append(Unread(place, "no CSV and no Parquet: save it as CSV UTF-8"))
            continue
        try:
            found.append(_head(path, place))
        except Fault as fault:
            unread.append(Unread(place, str(fault).removeprefix(f"{place}: ")))
    return found, unread


def _files(folder: Path) -> list[Path]:
    """List what may be a table: no hidden files, no text, no settings."""
    below = [each for each in folder.iterdir() if each.is_dir() and each.name[0] not in "._"]
    below = [each for each in below if each.name != "mlruns"]
    there = [each for here in (folder, *below) for each in here.iterdir() if each.is_file()]
    plain = (".toml", ".md", ".txt", ".sha256", ".json", ".yaml", ".yml", ".py", ".lock", ".old")
    kept = [each for each in there if each.name[0] not in "._" and each.suffix not in plain]
    return sorted(kept)


def _head(path: Path, place: str) -> Head:
    try:
        if path.suffix == ".parquet":
            return Head(place, _rows(place, *_parquet(path)))
        return _delimited(*_text(path), place)
    except PermissionError as refused:
        raise NotPermitted("file.unreadable", place, "allow it to be read") from refused
    except (OSError, EOFError, zlib.error, csv.Error, pa.ArrowException) as refused:
        raise DataRejected("feed.unreadable", f"{place}: {refused}", "export it again") from refused


def _delimited(text: str, encoding: str, place: str) -> Head:
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(MARKS, key=first.count)
    if above := _above(text):
        message = f"{place}: its header is line {above + 1}"
        raise DataRejected("feed.title", message, "delete what stands above it")
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if row]
    if not rows:
        raise DataRejected("feed.empty_file", f"{place}: no header", "export the table again")
    names, *lines = rows
    whole = [row for row in lines[:ROWS] if len(row) == len(names)]
    columns = [list(each) for each in zip(*whole, strict=True)] or [[] for _ in names]
    return Head(place, _rows(place, names, columns), delimiter, encoding)


def _above(text: str) -> int:
    """Count the lines above the header: a title in one cell, and what is empty."""
    ways = [list(islice(csv.reader(io.StringIO(text), delimiter=mark), LINES)) for mark in MARKS]
    told = [[sum(bool(cell.strip()) for cell in row) for row in rows] for rows in ways]
    wide = [next((at for at, cells in enumerate(each) if cells > 2), LINES) for each in told]
    first = min(wide)
    titled = 0 < first < LINES and told[wide.index(first)][0] == 1
    return first if titled else 0


def _text(path: Path) -> tuple[str, str]:
    opening: Callable[..., io.BufferedIOBase] = gzip.open if path.suffix == ".gz" else open
    with opening(path, "rb") as file:
        text = file.read(BYTES + 1)
    whole = text if len(text) <= BYTES else text[: text.rfind(b"\n") + 1]
    if whole.startswith((b"\xff\xfe", b"\xfe\xff")):
        return whole.decode("utf-16", "replace"), "utf-16"
    try:
        return whole.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        return whole.decode("cp1252", "replace"), "cp1252"


def _parquet(path: Path) -> tuple[list[str], list[list[str]]]:
    with pq.ParquetFile(path) as file:
        rows = next(file.iter_batches(ROWS), None)
        names = list(file.schema_arrow.names)
    if rows is None:
        return names, [[] for _ in names]
    return names, [[_worded(value) for value in column.to_pylist()] for column in rows.columns]


def _worded(value: object) -> str:
    return "" if value is None else str(value)


def _rows(place: str, names: list[str], columns: list[list[str]]) -> SourceRows:
    arrays = [pa.array(column, pa.string()) for column in columns]
    rows = pa.table(arrays, names=header(names, place))
    return SourceRows(place, "", rows, pa.array(range(2, rows.num_rows + 2), pa.int64()))
