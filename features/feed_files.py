"""The files of a feed: which are as they were, and the rows of those that are not."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from features.ahead import ahead
from features.chunks import ExaminedChunk, Staged, examined_chunks, staged
from features.contracts import TableContract
from features.faults import Fault
from features.feed_aside import FeedAside
from features.feed_ledger import FeedLedger, FileEntry, MonthCounts
from features.mapping import Workspace
from features.report import ERRORS_SHOWN
from features.spool import Spool

__all__ = ["Changed", "FeedFiles", "Plan", "Reading", "place_of", "plan_of"]

Sources = dict[str, Path | Staged]


class Changed(Exception):
    """A file whose marks are as they were does not hold what it held."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.place = place


@dataclass(frozen=True)
class FeedFiles:
    """The files of a feed, and how they are read.

    Attributes
    ----------
    workspace : Workspace
        The parsed ``perennial.toml``.
    contract : TableContract
        The feed.
    now : datetime
        Instant that "in the future" is judged by.
    settle_seconds : float
        How long a file must stand unchanged.
    sources : dict
        Place (path relative to the book, or name of a query) → the file, or its copy.
    """

    workspace: Workspace
    contract: TableContract
    now: datetime
    settle_seconds: float
    sources: Sources

    @property
    def places(self) -> list[str]:
        """The places in their order: the earlier of two equal rows is the one that counts."""
        return list(self.sources)


@dataclass(frozen=True)
class Plan:
    """What has to be read.

    Attributes
    ----------
    fresh : tuple of str
        Places that are new, or hold something else than they did.
    same : dict of str to FileEntry
        Places that are as they were.
    dirty : set of str
        Months in which something is no longer what it was.
    """

    fresh: tuple[str, ...]
    same: dict[str, FileEntry]
    dirty: set[str]


def place_of(path: Path, folder: Path) -> str:
    """Name a file by where it lies, seen from the book.

    Examples
    --------
    >>> place_of(Path("book/logs/1.csv"), Path("book"))
    'logs/1.csv'
    """
    return os.path.relpath(path, folder).replace(os.sep, "/")


def plan_of(files: FeedFiles, last: FeedLedger, forced: frozenset[str]) -> Plan:
    """Compare the files with the ledger: size, times and inode, or the digest of a query's result.

    ``forced`` are places that are known to have changed although they look as they did.
    """
    same = {
        place: last.files[place]
        for place, source in files.sources.items()
        if place not in forced
        and (entry := last.files.get(place))
        and entry.lasting
        and entry.source.stands(source)
    }
    changed = [entry for place, entry in last.files.items() if place not in same]
    dirty = last.linked({month for entry in changed for month in entry.months})
    return Plan(tuple(place for place in files.places if place not in same), same, dirty)


@dataclass
class Reading:
    """One pass over some of a feed's files.

    Attributes
    ----------
    files : FeedFiles
        What is read.
    spool : Spool
        Where good rows go.
    aside : FeedAside
        Where bad rows go.
    folder : Path
        Where copies lie while they are read.
    entries : dict of str to FileEntry
        Place → what was found, without months.
    refused : list of Fault
        Files that were refused.
    """

    files: FeedFiles
    spool: Spool
    aside: FeedAside
    folder: Path
    entries: dict[str, FileEntry] = field(default_factory=dict)
    refused: list[Fault] = field(default_factory=list)

    def read(self, places: Sequence[str]) -> None:
        """Read files whole: several at once, and taken one after the other."""
        with ahead([partial(self._chunks, place, _threads(places)) for place in places]) as found:
            for place, chunks in zip(places, found, strict=True):
                try:
                    self._take(place, chunks)
                except Fault as fault:
                    self.refused.append(fault)

    def read_again(self, entries: dict[str, FileEntry], months: set[str]) -> None:
        """Read some months of files that are as they were.

        Raises
        ------
        Changed
            If one of them is not.
        """
        with ahead([partial(self._chunks, place, _threads(entries)) for place in entries]) as found:
            for (place, entry), chunks in zip(entries.items(), found, strict=True):
                number, touched = self._number(place), frozenset(months & set(entry.months))
                for copy, chunk in chunks:
                    if copy.sha256 != entry.sha256:
                        raise Changed(place)
                    self.spool.add(chunk.rows, number, touched)

    def _take(self, place: str, chunks: Iterator[tuple[Staged, ExaminedChunk]]) -> None:
        number = self._number(place)
        for copy, chunk in chunks:
            known = self.entries.get(place, FileEntry(copy.label, copy.sha256, copy.stat))
            self.entries[place] = _with(known, chunk)
            self.spool.add(chunk.rows, number)
            if chunk.aside is not None:
                self.aside.add(chunk.aside.bad)

    def _number(self, place: str) -> int:
        return self.files.places.index(place)

    def finished(self, entry: FileEntry, place: str) -> FileEntry:
        """Add to a file's entry how many rows of each month were read now."""
        number = self._number(place)
        read = {
            month: MonthCounts(rows=heights[number])
            for month, heights in self.spool.heights.items()
            if number in heights
        }
        return replace(entry, months=entry.months | read)

    def _chunks(self, place: str, threads: int | None) -> Iterator[tuple[Staged, ExaminedChunk]]:
        source = self.files.sources[place]
        if isinstance(source, Staged):
            copy = source
        else:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            book = self.files.workspace.book_dir
            copy = staged(source, book, self.folder, self.files.settle_seconds)
        try:
            for chunk in examined_chunks(
                copy, self.files.workspace, self.files.contract, self.files.now, threads
            ):
                yield copy, chunk
        finally:
            if copy is not source:
                copy.path.unlink(missing_ok=True)


def _threads(places: Collection[str]) -> int | None:
    """Say how many threads read a file: one beside other hands, else all there are."""
    return 1 if len(places) > 1 else None


def _with(entry: FileEntry, chunk: ExaminedChunk) -> FileEntry:
    """Add what a chunk holds to what is known of its file."""
    report = chunk.report
    codes = dict(entry.codes)
    for code, rows in report.codes.items():
        codes[code] = codes.get(code, 0) + rows
    return replace(
        entry,
        rows_in=entry.rows_in + report.rows_in,
        quarantined=entry.quarantined + report.quarantined,
        filtered=entry.filtered + report.filtered,
        codes=codes,
        errors=(*entry.errors, *report.errors)[:ERRORS_SHOWN],
        ignored=tuple(dict.fromkeys((*entry.ignored, *report.ignored_columns))),
        provided=tuple(dict.fromkeys((*entry.provided, *chunk.provided))),
    )
