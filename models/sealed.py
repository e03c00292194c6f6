"""A sealed directory: plain files, written whole or not at all, read without following links."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from features.durable import sync, writing
from features.faults import CannotWrite, DataRejected

__all__ = ["no_space_is_a_fault", "read_sealed", "write_once", "write_sealed"]

MOST_BYTES = 256_000_000
MOST_FILES = 64
_CURE = "train again, or roll back to an earlier version"


def read_sealed(directory: Path) -> dict[str, bytes]:
    """Read every file of a directory, once.

    Raises
    ------
    DataRejected
        ``model.path`` where the directory is absent or a link, or holds a link; ``model.format``
        where it holds another directory, a pipe or a device, too many files or too many bytes.

    Examples
    --------
    >>> folder = Path(tempfile.mkdtemp()) / "bundle"
    >>> write_sealed(folder, {"contract.json": b"{}"})
    >>> read_sealed(folder)
    {'contract.json': b'{}'}
    """
    if directory.is_symlink() or not directory.is_dir():
        raise DataRejected("model.path", f"{directory}: not a directory of its own", _CURE)
    paths = sorted(islice(directory.iterdir(), MOST_FILES + 1))
    if len(paths) > MOST_FILES:
        raise DataRejected("model.format", f"{directory}: more than {MOST_FILES} files", _CURE)
    room, files = MOST_BYTES, {}
    for path in paths:
        files[path.name] = _read(path, room)
        room -= len(files[path.name])
    return files


def _read(path: Path, room: int) -> bytes:
    if path.is_symlink():
        raise DataRejected("model.path", f"{path}: a link", _CURE)
    try:
        # It may have become a link, or a pipe that waits for a writer, since.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb", closefd=True) as file:
            kind = os.fstat(file.fileno())
            if not stat.S_ISREG(kind.st_mode) or kind.st_size > room:
                said = f"{path}: not a plain file, or too large"
                raise DataRejected("model.format", said, _CURE)
            return file.read(room)
    except IsADirectoryError as refused:
        raise DataRejected("model.format", f"{path}: a directory", _CURE) from refused
    except OSError as refused:
        raise DataRejected("model.path", f"{path}: {refused.strerror}", _CURE) from refused


def write_sealed(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write a directory beside its place and move it there when it is complete.

    Raises
    ------
    CannotWrite
        ``bundle.exists`` where the directory already holds something else, ``disk.full``.
    """
    if _holds(directory, files):
        return
    with no_space_is_a_fault(directory):
        directory.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
        try:
            for name, data in files.items():
                write_once(staging / name, data)
            _move(staging, directory, files)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        sync(directory.parent)


def _holds(directory: Path, files: Mapping[str, bytes]) -> bool:
    return directory.is_dir() and read_sealed(directory) == dict(files)


def _move(staging: Path, directory: Path, files: Mapping[str, bytes]) -> None:
    try:
        staging.rename(directory)
    except OSError:
        if not _holds(directory, files):  # somebody else may have written the same meanwhile
            raise


def write_once(path: Path, data: bytes) -> None:
    """Write a file that must not exist yet, for its owner alone, down to the disk."""
    with writing(path, once=True) as file:
        file.write(data)


@contextmanager
def no_space_is_a_fault(place: Path) -> Iterator[None]:
    """Turn what a file system says while writing into a fault that a user understands."""
    try:
        yield
    except OSError as refused:
        if refused.errno in (errno.ENOSPC, errno.EDQUOT):
            raise CannotWrite(
                "disk.full", f"{place}: no space left", "free some space"
            ) from refused
        if refused.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            cure = "choose a directory that does not exist yet"
            raise CannotWrite("bundle.exists", f"{place}: holds something else", cure) from refused
        raise
