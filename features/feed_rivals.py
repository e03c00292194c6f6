"""A feed's rivals: rows that bear a key which was delivered before, or stands in another month."""

from __future__ import annotations

from itertools import combinations

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.contracts import TableContract
from features.feed_keys import Keys, MonthKeys, distinct, read_keys, shared
from features.feed_ledger import FeedLedger
from features.keys import judged
from features.spool import Spool, spelled

__all__ = ["clashes", "delivered", "struck"]


def struck(before: FeedLedger, dirty: set[str], keys: dict[str, MonthKeys]) -> set[str]:
    """Find the months that hold an id which was delivered again."""
    ids = [each.ids for each in keys.values() if len(each.ids)]
    if not ids or not before.months:
        return set()
    new = distinct(np.sort(np.concatenate(ids)))
    return {
        month
        for month, entry in before.months.items()
        if month not in dirty and len(shared(new, read_keys(entry.keys.at)))
    }


def delivered(
    spool: Spool, month: str, found: MonthKeys, held: Keys, lost: pa.Table | None
) -> pa.Table | None:
    """Add the rows without an id that were delivered before: they are the very same."""
    again = shared(found.all, held)
    if not len(again):
        return lost
    rows = spool.rows(month)
    rows = spelled(rows.filter(pc.is_in(rows["__key"], pa.array(again))))
    gone = rows.append_column("fate", pa.array(["twice"] * rows.num_rows, pa.string()))
    return gone if lost is None else pa.concat_tables([lost, gone])


def clashes(
    connection: duckdb.DuckDBPyConnection,
    contract: TableContract,
    spool: Spool,
    keys: dict[str, MonthKeys],
    clash: Keys,
) -> tuple[dict[str, pa.Table], set[tuple[str, str]]]:
    """Judge the rows whose id stands in several months.

    Gives the lost ones by month, and the pairs of months in which one id stands.
    """
    if not len(clash):
        return {}, set()
    found = _clashing(spool, keys, clash)
    rivals = pa.concat_tables(
        [
            rows.append_column("__month", pa.array([month] * rows.num_rows, pa.string()))
            for month, rows in found.items()
        ]
    )
    lost = judged(connection, contract, rivals)
    held = {month: distinct(np.sort(rows["__key"].to_numpy())) for month, rows in found.items()}
    pairs = {
        (one, other)
        for one, other in combinations(sorted(held), 2)
        if len(shared(held[one], held[other]))
    }
    return {
        month: lost.filter(pc.equal(lost["__month"], month)).drop_columns("__month")
        for month in found
    }, pairs


def _clashing(spool: Spool, months: dict[str, MonthKeys], keys: Keys) -> dict[str, pa.Table]:
    """Give the rows of each month whose key stands in several months."""
    found = {}
    for month, held in months.items():
        if np.isin(keys, held.all, assume_unique=True).any():
            rows = spool.rows(month)
            found[month] = spelled(rows.filter(pc.is_in(rows["__key"], pa.array(keys))))
    return found
