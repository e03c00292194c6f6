"""Bands: the cut-offs that turn a probability into High, Medium or Low, frozen for a quarter.

Risk is 1 - p_renew, and has cut-offs per basis of p_renew; readiness is p_expand. A higher
probability of the event means a higher level: 0, 1, 2 is High, Medium, Low for Retention Health
and Low, Medium, High for Expansion Readiness.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.configuration import Section
from features.faults import InternalFault

__all__ = ["BandSettings", "Bands", "Cut", "carry_over", "fit_bands", "log_odds", "rule_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EDGE = 1e-6
POOLED = "pooled"
SAME = 1e-9


class BandSettings(Section):
    """How cut-offs are found: the keys of ``[matrix]`` that `fit_bands` reads.

    Attributes
    ----------
    medium_odds : float
        Multiple of the book's base odds at which Medium risk (readiness) starts.
    high_odds : float
        Multiple of the book's base odds at which High risk (readiness) starts.
    capacity_share : float
        Share of the book that can be worked; High starts no lower than its quantile.
    retention_never_high_below : float
        Retention is never High below this p_renew.
    retention_never_low_above : float
        Retention is never Low above this p_renew.
    expansion_never_high_below : float
        Readiness is never High below this p_expand.
    expansion_never_low_above : float
        Readiness is never Low above this p_expand.
    risk_medium, risk_high : float or None
        Probability of loss at which Medium (High) risk starts, set by hand instead.
    expansion_medium, expansion_high : float or None
        Probability of expanding at which Medium (High) readiness starts, set by hand instead.
    """

    medium_odds: float = 1.5
    high_odds: float = 3.0
    capacity_share: float = 0.15
    retention_never_high_below: float = 0.85
    retention_never_low_above: float = 0.95
    expansion_never_high_below: float = 0.05
    expansion_never_low_above: float = 0.50
    risk_medium: float | None = None
    risk_high: float | None = None
    expansion_medium: float | None = None
    expansion_high: float | None = None


@dataclass(frozen=True)
class Cut:
    """Where Medium and High start, as probabilities of the event."""

    medium: float
    high: float

    def __post_init__(self) -> None:
        if not 0.0 < self.medium <= self.high < 1.0:
            raise InternalFault("bands.order", f"cut-offs {self.medium}, {self.high}")

    def logits(self) -> Floats:
        """Give both cut-offs as log odds."""
        return log_odds(np.array([self.medium, self.high]))


@dataclass(frozen=True)
class Bands:
    """The cut-offs of a model, as they travel in its bundle.

    Attributes
    ----------
    risk : mapping of str to Cut
        Per ``renew_basis``; ``pooled`` for a basis that training did not see.
    expansion : Cut
        For p_expand.
    quarter : str
        The quarter that they are frozen for, e.g. ``"2025-Q3"``.
    rule : str
        The settings that they were found by (`rule_of`): other settings, other cut-offs.

    Examples
    --------
    >>> bands = Bands({"pooled": Cut(0.1, 0.2)}, Cut(0.05, 0.15), "2025-Q3")
    >>> Bands.from_json(bands.to_json()) == bands
    True
    >>> bands.risk_levels(np.array([0.05, 0.1, 0.4]), np.array(["decision"] * 3)).tolist()
    [0, 1, 2]
    """

    risk: Mapping[str, Cut]
    expansion: Cut
    quarter: str = field(default="")
    rule: str = field(default="")

    def to_json(self) -> dict[str, Any]:
        """Give the cut-offs as plain values."""
        return {
            "risk": {basis: [cut.medium, cut.high] for basis, cut in sorted(self.risk.items())},
            "expansion": [self.expansion.medium, self.expansion.high],
            "quarter": self.quarter,
            "rule": self.rule,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Bands:
        """Read what `to_json` gave."""
        risk = {basis: Cut(*pair) for basis, pair in values["risk"].items()}
        named = {name: str(values.get(name, "")) for name in ("quarter", "rule")}
        return cls(risk, Cut(*values["expansion"]), **named)

    def risk_distance(self, risk: Floats, basis: NDArray[Any]) -> Floats:
        """Give how far each risk lies beyond both cut-offs of its basis, in log odds, (n, 2)."""
        cuts = {name: cut.logits() for name, cut in self.risk.items()}
        own = [cuts.get(name, cuts[POOLED]) for name in basis]
        return log_odds(risk)[:, None] - np.array(own).reshape(-1, 2)

    def expansion_distance(self, expand: Floats) -> Floats:
        """Give how far each p_expand lies beyond both cut-offs, in log odds, (n, 2)."""
        return np.asarray(log_odds(expand)[:, None] - self.expansion.logits())

    def risk_levels(self, risk: Floats, basis: NDArray[Any]) -> Ints:
        """Give the raw level of risk, 0 to 2."""
        return levels(self.risk_distance(risk, basis))


def levels(distance: Floats) -> Ints:
    """Count the cut-offs that are reached."""
    return np.asarray((distance >= -1e-9).sum(axis=1), dtype=np.int64)


def log_odds(p: Floats) -> Floats:
    """Give log odds, with probabilities kept off 0 and 1.

    Examples
    --------
    >>> log_odds(np.array([0.5, 0.0])).round(2).tolist()
    [0.0, -13.82]
    """
    inside = np.clip(p, EDGE, 1.0 - EDGE)
    return np.asarray(np.log(inside / (1.0 - inside)))


def fit_bands(
    risk: Floats,
    basis: NDArray[Any],
    expand: Floats,
    *,
    base_risk: Mapping[str, float] | None = None,
    base_expand: float | None = None,
    settings: BandSettings | None = None,
    quarter: str = "",
) -> Bands:
    """Find the cut-offs of a book from its own rates.

    High starts at the larger of the capacity quantile and 3 x the base odds; Medium at 1.5 x the
    base odds; then the absolute floors. Rates are per basis.

    Parameters
    ----------
    risk : array of float
        1 - p_renew of the training book.
    basis : array of str
        Its ``renew_basis``.
    expand : array of float
        p_expand of the training book.
    base_risk : mapping of str to float, optional
        Base rate of not renewing per basis; the mean of ``risk`` where not given.
    base_expand : float, optional
        Base rate of expansion; the mean of ``expand`` if not given.
    settings : BandSettings, optional
        Multiples, floors, and cut-offs set by hand.
    quarter : str
        The quarter that the bands are frozen for.

    Examples
    --------
    >>> risk = np.full(100, 0.04)
    >>> bands = fit_bands(risk, np.array(["decision"] * 100), np.full(100, 0.1))
    >>> {basis: (round(cut.medium, 4), round(cut.high, 4)) for basis, cut in bands.risk.items()}
    {'decision': (0.0588, 0.1111), 'pooled': (0.0588, 0.1111)}
    """
    chosen = settings or BandSettings()
    given = dict(base_risk or {})
    names = sorted({*map(str, basis), *given} - {POOLED})
    found: dict[str, Cut] = {}
    for name in [*names, POOLED]:
        own = risk if name == POOLED else risk[basis == name]
        base = given.get(name, float(own.mean()) if len(own) else 0.0)
        found[name] = _risk_cut(own, base, chosen)
    base = float(expand.mean()) if base_expand is None and len(expand) else (base_expand or 0.0)
    ready = _expansion_cut(expand, base, chosen)
    return Bands(found, ready, quarter, rule_of(chosen))


def rule_of(settings: BandSettings | None) -> str:
    """Name the settings that cut-offs are found by, so that a change of them is seen.

    Examples
    --------
    >>> rule_of(None) == rule_of(BandSettings()) != rule_of(BandSettings(risk_high=0.4))
    True
    """
    chosen = settings or BandSettings()
    values = {name: getattr(chosen, name) for name in sorted(BandSettings.model_fields)}
    return hashlib.sha256(json.dumps(values).encode("ascii")).hexdigest()[:12]


def carry_over(
    bands: Bands,
    before: tuple[Floats, NDArray[Any], Floats],
    after: tuple[Floats, NDArray[Any], Floats],
    settings: BandSettings | None = None,
) -> Bands:
    """Map a quarter's cut-offs onto a retrained model, by quantile: the same share stays beyond.

    The absolute floors, and cut-offs set by hand, hold for the new model as for the old one.

    Parameters
    ----------
    bands : Bands
        The cut-offs of the quarter.
    before, after : tuple of arrays (risk, basis, expand)
        The same accounts as the old and as the new model score them.
    settings : BandSettings, optional
        Floors, and cut-offs set by hand.

    Examples
    --------
    >>> basis, half = np.array(["decision"] * 4), np.array([0.1, 0.2, 0.3, 0.4])
    >>> bands = Bands({"pooled": Cut(0.2, 0.4)}, Cut(0.2, 0.4))
    >>> new = carry_over(bands, (half, basis, half), (half / 2, basis, half / 2))
    >>> round(new.expansion.medium, 3), round(new.expansion.high, 3)
    (0.1, 0.2)
    """
    chosen = settings or BandSettings()
    risk = {}
    for name, cut in bands.risk.items():
        old = before[0] if name == POOLED else before[0][before[1] == name]
        new = after[0] if name == POOLED else after[0][after[1] == name]
        risk[name] = _risk_floors(*_mapped(cut, old, new), chosen)
    ready = _expansion_floors(*_mapped(bands.expansion, before[2], after[2]), chosen)
    return Bands(risk, ready, bands.quarter, bands.rule)


def _risk_cut(risk: Floats, base: float, settings: BandSettings) -> Cut:
    return _risk_floors(*_rule(risk, base, settings), settings)


def _risk_floors(medium: float, high: float, settings: BandSettings) -> Cut:
    """Keep the absolute floors, and what was set by hand."""
    medium = min(medium, 1.0 - settings.retention_never_high_below)
    high = max(high, 1.0 - settings.retention_never_low_above)
    medium = settings.risk_medium if settings.risk_medium is not None else medium
    high = settings.risk_high if settings.risk_high is not None else high
    return _ordered(medium, high)


def _expansion_cut(expand: Floats, base: float, settings: BandSettings) -> Cut:
    return _expansion_floors(*_rule(expand, base, settings), settings)


def _expansion_floors(medium: float, high: float, settings: BandSettings) -> Cut:
    """Keep the absolute floors, and what was set by hand."""
    medium = min(medium, settings.expansion_never_low_above)
    high = max(high, settings.expansion_never_high_below)
    medium = settings.expansion_medium if settings.expansion_medium is not None else medium
    high = settings.expansion_high if settings.expansion_high is not None else high
    return _ordered(medium, high)


def _rule(p: Floats, base: float, settings: BandSettings) -> tuple[float, float]:
    """Give where Medium and High start, before the floors."""
    odds = base / (1.0 - base) if base < 1.0 else 1.0 / EDGE
    medium, triple = (
        m * odds / (1.0 + m * odds) for m in (settings.medium_odds, settings.high_odds)
    )
    worked = float(np.quantile(p, 1.0 - settings.capacity_share)) if len(p) else 0.0
    return medium, max(worked, triple)


def _ordered(medium: float, high: float) -> Cut:
    low = float(np.clip(medium, EDGE, 1.0 - EDGE))
    return Cut(low, float(np.clip(high, low, 1.0 - EDGE)))


def _alike(old: Floats, new: Floats) -> bool:
    return old.shape == new.shape and bool(np.allclose(old, new, rtol=0.0, atol=SAME))


def _mapped(cut: Cut, old: Floats, new: Floats) -> tuple[float, float]:
    """Move both cut-offs to the value with as large a share of accounts below it.

    A model that says what the old one said keeps them to the last digit.
    """
    if len(old) == 0 or len(new) == 0 or _alike(old, new):
        return cut.medium, cut.high
    rank = np.linspace(0.0, 1.0, len(old)) if len(old) > 1 else np.array([0.5])
    share = np.interp([cut.medium, cut.high], np.sort(old), rank)
    medium, high = np.quantile(new, share)
    beyond = np.array([cut.medium, cut.high]) > old.max()
    medium, high = np.where(beyond, np.maximum([cut.medium, cut.high], new.max()), [medium, high])
    return float(medium), float(high)
