"""Ingest: read the book, check every row, publish an immutable snapshot.

The story of ``attempt``: take the lock, sweep what a dead process left, examine accounts and then
every other table, of the feeds only what is new, refuse the whole book if one file is refused,
name the snapshot by its content, set bad rows aside, publish by rename.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from pydantic import Field

from features.configuration import Section, read_section
from features.contracts import TABLES
from features.copies import Staged
from features.coverage import cover, default_as_of, limits_of
from features.databases import extract
from features.digest import file_digest
from features.durable import disk_watched
from features.examination import Examined, examine_table
from features.faults import ConfigurationRefused, DataRejected, Fault, InputMissing
from features.feed_files import FeedFiles, place_of
from features.feeds import ExaminedFeed, FeedReach, LastFeed, examine_feed
from features.location import located
from features.locking import held
from features.mapping import Workspace
from features.publication import (
    FORMAT,
    Content,
    last_feeds,
    publish,
    read_manifest,
    snapshot_id,
    sweep,
    workroom,
)
from features.quarantine import Aside, write_quarantine
from features.report import IngestReport, TableReport
from features.rollup import FEEDS
from features.sources import find_files, misnamed
from features.staging import desk

__all__ = ["IngestReport", "IngestSettings", "attempt", "check", "ingest", "is_current"]

CONFIG = "perennial.toml"
Progress = Callable[[str], None]


class IngestSettings(Section):
    """``[ingest]``: how files are read.

    Attributes
    ----------
    settle_seconds : float
        How long a file must stand unchanged; 0 compares its size and time before and after.
    """

    settle_seconds: float = Field(default=0.0, ge=0, allow_inf_nan=False)


@dataclass(frozen=True)
class _Book:
    """Every table, examined."""

    examined: dict[str, Examined | ExaminedFeed]
    refusals: tuple[Fault, ...]

    @property
    def tables(self) -> dict[str, pa.Table]:
        found = self.examined.items()
        return {n: e.rows for n, e in found if isinstance(e, Examined) and e.rows is not None}

    @property
    def feeds(self) -> dict[str, ExaminedFeed]:
        found = self.examined.items()
        return {n: e for n, e in found if isinstance(e, ExaminedFeed) and e.ledger is not None}

    @property
    def reports(self) -> dict[str, TableReport]:
        return {name: each.report for name, each in self.examined.items()}

    @property
    def reaches(self) -> dict[str, FeedReach]:
        return {name: each.reach for name, each in self.feeds.items()}


def check(settings: Workspace, now: datetime) -> IngestReport:
    """Read the book and report every breach; nothing is changed.

    Parameters
    ----------
    settings : Workspace
        The parsed ``perennial.toml``.
    now : datetime
        Instant that "in the future" is judged by, with its zone.

    Returns
    -------
    IngestReport
        With the refusals in it; its ``exit_code`` is what the command exits with.
    """
    with tempfile.TemporaryDirectory(prefix="perennial-check-") as folder:
        report = attempt(settings, Path(folder), now)
    status = "refused" if report.refusals else "checked"
    return replace(report, status=status, snapshot=None)


def ingest(
    settings: Workspace,
    home: Path,
    now: datetime,
    *,
    strict: bool = False,
    allow_empty: bool = False,
    progress: Progress | None = None,
) -> IngestReport:
    """Publish a snapshot of the book, or raise what refuses it.

    Parameters
    ----------
    settings : Workspace
        The parsed ``perennial.toml``.
    home : Path
        Where state lives.
    now : datetime
        Instant that "in the future" is judged by, with its zone.
    strict : bool
        Whether one quarantined row refuses the book.
    allow_empty : bool
        Whether accounts and revenue may have no row.
    progress : callable, optional
        Called with the name of each table before it is read.

    Raises
    ------
    Fault
        The first refusal; the last good snapshot keeps serving.
    """
    report = attempt(settings, home, now, strict=strict, allow_empty=allow_empty, progress=progress)
    report.raise_refusal()
    return report


def attempt(
    settings: Workspace,
    home: Path,
    now: datetime,
    *,
    strict: bool = False,
    allow_empty: bool = False,
    progress: Progress | None = None,
) -> IngestReport:
    """Do what ``ingest`` does, but give a refused book back as a report too."""
    with held(home / "ingest.lock", wait_seconds=0.0), disk_watched(home), _room(home) as work:
        book = _examine(settings, now, work, last_feeds(home), allow_empty, progress)
        refusals = book.refusals or _strict(book) if strict else book.refusals
        if refusals:
            refused = _Book(book.examined, refusals)
            return _report(settings, refused, now, "refused", None)
        return _publish(settings, home, book, now)


def is_current(settings: Workspace, home: Path, *, asking: bool = True) -> bool:
    """Say whether the book's bytes and mapping are those of the snapshot that serves.

    A file whose size, times and inode are as they were is taken for what it was; others are
    digested. What a query would give is not known before it is asked: a book of a database is
    never current, unless ``asking`` is false; then its queries' tables are taken as they are.
    """
    manifest = read_manifest(home)
    queries = settings.queries()
    if manifest is None or manifest.get("format") != FORMAT or (queries and asking):
        return False
    sources = manifest["sources"]
    before = {name: each for name, each in sources["files"].items() if name not in queries}
    try:
        found = {table: find_files(settings, table) for table in TABLES}
    except Fault:
        return False
    files = {
        table: {place_of(path, settings.book_dir): path for path in paths}
        for table, paths in found.items()
        if paths
    }
    if sources["mapping"] != _mapping(settings) or not _same_names(files, before):
        return False
    return all(
        _as_it_was(path, sources["files"][table][place])
        for table, paths in files.items()
        for place, path in paths.items()
    )


def _same_names(files: dict[str, dict[str, Path]], before: dict[str, dict[str, Any]]) -> bool:
    return {table: set(each) for table, each in files.items()} == {
        table: set(each) for table, each in before.items()
    }


def _as_it_was(path: Path, before: dict[str, Any]) -> bool:
    try:
        found = path.lstat()
    except OSError:
        return False
    if not stat.S_ISREG(found.st_mode):
        return False
    marks = [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
    if marks == before["stat"]:
        return True
    return os.access(path, os.R_OK) and file_digest(path) == before["sha256"]


@contextmanager
def _room(home: Path) -> Iterator[Path]:
    """Give a folder to work in, of which nothing stays."""
    sweep(home)
    try:
        yield workroom(home)
    finally:
        sweep(home)


def _examine(
    settings: Workspace,
    now: datetime,
    work: Path,
    last: dict[str, LastFeed],
    allow_empty: bool,
    progress: Progress | None,
) -> _Book:
    options = read_section(IngestSettings, settings.section("ingest"), f"{CONFIG} [ingest]")
    _refuse_future(settings, now)
    if not settings.book_dir.is_dir():
        message = f"{settings.book_dir}: no such folder"
        return _Book({}, (InputMissing("feed.missing", message, "mend [book] path or --book"),))
    try:
        extracted = extract(settings, work / "extracted")
    except Fault as fault:
        return _Book({}, (_placed(settings, fault),))
    examiner = _Examiner(settings, now, work, last, allow_empty, options.settle_seconds, extracted)
    examined: dict[str, Examined | ExaminedFeed] = {}
    for name in TABLES:
        if progress:
            progress(name)
        if found := examiner.examined(name, examined.get("accounts")):
            examined[name] = found
    refusals = [_placed(settings, f) for each in examined.values() for f in each.report.refused]
    return _Book(examined, (*_incomplete(settings, examined), *refusals))


@dataclass
class _Examiner:
    """Examines the tables of one book, accounts first."""

    settings: Workspace
    now: datetime
    work: Path
    last: dict[str, LastFeed]
    allow_empty: bool
    settle_seconds: float
    extracted: dict[str, Staged]
    connection: duckdb.DuckDBPyConnection = field(default_factory=desk)

    def __post_init__(self) -> None:
        self.connection.execute("CREATE TEMP TABLE known_accounts (account_id VARCHAR)")

    def examined(
        self, name: str, accounts: Examined | ExaminedFeed | None
    ) -> Examined | ExaminedFeed | None:
        """Examine a table; None where the book has none of that name."""
        try:
            sources = self._sources(name)
        except Fault as fault:
            return Examined(TableReport(refused=(fault,)))
        if not sources:
            return None
        rows = accounts.rows if isinstance(accounts, Examined) else None
        if name in FEEDS:
            return self._feed(name, sources, rows)
        return self._whole(name, sources, rows is not None)

    def _sources(self, name: str) -> dict[str, Path | Staged]:
        if name in self.extracted:
            return {self.extracted[name].label: self.extracted[name]}
        book = self.settings.book_dir
        return {place_of(path, book): path for path in find_files(self.settings, name)}

    def _whole(self, name: str, sources: dict[str, Path | Staged], judged: bool) -> Examined:
        """Without a table of accounts nobody can be called unknown."""
        contract = TABLES[name] if judged else replace(TABLES[name], stranger="none")
        copies = self.work / "copies"
        copies.mkdir(mode=0o700, exist_ok=True)
        try:
            return examine_table(
                self.connection,
                self.settings,
                contract,
                self.now,
                sources.values(),
                copies,
                allow_empty=self.allow_empty,
                settle_seconds=self.settle_seconds,
            )
        finally:
            shutil.rmtree(copies)

    def _feed(
        self, name: str, sources: dict[str, Path | Staged], accounts: pa.Table | None
    ) -> ExaminedFeed:
        files = FeedFiles(self.settings, TABLES[name], self.now, self.settle_seconds, sources)
        known = pa.array([], pa.string())
        if accounts is not None:
            known = accounts["account_id"].combine_chunks()
        return examine_feed(files, known, self.work, self.last.get(name))


def _refuse_future(settings: Workspace, now: datetime) -> None:
    if settings.book.as_of is not None and settings.book.as_of > now.date():
        cure = f"name a day that has passed: today is {now.date()}"
        refused = ConfigurationRefused("config", f"{CONFIG} [book] as_of", cure)
        raise located(settings.directory / CONFIG, refused)


def _placed(settings: Workspace, fault: Fault) -> Fault:
    """Say on which line of the configuration a refused word stands."""
    if isinstance(fault, ConfigurationRefused):
        return located(settings.directory / CONFIG, fault)
    return fault


def _incomplete(settings: Workspace, examined: dict[str, Examined | ExaminedFeed]) -> list[Fault]:
    folder = settings.book_dir
    cure = "export it, or name it in perennial.toml"
    faults: list[Fault] = []
    if "accounts" not in examined:
        faults.append(
            InputMissing("feed.missing", f"{folder / 'accounts.csv'}: no such file", cure)
        )
    revenue = [name for name in ("subscriptions", "mrr_by_month") if name in examined]
    if not revenue:
        message = f"{folder / 'subscriptions.csv'}: no such file, and no mrr_by_month either"
        faults.append(InputMissing("feed.missing", message, cure))
    if len(revenue) == 2:
        message = f"{folder}: both subscriptions and mrr_by_month"
        faults.append(DataRejected("book.two_revenues", message, "keep one form of revenue"))
    return faults


def _strict(book: _Book) -> tuple[Fault, ...]:
    bad = {name: each.report.quarantined for name, each in book.examined.items()}
    said = ", ".join(f"{name} {rows}" for name, rows in bad.items() if rows)
    if not said:
        return ()
    return (DataRejected("feed.strict", f"rows set aside: {said}", "mend them, or drop --strict"),)


def _mapping(settings: Workspace) -> str:
    mapping = {
        "book": settings.book.model_dump(mode="json", exclude={"path"}),
        "tables": {name: each.model_dump(mode="json") for name, each in settings.tables.items()},
    }
    return hashlib.sha256(json.dumps(mapping, sort_keys=True).encode()).hexdigest()


def _facts(settings: Workspace) -> dict[str, Any]:
    book = settings.book
    return {
        "currency": book.currency,
        "timezone": book.timezone,
        "fiscal_year_starts": book.fiscal_year_starts,
    }


def _as_of(settings: Workspace, book: _Book, now: datetime) -> date:
    grains = {name: each.grain for name, each in settings.tables.items() if each.grain}
    chosen = settings.book.as_of
    return chosen or default_as_of(book.tables, book.reaches, now, dict(grains))


def _publish(settings: Workspace, home: Path, book: _Book, now: datetime) -> IngestReport:
    facts = _facts(settings)
    feeds = {name: feed.ledger for name, feed in book.feeds.items() if feed.ledger}
    content = Content(book.tables, feeds)
    chosen = settings.book.as_of.isoformat() if settings.book.as_of else None
    name = snapshot_id(content, facts | {"as_of": chosen})
    manifest = {
        "book": facts | {"as_of": _as_of(settings, book, now).isoformat()},
        "tables": _entries(book),
        "sources": {
            "mapping": _mapping(settings),
            "files": {
                table: {each.label: each.to_json() for each in found.sources}
                for table, found in book.examined.items()
            },
        },
    }
    _set_aside(home / "quarantine" / name, book)
    fresh = publish(home, name, content, manifest)
    return _report(settings, book, now, "published" if fresh else "already_ingested", name)


def _entries(book: _Book) -> dict[str, dict[str, Any]]:
    """Say of every table how much it holds, and which columns its source had."""
    entries: dict[str, dict[str, Any]] = {
        name: {"rows": rows.num_rows} for name, rows in book.tables.items()
    }
    entries |= {name: reach.to_json() for name, reach in book.reaches.items()}
    return {
        name: entry | {"provided": list(book.examined[name].provided)}
        for name, entry in entries.items()
    }


def _set_aside(folder: Path, book: _Book) -> None:
    examined = book.examined.items()
    asides = {name: each.aside for name, each in examined if isinstance(each.aside, Aside)}
    files = {name: each.aside for name, each in examined if isinstance(each.aside, Path)}
    write_quarantine(folder, asides, files, book.reports)


def _report(
    settings: Workspace, book: _Book, now: datetime, status: str, name: str | None
) -> IngestReport:
    coverage: dict[str, Any] = {"tables": cover(book.tables, book.reaches)}
    if {"subscriptions", "mrr_by_month"} & set(book.tables):
        as_of = _as_of(settings, book, now)
        coverage |= {"as_of": as_of.isoformat(), "limits": limits_of(book.tables, as_of)}
    read = {each.label for found in book.examined.values() for each in found.sources}
    strays = misnamed(settings.book_dir, list(TABLES), read) if settings.book_dir.is_dir() else []
    warnings = tuple(said for report in book.reports.values() for said in report.warnings)
    return IngestReport(status, name, book.reports, coverage, book.refusals, (*warnings, *strays))
