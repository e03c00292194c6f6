"""Amounts: a page's money, all of it in one unit that its title names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

__all__ = ["Amounts", "amounts"]

_STEPS = ((1e9, 1e6, "millions of "), (1e6, 1e3, "thousands of "))
_COARSE = 10_000  # of the unit: from here on no decimal is shown
_MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Amounts:
    """How a page spells money.

    Attributes
    ----------
    unit : str
        What one means, e.g. ``"thousands of USD"``.
    divisor : float
        Units of the currency in it.
    decimals : int
        Digits after the point.
    """

    unit: str
    divisor: float = 1.0
    decimals: int = 0

    def spell(self, value: float | None, signed: bool = False) -> str:
        """Spell an amount, rounded half-up; a dash for none; a plus too where signs matter.

        Examples
        --------
        >>> usd = Amounts("USD")
        >>> usd.spell(1234.5), usd.spell(-7, signed=True), usd.spell(7, signed=True)
        ('1,235', '−7', '+7')
        >>> usd.spell(None), usd.spell(-0.2, signed=True)
        ('–', '0')
        """
        if value is None:
            return "–"
        places = Decimal(1).scaleb(-self.decimals)
        exact = abs(Decimal(str(value))) / int(self.divisor)
        shown = f"{exact.quantize(places, ROUND_HALF_UP):,f}"
        if not shown.strip("0."):
            return "0"
        return (_MINUS if value < 0 else "+" if signed else "") + shown


def amounts(currency: str, values: Iterable[float | None]) -> Amounts:
    """Choose the unit by the largest amount: whole units, thousands from a million, millions.

    Examples
    --------
    >>> amounts("USD", [1_500_000.0, None]).unit
    'thousands of USD'
    """
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    for limit, divisor, words in _STEPS:
        if largest >= limit:
            return Amounts(words + currency, divisor, 1 if largest < _COARSE * divisor else 0)
    return Amounts(currency)
