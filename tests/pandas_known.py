"""What a book knew before an as-of date, in plain pandas: the ground of the oracle of signals.

Written from the design's pages, the contract and `docs/signals.md`, not from the program. A row
counts if it was known (recorded, else complete, else happened) before the as-of date's midnight
UTC, and had happened by then; a column that is filled in later is blank until its own date has
passed. Days are UTC days, numbered; ``age`` 0 is the day before the as-of date.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from tests.random_feeds import FEEDS, Row, known_moment

__all__ = ["GRAIN_DAYS", "OUTCOME", "Feed", "Known"]

GRAIN_DAYS = {None: 1, "day": 1, "week": 7, "month": 28}
OUTCOME = ("closed_at", "csat", "reopened", "escalated", "first_response_minutes")


class Feed:
    """The known rows of one feed, and how far they reach.

    Attributes
    ----------
    rows : DataFrame
        With ``day`` (its number), ``age`` and, counted from the feed's own end, ``back``.
    grain, starts, end : int
        Days that a row covers; first day covered; the day after the last one covered, never past
        the as-of date.
    behind : bool
        Whether the feed is silent for more than 3 days beyond its own rhythm.
    """

    def __init__(self, rows: pd.DataFrame, grain: int, today: int, table: str = "usage") -> None:
        self.grain, self.starts = grain, int(rows["day"].min())
        self.end = min(today, int(rows["day"].max()) + grain)
        self.rows = rows.assign(age=today - 1 - rows["day"], back=self.end - grain - rows["day"])
        self.behind = today - self.end > 3 + self._usual_silence(table)
        self.by_account = dict(tuple(self.rows.groupby("account_id")))

    def _usual_silence(self, table: str) -> float:
        """Give the days without a row that are usual (95 of 100 gaps of a year), 0 if there are none.

        Usage comes every day, whatever its rows cover; a feed of things that happen now and then
        is never behind before it has nine days, and has twice the patience.
        """
        days = np.sort(self.rows["day"].unique())
        gaps = np.diff(days[days > days[-1] - 365])
        if table == "usage":
            return float(np.percentile(gaps, 95)) - 1 if len(gaps) else 0.0
        return 2 * (float(np.percentile(gaps, 95)) - 1) if len(gaps) >= 8 else float("inf")

    def of(self, account: str) -> pd.DataFrame:
        """Give an account's rows (none: an empty frame of the same columns)."""
        return self.by_account.get(account, self.rows.iloc[:0])


class Known:
    """A book as it was known at an as-of date.

    Parameters
    ----------
    tables : dict of str to list of dict
        The rows, under their stored names.
    as_of : date
        What was known before it counts.
    grain : str or None
        What a row of usage covers.
    ledger : callable
        What each account pays on a day by a basis, as known at the as-of date: the ledger's
        business.
    """

    def __init__(
        self,
        tables: dict[str, list[Row]],
        as_of: date,
        grain: str | None,
        ledger: Callable[[date, str], pd.Series],
    ) -> None:
        self.as_of, self.grain, self._ledger = as_of, grain, ledger
        self._merged = {
            row["account_id"]: row["merged_into"]
            for row in tables.get("account_history", [])
            if row.get("merged_into") and row["valid_from"] < as_of.isoformat()
        }
        self.tables = {name: [self._held(name, row) for row in tables[name]] for name in tables}
        self.today = as_of.toordinal()
        self.midnight = datetime.combine(as_of, time.min, tzinfo=UTC)
        self._feeds: dict[str, Feed | None] = {}
        self.memory: dict[Any, Any] = {}

    def survivor(self, account: str) -> str:
        """Name who has taken an account over by now; itself if nobody has."""
        while account in self._merged:
            account = self._merged[account]
        return account

    def _held(self, table: str, row: Row) -> Row:
        """Give a row to its account's survivor: what a merged account did is the survivor's."""
        if table in ("accounts", "account_history") or "account_id" not in row:
            return row
        return row | {"account_id": self.survivor(row["account_id"])}

    def mrr_on(self, day: date, basis: str = "committed+usage") -> pd.Series:
        """Give what each account paid on a day, with those that it has taken over since."""
        key = ("mrr", day, basis)
        if key not in self.memory:
            paid = self._ledger(day, basis)
            self.memory[key] = paid.groupby(paid.index.map(self.survivor)).sum()
        return self.memory[key]  # type: ignore[no-any-return]

    def has(self, table: str) -> bool:
        """Say whether the book has the table."""
        return table in self.tables

    def feed(self, table: str) -> Feed | None:
        """Give a feed's known rows; None where it has none."""
        if table not in self._feeds:
            rows = [self._seen(table, row) for row in self.tables.get(table, [])]
            there = pd.DataFrame([row for row in rows if row is not None])
            grain = GRAIN_DAYS[self.grain] if table == "usage" else 1
            self._feeds[table] = None if there.empty else Feed(there, grain, self.today, table)
        return self._feeds[table]

    def fresh(self, table: str) -> Feed | None:
        """Give a feed that is there and not behind."""
        feed = self.feed(table)
        return None if feed is None or feed.behind else feed

    def _seen(self, table: str, row: Row) -> Row | None:
        happened = day_of(row[FEEDS[table]])
        moment = known_moment(table, row, self.grain if table == "usage" else None)
        if happened.toordinal() >= self.today or moment >= self.midnight:
            return None
        if table == "tickets" and not self._closed(row):
            row = row | dict.fromkeys(OUTCOME)
        return row | {"day": happened.toordinal(), "moment": row[FEEDS[table]]}

    def _closed(self, row: Row) -> bool:
        return row.get("closed_at") is not None and row["closed_at"] < self.midnight

    @cached_property
    def mrr(self) -> pd.Series:
        """What each paying account pays on the day before the as-of date, in micro-units."""
        return self.mrr_on(date.fromordinal(self.today - 1))

    @cached_property
    def peers(self) -> dict[str, str]:
        """Name whom each paying account is compared with: its dated segment, else its value's band."""
        found = {name: acv_segment(micros * 12 / 1e6) for name, micros in self.mrr.items()}
        for row in sorted(
            self.tables.get("account_history", []), key=lambda row: row["valid_from"]
        ):
            if (
                row["valid_from"] < self.as_of.isoformat()
                and row["account_id"] in found
                and row["segment"]
            ):
                found[row["account_id"]] = row["segment"]
        return found


def acv_segment(acv: float) -> str:
    """Give the segment of an annual contract value (S000's bands)."""
    for name, least in (("strategic", 200e3), ("enterprise", 50e3), ("mid-market", 5e3)):
        if acv >= least:
            return name
    return "smb"


def day_of(value: Any) -> date:
    """Give the UTC day of a moment, or the day that a text names."""
    if isinstance(value, str):
        return date.fromisoformat(value)
    return value.astimezone(UTC).date() if isinstance(value, datetime) else value
