"""Where the files of a run lie: below one directory of the workspace, whatever an address says."""

from __future__ import annotations

import shutil
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from features.faults import DataRejected, InternalFault

__all__ = ["MODEL", "keep_artifacts", "local_path", "model_folder", "run_folder"]

MODEL = "model"
_CURE = "train again, or roll back to an earlier version"


def run_folder(root: Path, run_id: str) -> Path:
    """Give the directory in which MLflow keeps the artifacts of a run.

    Examples
    --------
    >>> run_folder(Path("mlruns/artifacts"), "a1b2").as_posix()
    'mlruns/artifacts/a1b2/artifacts'
    """
    return root / run_id / "artifacts"


def local_path(address: str) -> Path | None:
    """Read an address as a path of this machine, None where it is another's.

    Examples
    --------
    >>> local_path("file:///book/mlruns%20old")
    PosixPath('/book/mlruns old')
    >>> local_path("http://169.254.169.254/latest") is None
    True
    """
    parts = urllib.parse.urlsplit(address)
    if parts.scheme not in ("", "file") or parts.netloc not in ("", "localhost"):
        return None
    return Path(urllib.request.url2pathname(parts.path))


def model_folder(root: Path, source: str, run_id: str) -> Path:
    """Give the directory of a registered model.

    A source is stored absolute and must end in ``<run>/artifacts/model``; it is read below
    ``root``, which is where a workspace that was moved is now.

    Raises
    ------
    DataRejected
        ``model.path`` for a source that ends otherwise or leads through a link.
    """
    path, folder = local_path(source), run_folder(root, run_id) / MODEL
    tail = (run_id, "artifacts", MODEL)
    if path is None or path.parts[-3:] != tail or ".." in path.parts or not run_id.isalnum():
        raise DataRejected("model.path", f"the source {source!r} is not in {root}", _CURE)
    if folder.resolve() != folder:
        raise DataRejected("model.path", f"{folder}: leads through a link", _CURE)
    return folder


def keep_artifacts(artifacts: Mapping[str, Path], folder: Path) -> None:
    """Copy files and directories into the folder of a run, each by its path there.

    Raises
    ------
    InternalFault
        ``registry.artifact`` for a name that leaves the folder, or is the model's.
    """
    for name, path in artifacts.items():
        target = folder / _inside(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, target)
        else:
            shutil.copyfile(path, target)


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or path.parts[:1] in ((), (MODEL,)):
        raise InternalFault("registry.artifact", f"{name!r} is no name for an artifact")
    return path
