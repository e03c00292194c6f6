"""Boosters: LightGBM's own text, opened after it was proven, and asked for raw scores."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.faults import DataRejected

if TYPE_CHECKING:
    import lightgbm

__all__ = ["columns_of", "lightgbm_version", "load_booster", "raw_scores"]

_PARAMETERS = "\nparameters:\n"
_CURE = "train again, or roll back to an earlier version"


def load_booster(name: str, text: str) -> lightgbm.Booster:
    """Open the text of a booster. Only what ``models.trees.read_forest`` proved may come here.

    The parameters at its end are left out: no prediction needs them, and LightGBM says on the
    terminal what it does not know there.

    Raises
    ------
    DataRejected
        ``model.structure`` where LightGBM refuses it.
    """
    # Imported here: a model of the calendar alone, and `--help`, do without LightGBM (0.2 s, or
    # 2.5 s where it finds scikit-learn).
    import lightgbm

    try:
        return lightgbm.Booster(model_str=text.partition(_PARAMETERS)[0])
    except (lightgbm.basic.LightGBMError, ValueError) as refused:
        raise DataRejected("model.structure", f"{name}.lgb: {refused}", _CURE) from refused


def raw_scores(booster: lightgbm.Booster, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the raw score of each row, on one thread."""
    if len(values) == 0:
        return np.zeros(0)
    return np.asarray(booster.predict(values, raw_score=True, num_threads=1), dtype=np.float64)


def columns_of(frame: pd.DataFrame, names: Sequence[str]) -> NDArray[np.float64]:
    """Take a model's columns out of a frame, by name.

    Raises
    ------
    DataRejected
        ``feature.schema_mismatch`` where one is lacking.

    Examples
    --------
    >>> columns_of(pd.DataFrame({"b": [2], "a": [1]}), ["a", "b"]).tolist()
    [[1.0, 2.0]]
    """
    lacking = [name for name in names if name not in frame.columns]
    if lacking:
        said = f"the model needs the column {lacking[0]!r}"
        raise DataRejected("feature.schema_mismatch", said, "use the catalog of its training")
    return frame[list(names)].to_numpy(dtype=np.float64, na_value=np.nan)


def lightgbm_version() -> str:
    """Give the version of LightGBM that is installed, without importing it.

    Examples
    --------
    >>> lightgbm_version().split(".")[0]
    '4'
    """
    return importlib.metadata.version("lightgbm")
