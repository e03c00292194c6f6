"""Grown: by how much, and by which lever, accounts have expanded."""

from __future__ import annotations

from datetime import date

import pandas as pd

from features.asof import month_index
from features.book import Book
from features.postings import ledger_steps
from features.rules import Rules
from features.scope import Scope
from features.steps import run

__all__ = ["grown"]


def grown(book: Book, rules: Rules, since: date, *, as_of: date | None = None) -> pd.DataFrame:
    """Sum what each account's expansions added, by lever.

    Parameters
    ----------
    book : Book
        With a table ``subscriptions`` or ``mrr_by_month``.
    rules : Rules
        The choices of ``[revenue]``.
    since : date
        Movements of months after this one count.
    as_of : date, optional
        Only what was known before it counts; None for the latest knowledge.

    Returns
    -------
    DataFrame
        ``account_id``, ``lever`` (of `features.levers.LEVERS`), ``amount_micros`` (int64, book
        currency): the rises within movements of class expansion, sorted.

    Examples
    --------
    >>> from features.book import BookFacts
    >>> from features.contracts import canonical
    >>> paid = [("a", "2025-05-01", 100), ("a", "2025-06-01", 130), ("b", "2025-05-01", 100)]
    >>> rows = pd.DataFrame(paid, columns=["account_id", "month", "mrr_micros"])
    >>> facts = BookFacts(as_of=date(2025, 7, 1))
    >>> book = Book.of({"mrr_by_month": canonical("mrr_by_month", rows)}, facts)
    >>> grown(book, Rules(), date(2025, 5, 31)).to_dict("records")
    [{'account_id': 'a', 'lever': 'price', 'amount_micros': 30}]
    """
    ending = f"""
    SELECT account_id, lever, CAST(sum(micros) AS BIGINT) AS amount_micros
    FROM moves JOIN entities USING (entity)
    WHERE movement = 'expansion' AND lever IS NOT NULL AND micros > 0 AND m > {month_index(since)}
    GROUP BY account_id, lever ORDER BY account_id, lever"""
    found: pd.DataFrame = run(book, ledger_steps(book, rules, Scope(as_of)), ending).to_pandas()
    return found
