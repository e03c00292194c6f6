"""Keys of a feed: which rows were already delivered, as sorted 64-bit numbers per month.

A key is the hash of a row's id, or of the whole row where it has none. Ids are looked up in all
months (a corrected row may have moved), whole rows in their own month only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.contracts import TableContract
from features.row_keys import OWN_ID
from features.spool import Spool

__all__ = [
    "Keys",
    "MonthKeys",
    "contested",
    "distinct",
    "key_columns",
    "month_keys",
    "read_keys",
    "shared",
]

Keys = npt.NDArray[np.uint64]
STEP = 1 << 22


@dataclass(frozen=True)
class MonthKeys:
    """The keys of a month's rows, each array sorted and without repeats.

    Attributes
    ----------
    all : array
        Of every row.
    repeated : array
        Of those that several rows bear.
    ids : array
        Of the rows that have an id.
    """

    all: Keys
    repeated: Keys
    ids: Keys


def key_columns(contract: TableContract) -> list[str]:
    """Name the columns that ``month_keys`` needs.

    Examples
    --------
    >>> from features.contracts import TABLES
    >>> key_columns(TABLES["usage"]), key_columns(TABLES["limits"])
    (['__key', 'event_id'], ['__key'])
    """
    return ["__key", contract.key[0]] if contract.name in OWN_ID else ["__key"]


def month_keys(spool: Spool, month: str, contract: TableContract) -> MonthKeys:
    """Collect the keys of a month's rows."""
    rows = spool.rows(month, key_columns(contract))
    keys = _numbers(rows["__key"])
    ids = keys
    if contract.name in OWN_ID:
        named = rows[contract.key[0]].is_valid().combine_chunks()
        ids = keys[named.to_numpy(zero_copy_only=False)]
    ordered = np.sort(keys)
    again = ordered[1:] == ordered[:-1]
    all_of = distinct(ordered)
    named_of = all_of if len(ids) == len(keys) else distinct(np.sort(ids))
    return MonthKeys(all_of, distinct(ordered[1:][again]), named_of)


def distinct(ordered: Keys) -> Keys:
    """Leave out the repeats of a sorted array.

    Examples
    --------
    >>> distinct(np.array([1, 1, 5], np.uint64)).tolist()
    [1, 5]
    """
    fresh = np.ones(len(ordered), dtype=bool)
    fresh[1:] = ordered[1:] != ordered[:-1]
    return ordered[fresh]


def shared(some: Keys, others: Keys) -> Keys:
    """Give the keys that two sorted arrays have in common.

    Examples
    --------
    >>> shared(np.array([1, 5], np.uint64), np.array([5, 9], np.uint64)).tolist()
    [5]
    """
    if not len(some) or not len(others):
        return some[:0]
    at = np.minimum(np.searchsorted(others, some), len(others) - 1)
    return some[others[at] == some]


def contested(months: dict[str, Keys]) -> Keys:
    """Give the keys that stand in several months, a range of numbers at a time.

    Examples
    --------
    >>> held = {"2025-05": np.array([1, 7], np.uint64), "2025-06": np.array([7, 8], np.uint64)}
    >>> contested(held).tolist()
    [7]
    """
    if len(months) < 2:
        return np.empty(0, np.uint64)
    return np.concatenate([*_contested(list(months.values())), np.empty(0, np.uint64)])


def _contested(months: list[Keys]) -> Iterator[Keys]:
    ranges = 1 + sum(map(len, months)) // STEP
    bounds = [np.uint64(2**64 // ranges * n) for n in range(1, ranges)]
    cuts = [[0, *np.searchsorted(keys, bounds), len(keys)] for keys in months]
    for n in range(ranges):
        parts = [keys[cut[n] : cut[n + 1]] for keys, cut in zip(months, cuts, strict=True)]
        ordered = np.sort(np.concatenate(parts))
        yield distinct(ordered[1:][ordered[1:] == ordered[:-1]])


def read_keys(path: Path) -> Keys:
    """Open the keys of a month; they are read from the disk as they are needed."""
    if not path.stat().st_size:
        return np.empty(0, np.uint64)
    return np.memmap(path, dtype="<u8", mode="r")


def _numbers(column: pa.ChunkedArray) -> Keys:
    return np.asarray(column.to_numpy(), dtype=np.uint64)
