"""As now: the rules by which a past day is counted in the money and under the holders of today.

A comparison of an account with itself must not move because a currency did, or because two
accounts have merged since.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from features.asof import month_index, opening_day
from features.book import Book
from features.fx import has_foreign, valuation
from features.rules import Rules

__all__ = ["rules_as_now"]


def rules_as_now(book: Book, rules: Rules, as_of: date) -> Rules:
    """Give the rules with the opening's exchange rates and holders for all time.

    Parameters
    ----------
    book : Book
    rules : Rules
        The choices of ``[revenue]``.
    as_of : date
        The book stands on the day before.

    Examples
    --------
    >>> import pandas as pd
    >>> from features.contracts import canonical
    >>> june = {"account_id": ["a"], "month": ["2025-06-01"], "mrr_micros": [10_000_000]}
    >>> book = Book.of({"mrr_by_month": canonical("mrr_by_month", pd.DataFrame(june))})
    >>> rules_as_now(book, Rules(), date(2025, 7, 1)).merger
    'restated'
    """
    asked: dict[str, Any] = {"merger": "restated"}
    if has_foreign(book):
        opening = opening_day(as_of)
        rates = valuation(book, rules, opening, opening)
        asked |= {"fx": "fixed", "fx_date": rates.day_of(month_index(opening))}
    return rules.model_copy(update=asked)
