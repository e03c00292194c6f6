"""The contract of a bundle: one JSON object, written one way, with the sha256 of every file.

``contract.json`` holds what training says (features, bands, calibration, ...) and, added here,
``format``, ``lightgbm`` (its version), ``boosters`` (objective, features and trees of each),
``golden`` (rows and their predictions), ``files`` (sha256 of every other file) and ``seal`` (sha256
of all the rest of it, so that chance damage shows without anything else). The digest of the bundle
is the sha256 of that file, so it stands for every byte of the model: whoever has the digest sees
malice too.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from features.faults import DataRejected, InternalFault
from models.sealed import read_sealed

__all__ = [
    "CONTRACT",
    "FORMAT",
    "RESERVED",
    "Added",
    "Declared",
    "Golden",
    "Sealed",
    "canonical",
    "sealed",
    "verified",
]

CONTRACT = "contract.json"
FORMAT = 2
RESERVED = {"format", "lightgbm", "boosters", "golden", "files", "seal"}
_BOOSTER = re.compile(r"[a-z][a-z0-9_]{0,63}\.lgb")
_CURE = "train again, or roll back to an earlier version"


class _Part(BaseModel):
    model_config = ConfigDict(strict=True)


class Declared(_Part):
    """What the contract says of a booster."""

    objective: str
    features: list[str]
    trees: int


class Golden(_Part):
    """Rows and the raw scores that each booster gave them."""

    columns: list[str]
    rows: list[list[float | None]]
    raw: dict[str, list[float]]


class Added(_Part):
    """The keys of a contract that a bundle adds and reads again."""

    format: Literal[2]
    lightgbm: str | None
    boosters: dict[str, Declared]
    golden: Golden
    files: dict[str, str]
    seal: str


@dataclass(frozen=True)
class Sealed:
    """A bundle's files after their bytes were compared.

    Attributes
    ----------
    contract : dict
    added : Added
    files : dict of str to bytes
    digest : str
    """

    contract: dict[str, Any]
    added: Added
    files: dict[str, bytes]
    digest: str

    def texts(self) -> dict[str, str]:
        """Give the text of every booster, by its name."""
        names = [name for name in self.files if name != CONTRACT]
        return {n.removesuffix(".lgb"): self.files[n].decode("ascii", "replace") for n in names}


def canonical(contract: Mapping[str, Any]) -> bytes:
    """Write a contract the one way in which it is written.

    Raises
    ------
    InternalFault
        ``bundle.contract`` for what is not JSON: NaN, infinity, a set.

    Examples
    --------
    >>> canonical({"b": 1.0, "a": None})
    b'{"a":null,"b":1.0}\\n'
    """
    try:
        plain = json.loads(json.dumps(contract, allow_nan=False))
        text = json.dumps(plain, allow_nan=False, sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError) as refused:
        raise InternalFault("bundle.contract", f"the contract is not JSON: {refused}") from refused
    return text.encode("ascii") + b"\n"


def sealed(contract: Mapping[str, Any]) -> bytes:
    """Write a contract with the sha256 of itself.

    Examples
    --------
    >>> sorted(json.loads(sealed({"a": 1})))
    ['a', 'seal']
    """
    seal = hashlib.sha256(canonical(contract)).hexdigest()
    return canonical({**contract, "seal": seal})


def verified(directory: Path, digest: str | None = None) -> Sealed:
    """Read every file of a bundle once, and compare the bytes; no booster is opened.

    Raises
    ------
    DataRejected
        ``model.path``, ``model.format`` or ``model.digest``.
    """
    files = read_sealed(directory)
    strange = [name for name in files if name != CONTRACT and not _BOOSTER.fullmatch(name)]
    if strange or CONTRACT not in files:
        said = f"holds {strange[0]!r}" if strange else f"holds no {CONTRACT}"
        raise DataRejected("model.format", f"{directory}: {said}", _CURE)
    found = hashlib.sha256(files[CONTRACT]).hexdigest()
    if digest not in (None, found):
        raise _edited(directory / CONTRACT)
    contract = _read(files[CONTRACT], directory / CONTRACT)
    added = _read_added(contract, directory)
    if sealed({key: value for key, value in contract.items() if key != "seal"}) != files[CONTRACT]:
        raise _edited(directory / CONTRACT)
    _check_files(added.files, files, directory)
    return Sealed(contract, added, files, found)


def _read(held: bytes, path: Path) -> dict[str, Any]:
    try:
        contract = json.loads(held)
        if isinstance(contract, dict) and canonical(contract) == held:
            return contract
    except (ValueError, RecursionError, InternalFault) as broken:
        raise _edited(path) from broken
    raise _edited(path)


def _read_added(contract: dict[str, Any], directory: Path) -> Added:
    try:
        return Added.model_validate(contract)
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


def _edited(path: Path) -> DataRejected:
    return DataRejected("model.digest", f"{path}: not the bytes that training wrote", _CURE)
