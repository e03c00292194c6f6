"""How much: the size of an expansion and of a contraction, as moments of the relative change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.calendar import BANDS
from models.outcomes import LEADS

__all__ = ["Sizes", "fit_sizes"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CAP_QUANTILE = 0.995
PRIOR_MOVES = 20.0
PRIOR_UP, PRIOR_DOWN = 0.15, 0.30
"""Relative changes assumed before anything was seen."""


@dataclass(frozen=True)
class Sizes:
    """Raw moments of the relative change given a move, by ACV band and lead.

    Attributes
    ----------
    up, down : array of float, (bands, 12, 3)
        First three raw moments of M(h)/M(0) - 1 given expand, of 1 - M(h)/M(0) given contract.
    cap : float
        Largest relative expansion that entered (the 99.5 % quantile).
    """

    up: Floats
    down: Floats
    cap: float

    def to_json(self) -> dict[str, Any]:
        """Give the moments as JSON."""
        return {"up": self.up.tolist(), "down": self.down.tolist(), "cap": self.cap}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Sizes:
        """Read the moments from JSON."""
        return cls(np.array(values["up"]), np.array(values["down"]), float(values["cap"]))


def fit_sizes(change: Floats, band: Ints, lead: Ints, expand: Ints, contract: Ints) -> Sizes:
    """Fit moments by band and lead, shrunk to the book's at that lead, and that to all leads'.

    Parameters
    ----------
    change : array of float, (rows,)
        M(h)/M(0) - 1 at the row's lead.
    band, lead : array of int, (rows,)
        ACV band and lead in months.
    expand, contract : array of int, (rows,)
        1 where the row is an expansion, a contraction.
    """
    gains = change[expand == 1]
    cap = float(np.quantile(gains, CAP_QUANTILE)) if len(gains) else PRIOR_UP
    up = _table(np.clip(change, 1e-6, cap), (expand == 1) & (change > 0), band, lead, PRIOR_UP)
    down = np.clip(-change, 1e-6, 1 - 1e-6)
    below = (contract == 1) & (change < 0)
    return Sizes(up, _table(down, below, band, lead, PRIOR_DOWN), cap)


def _table(size: Floats, moved: NDArray[np.bool_], band: Ints, lead: Ints, prior: float) -> Floats:
    powers = np.stack([size, size**2, size**3], axis=1)
    assumed = np.array([prior, 1.5 * prior**2, 3.0 * prior**3])
    overall = _shrunk(powers[moved], assumed)
    table = np.zeros((len(BANDS), LEADS, 3))
    for month in range(1, LEADS + 1):
        here = moved & (lead == month)
        at_lead = _shrunk(powers[here], overall)
        for code in range(len(BANDS)):
            table[code, month - 1] = _shrunk(powers[here & (band == code)], at_lead)
    return table


def _shrunk(powers: Floats, prior: Floats) -> Floats:
    return np.asarray((powers.sum(axis=0) + PRIOR_MOVES * prior) / (len(powers) + PRIOR_MOVES))
