"""Sources: which files hold a table."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from features.faults import DataRejected, InputMissing, NotPermitted
from features.mapping import Workspace
from features.selecting import SqlSource

__all__ = ["SUFFIXES", "find_files", "misnamed"]

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
        ``feed.two_sources`` when two forms of one table lie side by side; ``feed.nested`` when
        a folder has files in folders of their own.
    NotPermitted
        ``file.unreadable`` when a folder may not be looked into.
    """
    try:
        return _found(workspace, table)
    except PermissionError as refused:
        told = refused.filename or workspace.book_dir
        raise NotPermitted("file.unreadable", str(told), "allow it to be read") from refused


def _found(workspace: Workspace, table: str) -> list[Path]:
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
    """List the files of a folder; files in folders below it are refused, not passed over."""
    if not folder.is_dir():
        return []
    below = [each for each in folder.glob("[!._]*/**/[!._]*") if each.name.endswith(SUFFIXES)]
    if below:
        first = min(below).relative_to(folder.parent)
        cure = f'name them: source = "{folder.name}/**/*{min(below).suffix}" in perennial.toml'
        raise DataRejected("feed.nested", f"{first}: lies in a folder of its own", cure)
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
