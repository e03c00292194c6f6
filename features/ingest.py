"""Ingest: read the book, check every row, publish an immutable snapshot.

The story of ``attempt``: take the lock, sweep what a dead process left, examine accounts and then
every other table, refuse the whole book if one file is refused, name the snapshot by its content,
set bad rows aside, publish by rename.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import Field

from features.configuration import Section, read_section
from features.contracts import TABLES, TableContract
from features.coverage import cover, default_as_of, limits_of
from features.examination import Examined, examine_table
from features.faults import ConfigurationRefused, DataRejected, Fault, InputMissing
from features.location import located
from features.locking import held
from features.mapping import Workspace
from features.publication import FORMAT, publish, read_manifest, snapshot_id, sweep
from features.quarantine import write_quarantine
from features.report import IngestReport
from features.sources import find_files, misnamed, read_bytes
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

    examined: dict[str, Examined]
    refusals: tuple[Fault, ...]

    @property
    def tables(self) -> dict[str, pa.Table]:
        return {name: each.rows for name, each in self.examined.items() if each.rows is not None}


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
    book = _examine(settings, now, allow_empty=False, progress=None)
    return _report(settings, book, now, "refused" if book.refusals else "checked", None)


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
    with held(home / "ingest.lock", wait_seconds=0.0):
        sweep(home)
        book = _examine(settings, now, allow_empty=allow_empty, progress=progress)
        refusals = book.refusals or _strict(book) if strict else book.refusals
        if refusals:
            refused = _Book(book.examined, refusals)
            return _report(settings, refused, now, "refused", None)
        return _publish(settings, home, book, now)


def is_current(settings: Workspace, home: Path) -> bool:
    """Say whether the book's bytes and mapping are those of the snapshot that serves."""
    manifest = read_manifest(home)
    if manifest is None or manifest.get("format") != FORMAT:
        return False
    digests: dict[str, dict[str, str]] = {}
    for table in TABLES:
        try:
            files = [read_bytes(path, settings.book_dir) for path in find_files(settings, table)]
        except Fault:
            return False
        if files:
            digests[table] = {file.label: file.sha256 for file in files}
    return bool(manifest["sources"] == _sources(settings, digests))


def _examine(
    settings: Workspace, now: datetime, *, allow_empty: bool, progress: Progress | None
) -> _Book:
    options = read_section(IngestSettings, settings.section("ingest"), f"{CONFIG} [ingest]")
    _refuse_future(settings, now)
    if not settings.book_dir.is_dir():
        message = f"{settings.book_dir}: no such folder"
        return _Book({}, (InputMissing("feed.missing", message, "mend [book] path or --book"),))
    connection = desk()
    connection.execute("CREATE TEMP TABLE known_accounts (account_id VARCHAR)")
    examined: dict[str, Examined] = {}
    for name, contract in TABLES.items():
        if progress:
            progress(name)
        found = examine_table(
            connection,
            settings,
            _judged(contract, examined),
            now,
            allow_empty=allow_empty,
            settle_seconds=options.settle_seconds,
        )
        if found:
            examined[name] = found
    refusals = [_placed(settings, f) for each in examined.values() for f in each.report.refused]
    return _Book(examined, (*_incomplete(settings, examined), *refusals))


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


def _judged(contract: TableContract, examined: dict[str, Examined]) -> TableContract:
    """Without a table of accounts nobody can be called unknown."""
    accounts = examined.get("accounts")
    known = accounts is not None and accounts.rows is not None
    return contract if known else replace(contract, stranger="none")


def _incomplete(settings: Workspace, examined: dict[str, Examined]) -> list[Fault]:
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


def _sources(settings: Workspace, digests: dict[str, dict[str, str]]) -> dict[str, Any]:
    mapping = {
        "book": settings.book.model_dump(mode="json", exclude={"path"}),
        "tables": {name: each.model_dump(mode="json") for name, each in settings.tables.items()},
    }
    text = json.dumps(mapping, sort_keys=True)
    return {"mapping": hashlib.sha256(text.encode()).hexdigest(), "files": digests}


def _facts(settings: Workspace) -> dict[str, Any]:
    book = settings.book
    return {
        "currency": book.currency,
        "timezone": book.timezone,
        "fiscal_year_starts": book.fiscal_year_starts,
    }


def _as_of(settings: Workspace, tables: dict[str, pa.Table], now: datetime) -> date:
    grains = {name: each.grain for name, each in settings.tables.items() if each.grain}
    return settings.book.as_of or default_as_of(tables, now, dict(grains))


def _publish(settings: Workspace, home: Path, book: _Book, now: datetime) -> IngestReport:
    tables, facts = book.tables, _facts(settings)
    chosen = settings.book.as_of.isoformat() if settings.book.as_of else None
    name = snapshot_id(tables, facts | {"as_of": chosen})
    as_of = _as_of(settings, tables, now)
    digests = {table: each.digests for table, each in book.examined.items() if each.digests}
    manifest = {
        "book": facts | {"as_of": as_of.isoformat()},
        "tables": {
            table: {"rows": rows.num_rows, "provided": list(book.examined[table].provided)}
            for table, rows in tables.items()
        },
        "sources": _sources(settings, digests),
    }
    asides = {table: each.aside for table, each in book.examined.items() if each.aside}
    reports = {table: each.report for table, each in book.examined.items()}
    write_quarantine(home / "quarantine" / name, asides, reports)
    fresh = publish(home, name, tables, manifest)
    return _report(settings, book, now, "published" if fresh else "already_ingested", name)


def _report(
    settings: Workspace, book: _Book, now: datetime, status: str, name: str | None
) -> IngestReport:
    tables = book.tables
    coverage: dict[str, Any] = {"tables": cover(tables)}
    if {"subscriptions", "mrr_by_month"} & set(tables):
        as_of = _as_of(settings, tables, now)
        coverage |= {"as_of": as_of.isoformat(), "limits": limits_of(tables, as_of)}
    reports = {table: each.report for table, each in book.examined.items()}
    read = {label for each in book.examined.values() for label in each.digests}
    strays = misnamed(settings.book_dir, list(TABLES), read) if settings.book_dir.is_dir() else []
    warnings = tuple(said for report in reports.values() for said in report.warnings)
    return IngestReport(status, name, reports, coverage, book.refusals, (*warnings, *strays))
