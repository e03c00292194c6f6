"""Retention: what is kept for a while only, and removed when its time is over.

Rows that were set aside hold what a source said word for word, and old snapshots hold the book as it
was. Nothing needs them for ever: the ones go after a month, the others after a good year, unless a
run that serves stands on them.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import Field

from features.configuration import Section
from features.durable import sync
from features.locking import held

__all__ = ["RetentionSettings", "purge"]

QUARANTINE, SNAPSHOTS, POINTER = "quarantine", "snapshots", "latest"


class RetentionSettings(Section):
    """Section ``[retention]``: for how long what is not needed for ever is kept.

    Attributes
    ----------
    quarantine_days : int
        Days for which rows that an ingest set aside are kept, since they were written.
    raw_days : int
        Days for which a snapshot is kept after an ingest wrote it last. The latest one stays, and
        so does that of the run that serves.

    Examples
    --------
    >>> RetentionSettings()
    RetentionSettings(quarantine_days=30, raw_days=400)
    """

    quarantine_days: int = Field(default=30, ge=1)
    raw_days: int = Field(default=400, ge=1)


def purge(
    home: Path, settings: RetentionSettings, now: datetime, needed: Collection[str] = ()
) -> dict[str, list[str]]:
    """Remove what is past its time; done twice, the second time there is nothing to do.

    Parameters
    ----------
    home : Path
    settings : RetentionSettings
    now : datetime
    needed : collection of str
        Snapshots that runs stand on which are served.

    Returns
    -------
    dict of str to list of str
        ``quarantine`` and ``snapshots``: names of what was removed.

    Raises
    ------
    Busy
        ``busy`` if an ingest is at work (exit code 75).

    Examples
    --------
    >>> import tempfile
    >>> home = Path(tempfile.mkdtemp())
    >>> (home / "quarantine" / "0a1b").mkdir(parents=True)
    >>> later = datetime.now(UTC) + timedelta(days=31)
    >>> purge(home, RetentionSettings(), later)
    {'quarantine': ['0a1b'], 'snapshots': []}
    >>> purge(home, RetentionSettings(), later)
    {'quarantine': [], 'snapshots': []}
    """
    with held(home / "ingest.lock", wait_seconds=0.0):
        aside = _older(home / QUARANTINE, now - timedelta(days=settings.quarantine_days))
        old = _older(home / SNAPSHOTS, now - timedelta(days=settings.raw_days))
        kept = {*needed, _latest(home)}
        past = [folder for folder in old if folder.name not in kept]
        return {QUARANTINE: _removed(aside), SNAPSHOTS: _removed(past)}


def _older(folder: Path, than: datetime) -> list[Path]:
    """List the folders in a folder that were written before an instant."""
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [each for each in found if each.is_dir() and _written(each) < than]


def _written(folder: Path) -> datetime:
    """Say when a folder or a file in it was written last."""
    return datetime.fromtimestamp(max(each.stat().st_mtime for each in _with(folder)), UTC)


def _with(folder: Path) -> Iterator[Path]:
    yield folder
    yield from (each for each in folder.iterdir() if each.is_file())


def _latest(home: Path) -> str:
    pointer = home / SNAPSHOTS / POINTER
    return pointer.read_text(encoding="utf-8").strip() if pointer.is_file() else ""


def _removed(folders: list[Path]) -> list[str]:
    for folder in folders:
        shutil.rmtree(folder)
        sync(folder.parent)
    return [folder.name for folder in folders]
