"""The stretch: quantiles moved away from their median by the factor that past periods ask for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["stretched", "stretched_loss"]

Floats = NDArray[np.float64]


def stretched(quantiles: Floats, stretch: float) -> Floats:
    """Stretch quantiles about their median, which is the one in the middle.

    Examples
    --------
    >>> stretched(np.array([0.9, 1.0, 1.2]), 2.0).round(3).tolist()
    [0.8, 1.0, 1.4]
    """
    middle = quantiles[len(quantiles) // 2]
    return np.asarray(middle + stretch * (quantiles - middle))


def stretched_loss(loss: Floats, stretch: float) -> Floats:
    """Stretch the quantiles of a loss about their median on the log scale, so that it stays >= 0.

    Examples
    --------
    >>> stretched_loss(np.array([0.05, 0.1, 0.2]), 2.0).round(3).tolist()
    [0.025, 0.1, 0.4]
    """
    loss = np.maximum(loss, 0.0)
    middle = loss[len(loss) // 2]
    if middle <= 0.0 or stretch == 1.0:
        return np.asarray(stretched(loss, stretch))
    return np.asarray(middle * (loss / middle) ** stretch)
