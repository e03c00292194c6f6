"""A lock on a file: one process at a time, released by the system when its holder dies."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
                raise Busy("busy", f"{path}: held by another process", "try again later") from taken
            time.sleep(_STEP_SECONDS)
        else:
            return
