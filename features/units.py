"""Units: what one unit of a source column is worth in the contract's."""

from __future__ import annotations

from fractions import Fraction

from features.columns import Kind
from features.currencies import decimals

__all__ = ["factor", "money_shift", "unit_names"]

NUMBERS: dict[str, Fraction] = {
    "percent": Fraction(1, 100),
    "seconds": Fraction(1, 60),
    "minutes": Fraction(1),
    "hours": Fraction(60),
    "thousands": Fraction(1000),
}
NAMES: dict[Kind, list[str]] = {
    "money": ["major", "cents", "minor", "thousands"],
    "date": ["epoch_s", "epoch_ms"],
    "timestamp": ["epoch_s", "epoch_ms"],
    "share": ["percent"],
    "number": list(NUMBERS),
}


def unit_names(kind: Kind) -> list[str]:
    """List the units that a kind of column can be declared in.

    Examples
    --------
    >>> unit_names("share"), unit_names("text")
    (['percent'], [])
    """
    return NAMES.get(kind, [])


def money_shift(unit: str, currency: str) -> int:
    """Give the power of ten that takes an amount in ``unit`` to major units.

    Examples
    --------
    >>> money_shift("cents", "USD"), money_shift("minor", "JPY"), money_shift("thousands", "USD")
    (-2, 0, 3)
    """
    return {"major": 0, "cents": -2, "minor": -decimals(currency), "thousands": 3}[unit]


def factor(unit: str | None) -> Fraction:
    """Give what one source unit is worth: minutes for durations, shares for per cent.

    Examples
    --------
    >>> factor("hours"), factor("percent"), factor(None)
    (Fraction(60, 1), Fraction(1, 100), Fraction(1, 1))
    """
    return NUMBERS[unit] if unit else Fraction(1)
