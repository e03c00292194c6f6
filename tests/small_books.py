"""Small literal books for the tests of signals, seen from 2025-07-01."""

from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd

from features import usage
from features.book import Book, BookFacts
from features.contracts import canonical
from features.measuring import account_frame
from features.rules import Rules
from features.view import view_of

AS_OF = date(2025, 7, 1)
Rows = list[dict[str, Any]] | pd.DataFrame


def ago(days: int) -> datetime:
    """Noon of the day so many days before the as-of date (1 = the last day seen)."""
    return datetime.fromisoformat("2025-07-01T12:00") - timedelta(days=days)


def line(account: str, mrr: float = 100, starts: str = "2024-01-01", **more: Any) -> dict[str, Any]:
    """A subscription line that is open unless it says otherwise; MRR in dollars."""
    return {
        "account_id": account,
        "starts_on": starts,
        "mrr_micros": round(mrr * 1e6),
        "currency": "USD",
        **more,
    }


def small_book(subscriptions: Rows, **tables: Rows) -> Book:
    """Make a book in memory; its accounts are those of its lines, unless given."""
    lines = pd.DataFrame(subscriptions)
    accounts = pd.DataFrame({"account_id": sorted(lines["account_id"].unique())})
    sources = {"accounts": accounts, "subscriptions": lines, **tables}
    shaped = {name: canonical(name, pd.DataFrame(rows)) for name, rows in sources.items()}
    return Book.of(shaped, BookFacts(as_of=AS_OF))


def measured(book: Book, *families: Any, account: str = "a", as_of: date = AS_OF) -> pd.Series:
    """Give an account's contract facts and the signals of some families, usage first."""
    view = view_of(book, as_of, Rules())
    declared = [each for each in (usage, *families) if hasattr(each, "FAMILY")]
    frame = account_frame(view, [each.FAMILY for each in declared])
    for family in families:
        if family not in declared:
            frame = frame.join(family.measure(view, frame))
    return frame.loc[account]
