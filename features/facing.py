"""Facing: what of a window a ledger depends on, where it does.

Under a hierarchy that has changed, the parents are those of the window's opening. Under the
window's opening rates, those are. And where the losses of a window are the sums of its monthly
movements, all of them are valued at the closing's rates, as its opening is: else a customer that
only leaves could lose more than it paid.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from features.book import Book
from features.fx import has_foreign, valuation
from features.holders import varies
from features.rules import Rules
from features.windows import Window

__all__ = ["Facing", "facing_of"]


@dataclass(frozen=True)
class Facing:
    """What a ledger was made for; two windows with the same one share a ledger.

    Attributes
    ----------
    rate_day : date or None
        The day whose rates value everything; None for those of the rules.
    turns : int
        How often the hierarchy had changed by then; 0 where that does not matter.
    opening : date or None
        An opening for which this holds; None where nothing depends on it.
    """

    rate_day: date | None = None
    turns: int = 0
    opening: date | None = field(default=None, compare=False)

    def valued(self, rules: Rules) -> Rules:
        """Give the rules with the rates of ``rate_day``.

        Examples
        --------
        >>> Facing(date(2025, 1, 1)).valued(Rules()).fx
        'fixed'
        """
        if self.rate_day is None:
            return rules
        return rules.model_copy(update={"fx": "fixed", "fx_date": self.rate_day})

    def plain(self, rules: Rules) -> Facing:
        """Give what the movements of the whole book are read at: the rates of the rules.

        Only the cohort's own movements are revalued at the closing's.
        """
        return self if rules.fx == "window_opening" else replace(self, rate_day=None)


def facing_of(book: Book, rules: Rules, window: Window, turning: Sequence[date] = ()) -> Facing:
    """Read what the ledger of a window depends on.

    ``turning`` are the days of `features.holders.turning_days`.

    Examples
    --------
    >>> import pandas as pd
    >>> from features.contracts import canonical
    >>> paid = pd.DataFrame({"account_id": ["a"], "month": ["2025-06-01"], "mrr_micros": [10**7]})
    >>> book = Book.of({"mrr_by_month": canonical("mrr_by_month", paid)})
    >>> facing_of(book, Rules(), Window(date(2025, 5, 31), date(2025, 6, 30)))
    Facing(rate_day=None, turns=0, opening=None)
    """
    rate_day = _rate_day(book, rules, window)
    if not varies(book, rules):
        return Facing(rate_day)
    return Facing(rate_day, bisect_right(turning, window.opening), window.opening)


def _rate_day(book: Book, rules: Rules, window: Window) -> date | None:
    summed = rules.fx == "fiscal_year" and rules.losses == "movements"
    if not (summed or rules.fx == "window_opening") or not has_foreign(book):
        return None
    return valuation(book, rules).day_of(window.e) if summed else window.opening
