"""A feed's ledger: what ingest remembers of its files and months, so that only news is read.

It lies beside a snapshot and is no part of it: the snapshot is named by what it holds, not by the
way on which it came to hold it.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from features.breaches import Breach
from features.copies import Staged
from features.partitions import Kept

__all__ = ["FeedLedger", "FileEntry", "MonthCounts", "MonthEntry", "Source"]


@dataclass(frozen=True)
class MonthCounts:
    """What became of a file's well-formed rows of one month.

    Attributes
    ----------
    rows, duplicates, conflicts : int
        All of them; those that another row stands for; those that contradict one another.
    """

    rows: int = 0
    duplicates: int = 0
    conflicts: int = 0


@dataclass(frozen=True)
class Source:
    """A file as it was when it was read.

    Attributes
    ----------
    label, sha256 : str
        How messages name it; digest of its bytes.
    stat : tuple of int or None
        Size, mtime_ns, ctime_ns and inode; None for the result of a query.
    """

    label: str
    sha256: str
    stat: tuple[int, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Give what a manifest keeps of it."""
        return {"sha256": self.sha256, "stat": list(self.stat) if self.stat else None}

    def stands(self, source: Path | Staged) -> bool:
        """Say whether a source is as it was: its size, times and inode, or a query's digest."""
        if isinstance(source, Staged):
            return source.sha256 == self.sha256
        try:
            found = source.lstat()
        except OSError:
            return False
        marks = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
        return stat.S_ISREG(found.st_mode) and marks == self.stat


@dataclass(frozen=True)
class FileEntry:
    """A file of a feed, as it was read.

    Attributes
    ----------
    label, sha256, stat
        As of a ``Source``.
    rows_in, quarantined, filtered : int
        Counts of rows, before months are judged.
    codes : dict of str to int
        Breaches by code.
    errors : tuple of Breach
        The first of them.
    ignored, provided : tuple of str
        Source columns not taken; stored columns that it had.
    months : dict of str to MonthCounts
        Its rows by month.
    """

    label: str
    sha256: str
    stat: tuple[int, ...] | None = None
    rows_in: int = 0
    quarantined: int = 0
    filtered: int = 0
    codes: dict[str, int] = field(default_factory=dict)
    errors: tuple[Breach, ...] = ()
    ignored: tuple[str, ...] = ()
    provided: tuple[str, ...] = ()
    months: dict[str, MonthCounts] = field(default_factory=dict)

    @property
    def source(self) -> Source:
        """The file itself."""
        return Source(self.label, self.sha256, self.stat)

    @property
    def lasting(self) -> bool:
        """Whether another day would judge its rows as this one did."""
        return not self.codes.get("timestamp.future")

    def to_json(self) -> dict[str, Any]:
        """Give what ``of`` reads."""
        months = {
            name: [each.rows, each.duplicates, each.conflicts] for name, each in self.months.items()
        }
        errors = [each.to_json() for each in self.errors]
        return vars(self) | {"months": months, "errors": errors}

    @classmethod
    def of(cls, entry: dict[str, Any]) -> FileEntry:
        """Read what ``to_json`` gave."""
        made = entry | {
            "stat": tuple(entry["stat"]) if entry["stat"] else None,
            "errors": tuple(Breach(**each) for each in entry["errors"]),
            "months": {name: MonthCounts(*each) for name, each in entry["months"].items()},
        }
        return cls(**made | {name: tuple(entry[name]) for name in ("ignored", "provided")})


@dataclass(frozen=True)
class MonthEntry:
    """What is kept of a month.

    Attributes
    ----------
    partitions, waiting : dict of str to Kept
        Roll-up → its rows of known and of unknown accounts (absent where there are none).
    keys : Kept
        The keys of all its rows.
    tallies : Kept
        Rows, first and last day by file and account.
    errors : tuple of Breach
        The first of its rows that contradict one another.
    """

    partitions: dict[str, Kept]
    waiting: dict[str, Kept]
    keys: Kept
    tallies: Kept
    errors: tuple[Breach, ...] = ()

    @property
    def beside(self) -> list[Kept]:
        """The files that are no part of the snapshot."""
        return [*self.waiting.values(), self.keys, self.tallies]

    def to_json(self) -> dict[str, Any]:
        """Give what ``of`` reads."""
        return {
            "partitions": {name: kept.to_json() for name, kept in self.partitions.items()},
            "waiting": {name: kept.to_json() for name, kept in self.waiting.items()},
            "keys": self.keys.to_json(),
            "tallies": self.tallies.to_json(),
            "errors": [each.to_json() for each in self.errors],
        }

    @classmethod
    def of(cls, entry: dict[str, Any], folder: Path) -> MonthEntry:
        """Read what ``to_json`` gave."""
        parts, waiting = (
            {name: Kept.of(each, folder) for name, each in entry[kind].items()}
            for kind in ("partitions", "waiting")
        )
        keys, tallies = (Kept.of(entry[kind], folder) for kind in ("keys", "tallies"))
        return cls(parts, waiting, keys, tallies, tuple(Breach(**each) for each in entry["errors"]))


@dataclass(frozen=True)
class FeedLedger:
    """All that is remembered of a feed.

    Attributes
    ----------
    terms : str
        Digest of the contract, the mapping and the roll-ups under which it was read.
    files : dict of str to FileEntry
        By path relative to the book.
    months : dict of str to MonthEntry
        By name, e.g. ``2025-06``.
    links : frozenset of tuple
        Pairs of months in which one id stands: what changes the one changes the other.
    """

    terms: str
    files: dict[str, FileEntry] = field(default_factory=dict)
    months: dict[str, MonthEntry] = field(default_factory=dict)
    links: frozenset[tuple[str, str]] = frozenset()

    @property
    def whole(self) -> bool:
        """Whether every file that it speaks of holds what was written."""
        return all(kept.whole for kept in self._kept())

    def linked(self, months: set[str]) -> set[str]:
        """Add every month that shares an id with one of them, or with one that does.

        Examples
        --------
        >>> ledger = FeedLedger("", links=frozenset({("2025-01", "2025-03"), ("2025-03", "2025-04")}))
        >>> sorted(ledger.linked({"2025-01"}))
        ['2025-01', '2025-03', '2025-04']
        """
        reached = set(months)
        while (
            more := {month for pair in self.links if reached & set(pair) for month in pair}
            - reached
        ):
            reached |= more
        return reached

    def to_json(self) -> dict[str, Any]:
        """Give what ``of`` reads."""
        return {
            "terms": self.terms,
            "files": {name: each.to_json() for name, each in self.files.items()},
            "months": {name: each.to_json() for name, each in self.months.items()},
            "links": sorted(map(list, self.links)),
        }

    @classmethod
    def of(cls, entry: dict[str, Any], folder: Path) -> FeedLedger:
        """Read what ``to_json`` gave; its files lie in ``folder``."""
        return cls(
            entry["terms"],
            {name: FileEntry.of(each) for name, each in entry["files"].items()},
            {name: MonthEntry.of(each, folder) for name, each in entry["months"].items()},
            frozenset((one, other) for one, other in entry["links"]),
        )

    def _kept(self) -> Iterator[Kept]:
        for month in self.months.values():
            yield from month.partitions.values()
            yield from month.beside
