"""Taking a backup: the store first, then the files that it names, while jobs and servers go on."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from features.durable import disk_watched, replace, sync
from features.faults import Busy, CannotWrite
from serving import tables
from serving.backups.contents import DATABASE, LEFT_OUT, MLFLOW, NOTE, SNAPSHOTS, is_kept
from serving.backups.copying import Copier
from serving.backups.database import copied_file, copied_store, sealed_engine
from serving.backups.manifest import MANIFEST, Manifest
from serving.database import reading
from serving.pepper import FILE as PEPPER

__all__ = ["Backup", "keep_pepper", "kept_backups", "last_backup", "pruned", "take"]

_NAME = "perennial-%Y%m%dT%H%M%SZ"
_TRIES = 3
_RENEWED = ("manifest.json", "feeds.json")
"""Files of a snapshot that a later ingest of the same content writes anew."""


@dataclass(frozen=True)
class Backup:
    """A backup that was taken.

    Attributes
    ----------
    folder : Path
    manifest : Manifest
    """

    folder: Path
    manifest: Manifest


def take(
    engine: sa.Engine,
    home: Path,
    mlruns: Path | None,
    into: Path,
    now: datetime,
    step: Callable[[str], None] = lambda _: None,
) -> Backup:
    """Copy the state of a workspace into a new folder under ``into``, whole or not at all.

    Nobody is hindered: SQLite copies its file in one state, a PostgreSQL is read in one, and files
    are published by one rename each.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        The store.
    home : Path
    mlruns : Path or None
        The workspace's registry of models; None where MLflow runs elsewhere.
    into : Path
    now : datetime
        Names the backup.
    step : callable
        Told what is being done.

    Raises
    ------
    CannotWrite
        ``disk.full``; ``backup.exists`` where one of this second is there (exit code 73).
    Busy
        ``busy``; ``backup.moving`` where snapshots change faster than they are copied (75).
    """
    with _staged(into, now.strftime(_NAME)) as folder:
        copier = Copier(folder)
        step("the store")
        (folder / DATABASE).parent.mkdir(mode=0o700)
        copied_store(engine, (folder / DATABASE).parent)
        copier.note(DATABASE)
        step("models, closed periods, exports")
        copier.folder(home, "home", is_kept)
        step("snapshots")
        _snapshots(copier, home / SNAPSHOTS, f"home/{SNAPSHOTS}")
        if mlruns is not None and (mlruns / Path(MLFLOW).name).is_file():
            step("the registry of models")
            _registry(copier, mlruns)
        left_out = LEFT_OUT | ({} if mlruns is not None else {"mlruns": "MLflow runs elsewhere"})
        told = _counted(engine, folder / DATABASE)
        made = Manifest(now.isoformat(), version("perennial"), told, left_out, copier.entries)
        made.keep(folder)
    _noted(home, into / folder.name.removeprefix(".tmp-"), made)
    return Backup(into / folder.name.removeprefix(".tmp-"), made)


def keep_pepper(home: Path, path: Path) -> bool:
    """Copy the pepper to a file of its own; whether the home has one."""
    if not (home / PEPPER).is_file():
        return False
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with disk_watched(path.parent):
        replace(path, (home / PEPPER).read_bytes())
    return True


def kept_backups(into: Path) -> list[Path]:
    """List the backups in a folder, the newest first."""
    return sorted((one.parent for one in into.glob(f"perennial-*Z/{MANIFEST}")), reverse=True)


def pruned(into: Path, keep: int) -> list[Path]:
    """Remove all backups in a folder but the newest ``keep``; give what was removed."""
    old = kept_backups(into)[keep:]
    for folder in old:
        (folder / MANIFEST).unlink()  # from here on it is none, however far the rest gets
        shutil.rmtree(folder)
    return old


def last_backup(home: Path) -> dict[str, Any] | None:
    """Give when (``made_at``) and where (``folder``) the last backup was taken; None without one."""
    try:
        told = dict(json.loads((home / NOTE).read_bytes()))
        known = datetime.fromisoformat(told["made_at"]).tzinfo and isinstance(told["folder"], str)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return told if known else None


@contextmanager
def _staged(into: Path, name: str) -> Iterator[Path]:
    """Give a folder that takes its name when the block is done, and goes if it fails."""
    with disk_watched(into):
        into.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = into / f".tmp-{name}"
        if (into / name).exists() or folder.exists():
            raise CannotWrite("backup.exists", f"{into / name}: is there", "try again in a second")
        folder.mkdir(mode=0o700)
        try:
            yield folder
            folder.rename(into / name)
            sync(into)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def _snapshots(copier: Copier, source: Path, to: str) -> None:
    """Copy what points to snapshots first: then whatever it names is there."""
    for pointer in [one for one in sorted(source.glob("[!.]*")) if one.is_file()]:
        copier.file(pointer, f"{to}/{pointer.name}")
    for manifest in sorted(source.glob("[!.]*/manifest.json")):
        _snapshot(copier, manifest.parent, f"{to}/{manifest.parent.name}")


def _snapshot(copier: Copier, source: Path, to: str) -> None:
    """Copy a snapshot; an ingest may renew its manifest and ledgers meanwhile: then again."""
    for _ in range(_TRIES):
        copier.folder(source, to)
        copy = copier.target / to
        if all(_bytes(source / name) == _bytes(copy / name) for name in _RENEWED):
            return
        copier.forget(to)
    raise Busy("backup.moving", f"{source}: changes while it is copied", "try again later")


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _registry(copier: Copier, mlruns: Path) -> None:
    (copier.target / MLFLOW).parent.mkdir(mode=0o700)
    copied_file(mlruns / Path(MLFLOW).name, copier.target / MLFLOW)
    copier.note(MLFLOW)
    own = Path(MLFLOW).name
    copier.folder(mlruns, "mlruns", lambda path: not path.name.startswith(own))


def _counted(engine: sa.Engine, path: Path) -> dict[str, Any]:
    copy = sealed_engine(path)
    try:
        with reading(copy) as connection:
            counts = {
                "runs": connection.scalar(_number_of(tables.runs)),
                "accounts": connection.scalar(sa.select(sa.func.sum(tables.runs.c.accounts))) or 0,
                "keys": connection.scalar(_number_of(tables.keys)),
                "audit_entries": connection.scalar(_number_of(tables.audit)),
            }
            revision = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    finally:
        copy.dispose()
    return {"kind": engine.dialect.name, "revision": revision} | counts


def _number_of(table: sa.Table) -> sa.Select[tuple[int]]:
    return sa.select(sa.func.count()).select_from(table)


def _noted(home: Path, folder: Path, made: Manifest) -> None:
    told = {"made_at": made.made_at, "folder": os.fspath(folder.absolute()), "seal": made.seal}
    replace(home / NOTE, json.dumps(told).encode() + b"\n")
