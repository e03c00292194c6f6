"""Rounding that still adds up: parts of a sum, written so that what is shown is the sum shown."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["MICROS", "apportion", "micros", "rounded"]

MICROS = 1_000_000
"""Parts of a unit of currency in which sums are exact."""


def micros(amount: float | None) -> int:
    """Give an amount in millionths, so that sums of it are exact.

    Examples
    --------
    >>> micros(0.1) + micros(0.2) == micros(0.3), micros(None)
    (True, 0)
    """
    return 0 if amount is None else round(amount * MICROS)


def rounded(amount: int, decimals: int) -> int:
    """Round millionths to whole steps of ``decimals``, halves away from zero.

    Examples
    --------
    >>> rounded(1_500_000, 0), rounded(-1_500_000, 0), rounded(1_234_567, 2)
    (2, -2, 123)
    """
    step: int = MICROS // 10**decimals
    whole = (abs(amount) * 2 + step) // (2 * step)
    return whole if amount >= 0 else -whole


def apportion(parts: Sequence[int], total: int, decimals: int) -> list[int]:
    """Round parts (millionths) to steps of ``decimals`` so that they add up to ``total`` steps.

    What is left over goes to those that lost most by rounding down, in their order.

    Examples
    --------
    >>> apportion([1_400_000, 1_400_000, 200_000], 3, 0)
    [2, 1, 0]
    >>> sum(apportion([333_333, 333_333, 333_334], 100, 2))
    100
    """
    step: int = MICROS // 10**decimals
    down = [part // step for part in parts]
    left = total - sum(down)
    lost = sorted(range(len(parts)), key=lambda at: (-(parts[at] % step), at))
    every, some = divmod(left, len(parts)) if parts else (0, 0)
    more = set(lost[:some])
    return [whole + every + (at in more) for at, whole in enumerate(down)]
