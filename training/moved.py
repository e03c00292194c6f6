"""Moved: which cells would change if another model served, though no account's data has."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.bands import carry_over
from models.carried import Carried
from models.hysteresis import HysteresisSettings, follow, start
from models.prediction import HealthModel
from models.renewal import Renewal

__all__ = ["moved"]

Floats = NDArray[np.float64]
Scored = tuple[Floats, "NDArray[np.str_]", Floats]
QUARTER = 2
"""Readiness is expansion over three months: the third lead."""


def moved(
    frame: pd.DataFrame,
    champion: Carried,
    model: HealthModel,
    settings: HysteresisSettings | None = None,
) -> float:
    """Give the share of accounts whose published cell would be another.

    The quarter's cut-offs are mapped by quantile onto the new model's scores; then published
    levels follow them as at weekly scorings, as many as moving back takes. Notices and triggers
    are the same for both, and left out.

    Parameters
    ----------
    frame : DataFrame
        Rows of ``features.snapshot.snapshot``, all of one day.
    champion : Carried
    model : HealthModel
    settings : HysteresisSettings, optional
    """
    if frame.empty:
        return 0.0
    before, after = _scored(frame, champion.model), _scored(frame, model)
    bands = carry_over(champion.bands, before, after)
    risk = _follows(
        champion.bands.risk_distance(before[0], before[1]),
        bands.risk_distance(after[0], after[1]),
        settings or HysteresisSettings(),
    )
    readiness = _follows(
        champion.bands.expansion_distance(before[2]),
        bands.expansion_distance(after[2]),
        settings or HysteresisSettings(),
    )
    return float((risk | readiness).mean())


def _scored(frame: pd.DataFrame, model: HealthModel) -> Scored:
    prediction = model.predict(frame)
    told = Renewal(model, prediction)
    return 1 - told.modelled(), told.basis, prediction.p_expand[:, QUARTER]


def _follows(old: Floats, new: Floats, settings: HysteresisSettings) -> NDArray[np.bool_]:
    """Say which published levels leave where they stood."""
    stood = start(old, settings)
    now, weekly = stood, np.ones(len(old), dtype=bool)
    for _ in range(max(settings.up_weeks, settings.back_weeks)):
        now = follow(now, new, weekly, settings)
    return np.asarray(now.level != stood.level)
