"""Ratios: NRR and GRR of one window as exact fractions, with the reason where there are none.

`features.cohorts` measures; here its micro-units become fractions, so that two definitions or
two days of knowledge can be laid side by side without a rounding between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from features.book import Book
from features.cohorts import open_desk
from features.cut_sums import held_to_whole
from features.measure import Measure
from features.retention import last_closing, unseen
from features.rules import Rules
from features.windows import Window

__all__ = ["Ratios", "points", "points_apart", "ratios"]


@dataclass(frozen=True)
class Ratios:
    """What a window's opening cohort became, in exact micro-units of the book's currency.

    Attributes
    ----------
    window : Window
        From which month-end to which.
    accounts : int or None
        Accounts that paid at the opening; None where the window cannot be shown.
    micros : dict of str to int
        ``opening``, ``expansion``, ``contraction``, ``churned``, ``closing`` and
        ``reactivation`` (returns that the rules add to NRR; else 0). Empty where the window
        cannot be shown.
    reason : str
        Why there are no ratios; empty where there are.

    Examples
    --------
    >>> year = Window(date(2024, 12, 31), date(2025, 12, 31))
    >>> found = Ratios(year, 2, {"opening": 300, "expansion": 20, "contraction": 0,
    ...     "churned": 100, "closing": 220, "reactivation": 0}, "")
    >>> found.nrr, found.grr
    (Fraction(11, 15), Fraction(2, 3))
    """

    window: Window
    accounts: int | None
    micros: dict[str, int]
    reason: str

    @property
    def nrr(self) -> Fraction | None:
        """Opening and expansion (and returns, where added) less losses, over the opening."""
        gained = self.micros.get("expansion", 0) + self.micros.get("reactivation", 0)
        return self._kept_with(gained)

    @property
    def grr(self) -> Fraction | None:
        """Opening less losses, over the opening."""
        return self._kept_with(0)

    @classmethod
    def of(cls, told: dict[str, Any]) -> Ratios:
        """Read what `told` gave, as exact as it was."""
        window = Window(date.fromisoformat(told["from"]), date.fromisoformat(told["to"]))
        seen = "opening_micros" in told
        micros = {name: told[f"{name}_micros"] for name in _AMOUNTS} if seen else {}
        return cls(window, told["accounts"], micros, told.get("reason", ""))

    def told(self) -> dict[str, Any]:
        """Give window, amounts and ratios in the shape that an output carries."""
        told: dict[str, Any] = {
            "from": str(self.window.opening),
            "to": str(self.window.closing),
            "accounts": self.accounts,
            "nrr": None if self.nrr is None else float(self.nrr),
            "grr": None if self.grr is None else float(self.grr),
            **{f"{name}_micros": micros for name, micros in self.micros.items()},
        }
        return told | ({"reason": self.reason} if self.reason else {})

    def _kept_with(self, gained: int) -> Fraction | None:
        opening = self.micros.get("opening", 0)
        if not opening:
            return None
        lost = self.micros["contraction"] + self.micros["churned"]
        return Fraction(opening + gained - lost, opening)


def ratios(book: Book, rules: Rules, windows: Sequence[Window], as_of: date | None) -> list[Ratios]:
    """Measure windows that close together, under one definition.

    Parameters
    ----------
    book : Book
        With a table ``subscriptions`` or ``mrr_by_month``.
    rules : Rules
        The choices of ``[revenue]``.
    windows : sequence of Window
        At least one; the ledger goes up to the closing of the first.
    as_of : date or None
        Only what was known before it counts; None for the latest knowledge.

    Raises
    ------
    InternalFault
        ``identity.broken`` if a cohort's movements do not make what it pays at the closing.
    """
    closing, last = windows[0].closing, last_closing(book, rules, as_of)
    if closing > last:
        return [_untold(window, window.opening, last) for window in windows]
    desk = open_desk(book, rules, as_of=as_of, until=closing, facing=windows[0])
    first = desk.first_month_end()
    seen = [window for window in windows if not unseen(window, first, last)]
    measures = desk.measure(seen) if seen else []
    held_to_whole(measures)
    found = {measure.window: _measured(measure) for measure in measures}
    return [found.get(window) or _untold(window, first, last) for window in windows]


def points(ratio: Fraction | None) -> Decimal | None:
    """Give a ratio in percentage points with four decimals, rounded half-up.

    Examples
    --------
    >>> points(Fraction(2, 3))
    Decimal('66.6667')
    """
    if ratio is None:
        return None
    return Decimal((ratio * 10**6 + Fraction(1, 2)).__floor__()).scaleb(-4)


def points_apart(before: Ratios, after: Ratios) -> dict[str, float | None]:
    """Give ``nrr_points`` and ``grr_points``: what lies between two ratios, each rounded first.

    So a chain of them adds up to the whole, to the last digit. None where one has no ratio.
    """
    pairs = {"nrr": (before.nrr, after.nrr), "grr": (before.grr, after.grr)}
    return {f"{name}_points": _apart(*pair) for name, pair in pairs.items()}


def _apart(before: Fraction | None, after: Fraction | None) -> float | None:
    first, then = points(before), points(after)
    return None if first is None or then is None else float(then - first)


def _measured(measure: Measure) -> Ratios:
    cohort = {name: int(measure.cohort.get(name, 0)) for name in _AMOUNTS}
    reason = "" if cohort["opening"] else f"no account paid at {measure.window.opening}"
    return Ratios(measure.window, measure.cohort["accounts"], cohort, reason)


def _untold(window: Window, first: date | None, last: date) -> Ratios:
    return Ratios(window, None, {}, unseen(window, first, last))


_AMOUNTS = ("opening", "expansion", "contraction", "churned", "closing", "reactivation")
