"""Copies: every source as a private copy, hashed while it is copied, and read from nowhere else.

What is hashed is what is read: nobody can swap the file in between. A copy is made in bounded
steps, so that a file is never held in memory; a ``.csv.gz`` is inflated on the way.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from features.faults import Busy, DataRejected, InputMissing, NotPermitted
from features.sources import SUFFIXES

__all__ = ["INFLATED", "Staged", "staged"]

INFLATED = 2 << 30
RATIO, SMALL = 100, 64 << 20
STEP = 1 << 20
ZIP, GZIPPED = b"PK\x03\x04", b"\x1f\x8b"
GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True)
class Staged:
    """A source, copied to a private folder.

    Attributes
    ----------
    label : str
        Path relative to the book (or the name of a query), as messages name it.
    path : Path
        The copy; a .csv.gz is inflated.
    sha256 : str
        Digest of the source's bytes, as they were copied.
    kind : str
        ``csv`` or ``parquet``.
    stat : tuple of int or None
        Size, mtime_ns, ctime_ns and inode of the source; None where there is no file.
    """

    label: str
    path: Path
    sha256: str
    kind: Literal["csv", "parquet"]
    stat: tuple[int, ...] | None


def staged(path: Path, book_dir: Path, folder: Path, settle_seconds: float = 0.0) -> Staged:
    """Copy a source into a private folder, refusing what is not a plain, finished file.

    Parameters
    ----------
    path : Path
        The source.
    book_dir : Path
        The book, for the label.
    folder : Path
        Where copies go; it is there, and nobody else writes to it.
    settle_seconds : float
        How long the source must stand unchanged; 0 compares before and after the copy only.

    Raises
    ------
    NotPermitted
        ``file.not_regular`` (a link, a pipe, a folder), ``file.unreadable``.
    Busy
        ``feed.incomplete`` when it changed while it was copied.
    DataRejected
        ``file.type``, ``feed.empty_file``, ``feed.checksum``, ``gzip.truncated``,
        ``file.too_expensive``.

    Examples
    --------
    >>> import tempfile
    >>> book = Path(tempfile.mkdtemp())
    >>> _ = (book / "accounts.csv").write_bytes(b"account_id")
    >>> (book / "copies").mkdir()
    >>> copy = staged(book / "accounts.csv", book, book / "copies")
    >>> copy.label, copy.kind, copy.path.read_bytes(), copy.stat[0]
    ('accounts.csv', 'csv', b'account_id', 10)
    """
    label = _label(path, book_dir)
    if not path.name.endswith(SUFFIXES):
        raise DataRejected("file.type", label, f"send one of {', '.join(SUFFIXES)}")
    kind: Literal["csv", "parquet"] = "parquet" if path.name.endswith(".parquet") else "csv"
    target = folder / f"{hashlib.sha256(label.encode()).hexdigest()[:24]}.{kind}"
    digest, marks = _copy(path, label, target, settle_seconds)
    _compare(path, label, digest)
    if not marks[0]:
        raise DataRejected("feed.empty_file", f"{label}: 0 bytes", "export the table again")
    with target.open("rb") as copied:
        if kind == "csv" and copied.read(len(ZIP)) == ZIP:
            message = f"{label}: a zip archive or a workbook, whatever its name"
            raise DataRejected("file.type", message, "export it as CSV")
    return Staged(label, target, digest, kind, marks)


def _label(path: Path, folder: Path) -> str:
    try:
        return path.relative_to(folder).as_posix()
    except ValueError:
        return os.path.relpath(path, folder).replace(os.sep, "/")


def _copy(
    path: Path, label: str, target: Path, settle_seconds: float
) -> tuple[str, tuple[int, ...]]:
    handle = _opened(path, label)
    before = os.fstat(handle)
    if not stat.S_ISREG(before.st_mode):
        os.close(handle)
        raise NotPermitted("file.not_regular", label, "put a plain file there")
    digest = hashlib.sha256()
    with os.fdopen(handle, "rb") as source, _private(target) as sink:
        parts = _hashed(source, digest)
        for part in _inflated(parts, before.st_size, label) if label.endswith(".gz") else parts:
            sink.write(part)
        if settle_seconds > 0:
            time.sleep(settle_seconds)
        after = os.fstat(source.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise Busy("feed.incomplete", f"{label}: still being written", "try again later")
    return digest.hexdigest(), (after.st_size, after.st_mtime_ns, after.st_ctime_ns, after.st_ino)


def _opened(path: Path, label: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as gone:
        raise InputMissing("feed.missing", f"{label}: no such file", "export it") from gone
    except PermissionError as refused:
        raise NotPermitted("file.unreadable", label, "allow it to be read") from refused
    except OSError as refused:
        if refused.errno not in (errno.ELOOP, errno.ENXIO):
            raise
        raise NotPermitted("file.not_regular", label, "put the file itself there") from refused


def _private(target: Path) -> IO[bytes]:
    return os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _hashed(source: IO[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    while part := source.read(STEP):
        digest.update(part)
        yield part


def _inflated(parts: Iterator[bytes], size: int, label: str) -> Iterator[bytes]:
    """Inflate the members of a .gz in bounded steps."""
    cap = min(INFLATED, max(SMALL, RATIO * size))
    made, inflater = 0, zlib.decompressobj(GZIP)
    try:
        for place, part in enumerate(parts):
            if not place and not part.startswith(GZIPPED):
                raise DataRejected("file.type", f"{label}: not compressed", "name it .csv")
            left = part
            while left:
                if inflater.eof and not (left := left.lstrip(b"\0")):
                    break
                if inflater.eof:
                    inflater = zlib.decompressobj(GZIP)
                step = inflater.decompress(left, STEP)
                left = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
                made += len(step)
                if made > cap:
                    message = f"{label}: inflates beyond {cap} bytes, {RATIO} times its size"
                    raise DataRejected("file.too_expensive", message, "send it as plain CSV")
                yield step
    except zlib.error as cut:
        raise DataRejected("gzip.truncated", f"{label}: {cut}", "copy the file again") from cut
    if size and not inflater.eof:
        message = f"{label}: the compressed file ends too early"
        raise DataRejected("gzip.truncated", message, "copy the file again")


def _compare(path: Path, label: str, digest: str) -> None:
    manifest = path.with_name(path.name + ".sha256")
    if not manifest.is_file():
        return
    words = manifest.read_text(encoding="utf-8", errors="replace").split()
    if not words or words[0].lower() != digest:
        said = words[0] if words else "nothing"
        raise DataRejected(
            "feed.checksum",
            f"{label}: sha256 {digest}, {manifest.name} says {said}",
            "copy the file again",
        )
