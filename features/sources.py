"""Sources: which files hold a table, and the bytes of a file, read once and safely."""

from __future__ import annotations

import difflib
import errno
import gzip
import hashlib
import os
import stat
import time
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from features.faults import Busy, DataRejected, InputMissing, NotPermitted
from features.mapping import Workspace
from features.selecting import SqlSource

__all__ = ["SourceBytes", "find_files", "inflate", "misnamed", "read_bytes"]

SUFFIXES = (".csv", ".csv.gz", ".parquet")
FOREIGN = (
    ".csv.zip",
    ".gz",
    ".json",
    ".jsonl",
    ".tar",
    ".tar.gz",
    ".tgz",
    ".tsv",
    ".xls",
    ".xlsx",
    ".zip",
)
INFLATED = 2 << 30
RATIO = 100
CHUNK = 1 << 20


@dataclass(frozen=True)
class SourceBytes:
    """What a file held when it was read.

    Attributes
    ----------
    label : str
        Path relative to the book, as messages name it.
    content : bytes
        Its bytes (a .csv.gz inflated).
    sha256 : str
        Digest of the bytes on disk.
    """

    label: str
    content: bytes
    sha256: str

    @property
    def kind(self) -> str:
        """``csv`` or ``parquet``."""
        return "parquet" if self.label.endswith(".parquet") else "csv"


def find_files(workspace: Workspace, table: str) -> list[Path]:
    """List the files of a table: what the mapping names, else what bears the table's name.

    Returns
    -------
    list of Path
        Sorted; empty when nothing is mapped and nothing bears the name, and for a table that is
        asked of a database.

    Raises
    ------
    InputMissing
        ``feed.missing`` when a mapped source is not there.
    DataRejected
        ``feed.two_sources`` when two forms of one table lie side by side.
    """
    source = workspace.table(table).source
    if source is None:
        return _by_name(workspace.book_dir, table)
    if isinstance(source, SqlSource):
        return []
    files = _by_pattern(workspace.book_dir, source)
    if not files:
        message = f"{workspace.book_dir / source}: no such file"
        raise InputMissing("feed.missing", message, f"mend [tables.{table}] source, or export it")
    return files


def _by_name(folder: Path, table: str) -> list[Path]:
    files = [folder / f"{table}{suffix}" for suffix in SUFFIXES]
    found = [[path] for path in files if os.path.lexists(path)]
    parts = _parts(folder / table)
    found += [parts] if parts else []
    if not found:
        return [
            folder / f"{table}{suffix}"
            for suffix in FOREIGN
            if (folder / f"{table}{suffix}").is_file()
        ]
    if len(found) > 1:
        names = ", ".join(sorted(paths[0].name for paths in found))
        cure = f"keep one, or name it in [tables.{table}] source"
        raise DataRejected("feed.two_sources", f"{folder}: {names}", cure)
    return found[0] if found else []


def _parts(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(each for each in folder.iterdir() if each.name.endswith(SUFFIXES))


def _by_pattern(folder: Path, source: str) -> list[Path]:
    path = folder / source
    if any(mark in source for mark in "*?["):
        anchor = Path(path.anchor) if path.is_absolute() else folder
        pattern = str(path.relative_to(anchor)) if path.is_absolute() else source
        return sorted(each for each in anchor.glob(pattern) if not each.is_dir())
    if path.is_dir():
        return _parts(path)
    return [path] if os.path.lexists(path) else []


def misnamed(folder: Path, tables: list[str], read: set[str]) -> list[str]:
    """Name the files that no table was read from, but whose names come near to one.

    Examples
    --------
    >>> import tempfile
    >>> book = Path(tempfile.mkdtemp())
    >>> (book / "ticket.csv").touch()
    >>> misnamed(book, ["tickets", "usage"], set())
    ['ticket.csv: not read; did you mean "tickets"?']
    """
    told = []
    for path in sorted(folder.iterdir()):
        stem = path.name.split(".")[0]
        close = difflib.get_close_matches(stem.lower(), tables, n=1, cutoff=0.8)
        known = path.name in read or path.is_dir() or stem in tables
        if close and not known and path.name.lower().endswith(SUFFIXES):
            told.append(f'{path.name}: not read; did you mean "{close[0]}"?')
    return told


def read_bytes(path: Path, folder: Path, settle_seconds: float = 0.0) -> SourceBytes:
    """Read a file whole, refusing what is not a plain, finished file.

    Parameters
    ----------
    path : Path
        The file.
    folder : Path
        The book, for the label.
    settle_seconds : float
        How long the file must stand unchanged; 0 compares before and after the read only.

    Raises
    ------
    NotPermitted
        ``file.not_regular`` (a link, a pipe, a folder), ``file.unreadable``.
    Busy
        ``feed.incomplete`` when it changed while it was read.
    DataRejected
        ``file.type``, ``feed.empty_file``, ``feed.checksum``, ``gzip.truncated``,
        ``file.too_expensive``.
    """
    label = _label(path, folder)
    if not path.name.endswith(SUFFIXES):
        raise DataRejected("file.type", label, f"send one of {', '.join(SUFFIXES)}")
    raw = _read(path, label, settle_seconds)
    digest = hashlib.sha256(raw).hexdigest()
    _compare(path, label, digest)
    if not raw:
        raise DataRejected("feed.empty_file", f"{label}: 0 bytes", "export the table again")
    content = inflate(raw, label) if label.endswith(".gz") else raw
    return SourceBytes(label, content, digest)


def _label(path: Path, folder: Path) -> str:
    try:
        return path.relative_to(folder).as_posix()
    except ValueError:
        return os.path.relpath(path, folder).replace(os.sep, "/")


def _read(path: Path, label: str, settle_seconds: float) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as gone:
        raise InputMissing("feed.missing", f"{label}: no such file", "export it") from gone
    except PermissionError as refused:
        raise NotPermitted("file.unreadable", label, "allow it to be read") from refused
    except OSError as refused:
        if refused.errno not in (errno.ELOOP, errno.ENXIO):
            raise
        raise NotPermitted("file.not_regular", label, "put the file itself there") from refused
    before = os.fstat(handle)
    if not stat.S_ISREG(before.st_mode):
        os.close(handle)
        raise NotPermitted("file.not_regular", label, "put a plain file there")
    with os.fdopen(handle, "rb") as file:
        raw = file.read()
        if settle_seconds > 0:
            time.sleep(settle_seconds)
        after = os.fstat(handle)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise Busy("feed.incomplete", f"{label}: still being written", "try again later")
    return raw


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


def inflate(raw: bytes, label: str) -> bytes:
    """Inflate a .gz in bounded steps.

    Raises
    ------
    DataRejected
        ``gzip.truncated`` if it is cut or not a gzip; ``file.too_expensive`` beyond 2 GB or,
        from 64 MB on, a hundred times its size.

    Examples
    --------
    >>> inflate(gzip.compress(b"account_id"), "accounts.csv.gz")
    b'account_id'
    """
    parts, size = [], 0
    cap = min(INFLATED, max(64 << 20, RATIO * len(raw)))
    try:
        with gzip.GzipFile(fileobj=BytesIO(raw)) as file:
            while part := file.read(CHUNK):
                parts.append(part)
                size += len(part)
                if size > cap:
                    message = f"{label}: inflates beyond {cap} bytes"
                    raise DataRejected("file.too_expensive", message, "split the export")
    except (EOFError, zlib.error, gzip.BadGzipFile) as cut:
        raise DataRejected("gzip.truncated", f"{label}: {cut}", "copy the file again") from cut
    return b"".join(parts)
