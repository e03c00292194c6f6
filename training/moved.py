"""Moved: which cells would change if another model served, though no account's data has."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.bands import Bands, BandSettings, carry_over
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
) -> tuple[float, float]:
    """Give the share of accounts whose published cell would be another: at once, and in the end.

    The quarter's cut-offs are mapped by quantile onto the new model's scores; then published
    levels follow them as at weekly scorings: at the next one, and at as many as moving back takes.
    Notices and triggers are the same for both, and left out.

    Parameters
    ----------
    frame : DataFrame
        Rows of ``features.snapshot.snapshot``, all of one day.
    champion : Carried
    model : HealthModel
    settings : HysteresisSettings, optional
    """
    if frame.empty:
        return 0.0, 0.0
    chosen = settings or HysteresisSettings()
    before, after = _scored(frame, champion.model), _scored(frame, model)
    floors = settings if isinstance(settings, BandSettings) else None
    bands = carry_over(champion.bands, before, after, floors)
    old, new = (_distances(champion.bands, before), _distances(bands, after))
    weeks = (1, max(chosen.up_weeks, chosen.back_weeks))
    at_once, settled = (
        float(
            np.any([_follows(*one, chosen, n) for one in zip(old, new, strict=True)], axis=0).mean()
        )
        for n in weeks
    )
    return at_once, settled


def _distances(bands: Bands, scored: Scored) -> tuple[Floats, Floats]:
    """Give how far both sides of the matrix lie beyond their cut-offs."""
    return bands.risk_distance(scored[0], scored[1]), bands.expansion_distance(scored[2])


def _scored(frame: pd.DataFrame, model: HealthModel) -> Scored:
    prediction = model.predict(frame)
    told = Renewal(model, prediction)
    return 1 - told.modelled(), told.basis, prediction.p_expand[:, QUARTER]


def _follows(
    old: Floats, new: Floats, settings: HysteresisSettings, weeks: int
) -> NDArray[np.bool_]:
    """Say which published levels leave where they stood, within so many weekly scorings."""
    stood = start(old, settings)
    now, weekly = stood, np.ones(len(old), dtype=bool)
    for _ in range(weeks):
        now = follow(now, new, weekly, settings)
    return np.asarray(now.level != stood.level)
