"""``MLmodel``: the page on which MLflow finds the LightGBM text of a bundle, and nothing else.

Written as JSON, which is YAML too. Its only flavor is LightGBM's own text: no pickle, no code, no
example of the input, so that ``mlflow.lightgbm.load_model`` reads a text file and runs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from features.faults import DataRejected
from models.sealed import write_once

__all__ = ["BUNDLE", "PAGE", "check_mlmodel", "write_mlmodel"]

PAGE = "MLmodel"
BUNDLE = "bundle"
_CURE = "train again, or roll back to an earlier version"


def write_mlmodel(folder: Path, contract: Mapping[str, Any], digest: str, run_id: str) -> None:
    """Write the page beside the bundle of a run.

    The flavor's text is the contract's ``main`` booster, else the first by name; a model of the
    calendar alone has no flavor.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_mlmodel(folder, {"boosters": {"churn": {}}, "lightgbm": "4.7.0"}, "ab12", "run")
    >>> json.loads((folder / PAGE).read_text())["flavors"]["lightgbm"]["data"]
    'bundle/churn.lgb'
    """
    write_once(folder / PAGE, _page(contract, digest, run_id))


def check_mlmodel(folder: Path, contract: Mapping[str, Any], digest: str, run_id: str) -> None:
    """Refuse a page that is not the one that was written.

    Raises
    ------
    DataRejected
        ``model.path`` for a link or a text outside the bundle, ``model.format`` for another
        flavor, code, pickle, or anything else that was not written here.
    """
    path = folder / PAGE
    if path.is_symlink() or not path.is_file():
        raise DataRejected("model.path", f"{path}: not a plain file", _CURE)
    held = path.read_bytes()
    if held == _page(contract, digest, run_id):
        return
    if any(_leaves(data) for data in _texts(held)):
        raise DataRejected("model.path", f"{path}: leads outside the bundle", _CURE)
    raise DataRejected("model.format", f"{path}: not the page that was registered", _CURE)


def _page(contract: Mapping[str, Any], digest: str, run_id: str) -> bytes:
    flavors = {}
    if contract["boosters"]:
        main = contract.get("main", min(contract["boosters"]))
        flavors["lightgbm"] = {
            "data": f"{BUNDLE}/{main}.lgb",
            "lgb_version": contract["lightgbm"],
            "model_class": "lightgbm.basic.Booster",
        }
    page = {"run_id": run_id, "flavors": flavors, "metadata": {"perennial_digest": digest}}
    return json.dumps(page, indent=1, sort_keys=True).encode("ascii") + b"\n"


def _texts(held: bytes) -> list[str]:
    try:
        flavors = json.loads(held)["flavors"].values()
        return [str(flavor["data"]) for flavor in flavors]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return []


def _leaves(data: str) -> bool:
    return Path(data).is_absolute() or ".." in Path(data).parts or "://" in data
