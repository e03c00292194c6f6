"""The outreach log: which account was given or kept from which play, as known on a date."""

from __future__ import annotations

from datetime import date

import pandas as pd

from features.asof import as_dates, instant
from features.book import Book

__all__ = ["assignments", "contacted"]

TABLE = "outreach_log"


def contacted(book: Book, as_of: date) -> list[tuple[str, str, date]]:
    """List account, play and day of every contact that the log knew before an as-of date.

    Examples
    --------
    >>> from features.contracts import canonical
    >>> rows = {"outreach_id": ["1", "2"], "account_id": ["a", "b"], "play": ["call", "call"],
    ...     "assigned_on": ["2025-06-01"] * 2, "arm": ["treated", "holdout"],
    ...     "acted_on": ["2025-06-03", None]}
    >>> book = Book.of({"outreach_log": canonical("outreach_log", pd.DataFrame(rows))})
    >>> contacted(book, date(2025, 7, 1))
    [('a', 'call', datetime.date(2025, 6, 3))]
    >>> contacted(book, date(2025, 6, 3))
    []
    """
    if not book.has(TABLE):
        return []
    sql = f"""
    SELECT account_id, play, acted_on FROM {TABLE}
    WHERE acted_on < ? AND known_at < ? AND arm = 'treated' ORDER BY ALL"""
    found = book.connection.execute(sql, [as_of, instant(as_of)]).fetchall()
    return [(account, play, day) for account, play, day in found]


def assignments(book: Book) -> pd.DataFrame:
    """Give who was assigned to which arm of which play, and when: what effects are counted from.

    Returns
    -------
    DataFrame
        ``account_id, play, arm, assigned_on``, each account, play and day once, held before
        treated where a log says both.
    """
    names = ["account_id", "play", "arm", "assigned_on"]
    if not book.has(TABLE):
        return pd.DataFrame(columns=names)
    sql = f"SELECT {', '.join(names)} FROM {TABLE} ORDER BY ALL"
    rows = book.connection.execute(sql).df()
    rows["assigned_on"] = as_dates(rows["assigned_on"].dt.to_pydatetime())
    return rows.drop_duplicates(["account_id", "play", "assigned_on"], ignore_index=True)
