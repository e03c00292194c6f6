"""A feed's reach: how many rows of how many accounts it has, and from when to when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.feed_ledger import FeedLedger

__all__ = ["FeedReach", "reached"]


@dataclass(frozen=True)
class FeedReach:
    """What a feed covers, counted over the rows of known accounts.

    Attributes
    ----------
    rows, accounts : int
        How many.
    first, last : date or None
        Days of the first and the last row.
    """

    rows: int = 0
    accounts: int = 0
    first: date | None = None
    last: date | None = None

    def to_json(self) -> dict[str, Any]:
        """Give what a manifest says of it."""
        days = {"first": self.first, "last": self.last}
        told = {name: day.isoformat() if day else None for name, day in days.items()}
        return {"rows": self.rows, "accounts": self.accounts} | told


def reached(ledger: FeedLedger, known: pa.Array) -> tuple[dict[str, tuple[int, int]], FeedReach]:
    """Count each file's rows of known and of unknown accounts, and what the known ones cover.

    Only the tallies of the months are read, one month at a time.
    """
    counts: dict[str, tuple[int, int]] = {}
    covered = np.zeros(len(known), dtype=bool)
    days: list[date] = []
    for entry in ledger.months.values():
        tallies = pq.ParquetFile(entry.tallies.at).read()
        at = pc.index_in(tallies["account_id"], known)
        covered[at.drop_null().to_numpy()] = True
        for row in _by_file(tallies, at.is_valid()):
            ours, strange = counts.get(row["file"], (0, 0))
            more = row["rows_sum"]
            counts[row["file"]] = (ours + more, strange) if row["ours"] else (ours, strange + more)
            days += [row["first_min"], row["last_max"]] if row["ours"] else []
    rows = sum(ours for ours, _ in counts.values())
    ends = min(days, default=None), max(days, default=None)
    return counts, FeedReach(rows, int(covered.sum()), *ends)


def _by_file(tallies: pa.Table, ours: pa.ChunkedArray) -> list[dict[str, Any]]:
    """Add up the rows of each file, those of known accounts apart."""
    marked = tallies.append_column("ours", ours).group_by(["file", "ours"])
    sums = marked.aggregate([("rows", "sum"), ("first", "min"), ("last", "max")])
    return list(sums.to_pylist())
