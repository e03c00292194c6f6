"""Who an account is: the names by which a book is cut, never signals."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from features.acv import ACV_SEGMENTS
from features.asof import instant
from features.book import Book

__all__ = ["acv_segment", "identity"]

MICROS = 1_000_000
DATED = ("segment", "csm")


def identity(book: Book, as_of: date, paying: pd.DataFrame) -> pd.DataFrame:
    """Name the paying accounts: name, segment, acv_segment, csm, and their peers.

    ``segment`` is the column of accounts (or its dated form in account_history, as it was on the
    day before ``as_of``); the band of annual contract value stands in only where the book has no
    segment at all. ``peers`` is what signals compare an account with: its dated segment, else its
    band. The undated column is today's, and would leak into the past.
    """
    facts = paying[["mrr_micros"]].join(book.once("people", lambda: _people(book)))
    dated = {name: _dated(book, as_of, facts, name) for name in DATED}
    if book.has("account_history"):
        facts = facts.assign(**{name: dated[name].fillna(facts[name]) for name in DATED})
    facts["acv_segment"] = acv_segment(facts["mrr_micros"])
    facts["peers"] = dated["segment"].fillna(facts["acv_segment"])
    if facts["segment"].isna().all():
        facts["segment"] = facts["acv_segment"]
    return facts.drop(columns="mrr_micros")


def acv_segment(mrr_micros: pd.Series) -> np.ndarray:
    """Give the band of annual contract value, 12 times MRR.

    Examples
    --------
    >>> acv_segment(pd.Series([100_000_000, 5_000_000_000])).tolist()
    ['smb', 'enterprise']
    """
    starts, names = zip(*ACV_SEGMENTS, strict=True)
    bounds = np.array(starts, dtype=np.int64) * MICROS
    acv = 12 * mrr_micros.to_numpy(np.int64)
    return np.array(names)[np.searchsorted(bounds, acv, side="right") - 1]


def _people(book: Book) -> pd.DataFrame:
    columns = ("account_id", "name", "segment", "csm")
    people: pd.DataFrame = book.table("accounts").select(*columns).collect("pandas").to_native()
    return people.set_index("account_id")


def _history(book: Book) -> pd.DataFrame:
    columns = ("account_id", "valid_from", "known_at", *DATED)
    history = book.table("account_history").select(*columns).collect("pandas")
    rows: pd.DataFrame = history.to_native()
    return rows


def _dated(book: Book, as_of: date, facts: pd.DataFrame, column: str) -> pd.Series:
    """Give a column of account_history as it was known at the as-of date."""
    if not book.has("account_history"):
        return pd.Series(None, index=facts.index, dtype="str")
    history = book.once("history", lambda: _history(book))
    past = history["valid_from"] < pd.Timestamp(as_of)
    known = history[past & (history["known_at"] < instant(as_of)) & history[column].notna()]
    last = known.sort_values(["valid_from", column]).drop_duplicates("account_id", keep="last")
    stated: pd.Series = last.set_index("account_id")[column].reindex(facts.index)
    return stated
