"""Copying: files of a state that others write to meanwhile, each digested as it is copied.

What a job is still writing bears a name that begins with a dot, and is left out; a file that goes
while it is copied was one of these. A file with several names is copied once.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from features.durable import writing
from serving.backups.manifest import Entry

__all__ = ["Copier"]

_BLOCK = 1 << 20


def _any(_path: Path) -> bool:
    return True


class Copier:
    """Copies files into a folder, and keeps the list of what it copied.

    Parameters
    ----------
    target : Path
        The folder of the backup.

    Attributes
    ----------
    entries : dict of str to Entry
        What was copied, by path in the target.

    Examples
    --------
    >>> import tempfile
    >>> here, there = Path(tempfile.mkdtemp()), Path(tempfile.mkdtemp())
    >>> _ = (here / "note").write_bytes(b"kept"), (here / ".tmp-note").write_bytes(b"half")
    >>> copier = Copier(there)
    >>> copier.folder(here, "home")
    >>> copier.entries["home/note"].bytes, sorted(copier.entries)
    (4, ['home/note'])
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.entries: dict[str, Entry] = {}
        self._copied: dict[tuple[int, int], str] = {}

    def folder(self, source: Path, to: str, wanted: Callable[[Path], bool] = _any) -> None:
        """Copy the files under a folder that are wanted, if it is there."""
        for path in _files(source):
            if wanted(path.relative_to(source)):
                self.file(path, f"{to}/{path.relative_to(source).as_posix()}")

    def file(self, source: Path, to: str) -> None:
        """Copy one file, unless it is gone."""
        try:
            handle = os.open(source, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return
        with os.fdopen(handle, "rb") as found:
            seen = os.fstat(found.fileno())
            target = self._place(to)
            mark, linked = (seen.st_dev, seen.st_ino), seen.st_nlink > 1
            if linked and mark in self._copied:
                os.link(self.target / self._copied[mark], target)
                self.entries[to] = self.entries[self._copied[mark]]
                return
            digest, size = hashlib.sha256(), 0
            with writing(target) as sink:
                while block := found.read(_BLOCK):
                    digest.update(block)
                    size += len(block)
                    sink.write(block)
        self.entries[to] = Entry(digest.hexdigest(), size)
        if linked:
            self._copied[mark] = to

    def forget(self, under: str) -> None:
        """Take back what was copied under a path: it moved meanwhile."""
        for name in [name for name in self.entries if name.startswith(f"{under}/")]:
            (self.target / name).unlink()
            del self.entries[name]
        self._copied = {mark: name for mark, name in self._copied.items() if name in self.entries}

    def note(self, to: str) -> None:
        """Take up a file that was written into the target already."""
        with (self.target / to).open("rb") as found:
            digest = hashlib.file_digest(found, "sha256").hexdigest()
        self.entries[to] = Entry(digest, (self.target / to).stat().st_size)

    def _place(self, to: str) -> Path:
        place = self.target / to
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        return place


def _files(source: Path) -> Iterator[Path]:
    """List plain files, in the order of their names; nothing hidden, no link."""
    for folder, folders, names in os.walk(source):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder) / name
            if not name.startswith(".") and not path.is_symlink():
                yield path
