"""Who an account is: the names by which a book is cut, never signals."""

from __future__ import annotations

from datetime import date

import narwhals.stable.v2 as nw
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
    columns = ("account_id", "name", "segment", "csm")
    people = book.table("accounts").select(*columns).collect("pandas").to_native()
    facts = paying[["mrr_micros"]].join(people.set_index("account_id"))
    if book.has("account_history"):
        facts = _as_it_was(book, as_of, facts)
    facts["acv_segment"] = acv_segment(facts["mrr_micros"])
    facts["peers"] = _dated(book, as_of, facts, "segment").fillna(facts["acv_segment"])
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


def _as_it_was(book: Book, as_of: date, facts: pd.DataFrame) -> pd.DataFrame:
    """Take segment and csm from the last dated row before the as-of date, where there is one."""
    return facts.assign(
        **{name: _dated(book, as_of, facts, name).fillna(facts[name]) for name in DATED}
    )


def _dated(book: Book, as_of: date, facts: pd.DataFrame, column: str) -> pd.Series:
    """Give a column of account_history as it was known at the as-of date."""
    if not book.has("account_history"):
        return pd.Series(None, index=facts.index, dtype="str")
    known = book.table("account_history").filter(
        nw.col("valid_from") < nw.lit(as_of),
        nw.col("known_at") < nw.lit(instant(as_of)),
        ~nw.col(column).is_null(),
    )
    last = known.unique("account_id", keep="last", order_by=["valid_from", column])
    stated = last.select("account_id", column).collect("pandas").to_native()
    return stated.set_index("account_id")[column].reindex(facts.index)
