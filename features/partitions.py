"""Partitions: a month of a roll-up as one file; equal rows give equal bytes.

A file is written once and never changed. What a later snapshot still needs of an earlier one is
linked into it, so that it costs neither time nor space.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from features.digest import content_digest, file_digest
from features.durable import writing

__all__ = ["Kept", "bring", "keep_bytes", "keep_rows"]

GROUP = 1 << 17
Mark = tuple[str, int, int, int]
_SEEN: dict[Mark, str] = {}


@dataclass(frozen=True)
class Kept:
    """A file of a snapshot.

    Attributes
    ----------
    file : str
        Its name in the snapshot's folder.
    sha256 : str
        Digest of its bytes.
    at : Path
        Where the bytes lie now.
    rows : int
        How many rows it holds (0 where it holds none as a table).
    digest : str
        Digest of its values; empty where nothing is named by them.
    """

    file: str
    sha256: str
    at: Path = field(compare=False)
    rows: int = 0
    digest: str = ""

    @property
    def whole(self) -> bool:
        """Whether the file holds what was written (read once per process, unless it changes)."""
        return _remembered(self.at) == self.sha256

    def to_json(self) -> dict[str, Any]:
        """Give the entry of a manifest or ledger."""
        return {
            "file": self.file,
            "sha256": self.sha256,
            "rows": self.rows,
            "digest": self.digest,
        }

    @classmethod
    def of(cls, entry: dict[str, Any], folder: Path) -> Kept:
        """Read an entry of a manifest or ledger that lies in ``folder``."""
        path = folder / entry["file"]
        return cls(
            entry["file"], entry["sha256"], path, entry.get("rows", 0), entry.get("digest", "")
        )


def keep_rows(rows: pa.Table, folder: Path, stem: str, *, named: bool = True) -> Kept:
    """Write rows as Parquet: ``<stem>.parquet``.

    Parameters
    ----------
    rows : pyarrow.Table
        In their order.
    folder : Path
        Where it is written.
    stem : str
        Name in the folder, without suffix.
    named : bool
        Whether the snapshot is named by the file's values: then they are digested, and the file's
        name says nothing of them. Else a digest of the bytes is part of the name.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> kept = keep_rows(pa.table({"day": [1, 2]}), folder, "growth/2025-06")
    >>> kept.file, kept.rows, kept.whole
    ('growth/2025-06.parquet', 2, True)
    """
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd", row_group_size=GROUP)
    content = sink.getvalue()
    digest = content_digest(rows) if named else ""
    return _keep(memoryview(content), folder, stem, ".parquet", rows.num_rows, digest)


def keep_bytes(content: memoryview, folder: Path, stem: str, suffix: str) -> Kept:
    """Write bytes under a name that bears their digest."""
    return _keep(content, folder, stem, suffix, 0, "")


def bring(kept: Kept, folder: Path) -> Kept:
    """Put a file into a snapshot's folder: linked where it can be, copied where it cannot."""
    target = folder / kept.file
    if kept.at != target and _remembered(target) != kept.sha256:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        try:
            os.link(kept.at, target)
        except OSError:
            with kept.at.open("rb") as source, writing(target, once=True) as sink:
                shutil.copyfileobj(source, sink)
    return Kept(kept.file, kept.sha256, target, kept.rows, kept.digest)


def _keep(
    content: memoryview, folder: Path, stem: str, suffix: str, rows: int, digest: str
) -> Kept:
    sha256 = hashlib.sha256(content).hexdigest()
    file = f"{stem}{suffix}" if digest else f"{stem}-{sha256[:16]}{suffix}"
    path = folder / file
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with writing(path) as sink:
        sink.write(content)
    return Kept(file, sha256, path, rows, digest)


def _remembered(path: Path) -> str | None:
    """Digest a file once as long as its name, size, inode and time of change stay as they are."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    mark = (str(path), found.st_size, found.st_mtime_ns, found.st_ino)
    if mark not in _SEEN:
        digest = file_digest(path)
        if digest is None:
            return None
        _SEEN[mark] = digest
    return _SEEN[mark]
