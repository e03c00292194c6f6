"""The digest of a run beside its exports: written once, the same bytes whenever it is written."""

from __future__ import annotations

from pathlib import Path

from features.durable import disk_watched, replace
from serving.digest.content import digest_of
from serving.digest.page import page
from serving.digest.reading import read
from serving.digest.text import text
from serving.queries import Run
from serving.store import Store

__all__ = ["FILES", "digested", "keep", "kept"]

FILES = ("digest.html", "digest.md")


def kept(home: Path, run: str) -> bool:
    """Say whether both files of a run's digest are there."""
    return all((home / "exports" / run / name).is_file() for name in FILES)


def digested(store: Store, run: str) -> None:
    """See to it that a run has its digest: one that a killed job left out is written now."""
    found = store.run(run)
    if found is not None and not kept(store.home, run):
        keep(store, found)


def keep(store: Store, run: Run) -> tuple[Path, Path]:
    """Write a run's digest beside its exports, readable by its owner alone."""
    told = digest_of(read(store, run))
    folder = store.home / "exports" / run.run_id
    paths = folder / FILES[0], folder / FILES[1]
    with disk_watched(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path, written in zip(paths, (page(told), text(told)), strict=True):
            replace(path, written.encode("utf-8"))
    return paths
