"""Holdings: what a book holds, in the few figures by which it is judged what it can answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.book import Book
from features.coverage import DATED, month_ends, without_history
from features.rollup import FEEDS, number_of
from features.view import feed_of

__all__ = ["FeedHeld", "Holdings", "holdings_of"]

CUTS = ("segment", "region", "csm")
REVENUE = ("subscriptions", "mrr_by_month")
READ = ("account_id", "starts_on", "ends_on", "month", "mrr_micros")


@dataclass(frozen=True)
class FeedHeld:
    """A dated table as it stands on the book's day.

    Attributes
    ----------
    days : int
        Days from its first known row to the book's day.
    behind : bool
        Whether it is silent for longer than it is used to be: its signals are missing.
    """

    days: int
    behind: bool = False


@dataclass(frozen=True)
class Holdings:
    """What is held.

    Attributes
    ----------
    as_of : date
        The book's day.
    provided : mapping of str to frozenset of str
        Per table, the contract columns that the source really had, with a value in any row.
    months : int
        Closed month-ends from the first revenue on.
    doubts : tuple of str
        Why the past may be missing (no line has ended, nearly all are new); empty where it is not.
    paying, left : int
        Accounts that pay on the day before; those that paid before and do not now.
    term_share, known_share : float or None
        Share of paying accounts' MRR with a renewal date; with known terms, be they monthly.
    feeds : mapping of str to FeedHeld
        The dated tables that have rows.
    filled : mapping of str to float
        Column of accounts → share of the paying accounts that have it.
    """

    as_of: date
    provided: Mapping[str, frozenset[str]]
    months: int = 0
    doubts: tuple[str, ...] = ()
    paying: int = 0
    left: int = 0
    term_share: float | None = None
    known_share: float | None = None
    feeds: Mapping[str, FeedHeld] = field(default_factory=dict)
    filled: Mapping[str, float] = field(default_factory=dict)

    def has(self, table: str) -> bool:
        """Say whether the book has a table."""
        return table in self.provided

    def gives(self, table: str, *columns: str) -> bool:
        """Say whether the source of a table had one of these columns, with a value (a feed: had it)."""
        return not self.provided.get(table, frozenset()).isdisjoint(columns)

    @property
    def revenue(self) -> str:
        """The table of revenue."""
        return next((name for name in REVENUE if self.has(name)), REVENUE[0])


def holdings_of(book: Book, as_of: date, frame: pd.DataFrame) -> Holdings:
    """Sum up a book.

    Parameters
    ----------
    book : Book
        An opened snapshot.
    as_of : date
        Its day.
    frame : DataFrame
        Its paying accounts on that day, as ``features.snapshot`` gives them.
    """
    lines = {name: _read(book, name) for name in REVENUE if book.has(name)}
    ever = {one for table in lines.values() for one in _payers(table, as_of)}
    return Holdings(
        as_of,
        {name: _told(book, name) for name in book.provided},
        month_ends(lines, as_of),
        tuple(without_history(lines, as_of)),
        len(frame),
        max(len(ever) - len(frame), 0),
        _share(frame, frame["next_renewal_on"].notna()),
        _share(frame, frame["decision"] != "unknown"),
        {name: held for name in FEEDS if book.has(name) and (held := _feed(book, name, as_of))},
        _filled(book, frame),
    )


def _told(book: Book, table: str) -> frozenset[str]:
    """Name the columns that say something; of a feed, those that it had."""
    given = book.provided[table]
    return given if table in FEEDS else frozenset(one for one in given if book.fills(table, one))


def _read(book: Book, name: str) -> pa.Table:
    columns = [one for one in READ if one in book.table(name).collect_schema().names()]
    found: pa.Table = book.table(name).select(columns).collect("pyarrow").to_native()
    return found


def _payers(lines: pa.Table, as_of: date) -> list[str]:
    """Name everybody who paid before a day."""
    start = DATED["subscriptions" if "starts_on" in lines.column_names else "mrr_by_month"]
    paid = pc.and_(pc.less(lines[start], pa.scalar(as_of)), pc.greater(lines["mrr_micros"], 0))
    return list(lines.filter(paid)["account_id"].unique().to_pylist())


def _share(frame: pd.DataFrame, which: pd.Series) -> float | None:
    total = int(frame["mrr_micros"].sum())
    return round(int(frame["mrr_micros"][which].sum()) / total, 4) if total else None


def _feed(book: Book, name: str, as_of: date) -> FeedHeld | None:
    feed = feed_of(book, name, as_of)
    return None if feed is None else FeedHeld(number_of(as_of) - feed.starts, feed.stale)


def _filled(book: Book, frame: pd.DataFrame) -> dict[str, float]:
    named = [one for one in CUTS if one in book.provided.get("accounts", ())]
    if not named or frame.empty:
        return {}
    rows = book.table("accounts").select("account_id", *named).collect().to_native()
    told = pa.table(rows).to_pandas().set_index("account_id").reindex(frame["account_id"])
    return {one: round(float(told[one].notna().mean()), 4) for one in named}
