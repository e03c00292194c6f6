"""A model bundle: a directory of LightGBM texts and one JSON contract, verified before use.

``contract.json`` holds what training says (features, bands, calibration, ...) and, added here,
``format``, ``lightgbm`` (its version), ``boosters`` (objective, features and trees of each),
``golden`` (rows and their predictions) and ``files`` (sha256 of every other file). The digest of
the bundle is the sha256 of that file, so it stands for every byte of the model.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from features.faults import DataRejected, InternalFault
from models.sealed import read_sealed, write_sealed
from models.trees import Forest, read_forest

if TYPE_CHECKING:
    import lightgbm

__all__ = ["Bundle", "copy_verified", "open_bundle", "read_contract", "write_bundle"]

CONTRACT = "contract.json"
FORMAT = 1
TOLERANCE = 1e-9
_RESERVED = {"format", "lightgbm", "boosters", "golden", "files"}
_BOOSTER = re.compile(r"[a-z][a-z0-9_]{0,63}\.lgb")
_CURE = "train again, or roll back to an earlier version"


@dataclass(frozen=True)
class Bundle:
    """A verified model, ready to predict.

    Attributes
    ----------
    contract : dict
        What training wrote, and the keys that are added here.
    boosters : dict of str to lightgbm.Booster
        By name; empty for a model of the calendar alone.
    digest : str
        sha256 of the contract, which holds the sha256 of every other file.
    path : Path
        Where it was read.
    """

    contract: dict[str, Any]
    boosters: dict[str, lightgbm.Booster] = field(repr=False)
    digest: str
    path: Path

    def predict(self, booster: str, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Predict the raw score of each row, columns taken by name whatever their order.

        Raises
        ------
        DataRejected
            ``feature.schema_mismatch`` where the frame lacks a column of the model.
        """
        names = self.contract["boosters"][booster]["features"]
        return _raw(self.boosters[booster], _columns(frame, names))


def write_bundle(
    directory: Path, contract: Mapping[str, Any], boosters: Mapping[str, str], golden: pd.DataFrame
) -> str:
    """Write a bundle, whole or not at all.

    Parameters
    ----------
    directory : Path
        Must not exist, or hold this very bundle already.
    contract : mapping
        Anything JSON that training wants to say; NaN and the keys ``format``, ``lightgbm``,
        ``boosters``, ``golden`` and ``files`` are refused.
    boosters : mapping of str to str
        Text of each model (``Booster.model_to_string()``); the name becomes ``<name>.lgb``.
    golden : DataFrame
        Rows with the features of every booster, whose predictions are kept and tried at every
        opening. Only the features are kept: no account can be told from them by name.

    Returns
    -------
    str
        The digest. The same contract, texts and rows give the same digest, anywhere.

    Raises
    ------
    InternalFault
        ``bundle.contract`` where the contract is not JSON or uses a reserved key.
    DataRejected
        ``model.structure`` where a text is not one of our kind, ``model.golden`` without rows.
    CannotWrite
        ``disk.full``, or ``bundle.exists`` where the directory holds something else.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "calendar"
    >>> digest = write_bundle(target, {"rung": "calendar"}, {}, pd.DataFrame())
    >>> open_bundle(target).contract["rung"], open_bundle(target).digest == digest
    ('calendar', True)
    """
    if _RESERVED & set(contract):
        raise InternalFault("bundle.contract", f"reserved: {sorted(_RESERVED & set(contract))}")
    files = {f"{name}.lgb": text.encode("ascii") for name, text in sorted(boosters.items())}
    forests = {name: read_forest(text, f"{name}.lgb") for name, text in sorted(boosters.items())}
    texts = {name: boosters[name] for name in forests}
    whole = dict(contract) | {
        "format": FORMAT,
        "lightgbm": _lightgbm_version() if boosters else None,
        "boosters": {name: _declared(forest).model_dump() for name, forest in forests.items()},
        "golden": _golden(golden, forests, texts),
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    sealed = _canonical(whole)
    write_sealed(directory, {CONTRACT: sealed, **files})
    return hashlib.sha256(sealed).hexdigest()


def open_bundle(directory: Path, digest: str | None = None) -> Bundle:
    """Read a bundle and verify it, in the order: files, digests, structure, fit, predictions.

    Parameters
    ----------
    directory : Path
        The bundle.
    digest : str, optional
        The digest that it must have.

    Raises
    ------
    DataRejected
        ``model.path`` for a link or anything that is not a plain file, ``model.format`` for a
        file of another kind, ``model.digest`` for other bytes than were written,
        ``model.structure`` for a text that LightGBM must not see, ``model.incompatible`` for
        another LightGBM, objective or features, ``model.golden`` for other predictions.
    """
    sealed = _verified(directory, digest)
    forests = {name: read_forest(text, f"{name}.lgb") for name, text in sealed.texts().items()}
    _check_fit(sealed.added, forests, directory)
    boosters = {name: _load(name, text) for name, text in sealed.texts().items()}
    _check_golden(sealed.added, boosters)
    return Bundle(sealed.contract, boosters, sealed.digest, directory)


def read_contract(directory: Path, digest: str | None = None) -> dict[str, Any]:
    """Give a bundle's contract after comparing every file's sha256; loads no model."""
    return _verified(directory, digest).contract


def copy_verified(directory: Path, target: Path) -> Bundle:
    """Copy a bundle to ``target/<digest>`` unless a sound copy is there, and open that copy.

    What is opened is the copy: whoever edits the original afterwards changes nothing.
    """
    sealed = _verified(directory, None)
    kept = target / sealed.digest
    if kept.is_dir() and not kept.is_symlink():
        try:
            return open_bundle(kept, sealed.digest)
        except DataRejected:
            shutil.rmtree(kept)  # a damaged copy of a sound original: take it again
    write_sealed(kept, sealed.files)
    return open_bundle(kept, sealed.digest)


class _Part(BaseModel):
    model_config = ConfigDict(strict=True)


class _Declared(_Part):
    objective: str
    features: list[str]
    trees: int


class _Golden(_Part):
    columns: list[str]
    rows: list[list[float | None]]
    raw: dict[str, list[float]]


class _Added(_Part):
    """The keys of a contract that this file adds and reads again."""

    format: Literal[1]
    lightgbm: str | None
    boosters: dict[str, _Declared]
    golden: _Golden
    files: dict[str, str]


@dataclass(frozen=True)
class _Sealed:
    contract: dict[str, Any]
    added: _Added
    files: dict[str, bytes]
    digest: str

    def texts(self) -> dict[str, str]:
        names = [name for name in self.files if name != CONTRACT]
        return {n.removesuffix(".lgb"): self.files[n].decode("ascii", "replace") for n in names}


def _verified(directory: Path, digest: str | None) -> _Sealed:
    files = read_sealed(directory)
    strange = [name for name in files if name != CONTRACT and not _BOOSTER.fullmatch(name)]
    if strange or CONTRACT not in files:
        said = f"holds {strange[0]!r}" if strange else f"holds no {CONTRACT}"
        raise DataRejected("model.format", f"{directory}: {said}", _CURE)
    found = hashlib.sha256(files[CONTRACT]).hexdigest()
    if digest not in (None, found):
        raise _edited(directory / CONTRACT)
    contract = _read_contract(files[CONTRACT], directory / CONTRACT)
    added = _read_added(contract, directory)
    _check_files(added.files, files, directory)
    return _Sealed(contract, added, files, found)


def _read_contract(sealed: bytes, path: Path) -> dict[str, Any]:
    try:
        contract = json.loads(sealed)
        if isinstance(contract, dict) and _canonical(contract) == sealed:
            return contract
    except (ValueError, RecursionError, InternalFault) as broken:
        raise _edited(path) from broken
    raise _edited(path)


def _read_added(contract: dict[str, Any], directory: Path) -> _Added:
    try:
        return _Added.model_validate(contract)
    except ValidationError as refused:
        said = f"{directory / CONTRACT}: not a bundle of format {FORMAT}"
        raise DataRejected("model.format", said, _CURE) from refused


def _check_files(listed: Mapping[str, str], held: Mapping[str, bytes], directory: Path) -> None:
    for name in listed:
        if not _BOOSTER.fullmatch(name):
            raise DataRejected("model.path", f"{directory}: names the file {name!r}", _CURE)
    for name in sorted({*held} - {*listed, CONTRACT}):
        raise DataRejected("model.format", f"{directory / name}: not in the contract", _CURE)
    for name, expected in listed.items():
        if name not in held or hashlib.sha256(held[name]).hexdigest() != expected:
            raise _edited(directory / name)


def _check_fit(added: _Added, forests: Mapping[str, Forest], directory: Path) -> None:
    if {name: _declared(forest) for name, forest in forests.items()} != added.boosters:
        said = "objective, features or number of trees are not the contract's"
        raise DataRejected("model.incompatible", f"{directory}: {said}", _CURE)
    here = _lightgbm_version()
    if forests and str(added.lightgbm).split(".")[0] != here.split(".")[0]:
        said = f"trained with LightGBM {added.lightgbm}, this is {here}"
        raise DataRejected("model.incompatible", f"{directory}: {said}", "train again")


def _check_golden(added: _Added, boosters: Mapping[str, lightgbm.Booster]) -> None:
    columns, rows = added.golden.columns, added.golden.rows
    if len(set(columns)) != len(columns) or any(len(row) != len(columns) for row in rows):
        raise DataRejected("model.golden", "golden rows do not fit their columns", _CURE)
    frame = pd.DataFrame(rows, columns=columns, dtype=np.float64)
    for name, booster in boosters.items():
        expected = np.asarray(added.golden.raw.get(name, []), dtype=np.float64)
        found = _raw(booster, _columns(frame, added.boosters[name].features))
        if len(expected) == 0 or expected.shape != found.shape:
            raise DataRejected("model.golden", f"{name}.lgb: no golden predictions", _CURE)
        worst = float(np.abs(found - expected).max())
        if not worst <= TOLERANCE:
            said = f"{name}.lgb: predictions differ by {worst:.3g} from those of training"
            raise DataRejected("model.golden", said, _CURE)


def _golden(
    golden: pd.DataFrame, forests: Mapping[str, Forest], texts: Mapping[str, str]
) -> dict[str, Any]:
    used = {name for forest in forests.values() for name in forest.features}
    columns = [str(name) for name in golden.columns if name in used]
    if forests and len(golden) == 0:
        raise DataRejected("model.golden", "no golden rows", "give at least one row of training")
    frame = golden[columns].astype(np.float64)
    raw = {
        name: _raw(_load(name, texts[name]), _columns(frame, forest.features)).tolist()
        for name, forest in forests.items()
    }
    rows = [[None if np.isnan(x) else x for x in row] for row in frame.to_numpy().tolist()]
    return {"columns": columns, "rows": rows if columns else [], "raw": raw}


def _columns(frame: pd.DataFrame, names: Sequence[str]) -> NDArray[np.float64]:
    lacking = [name for name in names if name not in frame.columns]
    if lacking:
        said = f"the model needs the column {lacking[0]!r}"
        raise DataRejected("feature.schema_mismatch", said, "use the catalog of its training")
    return frame[list(names)].to_numpy(dtype=np.float64, na_value=np.nan)


def _raw(booster: lightgbm.Booster, values: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(values) == 0:
        return np.zeros(0)
    return np.asarray(booster.predict(values, raw_score=True, num_threads=1), dtype=np.float64)


def _load(name: str, text: str) -> lightgbm.Booster:
    # Imported here: a model of the calendar alone, and `--help`, do without LightGBM (0.2 s, or
    # 2.5 s where it finds scikit-learn).
    import lightgbm

    try:
        return lightgbm.Booster(model_str=text)
    except (lightgbm.basic.LightGBMError, ValueError) as refused:
        raise DataRejected("model.structure", f"{name}.lgb: {refused}", _CURE) from refused


def _lightgbm_version() -> str:
    return importlib.metadata.version("lightgbm")


def _declared(forest: Forest) -> _Declared:
    return _Declared(objective=forest.objective, features=list(forest.features), trees=forest.trees)


def _canonical(contract: Mapping[str, Any]) -> bytes:
    try:
        plain = json.loads(json.dumps(contract, allow_nan=False))
        text = json.dumps(plain, allow_nan=False, sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError) as refused:
        raise InternalFault("bundle.contract", f"the contract is not JSON: {refused}") from refused
    return text.encode("ascii") + b"\n"


def _edited(path: Path) -> DataRejected:
    return DataRejected("model.digest", f"{path}: not the bytes that training wrote", _CURE)
