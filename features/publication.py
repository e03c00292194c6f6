"""Publication: a snapshot is a folder of Parquet, named by its content, published by one rename.

The name is a digest of what the tables and roll-ups hold and of the book's facts: no clock, no
path, no order of rows or of deliveries. A process that dies half-way leaves a temporary folder,
which the next one removes. The feeds' ledgers lie beside the content and are no part of the name.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from features.durable import disk_watched, replace, sync, write
from features.faults import DataRejected
from features.feed_ledger import FeedLedger
from features.feeds import LastFeed
from features.kept_table import KeptTable, LastTable
from features.partitions import Kept, bring
from features.rollup import rollups_of

__all__ = [
    "FORMAT", "Content", "Last", "last_ingest", "name_of", "publish", "read_manifest", "snapshot_id", "sweep",
    "verified", "workroom",
]  # fmt: skip

FORMAT = 2
POINTER = "latest"
LEDGER = "feeds.json"


@dataclass(frozen=True)
class Last:
    """What the last ingest left.

    Attributes
    ----------
    feeds : dict of str to LastFeed
        The feeds.
    tables : dict of str to LastTable
        The tables that are kept whole.
    """

    feeds: dict[str, LastFeed] = field(default_factory=dict)
    tables: dict[str, LastTable] = field(default_factory=dict)


@dataclass(frozen=True)
class Content:
    """What a snapshot holds.

    Attributes
    ----------
    tables : dict of str to KeptTable
        The tables that are kept whole.
    feeds : dict of str to FeedLedger
        The feeds, rolled up.
    """

    tables: dict[str, KeptTable]
    feeds: dict[str, FeedLedger] = field(default_factory=dict)


def snapshot_id(content: Content, facts: dict[str, Any]) -> str:
    """Name a snapshot by what it holds (20 hexadecimal digits)."""
    parts: dict[str, Any] = {
        name: table.kept.digest for name, table in sorted(content.tables.items())
    }
    for feed, ledger in sorted(content.feeds.items()):
        rolled = _rolled(feed, ledger)
        parts[feed] = {
            name: {month: kept.digest for month, kept in months} for name, months in rolled.items()
        }
    return name_of(parts, facts)


def name_of(parts: dict[str, Any], facts: dict[str, Any]) -> str:
    """Name a snapshot by the digests of its tables and of its feeds' months."""
    text = json.dumps({"format": FORMAT, "book": facts, "tables": parts}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _rolled(feed: str, ledger: FeedLedger) -> dict[str, list[tuple[str, Kept]]]:
    """Give the partitions of each roll-up of a feed, in the order of months."""
    return {
        name: [
            (month, entry.partitions[name])
            for month, entry in sorted(ledger.months.items())
            if name in entry.partitions
        ]
        for name in rollups_of(feed)
    }


def sweep(home: Path) -> None:
    """Remove what a process that died left behind. The caller holds the lock."""
    for left in (home / "snapshots").glob(".tmp-*"):
        shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink()


def workroom(home: Path) -> Path:
    """Make the folder in which an ingest writes; ``sweep`` removes it."""
    folder = home / "snapshots" / ".tmp-work"
    folder.mkdir(mode=0o700, parents=True)
    return folder


def publish(home: Path, name: str, content: Content, manifest: dict[str, Any]) -> bool:
    """Write a snapshot and let ``latest`` point at it; say whether it was new.

    A snapshot that is there whole is not written again: only its ledgers and its manifest (source
    digests, default as-of date) are renewed, and the pointer moved. One that was damaged is
    replaced.

    Raises
    ------
    CannotWrite
        ``disk.full`` if the disk refuses; the last good snapshot keeps serving.
    """
    with disk_watched(home):
        folder = home / "snapshots"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = folder / name
        fresh = not _whole(target)
        if fresh:
            _write_whole(folder, name, content, manifest)
        else:
            _renew(target, content, manifest)
        sync(folder)
        replace(folder / POINTER, f"{name}\n".encode())
        return fresh


def _write_whole(folder: Path, name: str, content: Content, manifest: dict[str, Any]) -> None:
    target, staged = folder / name, folder / f".tmp-{name}"
    staged.mkdir(mode=0o700)
    tables = {name: bring(table.kept, staged) for name, table in content.tables.items()}
    for ledger in content.feeds.values():
        for kept in _files(ledger):
            bring(kept, staged)
    write(staged / LEDGER, _ledgers(content))
    write(staged / "manifest.json", _manifest(name, manifest, content, tables))
    for each in [path for path in staged.rglob("*") if path.is_dir()]:
        sync(each)
    sync(staged)
    if target.exists():
        target.rename(folder / f".tmp-broken-{name}")
    staged.rename(target)


def _renew(target: Path, content: Content, manifest: dict[str, Any]) -> None:
    """Let the ledgers and the manifest of a snapshot tell of today's sources."""
    for ledger in content.feeds.values():
        for entry in ledger.months.values():
            for kept in entry.beside:
                sync(bring(kept, target).at.parent)
    replace(target / LEDGER, _ledgers(content))
    entries = (_read(target / "manifest.json") or {})["tables"]
    tables = {table: Kept.of(entries[table], target) for table in content.tables}
    replace(target / "manifest.json", _manifest(target.name, manifest, content, tables))
    needed = {kept.file for ledger in content.feeds.values() for kept in _files(ledger)}
    for path in target.glob("_*/*/*"):
        if path.relative_to(target).as_posix() not in needed:
            path.unlink()


def _files(ledger: FeedLedger) -> Iterator[Kept]:
    for entry in ledger.months.values():
        yield from entry.partitions.values()
        yield from entry.beside


def _ledgers(content: Content) -> bytes:
    feeds = {name: ledger.to_json() for name, ledger in content.feeds.items()}
    tables = {name: table.to_json() for name, table in content.tables.items()}
    whole = {"format": FORMAT, "feeds": feeds, "tables": tables}
    return f"{json.dumps(whole, sort_keys=True)}\n".encode()


def _manifest(
    name: str, manifest: dict[str, Any], content: Content, tables: dict[str, Kept]
) -> bytes:
    entries = dict(manifest["tables"])
    for table, kept in tables.items():
        entries[table] = entries[table] | {"file": kept.file, "sha256": kept.sha256}
    for feed, ledger in content.feeds.items():
        rolled = {
            rollup: [{"month": month} | kept.to_json() for month, kept in months]
            for rollup, months in _rolled(feed, ledger).items()
        }
        entries[feed] = entries[feed] | {"rolled": rolled}
    whole = {"format": FORMAT, "id": name} | manifest | {"tables": entries}
    return f"{json.dumps(whole, indent=1, sort_keys=True)}\n".encode()


def verified(folder: Path, manifest: dict[str, Any]) -> None:
    """Refuse a snapshot of which a file was removed or edited since it was published.

    Every file is digested once per process, and again when its size, inode or time changes.

    Raises
    ------
    DataRejected
        ``snapshot.corrupt`` with the file.
    """
    for kept in _entries(folder, manifest):
        if not kept.whole:
            said = "edited since it was published" if kept.at.is_file() else "gone"
            cure = "run `perennial ingest` again"
            raise DataRejected("snapshot.corrupt", f"{kept.at}: {said}", cure)


def _entries(folder: Path, manifest: dict[str, Any]) -> Iterator[Kept]:
    for entry in manifest["tables"].values():
        for each in [entry] if "file" in entry else []:
            yield Kept.of(each, folder)
        for months in entry.get("rolled", {}).values():
            for each in months:
                yield Kept.of(each, folder)


def _whole(target: Path) -> bool:
    """Say whether a snapshot holds what was written."""
    manifest = _read(target / "manifest.json")
    if manifest is None or manifest.get("format") != FORMAT:
        return False
    return all(kept.whole for kept in _entries(target, manifest))


def _read(path: Path) -> dict[str, Any] | None:
    """Read a manifest or ledger; None where there is none, or none that can be read."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return None


def read_manifest(home: Path) -> dict[str, Any] | None:
    """Give the manifest of the snapshot that serves; None when there is none to read."""
    folder = _latest(home)
    return None if folder is None else _read(folder / "manifest.json")


def last_ingest(home: Path) -> Last:
    """Give what the last ingest left of each table; nothing where nothing can be relied on."""
    folder, manifest = _latest(home), read_manifest(home)
    if folder is None or manifest is None or manifest.get("format") != FORMAT:
        return Last()
    ledgers, accounts = _read(folder / LEDGER), manifest["tables"].get("accounts")
    if ledgers is None or ledgers.get("format") != FORMAT or accounts is None:
        return Last()
    kept = Kept.of(accounts, folder)
    if not kept.whole:
        return Last()
    known = pq.ParquetFile(kept.at).read(["account_id"])["account_id"].combine_chunks()
    aside = home / "quarantine" / folder.name
    feeds = {
        feed: LastFeed(FeedLedger.of(entry, folder), known, aside / f"{feed}.parquet")
        for feed, entry in ledgers["feeds"].items()
    }
    tables = {
        name: LastTable(KeptTable.of(entry, folder), known, aside)
        for name, entry in ledgers.get("tables", {}).items()
    }
    return Last(feeds, tables)


def _latest(home: Path) -> Path | None:
    pointer = home / "snapshots" / POINTER
    if not pointer.is_file():
        return None
    return home / "snapshots" / pointer.read_text(encoding="utf-8").strip()
