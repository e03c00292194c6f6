"""Current: whether the book is still what the serving snapshot was made of."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

from features.contracts import TABLES
from features.digest import file_digest
from features.faults import Fault
from features.feed_files import place_of
from features.mapping import Workspace
from features.publication import FORMAT, read_manifest
from features.sources import find_files

__all__ = ["is_current", "mapping_digest"]


def is_current(settings: Workspace, home: Path, *, asking: bool = True) -> bool:
    """Say whether the book's bytes and mapping are those of the snapshot that serves.

    A file whose size, times and inode are as they were is taken for what it was; others are
    digested. What a query would give is not known before it is asked: a book of a database is
    never current, unless ``asking`` is false; then its queries' tables are taken as they are.
    """
    manifest = read_manifest(home)
    queries = settings.queries()
    if manifest is None or manifest.get("format") != FORMAT or (queries and asking):
        return False
    sources = manifest["sources"]
    before = {name: each for name, each in sources["files"].items() if name not in queries}
    try:
        found = {table: find_files(settings, table) for table in TABLES}
    except Fault:
        return False
    files = {
        table: {place_of(path, settings.book_dir): path for path in paths}
        for table, paths in found.items()
        if paths
    }
    if sources["mapping"] != mapping_digest(settings) or not _same_names(files, before):
        return False
    return all(
        _as_it_was(path, sources["files"][table][place])
        for table, paths in files.items()
        for place, path in paths.items()
    )


def _same_names(files: dict[str, dict[str, Path]], before: dict[str, dict[str, Any]]) -> bool:
    return {table: set(each) for table, each in files.items()} == {
        table: set(each) for table, each in before.items()
    }


def _as_it_was(path: Path, before: dict[str, Any]) -> bool:
    try:
        found = path.lstat()
    except OSError:
        return False
    if not stat.S_ISREG(found.st_mode):
        return False
    marks = [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
    if marks == before["stat"]:
        return True
    return os.access(path, os.R_OK) and file_digest(path) == before["sha256"]


def mapping_digest(settings: Workspace) -> str:
    """Digest what the configuration says of the book and its tables, and whose rows are dropped."""
    mapping = {
        "book": settings.book.model_dump(mode="json", exclude={"path"}),
        "tables": {name: each.model_dump(mode="json") for name, each in settings.tables.items()},
    }
    words = json.dumps(mapping, sort_keys=True) + settings.erased.terms
    return hashlib.sha256(words.encode()).hexdigest()
