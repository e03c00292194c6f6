"""How much: the sizes of an expansion and of a contraction, and what flat accounts drift by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.calendar import BANDS
from models.creep import Creep, fit_creep
from models.growth import PRIOR_MOVES, Growth, Moves, fit_growth
from models.outcomes import LEADS

__all__ = ["Closed", "Sizes", "fit_sizes"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

PRIOR_DOWN = 0.30
"""Relative fall assumed before anything was seen."""


@dataclass(frozen=True)
class Closed:
    """What became of paying accounts: closed (account, lead) pairs.

    Attributes
    ----------
    change : array of float, (rows,)
        M(h)/M(0) - 1.
    mrr : array of float, (rows,)
        Opening MRR, in units of the book's currency.
    band, lead, decided : array of int, (rows,)
        ACV band, lead in months, and code of the decisions passed.
    expand, contract : array of bool, (rows,)
    score : array of float, (rows,)
        The account's score for expansion.
    chance, calendar : array of float, (rows,)
        Probability of an expansion given that the account pays: as the score has it, and as the
        calendar alone has it.
    priced : array of bool, (rows,)
        Where a rise in price was agreed by then: what such accounts drift by is known ahead.
    """

    change: Floats
    mrr: Floats
    band: Ints
    lead: Ints
    decided: Ints
    expand: Bools
    contract: Bools
    score: Floats
    chance: Floats
    calendar: Floats
    priced: Bools = field(default_factory=lambda: np.zeros(0, dtype=bool))


@dataclass(frozen=True)
class Sizes:
    """Sizes of moves.

    Attributes
    ----------
    growth : Growth
        Of expansions: M(h)/M(0) - 1 given expand, by MRR, lead and score.
    plain : Growth
        The same where the calendar alone serves: no score is known.
    down : array of float, (bands, 12, 3)
        First three raw moments of 1 - M(h)/M(0) given contract, by ACV band and lead.
    creep : Creep
        Of accounts that count as flat.
    """

    growth: Growth
    plain: Growth
    down: Floats
    creep: Creep

    def to_json(self) -> dict[str, Any]:
        """Give the sizes as JSON."""
        return {
            "growth": dict(self.growth.__dict__),
            "plain": dict(self.plain.__dict__),
            "down": self.down.tolist(),
            "creep": self.creep.to_json(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Sizes:
        """Read the sizes from JSON."""
        growth, plain = (Growth.from_json(values[name]) for name in ("growth", "plain"))
        creep = Creep.from_json(values["creep"])
        return cls(growth, plain, np.array(values["down"]), creep)


def fit_sizes(closed: Closed) -> Sizes:
    """Fit the sizes of expansions and contractions, and the drift of the rest."""
    size = np.where(closed.expand & (closed.change > 0), closed.change, np.nan)
    scored = Moves(size, closed.mrr, closed.lead, closed.score, closed.chance)
    plain = replace(scored, score=np.zeros_like(closed.score), chance=closed.calendar)
    below = closed.contract & (closed.change < 0)
    flat = ~(closed.expand | closed.contract)
    if len(closed.priced):
        flat &= ~closed.priced
    return Sizes(
        fit_growth(scored),
        fit_growth(plain),
        _table(np.clip(-closed.change, 1e-6, 1 - 1e-6), below, closed.band, closed.lead),
        fit_creep(closed.change[flat], closed.decided[flat], closed.lead[flat]),
    )


def _table(size: Floats, moved: Bools, band: Ints, lead: Ints) -> Floats:
    """Give moments by band and lead, shrunk to the book's at that lead, and that to all leads'."""
    size, band, lead = size[moved], band[moved], lead[moved]
    powers = np.stack([size, size**2, size**3], axis=1)
    assumed = np.array([PRIOR_DOWN, 1.5 * PRIOR_DOWN**2, 3.0 * PRIOR_DOWN**3])
    overall = _shrunk(powers, assumed)
    table = np.zeros((len(BANDS), LEADS, 3))
    for month in range(1, LEADS + 1):
        here = lead == month
        at_lead = _shrunk(powers[here], overall)
        for code in range(len(BANDS)):
            table[code, month - 1] = _shrunk(powers[here & (band == code)], at_lead)
    return table


def _shrunk(powers: Floats, prior: Floats) -> Floats:
    return np.asarray((powers.sum(axis=0) + PRIOR_MOVES * prior) / (len(powers) + PRIOR_MOVES))
