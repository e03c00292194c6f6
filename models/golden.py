"""Golden rows: rows of training whose predictions are kept, and tried at every opening."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from features.faults import DataRejected
from models.boosters import columns_of, load_booster, raw_scores
from models.contract import Golden
from models.trees import Forest

if TYPE_CHECKING:
    import lightgbm

__all__ = ["TOLERANCE", "check_golden", "golden_of"]

TOLERANCE = 1e-9
_CURE = "train again, or roll back to an earlier version"


def golden_of(
    rows: pd.DataFrame, forests: Mapping[str, Forest], texts: Mapping[str, str]
) -> dict[str, Any]:
    """Predict rows with every booster, and keep both: columns, rows and raw scores.

    Raises
    ------
    DataRejected
        ``model.golden`` where there are boosters and no rows.
    """
    used = {name for forest in forests.values() for name in forest.features}
    columns = [str(name) for name in rows.columns if name in used]
    if forests and len(rows) == 0:
        raise DataRejected("model.golden", "no golden rows", "give at least one row of training")
    frame = rows[columns].astype(np.float64)
    raw = {
        name: raw_scores(load_booster(name, texts[name]), columns_of(frame, one.features)).tolist()
        for name, one in forests.items()
    }
    kept = [[None if np.isnan(x) else x for x in row] for row in frame.to_numpy().tolist()]
    return {"columns": columns, "rows": kept if columns else [], "raw": raw}


def check_golden(
    golden: Golden, features: Mapping[str, list[str]], boosters: Mapping[str, lightgbm.Booster]
) -> None:
    """Refuse boosters that predict anything else than they did at training.

    Raises
    ------
    DataRejected
        ``model.golden`` for rows that do not fit, or a prediction that differs by more than 1e-9.
    """
    columns, rows = golden.columns, golden.rows
    if len(set(columns)) != len(columns) or any(len(row) != len(columns) for row in rows):
        raise DataRejected("model.golden", "golden rows do not fit their columns", _CURE)
    frame = pd.DataFrame(rows, columns=columns, dtype=np.float64)
    for name, booster in boosters.items():
        expected = np.asarray(golden.raw.get(name, []), dtype=np.float64)
        found = raw_scores(booster, columns_of(frame, features[name]))
        if len(expected) == 0 or expected.shape != found.shape:
            raise DataRejected("model.golden", f"{name}.lgb: no golden predictions", _CURE)
        worst = float(np.abs(found - expected).max())
        if not worst <= TOLERANCE:
            said = f"{name}.lgb: predictions differ by {worst:.3g} from those of training"
            raise DataRejected("model.golden", said, _CURE)
