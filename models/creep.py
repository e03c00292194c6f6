"""Creep: how accounts that count as flat still move: price rises, discounts, moves below 2 %.

None of them is an expansion or a contraction of the account's own doing, so no event stands for
it; but the money comes. Prices move where contracts are renewed, so the table is by the decisions
that have passed: none, one of a term, or those of every month.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.growth import CAP_QUANTILE, PRIOR_MOVES
from models.outcomes import LEADS

__all__ = ["DECIDED", "Creep", "fit_creep"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DECIDED = 3
"""Codes of ``CalendarFacts.decided``: no decision by then, one of a term, one every month."""
LARGEST = 100.0
"""Relative rise that counts at most: what is beyond it was a placeholder's, not a price's."""


@dataclass(frozen=True)
class Creep:
    """Relative rises and falls of flat accounts, zeros included.

    Attributes
    ----------
    up, down : array of float, (3, 12, 3)
        By decisions passed and lead, the first three raw moments of max(0, M(h)/M(0) - 1) and of
        max(0, 1 - M(h)/M(0)), given flat.
    """

    up: Floats
    down: Floats

    def to_json(self) -> dict[str, Any]:
        """Give the moments as JSON."""
        return {"up": self.up.tolist(), "down": self.down.tolist()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Creep:
        """Read the moments from JSON."""
        return cls(np.array(values["up"], dtype=float), np.array(values["down"], dtype=float))


def fit_creep(change: Floats, decided: Ints, lead: Ints) -> Creep:
    """Fit what flat accounts do.

    A cell leans on its lead as on twenty accounts, a lead on all, and all of them on nothing.

    Parameters
    ----------
    change : array of float, (rows,)
        M(h)/M(0) - 1 of accounts that pay, and neither expanded nor contracted.
    decided, lead : array of int, (rows,)

    Examples
    --------
    >>> change = np.array([0.05] * 500 + [0.0] * 500)
    >>> creep = fit_creep(change, np.repeat([1, 0], 500), np.full(1000, 3))
    >>> creep.up[:2, 2, 0].round(3).tolist(), float(creep.down.max())
    ([0.001, 0.049], 0.0)
    """
    return Creep(
        _table(np.clip(change, 0.0, LARGEST), decided, lead),
        _table(np.clip(-change, 0.0, 1.0), decided, lead),
    )


def _table(size: Floats, decided: Ints, lead: Ints) -> Floats:
    """Give moments by decisions and lead; what is beyond the 99.5 % quantile counts as that."""
    moved = size[size > 0]
    kept = np.minimum(size, np.quantile(moved, CAP_QUANTILE)) if len(moved) else size
    cell = (lead - 1) * DECIDED + decided
    table = np.zeros((DECIDED, LEADS, 3))
    seen = np.bincount(cell, minlength=DECIDED * LEADS).reshape(LEADS, DECIDED)
    for power in (1, 2, 3):
        sums = np.bincount(cell, kept**power, minlength=DECIDED * LEADS).reshape(LEADS, DECIDED)
        overall = sums.sum() / (seen.sum() + PRIOR_MOVES)
        at_lead = (sums.sum(axis=1) + PRIOR_MOVES * overall) / (seen.sum(axis=1) + PRIOR_MOVES)
        table[:, :, power - 1] = ((sums + PRIOR_MOVES * at_lead[:, None]) / (seen + PRIOR_MOVES)).T
    return table
