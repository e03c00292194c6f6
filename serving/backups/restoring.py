"""Restoring: a backup is checked, made ready beside the home, verified there, and moved in.

Until it is moved in nothing has changed. What was there is moved aside and stays until somebody
removes it. A restore that was killed is run again.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from glob import escape
from pathlib import Path

import sqlalchemy as sa

from features.durable import disk_watched, sync, write
from features.faults import Busy, CannotWrite, ConfigurationRefused
from features.locking import held
from serving.audit import verify_chain
from serving.backups.contents import CARRIED, DATABASE, MLFLOW
from serving.backups.database import copied_rows, filled, sealed_engine
from serving.backups.manifest import Manifest, opened_manifest
from serving.database import FILE, HEAD, opened
from serving.kept import StoreSettings
from serving.pepper import FILE as PEPPER
from serving.pepper import SHORTEST
from serving.store import Store
from serving.verifying import verify

__all__ = ["Restored", "restore", "verify_backup"]

_WAIT_SECONDS = 5.0


@dataclass(frozen=True)
class Restored:
    """What was put back.

    Attributes
    ----------
    manifest : Manifest
    runs : list of str
        Runs that agree with the ledger.
    aside : list of Path
        What was there before, and where it is now.
    """

    manifest: Manifest
    runs: list[str]
    aside: list[Path]


def verify_backup(folder: Path) -> tuple[Manifest, list[str]]:
    """Hold a backup beside its manifest, file by file, and its runs beside their ledger.

    Nothing in it is changed. A database of an earlier revision is held beside its digest alone:
    its runs are verified when it is restored.

    Raises
    ------
    DataRejected
        ``backup.corrupt``, ``ledger.mismatch``, ``audit.broken`` (exit code 65).
    InputMissing
        ``backup.none`` (exit code 66).
    """
    manifest = opened_manifest(folder)
    manifest.check(folder)
    if manifest.store["revision"] != HEAD:
        return manifest, []
    engine = sealed_engine(folder / DATABASE)
    try:
        verify_chain(engine)
        return manifest, verify(engine)
    finally:
        engine.dispose()


def restore(
    folder: Path,
    home: Path,
    mlruns: Path | None,
    settings: StoreSettings,
    now: datetime,
    *,
    over: bool = False,
    pepper: Path | None = None,
    replay: Callable[[Path], object] = lambda _: None,
    step: Callable[[str], None] = lambda _: None,
) -> Restored:
    """Put a workspace's state back from a backup.

    Parameters
    ----------
    folder : Path
        The backup.
    home : Path
        Where the state goes.
    mlruns : Path or None
        Where the registry of models goes; None where MLflow runs elsewhere.
    settings : StoreSettings
        Where the store is: a PostgreSQL is filled, a file is moved in.
    now : datetime
        Names what is moved aside.
    over : bool
        Whether something that is there may be replaced.
    pepper : Path, optional
        The pepper that was kept apart; without it the home's own stays.
    replay : callable
        Given the state before it is moved in: erases again who was erased since the backup.
    step : callable
        Told what is being done.

    Raises
    ------
    CannotWrite
        ``restore.occupied`` where there is a state, unless ``over``; ``restore.mounted`` for a
        home that is a volume of its own and cannot be moved aside (exit code 73).
    Busy
        ``busy`` while a job works in the home (exit code 75).
    DataRejected
        What a check found; nothing was changed (exit code 65).
    """
    step("check every file")
    manifest = opened_manifest(folder)
    manifest.check(folder)
    secret = None if pepper is None else _secret(pepper)
    places = _Places.of(home, mlruns if MLFLOW in manifest.files else None)
    elsewhere = None if settings.url is None else opened(home, settings)
    try:
        _refuse_mounted(places)
        if not over:
            _refuse_filled(places, elsewhere)
        with _alone(home), disk_watched(home.parent):
            step("make it ready beside the home")
            places.staged(folder, manifest, secret)
            step("verify it")
            runs = _verified(places.ready)
            step("erase again who was erased since")
            replay(places.ready)
            if elsewhere is not None:
                step("fill the database")
                _into(elsewhere, places.ready)
            step("move it in")
            return Restored(manifest, runs, places.swapped(now))
    finally:
        if elsewhere is not None:
            elsewhere.dispose()


@dataclass(frozen=True)
class _Places:
    """The folders that are replaced, each with the one beside it where its successor is made.

    Attributes
    ----------
    home : Path
    mlruns : Path or None
    """

    home: Path
    mlruns: Path | None

    @classmethod
    def of(cls, home: Path, mlruns: Path | None) -> _Places:
        return cls(home.resolve(), None if mlruns is None else mlruns.resolve())

    @property
    def ready(self) -> Path:
        """Where the new home is made."""
        return _beside(self.home)

    def staged(self, folder: Path, manifest: Manifest, secret: bytes | None) -> None:
        """Copy the backup beside the places, with what the home keeps of its own."""
        for root, place in self._pairs():
            target = _beside(place)
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir(mode=0o700, parents=True)
            for name in manifest.files:
                if name.startswith(f"{root}/"):
                    _brought(folder / name, target / name.removeprefix(f"{root}/"))
        for name in CARRIED:
            if own := self._own(name):
                _brought(own, self.ready / name)
        if secret is not None:
            write(self.ready / PEPPER, secret)

    def _own(self, name: str) -> Path | None:
        """Find a file of the home; of the one moved aside last where a restore was killed then."""
        former = self.home.parent.glob(f"{escape(self.home.name)}.before-*Z")
        homes = (self.home, *sorted(former, reverse=True))
        return next((home / name for home in homes if (home / name).is_file()), None)

    def swapped(self, now: datetime) -> list[Path]:
        """Move what is there aside, and what is ready in its place."""
        aside = []
        for _, place in self._pairs():
            former = place.with_name(f"{place.name}.before-{now:%Y%m%dT%H%M%SZ}")
            if place.is_dir():
                place.rename(former)
            _beside(place).rename(place)
            sync(place.parent)
            if _is_used(former):
                aside.append(former)
            else:
                shutil.rmtree(former, ignore_errors=True)
        return aside

    def used(self) -> list[Path]:
        """Name the places that hold something."""
        return [place for _, place in self._pairs() if _is_used(place)]

    def _pairs(self) -> Iterator[tuple[str, Path]]:
        yield "home", self.home
        if self.mlruns is not None:
            yield "mlruns", self.mlruns


def _beside(place: Path) -> Path:
    return place.with_name(f".restoring-{place.name.lstrip('.')}")


def _is_used(place: Path) -> bool:
    """Whether a folder holds more than locks, keys and other people's place holders."""
    if not place.is_dir():
        return False
    spared = {*CARRIED, ".gitkeep", ".gitignore"}
    return any(one.name not in spared and one.suffix != ".lock" for one in place.iterdir())


def _refuse_mounted(places: _Places) -> None:
    """Refuse a place that cannot be moved aside, before anything is changed."""
    for _, place in places._pairs():
        if place.is_mount():
            cure = "name another --home, then move what is in it to this volume"
            raise CannotWrite("restore.mounted", f"{place}: a volume of its own", cure)


def _refuse_filled(places: _Places, elsewhere: sa.Engine | None) -> None:
    used = [str(place) for place in places.used()]
    if elsewhere is not None and filled(elsewhere):
        used.append("the database")
    if used:
        cure = "name an empty --home, or say --replace: what is there is moved aside"
        raise CannotWrite("restore.occupied", f"{', '.join(used)}: in use", cure)


def _verified(home: Path) -> list[str]:
    """Bring the copy's tables up to date, and hold its rows beside their digests."""
    store = Store.open(home)
    try:
        runs = store.verify()
        verify_chain(store.engine)
        return runs
    finally:
        store.engine.dispose()


def _into(engine: sa.Engine, home: Path) -> None:
    """Fill a database with the rows of the copy, in one transaction; the copy's file goes."""
    copy = opened(home)
    try:
        copied_rows(copy, engine)
    finally:
        copy.dispose()
    for path in home.glob(f"{FILE}*"):
        path.unlink()


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Keep jobs out of a home, if there is one; refuse while one publishes."""
    if not home.is_dir():
        yield
        return
    with ExitStack() as stack:
        for name in ("ingest.lock", "store.lock"):
            stack.enter_context(held(home / name, _WAIT_SECONDS))
        for path in home.glob("publish-*.lock"):
            _refuse_living(path)
        yield


def _refuse_living(path: Path) -> None:
    with suppress(FileNotFoundError), path.open("rb") as file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy("busy", f"{path}: a job publishes", "try again later") from None


def _brought(source: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with source.open("rb") as found:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as sink:
            shutil.copyfileobj(found, sink)


def _secret(path: Path) -> bytes:
    secret = path.read_bytes()
    if len(secret) < SHORTEST:
        raise ConfigurationRefused("keys.pepper", f"{path}: too short", "name the pepper's file")
    return secret
