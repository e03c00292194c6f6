"""Ratios: NRR and GRR of one window as exact fractions, with the reason where there are none.

`features.retention` measures; here its micro-units become fractions, so that two definitions or
two days of knowledge can be laid side by side without a rounding between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

from features.book import Book
from features.faults import InternalFault
from features.retention import metrics
from features.rules import Rules
from features.windows import Window

__all__ = ["Ratios", "money", "points", "points_apart", "ratios"]

_TOLERANCE = 1e-9


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
    not_applied : frozenset of str
        Rules that the book has no data for.

    Examples
    --------
    >>> year = Window(date(2024, 12, 31), date(2025, 12, 31))
    >>> found = Ratios(year, 2, {"opening": 300, "expansion": 20, "contraction": 0,
    ...     "churned": 100, "closing": 220, "reactivation": 0}, "", frozenset())
    >>> found.nrr, found.grr
    (Fraction(11, 15), Fraction(2, 3))
    """

    window: Window
    accounts: int | None
    micros: dict[str, int]
    reason: str
    not_applied: frozenset[str]

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
        return cls(window, told["accounts"], micros, told.get("reason", ""), frozenset())

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


def ratios(book: Book, rules: Rules, window: Window, as_of: date | None) -> Ratios:
    """Measure one window under one definition.

    Parameters
    ----------
    book : Book
        With a table ``subscriptions`` or ``mrr_by_month``.
    rules : Rules
        The choices of ``[revenue]``.
    window : Window
        From which month-end to which.
    as_of : date or None
        Only what was known before it counts; None for the latest knowledge.

    Raises
    ------
    InternalFault
        ``identity.broken`` if the cohort's movements do not make the NRR that was measured.
    """
    pair = f"{window.opening:%Y-%m}:{window.closing:%Y-%m}"
    shown = metrics(book, rules, pair, [], as_of)
    row, absent = shown["windows"][0], shown["definition"]["not_applied"]
    cohort = {name: row["cohort"].get(f"{name}_micros", 0) for name in _AMOUNTS}
    seen = cohort["opening"] is not None
    found = Ratios(
        window,
        row["accounts"],
        cohort if seen else {},
        row.get("reason", ""),
        frozenset(key for key, why in absent.items() if why.endswith("no data")),
    )
    _same(found, row["nrr"])
    return found


_AMOUNTS = ("opening", "expansion", "contraction", "churned", "closing", "reactivation")


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


def money(micros: int) -> float:
    """Give micro-units as units of the currency, rounded half-up to cents.

    Examples
    --------
    >>> money(1_234_565_000)
    1234.57
    """
    return float(Decimal(micros).scaleb(-6).quantize(Decimal("0.01"), ROUND_HALF_UP))


def _apart(before: Fraction | None, after: Fraction | None) -> float | None:
    first, then = points(before), points(after)
    return None if first is None or then is None else float(then - first)


def _same(found: Ratios, measured: float | None) -> None:
    exact = found.nrr
    if (exact is None) != (measured is None) or (
        exact is not None and measured is not None and abs(float(exact) - measured) > _TOLERANCE
    ):
        said = None if exact is None else float(exact)
        message = f"{found.window}: the cohort's movements make NRR {said}, measured {measured}"
        raise InternalFault("identity.broken", message)
