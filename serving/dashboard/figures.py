"""Figures as people read them: money, shares, dates, and intervals drawn on a common scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

__all__ = [
    "NONE",
    "Range",
    "compact",
    "count",
    "day",
    "money",
    "month",
    "percent",
    "points",
    "ranges",
]

NONE = "–"
_MARGIN = 0.08


def money(amount: float | None, sign: bool = False) -> str:
    """Write an amount in whole units, small ones with cents.

    Examples
    --------
    >>> money(17199.4), money(3.25), money(-1250.0), money(1250.0, sign=True), money(None)
    ('17,199', '3.25', '−1,250', '+1,250', '–')
    """
    if amount is None:
        return NONE
    decimals = 2 if abs(amount) < 10 and amount != int(amount) else 0
    unit = Decimal(1).scaleb(-decimals)
    text = f"{Decimal(repr(abs(float(amount)))).quantize(unit, ROUND_HALF_UP):,}"
    if amount < 0:
        return f"−{text}"
    return f"+{text}" if sign and amount > 0 else text


def percent(share: float | None, decimals: int = 1) -> str:
    """Write a fraction as a percentage, its sign on the same line.

    Examples
    --------
    >>> percent(1.0284), percent(0.3, 0), percent(0.003, 0), percent(None)
    ('102.8\xa0%', '30\xa0%', '<\xa01\xa0%', '–')
    """
    if decimals == 0 and share is not None and 0 < share < 0.005:
        return "<\N{NO-BREAK SPACE}1\N{NO-BREAK SPACE}%"
    if share is None:
        return NONE
    return f"{share * 100:.{decimals}f}\N{NO-BREAK SPACE}%".replace("-", "−")


def count(number: int | float | None) -> str:
    """Write a whole number.

    Examples
    --------
    >>> count(12345), count(None)
    ('12,345', '–')
    """
    return NONE if number is None else f"{number:,.0f}"


def compact(amount: float | None, sign: bool = False) -> str:
    """Write an amount in three figures, with k, M or B.

    Examples
    --------
    >>> compact(4516949.3), compact(62749), compact(-980), compact(5, sign=True), compact(None)
    ('4.52M', '62.7k', '−980', '+5', '–')
    """
    if amount is None:
        return NONE
    size, letter = abs(amount), ""
    for least, name in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if size >= least:
            size, letter = size / least, name
            break
    decimals = 0 if not letter or size >= 100 else 1 if size >= 10 else 2
    lead = "−" if amount < 0 else "+" if sign and amount > 0 else ""
    return f"{lead}{size:,.{decimals}f}{letter}"


def points(difference: float | None) -> str:
    """Write a difference of two ratios in percentage points.

    Examples
    --------
    >>> points(0.0318), points(-0.012), points(0.0001)
    ('+3.2 points', '−1.2 points', '0.0 points')
    """
    if difference is None:
        return NONE
    said = f"{abs(difference) * 100:.1f}"
    lead = "" if said == "0.0" else "−" if difference < 0 else "+"
    return f"{lead}{said} points"


def month(value: date | str) -> str:
    """Write the month of a day.

    Examples
    --------
    >>> month("2025-12-31")
    'Dec 2025'
    """
    return f"{datetime.fromisoformat(str(value)):%b %Y}"


def day(value: date | str | None) -> str:
    """Write a date, or the day of an instant.

    Examples
    --------
    >>> day(date(2025, 7, 1)), day("2025-09-30"), day(None)
    ('1 Jul 2025', '30 Sep 2025', '–')
    """
    if value is None:
        return NONE
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return f"{moment.day} {moment:%b %Y}"


@dataclass(frozen=True)
class Range:
    """One interval on a scale from 0 to 100.

    Attributes
    ----------
    low, mean, high : float
        Where the interval starts, its mean lies, and it ends.
    par : float or None
        Where the reference (100 %) lies, None when off the scale.
    """

    low: float
    mean: float
    high: float
    par: float | None

    @property
    def width(self) -> float:
        """Length of the interval, never so short that it cannot be seen."""
        return max(self.high - self.low, 0.8)


def ranges(figures: Sequence[Mapping[str, Any] | None], par: float = 1.0) -> list[Range | None]:
    """Draw 80 % intervals of several figures on one scale that holds them and the reference.

    Examples
    --------
    >>> drawn = ranges([{"mean": 1.0, "p10": 0.9, "p90": 1.1}, None])
    >>> (round(drawn[0].low, 1), round(drawn[0].mean, 1), round(drawn[0].high, 1)), drawn[1]
    ((6.9, 50.0, 93.1), None)
    """
    present = [figure for figure in figures if figure is not None]
    ends = [par, *(figure[name] for figure in present for name in ("p10", "mean", "p90"))]
    spread = (max(ends) - min(ends)) or 0.02
    start, length = min(ends) - _MARGIN * spread, spread * (1 + 2 * _MARGIN)

    def place(value: float) -> float:
        return round((value - start) / length * 100, 2)

    return [
        None
        if figure is None
        else Range(place(figure["p10"]), place(figure["mean"]), place(figure["p90"]), place(par))
        for figure in figures
    ]
