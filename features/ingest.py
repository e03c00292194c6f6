"""Ingest: read the book, check every row, publish an immutable snapshot.

The story of ``attempt``: take the lock, sweep what a dead process left, examine accounts and then
every other table, of the feeds only what is new, refuse the whole book if one file is refused,
name the snapshot by its content, set bad rows aside, publish by rename.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from features.contracts import TABLES
from features.coverage import cover, default_as_of, limits_of
from features.current import is_current, mapping_digest
from features.durable import disk_watched
from features.examined_book import ExaminedBook, IngestSettings, Progress, examine_book
from features.faults import DataRejected, Fault
from features.locking import held
from features.mapping import Workspace
from features.publication import Content, last_ingest, publish, snapshot_id, sweep, workroom
from features.quarantine import Aside, write_quarantine
from features.report import IngestReport
from features.shelf import SHELF, Shelf
from features.sources import misnamed

__all__ = ["IngestReport", "IngestSettings", "attempt", "check", "ingest", "is_current"]


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
    full: bool = False,
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
    full : bool
        Whether queries with a watermark are asked whole.
    progress : callable, optional
        Called with the name of each table before it is read.

    Raises
    ------
    Fault
        The first refusal; the last good snapshot keeps serving.
    """
    report = attempt(
        settings, home, now, strict=strict, allow_empty=allow_empty, full=full, progress=progress
    )
    report.raise_refusal()
    return report


def attempt(
    settings: Workspace,
    home: Path,
    now: datetime,
    *,
    strict: bool = False,
    allow_empty: bool = False,
    full: bool = False,
    progress: Progress | None = None,
) -> IngestReport:
    """Do what ``ingest`` does, but give a refused book back as a report too."""
    with held(home / "ingest.lock", wait_seconds=0.0), disk_watched(home), _room(home) as work:
        shelf = Shelf(home / SHELF, settings.book.timezone, full)
        book = examine_book(settings, now, work, last_ingest(home), allow_empty, progress, shelf)
        refusals = book.refusals or _strict(book) if strict else book.refusals
        if refusals:
            refused = ExaminedBook(book.examined, refusals)
            return _report(settings, refused, now, "refused", None)
        return _publish(settings, home, book, now)


@contextmanager
def _room(home: Path) -> Iterator[Path]:
    """Give a folder to work in, of which nothing stays."""
    sweep(home)
    try:
        yield workroom(home)
    finally:
        sweep(home)


def _strict(book: ExaminedBook) -> tuple[Fault, ...]:
    bad = {name: each.report.quarantined for name, each in book.examined.items()}
    said = ", ".join(f"{name} {rows}" for name, rows in bad.items() if rows)
    if not said:
        return ()
    return (DataRejected("feed.strict", f"rows set aside: {said}", "mend them, or drop --strict"),)


def _facts(settings: Workspace) -> dict[str, Any]:
    book = settings.book
    return {
        "currency": book.currency,
        "timezone": book.timezone,
        "fiscal_year_starts": book.fiscal_year_starts,
    }


def _as_of(settings: Workspace, book: ExaminedBook, now: datetime) -> date:
    grains = {name: each.grain for name, each in settings.tables.items() if each.grain}
    chosen = settings.book.as_of
    return chosen or default_as_of(book.tables, book.reaches, now, dict(grains))


def _publish(settings: Workspace, home: Path, book: ExaminedBook, now: datetime) -> IngestReport:
    facts = _facts(settings)
    feeds = {name: feed.ledger for name, feed in book.feeds.items() if feed.ledger}
    content = Content(book.whole, feeds)
    chosen = settings.book.as_of.isoformat() if settings.book.as_of else None
    name = snapshot_id(content, facts | {"as_of": chosen})
    manifest = {
        "book": facts | {"as_of": _as_of(settings, book, now).isoformat()},
        "tables": _entries(book),
        "sources": {
            "mapping": mapping_digest(settings),
            "files": {
                table: {each.label: each.to_json() for each in found.sources}
                for table, found in book.examined.items()
            },
        },
    }
    _set_aside(home / "quarantine" / name, book)
    fresh = publish(home, name, content, manifest)
    return _report(settings, book, now, "published" if fresh else "already_ingested", name)


def _entries(book: ExaminedBook) -> dict[str, dict[str, Any]]:
    """Say of every table how much it holds, and which columns its source had."""
    entries: dict[str, dict[str, Any]] = {
        name: {"rows": table.kept.rows} for name, table in book.whole.items()
    }
    entries |= {name: reach.to_json() for name, reach in book.reaches.items()}
    return {
        name: entry | {"provided": list(book.examined[name].provided)}
        for name, entry in entries.items()
    }


def _set_aside(folder: Path, book: ExaminedBook) -> None:
    examined = book.examined.items()
    asides = {name: each.aside for name, each in examined if isinstance(each.aside, Aside)}
    files = {name: each.aside for name, each in examined if isinstance(each.aside, Path)}
    write_quarantine(folder, asides, files, book.reports)


def _report(
    settings: Workspace, book: ExaminedBook, now: datetime, status: str, name: str | None
) -> IngestReport:
    coverage: dict[str, Any] = {"tables": cover(book.tables, book.reaches)}
    if {"subscriptions", "mrr_by_month"} & set(book.tables):
        as_of = _as_of(settings, book, now)
        coverage |= {"as_of": as_of.isoformat(), "limits": limits_of(book.tables, as_of)}
    read = {each.label for found in book.examined.values() for each in found.sources}
    strays = misnamed(settings.book_dir, list(TABLES), read) if settings.book_dir.is_dir() else []
    warnings = tuple(said for report in book.reports.values() for said in report.warnings)
    return IngestReport(status, name, book.reports, coverage, book.refusals, (*warnings, *strays))
