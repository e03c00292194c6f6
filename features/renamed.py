"""Renamed snapshots: which name became which when an account was erased from what it names."""

from __future__ import annotations

import json
from pathlib import Path

from features.durable import replace

__all__ = ["FILE", "name_now", "note_renamed", "renamed"]

FILE = "renamed.json"


def renamed(home: Path) -> dict[str, str]:
    """Give every old name with the name of today; empty where nothing was ever erased."""
    path = home / "snapshots" / FILE
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def name_now(home: Path, name: str) -> str:
    """Give the name that a snapshot bears today.

    Examples
    --------
    >>> name_now(Path("nowhere"), "0a1b")
    '0a1b'
    """
    if (home / "snapshots" / name).is_dir():
        return name
    return renamed(home).get(name, name)


def note_renamed(home: Path, old: str, new: str) -> None:
    """Note that a snapshot bears another name now; older names of it lead there too.

    Examples
    --------
    >>> import tempfile
    >>> home = Path(tempfile.mkdtemp())
    >>> (home / "snapshots").mkdir()
    >>> note_renamed(home, "a", "b"), note_renamed(home, "b", "c")
    (None, None)
    >>> renamed(home)
    {'a': 'c', 'b': 'c'}
    """
    if old == new:
        return
    known = {name: new if now == old else now for name, now in renamed(home).items()}
    text = json.dumps(dict(sorted((known | {old: new}).items())), indent=1)
    replace(home / "snapshots" / FILE, f"{text}\n".encode())
