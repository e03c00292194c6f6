"""One past origin as it was forecast again: the model fitted there, and what it said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from models.outcomes import Outlook
from models.prediction import HealthModel, Prediction

__all__ = ["Replay"]


@dataclass(frozen=True)
class Replay:
    """One past origin: the model fitted there, and what it said of the book that it saw.

    Attributes
    ----------
    origin : date
    rows : array of int
        Row numbers of the history that stand at the origin.
    model : HealthModel
    prediction : Prediction
    calendar : Prediction
        What the calendar alone said.
    outlook, calendar_outlook : Outlook
    """

    origin: date
    rows: NDArray[np.int64]
    model: HealthModel
    prediction: Prediction
    calendar: Prediction
    outlook: Outlook
    calendar_outlook: Outlook
