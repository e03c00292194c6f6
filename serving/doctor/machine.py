"""What the doctor sees of the machine: versions, disk, who may read and write, who is at work."""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from serving import floors
from serving.doctor.finding import Finding, fine, wants
from serving.doctor.patient import Patient
from serving.production import unsafe

__all__ = ["disk", "locks", "surroundings", "versions"]

GIGABYTE = 1e9
LONG_SECONDS = 3600.0
LIBRARIES = ("lightgbm", "mlflow", "pyarrow", "duckdb")


def versions(patient: Patient) -> Iterator[Finding]:
    """Tell the versions, and which library is below its floor."""
    del patient
    told = ", ".join(f"{name} {version(name)}" for name in ("perennial", *LIBRARIES))
    old = floors.too_old()
    for one in old:
        yield wants("versions", str(one), floors.CURE, badly=True)
    if not old:
        yield fine("versions", f"{told}, Python {platform.python_version()}")


def disk(patient: Patient) -> Iterator[Finding]:
    """Tell what is free where the state lies."""
    place = patient.home if patient.home.is_dir() else patient.settings.workspace.directory
    free = shutil.disk_usage(place).free / GIGABYTE
    floor = patient.settings.operation.free_gigabytes
    if free < floor:
        cure = "make room; old exports and quarantine may go (docs/operations.md)"
        yield wants("disk", f"{place}: {free:.1f} GB free, below {floor:g}", cure, badly=True)
    else:
        yield fine("disk", f"{place}: {free:.1f} GB free")


def surroundings(patient: Patient) -> Iterator[Finding]:
    """Tell what production refuses: a warning, unless this workspace is in production."""
    badly = patient.settings.operation.profile == "production"
    told = [one for one in unsafe(patient.settings) if one.code != "library.too_old"]
    for one in told:
        yield wants("surroundings", f"{one.message} ({one.code})", one.cure, badly=badly)
    if not told:
        yield fine("surroundings", "a user of its own, closed code and state, signed models")


def locks(patient: Patient) -> Iterator[Finding]:
    """Tell who is at work, and since when."""
    folders = (patient.home, patient.settings.workspace.directory / "mlruns")
    paths = [path for folder in folders for path in sorted(folder.glob("*.lock"))]
    taken = [(path, *held) for path in paths if (held := _held(path)) is not None]
    for path, who, since in taken:
        found = f"{path.name}: held by {who} since {since:%Y-%m-%d %H:%M:%S} UTC"
        if (patient.now - since).total_seconds() > LONG_SECONDS:
            yield wants("locks", found, "see what that process does; the lock ends with it")
        else:
            yield fine("locks", found)
    if not taken:
        yield fine("locks", "nobody is at work")


def _held(path: Path) -> tuple[str, datetime] | None:
    """Say which living process holds a lock, and since when; a file that was left behind is none."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            since = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
            return file.read().decode("utf-8", "replace").strip() or "a process", since
    return None
