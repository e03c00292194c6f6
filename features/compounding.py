"""Compounding: where today's NRR would lead if every year were like this one. Not a forecast."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from features.amounts import money

__all__ = ["LABEL", "YEARS", "compounding"]

YEARS = (1, 3, 5)
"""After how many years."""

LABEL = "compounding, not a forecast: every window like this one, no new customers"
"""What it is, and what it is not."""


def compounding(arr_micros: int, nrr: float | Fraction, months: int = 12) -> dict[str, Any]:
    """Compound a window's NRR from today's ARR over 1, 3 and 5 years.

    Parameters
    ----------
    arr_micros : int
        Twelve times the closing MRR, in micro-units.
    nrr : float or Fraction
        NRR of the window; a fraction of two amounts is exact, a float is read as it is printed.
    months : int
        Length of the window.

    Returns
    -------
    dict
        ``label``, ``nrr``, ``arr``, and ``years``: ``years``, ``multiple`` of today's ARR,
        ``arr`` in units of the book's currency with two decimals, half-up.

    Examples
    --------
    >>> told = compounding(5_000_000 * 10**6, 1.3)
    >>> [(year["years"], year["arr"]) for year in told["years"]]
    [(1, 6500000.0), (3, 10985000.0), (5, 18564650.0)]
    """
    exact = Fraction(str(nrr)) if isinstance(nrr, float) else Fraction(nrr)
    multiples = {years: _power(exact, 12 * years, months) for years in YEARS}
    return {
        "label": LABEL,
        "nrr": float(nrr),
        "arr": money(arr_micros),
        "years": [
            {"years": years, "multiple": float(times), "arr": money(arr_micros * times)}
            for years, times in multiples.items()
        ],
    }


def _power(nrr: Fraction, months: int, window: int) -> Fraction:
    """Raise to as many windows as the months hold: exactly if that is a whole number."""
    times, rest = divmod(months, window)
    return nrr**times if not rest else Fraction(float(nrr) ** (months / window))
