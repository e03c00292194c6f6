"""The top-down rivals at a scoring: asked only where the model that serves is combined with them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import pandas as pd

from features.book import Book
from features.identity import identity
from features.ledger import account_months
from features.rules import Rules
from models.carried import Carried
from models.topdown import months_of, rivals

__all__ = ["rivals_now"]


def rivals_now(
    book: Book, rules: Rules, as_of: date, frame: pd.DataFrame, carried: Carried
) -> Mapping[str, Mapping[str, float | None]]:
    """Say NRR by every top-down rule, by horizon in months; nothing where nothing is combined.

    Parameters
    ----------
    book : Book
    rules : Rules
        The choices of ``[revenue]``, by account.
    as_of : date
    frame : DataFrame
        The snapshot of the accounts that pay: ``account_id``, ``segment``.
    carried : Carried
        The model that serves.
    """
    if not carried.combined:
        return {}
    ledger = account_months(book, rules, as_of=as_of)
    segments = _lapsed(book, as_of, ledger) | _named(frame)
    return rivals(months_of(ledger, segments, as_of))


def _named(rows: pd.DataFrame) -> dict[str, str]:
    known = rows.loc[rows["segment"].notna(), ["account_id", "segment"]].astype(str)
    return dict(zip(known["account_id"], known["segment"], strict=True))


def _lapsed(book: Book, as_of: date, ledger: pd.DataFrame) -> dict[str, str]:
    """Give the segment of accounts, paying or not, as `identity` names those that pay.

    Where the book has none, it is by what they paid last.
    """
    paid = ledger[ledger["closing_micros"] > 0].sort_values("month_end", kind="stable")
    last = paid.drop_duplicates("account_id", keep="last").set_index("account_id")
    told = identity(book, as_of, last.rename(columns={"closing_micros": "mrr_micros"}))
    return _named(told.rename_axis("account_id").reset_index())
