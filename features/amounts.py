"""Amounts: exact micro-units inside, units of the currency with cents outside."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

__all__ = ["money"]


def money(micros: int) -> float:
    """Round micro-units to cents, half-up, and give units of the currency.

    Examples
    --------
    >>> money(1_234_565_000), money(-5_000)
    (1234.57, -0.01)
    """
    return float(Decimal(micros).scaleb(-6).quantize(Decimal("0.01"), ROUND_HALF_UP))
