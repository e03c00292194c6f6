"""The manifest of a backup: every file with its digest, and a seal on the manifest itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from features.digest import file_digest
from features.durable import write
from features.faults import DataRejected, InputMissing
from serving.backups.contents import DATABASE

__all__ = ["FORMAT", "MANIFEST", "Entry", "Manifest", "corrupt", "opened_manifest"]

FORMAT = 1
MANIFEST = "backup.json"


@dataclass(frozen=True)
class Entry:
    """One file of a backup.

    Attributes
    ----------
    sha256 : str
    bytes : int
    """

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """What a backup holds.

    Attributes
    ----------
    made_at : str
        When it was begun, ISO 8601.
    perennial : str
        The version that made it.
    store : mapping
        ``kind`` of the database that was copied, ``revision`` of its tables, and how many
        ``runs``, ``accounts`` (scored, all runs together), ``keys`` and ``audit_entries`` are in it.
    left_out : mapping of str to str
        What is not in it, and why.
    files : mapping of str to Entry
        By path in the backup.
    """

    made_at: str
    perennial: str
    store: Mapping[str, Any]
    left_out: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Entry] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Give the size of all files together."""
        return sum(entry.bytes for entry in self.files.values())

    @property
    def seal(self) -> str:
        """Digest everything that the manifest says: it stands for the whole backup.

        Examples
        --------
        >>> one = Manifest("2026-01-03T06:00:00+00:00", "0.1.0", {"runs": 1})
        >>> one.seal == Manifest("2026-01-03T06:00:00+00:00", "0.1.0", {"runs": 2}).seal
        False
        """
        return hashlib.sha256(_text(self._told())).hexdigest()

    def keep(self, folder: Path) -> None:
        """Write it into a backup's folder, as its last file."""
        write(folder / MANIFEST, _text(self._told() | {"seal": self.seal}) + b"\n")

    def check(self, folder: Path) -> None:
        """Digest every file again; refuse one that is gone, changed, or was never in the backup.

        Raises
        ------
        DataRejected
            ``backup.corrupt`` with the file (exit code 65).
        """
        for name, entry in self.files.items():
            found = file_digest(folder / name)
            if found != entry.sha256:
                said = "gone" if found is None else "not what was written"
                raise corrupt(f"{folder / name}: {said}")
        there = {_place(path, folder) for path in folder.rglob("*") if not path.is_dir()}
        strange = sorted(there - set(self.files) - {MANIFEST})
        if strange:
            raise corrupt(f"{folder / strange[0]}: not of this backup")

    def _told(self) -> dict[str, Any]:
        files = {name: vars(entry) for name, entry in self.files.items()}
        return {"format": FORMAT} | vars(self) | {"files": files}


def opened_manifest(folder: Path) -> Manifest:
    """Read the manifest of a backup; its files are held beside it by ``check``.

    Raises
    ------
    InputMissing
        ``backup.none`` where there is no backup (exit code 66).
    DataRejected
        ``backup.corrupt`` for a manifest that is not what was written.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise InputMissing("backup.none", f"{folder}: no backup", f"name a folder with {MANIFEST}")
    try:
        told = json.loads(path.read_bytes())
        seal, form = told.pop("seal"), told.pop("format")
        files = {_inside(name): Entry(**entry) for name, entry in told.pop("files").items()}
        found = Manifest(**told, files=files)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise corrupt(f"{path}: not a manifest") from None
    if form != FORMAT or found.seal != seal:
        raise corrupt(f"{path}: not what was written")
    if DATABASE not in files or not isinstance(found.store, dict) or "revision" not in found.store:
        raise corrupt(f"{path}: not a manifest")
    return found


def corrupt(found: str) -> DataRejected:
    """Refuse a backup."""
    return DataRejected("backup.corrupt", found, "take another backup")


def _inside(name: str) -> str:
    """Refuse a name that leads out of the backup."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(name)
    return name


def _place(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _text(told: Mapping[str, Any]) -> bytes:
    return json.dumps(told, sort_keys=True, indent=1).encode("ascii")
