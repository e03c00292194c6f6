"""The definition: the rules that made a figure, and which of them the book has no data for."""

from __future__ import annotations

from datetime import date
from typing import Any

from features.book import Book
from features.fx import has_foreign
from features.rules import Rules
from features.valued import rates_used

__all__ = ["definition", "not_applied"]

_NO_DATA = "not applied: no data"
_ONE = "not applied: one currency"
_FX = frozenset({"fx", "fx_date"})


def definition(
    book: Book, rules: Rules, as_of: date | None = None, opening: date | None = None
) -> dict[str, Any]:
    """Give the rules by name, and under ``not_applied`` those without an input column.

    In a book of several currencies ``fx_rates`` are the rates that its ledger is valued at.

    A rule is named there only if it would have read something that the book does not have: the
    past-due rule payments, a roll-up parents, exchange rates a foreign line. It is never guessed.

    Examples
    --------
    >>> import pandas as pd
    >>> from features.contracts import canonical
    >>> paid = pd.DataFrame({"account_id": ["a"], "month": ["2025-06-01"], "mrr_micros": [10**7]})
    >>> told = definition(Book.of({"mrr_by_month": canonical("mrr_by_month", paid)}), Rules())
    >>> told["not_applied"]["merger"]
    'not applied: no data'
    """
    told = rules.stamp() | {"not_applied": not_applied(book, rules)}
    used = rates_used(book, rules, as_of=as_of, opening=opening)
    return told | ({"fx_rates": used} if used else {})


def not_applied(book: Book, rules: Rules) -> dict[str, str]:
    """Say of each rule that this book has no data for, why it is not applied."""
    absent = {key: _NO_DATA for key, there in _there(book, rules).items() if not there}
    return absent | dict.fromkeys(absent.keys() & _FX, _ONE)


def _there(book: Book, rules: Rules) -> dict[str, bool]:
    """Say for each rule that reads columns of its own whether the book has them."""
    subscriptions = book.has("subscriptions")
    provided = book.provided["subscriptions" if subscriptions else "mrr_by_month"]
    history = book.provided.get("account_history", frozenset())
    parents = book.provided.get("accounts", frozenset()) | history
    return {
        "basis": "kind" in provided,
        "usage": "kind" in provided,
        "trial": "kind" in provided,
        "discount": bool(provided & {"discount", "list_mrr_micros"}),
        "ramp": "ramp" in provided,
        "pause": "paused_from" in provided,
        "late_renewal_min_term": subscriptions or rules.late_renewal_min_term <= 1,
        "merger": "merged_into" in history,
        "segment_as_of": "segment" in history,
        "dunning_days": book.gives("payments", "paid_on"),
        "fx": has_foreign(book),
        "fx_date": rules.fx_date is None or has_foreign(book),
        "churn_date": rules.churn_date == "service_end" or "canceled_on" in provided,
        "rollup": rules.rollup == "account" or "parent_account_id" in parents,
    }
