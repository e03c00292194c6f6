"""Waiting: bundles that a training left because the registry did not answer, until it does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.faults import DataRejected
from models.artifacts import keep_artifacts
from models.bundle import read_contract
from models.sealed import no_space_is_a_fault, read_sealed, write_once, write_sealed

__all__ = ["Waiting", "leave", "waiting"]

FOLDER = "unregistered"
SAID = "said.json"
PAPERS = "papers"
_CURE = "move it away, and train again"


@dataclass(frozen=True)
class Waiting:
    """A bundle that waits, with what training said about it.

    Attributes
    ----------
    folder : Path
        Holds ``bundle``, ``said.json`` and, where there are any, the run's ``papers``.
    params, metrics, tags : mapping
    """

    folder: Path
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]

    @property
    def bundle(self) -> Path:
        """The bundle."""
        return self.folder / "bundle"

    @property
    def artifacts(self) -> dict[str, Path]:
        """The files to keep with the run, by their path there."""
        papers = self.folder / PAPERS
        files = sorted(path for path in papers.rglob("*") if path.is_file())
        return {path.relative_to(papers).as_posix(): path for path in files}

    def done(self) -> None:
        """Forget it: it is registered."""
        shutil.rmtree(self.folder)


def leave(
    root: Path,
    bundle: Path,
    digest: str,
    params: Mapping[str, object],
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    artifacts: Mapping[str, Path] | None = None,
) -> Path:
    """Keep a bundle under ``root`` until it can be registered; the same one again is the same.

    Raises
    ------
    CannotWrite
        ``disk.full``.
    """
    folder = root / FOLDER / digest
    write_sealed(folder / "bundle", read_sealed(bundle))
    said = {"params": dict(params), "metrics": dict(metrics), "tags": dict(tags)}
    if not (folder / SAID).exists():
        with no_space_is_a_fault(folder):
            keep_artifacts(artifacts or {}, folder / PAPERS)
            write_once(folder / SAID, json.dumps(said, allow_nan=False, indent=1).encode("ascii"))
    return folder


def waiting(root: Path) -> list[Waiting]:
    """List the bundles that wait, their bytes compared.

    Raises
    ------
    DataRejected
        ``model.digest`` and its like where one was damaged meanwhile.

    Examples
    --------
    >>> waiting(Path("a-workspace-without-models"))
    []
    """
    folders = sorted((root / FOLDER).glob("[0-9a-f]*"))
    return [_read(folder) for folder in folders if (folder / SAID).is_file()]


def _read(folder: Path) -> Waiting:
    read_contract(folder / "bundle", folder.name)
    try:
        said = json.loads((folder / SAID).read_bytes())
        parts = [dict(said[key]) for key in ("params", "metrics", "tags")]
    except (ValueError, TypeError, KeyError, RecursionError) as broken:
        raise DataRejected("model.format", f"{folder / SAID}: {broken}", _CURE) from broken
    return Waiting(folder, *parts)
