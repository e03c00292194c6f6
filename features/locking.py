"""A lock on a file: one process at a time, released by the system when its holder dies."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from features.faults import Busy

__all__ = ["held"]

_STEP_SECONDS = 0.05


@contextmanager
def held(path: Path, wait_seconds: float) -> Iterator[None]:
    """Hold the lock of ``path`` inside the block.

    Raises
    ------
    Busy
        ``busy`` (exit code 75) if another process still holds it after ``wait_seconds``.

    Examples
    --------
    >>> import tempfile
    >>> with held(Path(tempfile.mkdtemp()) / "book.lock", wait_seconds=1):
    ...     print("alone")
    alone
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        _acquire(file.fileno(), path, time.monotonic() + wait_seconds)
        _sign(file.fileno())
        try:
            yield
        finally:
            fcntl.flock(file.fileno(), fcntl.LOCK_UN)


def _acquire(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as taken:
            if time.monotonic() > deadline:
                raise Busy("busy", f"{path}: held by {_holder(path)}", "try again later") from taken
            time.sleep(_STEP_SECONDS)
        else:
            return


def _sign(descriptor: int) -> None:
    """Write into the lock who holds it; a full disk hinders nobody."""
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())


def _holder(path: Path) -> str:
    """Tell who holds a lock, and since when: the file's own time, no clock is read."""
    since = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    who = path.read_text(encoding="utf-8") or "another process"
    return f"{who} since {since:%Y-%m-%d %H:%M:%S} UTC"
