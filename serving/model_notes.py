"""Model notes: what training said of every registered version, kept beside the state.

A server reads them there and needs no MLflow. The commands that ask the registry anyway (train,
score, models) write them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.durable import replace
from features.faults import DependencyDown
from models.artifacts import run_folder

if TYPE_CHECKING:
    from models.registry import Registry, Version

__all__ = ["bundle_told", "index", "note_models", "noted"]

FOLDER, INDEX = "models", "index.json"
PAPERS = ("gate", "backtest")
_DIGEST = re.compile(r"[0-9a-f]{8,64}")
_OF_BUNDLE = ("bands", "trained_through", "probabilities", "factor", "periods")


def note_models(known: Registry, home: Path) -> bool:
    """Note every version of the registry; what was noted stays where MLflow does not answer.

    Parameters
    ----------
    known : Registry
    home : Path
        The folder of state.

    Returns
    -------
    bool
        Whether the registry answered.
    """
    try:
        versions, line = known.versions(), known.succession() or []
    except DependencyDown:
        return False
    for one in versions:
        _keep(home / FOLDER / f"{one.digest}.json", _said(one) | _papers(known, one))
    listed = {"champions": [one.number for one in line], "versions": [*map(_said, versions)]}
    _keep(home / FOLDER / INDEX, listed)
    return True


def noted(home: Path, digest: str) -> dict[str, Any]:
    """Give what training said of a version: its words, ``gate`` and ``backtest``; empty: nothing.

    Examples
    --------
    >>> noted(Path("a-home-without-models"), "ab12ab12")
    {}
    """
    return _read(home / FOLDER / f"{digest}.json") if _DIGEST.fullmatch(digest) else {}


def index(home: Path) -> dict[str, Any]:
    """Give ``champions`` (who serves and who served before, the latest first) and ``versions``."""
    return _read(home / FOLDER / INDEX)


def bundle_told(home: Path, digest: str) -> dict[str, Any]:
    """Give what the kept bundle of a version tells without being loaded: bands, targets, dates.

    The bundle is verified when it is opened to score with; here it is only read.
    """
    if not _DIGEST.fullmatch(digest):
        return {}
    told = _read(home / "bundles" / digest / "contract.json")
    return {name: told[name] for name in _OF_BUNDLE if name in told}


def _said(one: Version) -> dict[str, Any]:
    tags, params = one.tags, one.params
    serves = {name[7:]: said for name, said in tags.items() if name.startswith("serves.")}
    rungs = {name[5:]: said for name, said in tags.items() if name.startswith("rung.")}
    return {
        "version": one.number,
        "digest": one.digest,
        "kind": tags.get("kind"),
        "gate_said": tags.get("gate"),
        "trained_through": params.get("as_of"),
        "rows": params.get("rows"),
        "serves": dict(sorted(serves.items())),
        "rungs": dict(sorted(rungs.items())),
    }


def _papers(known: Registry, one: Version) -> dict[str, Any]:
    """Read the papers of a version's run; one that it has not is null."""
    folder = run_folder(known.artifacts, one.run_id)
    return {name: _json(folder / f"{name}.json") for name in PAPERS}


def _keep(path: Path, told: Mapping[str, Any]) -> None:
    content = json.dumps(told, allow_nan=False, sort_keys=True).encode("ascii") + b"\n"
    if not path.is_file() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, content)


def _read(path: Path) -> dict[str, Any]:
    found = _json(path)
    return found if isinstance(found, dict) else {}


def _json(path: Path) -> Any:
    """Read a file of ours; None where there is none, or nothing sensible."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
