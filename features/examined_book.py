"""The examined book: every table examined, accounts first, and what the book lacks as a whole."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

import duckdb
import pyarrow as pa
from pydantic import Field

from features.configuration import Section, read_section
from features.contracts import TABLES, TableContract
from features.copies import Staged
from features.databases import extract
from features.examination import Examined, examine_table
from features.faults import ConfigurationRefused, DataRejected, Fault, InputMissing
from features.feed_files import FeedFiles, place_of
from features.feed_reach import FeedReach
from features.feeds import ExaminedFeed, examine_feed
from features.kept_table import KeptTable, table_terms
from features.location import located
from features.mapping import Workspace
from features.publication import Last
from features.report import TableReport
from features.rollup import FEEDS
from features.shelf import Shelf
from features.sources import find_files
from features.staging import desk

__all__ = ["ExaminedBook", "IngestSettings", "Progress", "examine_book"]

CONFIG = "perennial.toml"
COVERED = ("account_id", "ends_on", "month", "mrr_micros", "starts_on")
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
class ExaminedBook:
    """Every table, examined.

    Attributes
    ----------
    examined : dict
        Table → what its examination left.
    refusals : tuple of Fault
        What refuses the book; empty where it can be published.
    """

    examined: dict[str, Examined | ExaminedFeed]
    refusals: tuple[Fault, ...]

    @property
    def whole(self) -> dict[str, KeptTable]:
        """The tables that are kept whole."""
        return {
            name: KeptTable(each.kept, each.report, each.provided, each.sources, each.terms)
            for name, each in self.examined.items()
            if isinstance(each, Examined) and each.kept is not None
        }

    @cached_property
    def tables(self) -> dict[str, pa.Table]:
        """The same, those of their columns that coverage tells of."""
        found = self.examined.items()
        return {
            name: each.columns(COVERED)
            for name, each in found
            if isinstance(each, Examined) and each.kept is not None
        }

    @property
    def feeds(self) -> dict[str, ExaminedFeed]:
        """The feeds that have rows."""
        found = self.examined.items()
        return {n: e for n, e in found if isinstance(e, ExaminedFeed) and e.ledger is not None}

    @property
    def reports(self) -> dict[str, TableReport]:
        """What became of the rows of every table."""
        return {name: each.report for name, each in self.examined.items()}

    @property
    def reaches(self) -> dict[str, FeedReach]:
        """How far the feeds reach."""
        return {name: each.reach for name, each in self.feeds.items()}


def examine_book(
    settings: Workspace,
    now: datetime,
    work: Path,
    last: Last,
    allow_empty: bool,
    progress: Progress | None,
    shelf: Shelf,
) -> ExaminedBook:
    """Examine accounts and then every other table.

    ``last`` is what the last ingest left, ``shelf`` what was read before of databases.
    """
    options = read_section(IngestSettings, settings.section("ingest"), f"{CONFIG} [ingest]")
    _refuse_future(settings, now)
    if not settings.book_dir.is_dir():
        message = f"{settings.book_dir}: no such folder"
        return ExaminedBook(
            {}, (InputMissing("feed.missing", message, "mend [book] path or --book"),)
        )
    try:
        extracted = extract(settings, work / "extracted", shelf=shelf)
    except Fault as fault:
        return ExaminedBook({}, (_placed(settings, fault),))
    asked = {name: shelf.parts(name, e.label) | {e.label: e} for name, e in extracted.items()}
    examiner = _Examiner(settings, now, work, last, allow_empty, options.settle_seconds, asked)
    examined: dict[str, Examined | ExaminedFeed] = {}
    for name in TABLES:
        if progress:
            progress(name)
        if found := examiner.examined(name):
            examined[name] = found
    refusals = [_placed(settings, f) for each in examined.values() for f in each.report.refused]
    return ExaminedBook(examined, (*_incomplete(settings, examined), *refusals))


@dataclass
class _Examiner:
    """Examines the tables of one book, accounts first."""

    settings: Workspace
    now: datetime
    work: Path
    last: Last
    allow_empty: bool
    settle_seconds: float
    asked: dict[str, dict[str, Staged]]
    known: pa.Array | None = None
    connection: duckdb.DuckDBPyConnection = field(default_factory=desk)

    def __post_init__(self) -> None:
        self.connection.execute("CREATE TEMP TABLE known_accounts (account_id VARCHAR)")

    def examined(self, name: str) -> Examined | ExaminedFeed | None:
        """Examine a table; None where the book has none of that name."""
        try:
            sources = self._sources(name)
        except Fault as fault:
            return Examined(TableReport(refused=(fault,)))
        if not sources:
            return None
        if name in FEEDS:
            return self._feed(name, sources)
        found = self._whole(name, sources)
        if name == "accounts" and found.kept is not None:
            self._meet(found.columns(["account_id"])["account_id"])
        return found

    def _meet(self, accounts: pa.ChunkedArray) -> None:
        """Know the accounts from here on."""
        self.known = accounts.combine_chunks()
        self.connection.register("met", pa.table({"account_id": self.known}))
        self.connection.execute("INSERT INTO known_accounts FROM met")
        self.connection.unregister("met")

    def _sources(self, name: str) -> dict[str, Path | Staged]:
        if name in self.asked:
            return dict(self.asked[name])
        book = self.settings.book_dir
        return {place_of(path, book): path for path in find_files(self.settings, name)}

    def _whole(self, name: str, sources: dict[str, Path | Staged]) -> Examined:
        """Without a table of accounts nobody can be called unknown."""
        contract = TABLES[name]
        if self.known is None:
            contract = replace(contract, stranger="none")
        terms = table_terms(contract, self.settings)
        last = self.last.tables.get(name)
        found = last.taken_over(contract, terms, sources, self.known) if last else None
        return found or replace(self._read(contract, sources), terms=terms)

    def _read(self, contract: TableContract, sources: dict[str, Path | Staged]) -> Examined:
        try:
            return examine_table(
                self.connection,
                self.settings,
                contract,
                self.now,
                sources.values(),
                self.work,
                allow_empty=self.allow_empty,
                settle_seconds=self.settle_seconds,
            )
        finally:
            shutil.rmtree(self.work / "copies", ignore_errors=True)

    def _feed(self, name: str, sources: dict[str, Path | Staged]) -> ExaminedFeed:
        files = FeedFiles(self.settings, TABLES[name], self.now, self.settle_seconds, sources)
        known = pa.array([], pa.string()) if self.known is None else self.known
        return examine_feed(files, known, self.work, self.last.feeds.get(name))


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
