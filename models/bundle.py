"""A model bundle: a directory of LightGBM texts and one JSON contract, verified before use.

The digest of a bundle stands for every byte of it: see ``models.contract``.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.faults import DataRejected, InternalFault
from models.boosters import columns_of, lightgbm_version, load_booster, raw_scores
from models.contract import CONTRACT, FORMAT, RESERVED, Added, Declared, sealed, verified
from models.golden import check_golden, golden_of
from models.sealed import write_sealed
from models.trees import Forest, read_forest

if TYPE_CHECKING:
    import lightgbm

__all__ = ["Bundle", "copy_verified", "open_bundle", "read_contract", "write_bundle"]

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
        return raw_scores(self.boosters[booster], columns_of(frame, names))


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
        ``boosters``, ``golden``, ``files`` and ``seal`` are refused.
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
    if RESERVED & set(contract):
        raise InternalFault("bundle.contract", f"reserved: {sorted(RESERVED & set(contract))}")
    files = {f"{name}.lgb": text.encode("ascii") for name, text in sorted(boosters.items())}
    forests = {name: read_forest(text, f"{name}.lgb") for name, text in sorted(boosters.items())}
    texts = {name: boosters[name] for name in forests}
    whole = dict(contract) | {
        "format": FORMAT,
        "lightgbm": lightgbm_version() if boosters else None,
        "boosters": {name: _declared(forest).model_dump() for name, forest in forests.items()},
        "golden": golden_of(golden, forests, texts),
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    contents = sealed(whole)
    write_sealed(directory, {CONTRACT: contents, **files})
    return hashlib.sha256(contents).hexdigest()


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
    held = verified(directory, digest)
    forests = {name: read_forest(text, f"{name}.lgb") for name, text in held.texts().items()}
    _check_fit(held.added, forests, directory)
    boosters = {name: load_booster(name, text) for name, text in held.texts().items()}
    check_golden(
        held.added.golden,
        {name: list(forest.features) for name, forest in forests.items()},
        boosters,
    )
    return Bundle(held.contract, boosters, held.digest, directory)


def read_contract(directory: Path, digest: str | None = None) -> dict[str, Any]:
    """Give a bundle's contract after comparing every file's sha256; loads no model."""
    return verified(directory, digest).contract


def copy_verified(directory: Path, target: Path, digest: str | None = None) -> Bundle:
    """Copy a bundle to ``target/<digest>`` unless a sound copy is there, and open that copy.

    What is opened is the copy: whoever edits the original afterwards changes nothing.

    Raises
    ------
    DataRejected
        As ``open_bundle``; also where it has not the digest that it must have.
    """
    held = verified(directory, digest)
    kept = target / held.digest
    if kept.is_dir() and not kept.is_symlink():
        try:
            return open_bundle(kept, held.digest)
        except DataRejected:
            shutil.rmtree(kept)  # a damaged copy of a sound original: take it again
    write_sealed(kept, held.files)
    return open_bundle(kept, held.digest)


def _check_fit(added: Added, forests: Mapping[str, Forest], directory: Path) -> None:
    if {name: _declared(forest) for name, forest in forests.items()} != added.boosters:
        said = "objective, features or number of trees are not the contract's"
        raise DataRejected("model.incompatible", f"{directory}: {said}", _CURE)
    here = lightgbm_version()
    if forests and str(added.lightgbm).split(".")[0] != here.split(".")[0]:
        said = f"trained with LightGBM {added.lightgbm}, this is {here}"
        raise DataRejected("model.incompatible", f"{directory}: {said}", "train again")


def _declared(forest: Forest) -> Declared:
    return Declared(objective=forest.objective, features=list(forest.features), trees=forest.trees)
