"""A view: what a book knew before an as-of date, and nothing else.

Every family of signals reads through it, so that the rule of what was known stands in one place:
a row counts if its ``known_at`` lies before the as-of date's midnight (UTC) and it has happened by
then; a column that is filled in later (a ticket's close) is blank until its own date has passed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pyarrow as pa

from features.as_now import rules_as_now
from features.asof import opening_day
from features.book import Book
from features.faults import InternalFault
from features.holders import held_by
from features.identity import identity
from features.ledger import mrr_on
from features.lines import forget_lines, lines_put_by
from features.rollup import FEEDS, number_of
from features.rules import Rules
from features.standing import standing
from features.steps import Steps
from features.terms import forget_terms, known_terms

__all__ = ["Feed", "View", "view_of"]

CLOSING = ("closed_day", "csat", "reopened", "escalated", "first_response_minutes")
STALE_DAYS = 3
REMEMBERED_DAYS = 364
FEWEST_GAPS = 8
Days = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Feed:
    """How far a feed reaches, seen from an as-of date.

    Attributes
    ----------
    grain : int
        Days that one row covers: 1, 7 or 28 (months).
    end : int
        Number of the day after the last one covered, never past the as-of date.
    starts : int
        Number of the first day covered.
    stale : bool
        True where the feed has been silent for more than 3 days beyond its own rhythm.
    mixed : bool
        True where rows of one day became known on several days.
    """

    grain: int
    end: int
    starts: int
    stale: bool
    mixed: bool = False


@dataclass(frozen=True)
class View:
    """A book as it was known at an as-of date.

    Attributes
    ----------
    book : Book
        The opened snapshot.
    as_of : date
        Rows known from this day on are not seen.
    rules : Rules
        The choices of ``[revenue]``.
    lines : DataFrame
        The paid lines known then, with their terms (``features.terms``).
    standing : DataFrame
        The accounts that pay (index account_id, sorted): contract facts and identity.
    feeds : mapping of str to Feed
        The feeds that have at least one known row.
    """

    book: Book
    as_of: date
    rules: Rules
    lines: pd.DataFrame
    standing: pd.DataFrame
    feeds: Mapping[str, Feed] = field(default_factory=dict)
    _kept: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def today(self) -> int:
        """Number of the as-of day: every day seen is smaller."""
        return number_of(self.as_of)

    def once(self, what: str, made: Callable[[], Any]) -> Any:
        """Make something that several families read, the first time that it is asked for."""
        if what not in self._kept:
            self._kept[what] = made()
        return self._kept[what]

    def fresh(self, table: str) -> bool:
        """Say whether a feed is there and not behind: else its signals are missing."""
        return table in self.feeds and not self.feeds[table].stale

    def has(self, *tables: str) -> bool:
        """Say whether tables are there, and the feeds among them not behind."""
        return all(self.fresh(name) if name in FEEDS else self.book.has(name) for name in tables)

    def gives(self, table: str, column: str) -> bool:
        """Say whether the source of a table had a column."""
        return self.book.gives(table, column)

    def rows(self, table: str) -> nw.LazyFrame[Any]:
        """Give the known rows of a feed, with ``day`` and ``age`` (0 = the day before).

        What a ticket's close tells (``CLOSING``) is blank while it is open.
        """
        return known_rows(self.book, table, self.as_of)

    def collect(self, rows: nw.LazyFrame[Any]) -> pd.DataFrame:
        """Collect a result of one row per account onto the paying accounts (absent: missing)."""
        table = rows.collect("pyarrow").to_native()
        whole = [pa.float64() if pa.types.is_decimal(kind) else kind for kind in table.schema.types]
        table = table.cast(pa.schema(zip(table.column_names, whole, strict=True)))
        return table.to_pandas().set_index("account_id").reindex(self.standing.index)

    def mrr_before(self, days: int) -> pd.Series:
        """Give the MRR of so many days before the opening, as known now (not paying: missing).

        It is valued at the opening's rates, and accounts that have merged since count together:
        a move of a currency, or a merger, is none of the account.
        """
        return self.mrr_on(opening_day(self.as_of) - timedelta(days=days))

    def mrr_on(self, day: date, *, metered: bool = False) -> pd.Series:
        """Give the MRR of an earlier day, as `mrr_before`; of its usage-billed part if ``metered``."""
        lines = self.once("lines", lambda: _lines(self.book, self.rules, self.as_of))
        if metered:
            lines = lines | {"lines": f"SELECT * FROM ({lines['lines']}) WHERE usage"}
        rules = rules_as_now(self.book, self.rules, self.as_of)
        then = mrr_on(self.book, day, rules, as_of=self.as_of, lines=lines)
        micros = then.set_index("account_id")["mrr_micros"].astype(float)
        return micros.reindex(self.standing.index)

    def forget(self) -> None:
        """Drop what was put by in the book's connection."""
        forget_lines(self.book, self.rules, self.as_of)
        forget_terms(self.book, self.as_of)

    def empty(self, slugs: list[str]) -> pd.DataFrame:
        """Give the frame of a family about which nothing is known."""
        return pd.DataFrame(np.nan, index=self.standing.index, columns=slugs)


def view_of(book: Book, as_of: date, rules: Rules) -> View:
    """Look at a book from an as-of date.

    Raises
    ------
    InternalFault
        ``leak.future_event`` if a row not yet known passes the filter (a bug).
    """
    paid = _lines(book, rules, as_of)
    paying = mrr_on(book, opening_day(as_of), rules, as_of=as_of, lines=paid)
    book = book.held(held_by(book, rules, as_of))
    paying = paying[paying["mrr_micros"] > 0].set_index("account_id").sort_index()
    lines = known_terms(book, as_of)
    facts = standing(lines, as_of, paying, rules.late_renewal_days)
    facts = facts.join(identity(book, as_of, paying))
    present = [table for table in FEEDS if book.has(table)]
    feeds = {table: feed_of(book, table, as_of) for table in present}
    known = {name: feed for name, feed in feeds.items() if feed}
    return View(book, as_of, rules, lines, facts, known, {"lines": paid})


def _lines(book: Book, rules: Rules, as_of: date) -> Steps:
    return lines_put_by(book, rules, opening_day(as_of), as_of)


def known_rows(book: Book, table: str, as_of: date) -> nw.LazyFrame[Any]:
    """Filter a feed to what was known and had happened before an as-of date."""
    today = number_of(as_of)
    rows = book.rolled(table).filter(nw.col("known_day") < today, nw.col("day") < today)
    age = (today - 1 - nw.col("day")).alias("age")
    if table != "tickets":
        return rows.with_columns(age)
    closed = nw.col("closed_day") < today
    return rows.with_columns(age, *(nw.when(closed).then(nw.col(c)).alias(c) for c in CLOSING))


def feed_of(book: Book, table: str, as_of: date) -> Feed | None:
    """Measure a feed's reach and rhythm from its known rows alone; None where there is none."""
    today = number_of(as_of)
    all_days = book.once(f"days of {table}", lambda: days_of(book, table))
    dates = all_days[(all_days["known_day"] < today) & (all_days["day"] < today)]
    if dates.empty:
        return None
    assert_known(table, int(dates["known_day"].max()), today)
    days = np.unique(dates["day"].to_numpy(np.int64))
    lag = int((dates["known_day"] - dates["day"]).min())
    grain = _grain(days, lag) if table == "usage" else 1
    end = min(today, int(days[-1]) + grain)
    stale = today - end > STALE_DAYS + _patience(table, grain, days)
    reach = end if table == "usage" else today
    return Feed(
        grain, reach, int(days[0]), stale, mixed=len(days) < len(dates) or bool(book.holders)
    )


def _patience(table: str, grain: int, days: Days) -> float:
    """Give the days of silence that are usual: a feed without a rhythm yet is never behind."""
    gaps = np.diff(days[days >= days[-1] - REMEMBERED_DAYS])
    usual = float(np.quantile(gaps, 0.95)) - 1 if len(gaps) else 0.0
    if table == "usage":
        return max(grain - 1, usual)
    return 2 * usual if len(gaps) >= FEWEST_GAPS else math.inf


def assert_known(table: str, latest_known: int, today: int) -> None:
    """Refuse rows that became known at the as-of date or later (F01)."""
    if latest_known >= today:
        raise InternalFault(
            "leak.future_event",
            f"{table}: a row known {latest_known - today} days after the as-of date was used",
            "report this as a bug",
        )


def days_of(book: Book, table: str) -> pd.DataFrame:
    """Give the days of a feed and the days on which they became known: once per book."""
    rows = book.rolled("usage_by_day" if table == "usage" else table)
    found = rows.select("day", "known_day").unique().collect("pyarrow").to_native()
    return found.to_pandas()


def _grain(days: Days, least_lag: int) -> int:
    """Find the days that a row covers: 7 or 28 (months) where rows start and are known so."""
    if least_lag >= 27 and (pd.to_datetime(days, unit="D").day == 1).all():
        return 28
    return 7 if least_lag >= 6 and (np.diff(days) % 7 == 0).all() else 1
