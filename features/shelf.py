"""The shelf: rows of a database that were read before, each part by its digest, and how far they reach.

A query with a watermark adds a part at each ingest. A part is never changed. What a part no longer
tells is told by nobody: a row that was deleted stays until the whole is asked again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from features import durable
from features.copies import Staged
from features.partitions import Kept, bring
from features.scrubbing import keys_of, renewed
from features.selecting import Question

__all__ = ["SHELF", "Mark", "Shelf", "emptied"]

SHELF = "sources"
"""Its folder in the folder of state."""

MOST = 64
"""Parts of one table; beyond them the whole is asked again."""

Mark = str | int | float | Decimal | date | datetime
"""How far the rows of a query reach, in the type that the database tells."""

READ: dict[str, Callable[[str], Mark]] = {
    "str": str,
    "int": int,
    "float": float,
    "Decimal": Decimal,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
}


@dataclass(frozen=True)
class _Row:
    """What stands on the shelf of one table."""

    terms: str
    mark: Mark | None = None
    parts: tuple[Kept, ...] = ()

    def to_json(self) -> dict[str, Any]:
        told = None if self.mark is None else [type(self.mark).__name__, str(self.mark)]
        return {"terms": self.terms, "mark": told, "parts": [each.to_json() for each in self.parts]}

    @classmethod
    def of(cls, entry: dict[str, Any], folder: Path) -> _Row:
        kind, text = entry["mark"] or ("str", None)
        mark = None if text is None else READ[kind](text)
        return cls(entry["terms"], mark, tuple(Kept.of(each, folder) for each in entry["parts"]))


@dataclass
class Shelf:
    """What is kept of the tables of databases.

    Attributes
    ----------
    folder : Path
        Where it is kept, for its owner alone; made when there is something to keep.
    zone : str
        Time zone in which the database tells timestamps.
    whole : bool
        Whether everything is asked again.
    """

    folder: Path
    zone: str = "UTC"
    whole: bool = False
    _rows: dict[str, _Row] = field(default_factory=dict, repr=False)

    def since(self, question: Question, address: str) -> Mark | None:
        """Give the mark below which all rows of a table are kept; None where all are to be asked.

        They are asked again where the query, the zone or the database is another than it was, and
        where a part is no longer what was written.

        Examples
        --------
        >>> import tempfile
        >>> from features.selecting import SqlSource
        >>> source = SqlSource(url="sqlite:///crm.db", table="clicks", watermark="id")
        >>> asked = Question("usage", source, Path("usage.parquet"))
        >>> print(Shelf(Path(tempfile.mkdtemp())).since(asked, "sqlite:///crm.db"))
        None
        """
        table = question.table
        said = [question.source.model_dump(exclude={"overlap"}), self.zone, address]
        terms = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
        held = None if self.whole else self._read(table)
        if held is None or held.terms != terms or len(held.parts) >= MOST:
            held = _Row(terms)
        if not all(part.whole for part in held.parts):
            held = _Row(terms)
        self._rows[table] = held
        return held.mark

    def take(
        self, question: Question, part: Staged | None, left: Staged, mark: Mark | None
    ) -> None:
        """Take what an extraction gave; ``keep`` brings it down to the disk.

        Parameters
        ----------
        question : Question
            What was asked.
        part : Staged or None
            The rows from the last mark to before this one; None where the mark is as it was.
        left : Staged
            The rows that are still open; where rows have a key, both stand for older ones.
        mark : Mark or None
            Below it all rows are kept.
        """
        held = self._rows[question.table]
        came = [left] if part is None else [part, left]
        parts = self._older(question, came, held.parts)
        rows = 0 if part is None else pq.read_metadata(part.path).num_rows
        if part is not None and rows:
            parts = (*parts, Kept(f"{part.sha256}.parquet", part.sha256, part.path, rows))
        self._rows[question.table] = replace(held, mark=mark, parts=parts)

    def _older(
        self, question: Question, came: list[Staged], parts: tuple[Kept, ...]
    ) -> tuple[Kept, ...]:
        """Leave out of older parts what came again."""
        key = question.source.key
        if key is None:
            return parts
        newer = keys_of(came, key)
        made = [renewed(part, key, newer, question.anew(at)) for at, part in enumerate(parts)]
        return tuple(part for part in made if part is not None)

    def keep(self, tables: Collection[str]) -> None:
        """Bring down to the disk what was taken, and drop what no table of these stands on."""
        if not tables and not self.folder.is_dir():
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for table, held in self._rows.items():
            parts = tuple(self._brought(part) for part in held.parts)
            self._rows[table] = replace(held, parts=parts)
            told = json.dumps(self._rows[table].to_json()).encode()
            durable.replace(self.folder / f"{table}.json", told)
        self._drop(set(tables))

    def parts(self, table: str, label: str) -> dict[str, Staged]:
        """Give the parts of a table as sources, each under a name that stays its own."""
        held = self._rows.get(table, _Row(""))
        named = {f"{label} part {at}": part for at, part in enumerate(held.parts, 1)}
        return {
            name: Staged(name, part.at, part.sha256, "parquet", None)
            for name, part in named.items()
        }

    def _read(self, table: str) -> _Row | None:
        with suppress(OSError, ValueError, KeyError, TypeError):
            return _Row.of(json.loads((self.folder / f"{table}.json").read_bytes()), self.folder)
        return None

    def _brought(self, part: Kept) -> Kept:
        """Bring a part's file; where it came from it is removed, for it may be written over."""
        kept = bring(part, self.folder)
        if part.at != kept.at:
            part.at.unlink()
        return kept

    def _drop(self, tables: set[str]) -> None:
        for told in self.folder.glob("*.json"):
            if told.stem not in tables:
                told.unlink()
        rows = [self._rows.get(each) or self._read(each) for each in tables]
        needed = {part.file for row in rows if row for part in row.parts}
        for left in self.folder.glob("*.parquet"):
            if left.name not in needed:
                left.unlink()


def emptied(folder: Path) -> int:
    """Remove all that is kept, so that the next ingest asks everything again; count the files.

    Examples
    --------
    >>> emptied(Path("/nowhere/at/all"))
    0
    """
    files = [each for each in folder.glob("*") if each.suffix in (".json", ".parquet")]
    for each in files:
        each.unlink()
    return len(files)
