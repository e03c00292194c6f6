"""Export: the signals of a book on a date, as one table of known shape."""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from features.book import Book
from features.catalog import CATALOG
from features.faults import DataRejected, InputMissing
from features.rules import Rules
from features.snapshot import snapshot

__all__ = ["signal_table"]

NAMED = 3  # accounts that a refusal names


def signal_table(
    book: Book, as_of: date, accounts: list[str] | None = None, rules: Rules | None = None
) -> pa.Table:
    """Give the signals of paying accounts on a date.

    Parameters
    ----------
    book : Book
        An opened snapshot.
    as_of : date
        Only rows known before its midnight (UTC) count.
    accounts : list of str, optional
        Keep only these; the whole book is measured all the same.
    rules : Rules, optional
        The choices of ``[revenue]``; the defaults if absent.

    Returns
    -------
    Table
        One row per account, sorted by account_id: account_id (text), as_of (date32), then one
        float64 column per signal of ``CATALOG``, in its order; missing is null.

    Raises
    ------
    InputMissing
        ``account.unknown`` for an account that the book has not, ``account.not_paying`` for one
        that pays nothing on the day before.
    DataRejected
        ``features.no_accounts`` where nobody pays.
    """
    asked = accounts or []
    _refuse_unknown(book, asked)
    frame = snapshot(book, as_of, rules, accounts)
    ids = frame["account_id"].astype(str).tolist()
    _refuse_absent(set(ids), asked, as_of)
    columns = {
        "account_id": pa.array(ids, pa.string()),
        "as_of": pa.array([as_of] * len(ids), pa.date32()),
    }
    for slug in (signal.slug for signal in CATALOG):
        columns[slug] = pa.array(frame[slug], pa.float64(), from_pandas=True)
    return pa.table(columns)


def _refuse_unknown(book: Book, asked: list[str]) -> None:
    if not asked:
        return
    people = book.table("accounts").select("account_id").collect("pandas").to_native()
    known = set(people["account_id"])
    unknown = [account for account in asked if account not in known]
    if unknown:
        cure = "give an account_id of the table accounts"
        raise InputMissing("account.unknown", f"{_named(unknown)}: not in the book", cure)


def _refuse_absent(found: set[str], asked: list[str], as_of: date) -> None:
    absent = [account for account in asked if account not in found]
    if absent:
        said = f"{_named(absent)}: pays nothing on the day before {as_of}"
        cure = "name a date on which it is a customer"
        raise InputMissing("account.not_paying", said, cure)
    if not found:
        said = f"nobody pays on the day before {as_of}"
        raise DataRejected("features.no_accounts", said, "see `perennial check`")


def _named(accounts: list[str]) -> str:
    """Name a few.

    Examples
    --------
    >>> _named(["a", "b", "c", "d"])
    'a, b, c and 1 more'
    """
    more = len(accounts) - NAMED
    return ", ".join(accounts[:NAMED]) + (f" and {more} more" if more > 0 else "")
