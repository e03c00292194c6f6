"""Durable files: for their owner alone, and down on the disk before anything points to them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from features.faults import CannotWrite

__all__ = ["disk_watched", "replace", "sync", "write", "writing"]

_REFUSED = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)


@contextmanager
def writing(path: Path, *, once: bool = False) -> Iterator[IO[bytes]]:
    """Open a file that is on the disk when the block ends.

    Parameters
    ----------
    path : Path
        Its folder must be there.
    once : bool
        Whether the file must not exist yet.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "note"
    >>> with writing(path, once=True) as sink:
    ...     _ = sink.write(b"kept")
    >>> path.read_bytes(), oct(path.stat().st_mode)[-3:]
    (b'kept', '600')
    """
    flags = os.O_WRONLY | os.O_CREAT | (os.O_EXCL if once else os.O_TRUNC)
    with os.fdopen(os.open(path, flags, 0o600), "wb") as sink:
        yield sink
        sink.flush()
        os.fsync(sink.fileno())


def write(path: Path, content: bytes) -> None:
    """Write a file down to the disk, over the one that may be there."""
    with writing(path) as sink:
        sink.write(content)


def replace(path: Path, content: bytes) -> None:
    """Put a file in another's place by one rename: whoever reads sees the one or the other.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "pointer"
    >>> replace(path, b"one"), replace(path, b"two"), path.read_bytes()
    (None, None, b'two')
    """
    staged = path.with_name(f".tmp-{path.name}")
    write(staged, content)
    staged.replace(path)
    sync(path.parent)


def sync(folder: Path) -> None:
    """Bring a folder's list of names down to the disk, so that a rename in it lasts."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def disk_watched(place: Path) -> Iterator[None]:
    """Turn what a full or failing disk says inside the block into a fault with its cure.

    Raises
    ------
    CannotWrite
        ``disk.full`` (exit code 73).

    Examples
    --------
    >>> with disk_watched(Path("state")):
    ...     raise OSError(errno.ENOSPC, "full")
    Traceback (most recent call last):
    ...
    features.faults.CannotWrite: state: No space left on device: disk.full: make room
    """
    try:
        yield
    except OSError as refused:
        if refused.errno not in _REFUSED:
            raise
        said = f"{place}: {os.strerror(refused.errno)}"
        raise CannotWrite("disk.full", said, "make room") from refused
