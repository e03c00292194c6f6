"""Builds: a commit becomes a wheel and a source archive, the same bytes each time.

What git has of the commit is built and nothing else: no file that lies about, no clock (the time is
the commit's), no path. The builder is the locked hatchling (.ci/release/locks/tools.txt).
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

__all__ = ["Commit", "build", "commit", "digests", "extract", "uncommitted"]

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Commit:
    """What is built.

    Attributes
    ----------
    id : str
        The commit's full name.
    seconds : int
        When it was made, in seconds since 1970: ``SOURCE_DATE_EPOCH``.
    """

    id: str
    seconds: int


def commit(root: Path = ROOT) -> Commit:
    """Read the commit that is checked out."""
    name, seconds = _git(root, "log", "-1", "--format=%H %ct").decode().split()
    return Commit(name, int(seconds))


def uncommitted(root: Path = ROOT) -> list[str]:
    """Name the files that differ from the commit, or that it does not know."""
    return _git(root, "status", "--porcelain").decode().splitlines()


def extract(target: Path, name: str = "HEAD", root: Path = ROOT) -> Path:
    """Write the files of a commit into a new folder."""
    with tarfile.open(fileobj=BytesIO(_git(root, "archive", "--format=tar", name))) as files:
        files.extractall(target, filter="data")
    return target


def build(source: Path, target: Path, seconds: int, kinds: str = "sdist wheel") -> dict[str, str]:
    """Build from a folder of sources; give each file's sha256 by its name.

    Parameters
    ----------
    source, target : Path
        The sources, and where the files go.
    seconds : int
        The time that is written into them.
    kinds : str
        ``"sdist"``, ``"wheel"`` or both.
    """
    asked = [flag for kind in kinds.split() for flag in ("-t", kind)]
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(target.resolve()), *asked],
        cwd=source,
        env=os.environ | {"SOURCE_DATE_EPOCH": str(seconds), "PYTHONHASHSEED": "0"},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return digests(target)


def digests(folder: Path) -> dict[str, str]:
    """Give the sha256 of every file of a folder, by name.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "empty").write_bytes(b"")
    >>> digests(folder)["empty"][:8]
    'e3b0c442'
    """
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _git(root: Path, *asked: str) -> bytes:
    return subprocess.run(["git", *asked], cwd=root, capture_output=True, check=True).stdout
