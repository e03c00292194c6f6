"""The surroundings of a process: who it runs as, and who else may touch its code and its state."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["as_root", "open_state", "private_files", "writable_code"]

CODE = Path(__file__).resolve().parents[1]
FLOORS = ("features", "models", "training", "serving")
_OTHERS = 0o077
_WRITE = 0o022


@contextmanager
def private_files() -> Iterator[None]:
    """Let everything that is made inside the block be its owner's alone, whatever the shell says.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with private_files():
    ...     (folder / "state").mkdir()
    >>> oct((folder / "state").stat().st_mode)[-3:]
    '700'
    """
    before = os.umask(_OTHERS)
    try:
        yield
    finally:
        os.umask(before)


def as_root() -> bool:
    """Whether this process may do anything on this machine."""
    return os.geteuid() == 0


def writable_code(code: Path = CODE) -> list[Path]:
    """List the folders of our code that this process, or a stranger, may write to.

    Whoever may write there decides what the next start does. For root, who may write anywhere, only
    what others may write to is listed.

    Examples
    --------
    >>> writable_code(Path("a-place-without-code"))
    []
    """
    floors = [code / name for name in FLOORS if (code / name).is_dir()]
    return [
        folder
        for folder in floors
        if folder.stat().st_mode & _WRITE or (not as_root() and os.access(folder, os.W_OK))
    ]


def open_state(home: Path) -> list[Path]:
    """List what of the state others than its owner may read or write, the home first.

    A home that is closed to others closes what is in it.

    Examples
    --------
    >>> open_state(Path("a-home-that-is-not-there"))
    []
    """
    if not home.is_dir() or not home.stat().st_mode & _OTHERS:
        return []
    inside = sorted(home.iterdir())
    return [home, *(path for path in inside if path.lstat().st_mode & _OTHERS)]
