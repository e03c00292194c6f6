"""Amounts: exact micro-units inside, units of the currency with cents outside."""

from __future__ import annotations

from fractions import Fraction

__all__ = ["money"]

_CENT = 10_000


def money(micros: int | Fraction) -> float:
    """Round micro-units to cents, half away from zero, and give units of the currency.

    Examples
    --------
    >>> money(1_234_565_000), money(-5_000), money(Fraction(20_000, 3))
    (1234.57, -0.01, 0.01)
    """
    halves, whole = 2 * abs(micros.numerator), _CENT * micros.denominator
    cents = (halves + whole) // (2 * whole)
    return (-cents if micros < 0 else cents) / 100
