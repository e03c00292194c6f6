"""Summing: a keyed roll-up made by one sort of whole numbers.

``features.rollup`` declares what a roll-up is, and its SQL makes it of any rows. Rows that are
ingested by the million are made here to the same declaration, several times faster: texts become
their ranks, the keys one number, and equal keys stand side by side. A test holds the two equal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.rollup import ROLLUPS, columns_of

__all__ = ["Coded", "coded", "gathered", "summed"]

CALL = re.compile(r"\b(sum|min|max)\((\w+)\)")
ROOM, BITS = 1 << 62, 62
REDUCED = {"sum": np.add, "min": np.minimum, "max": np.maximum}
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Coded:
    """Rows whose texts are numbers: the rank of each among the texts of its column.

    Attributes
    ----------
    rows : pyarrow.Table
        Texts as int32 ranks, null where there was none.
    texts : dict of str to pyarrow.Array
        Column → its texts in order.
    """

    rows: pa.Table
    texts: dict[str, pa.Array]

    @property
    def table(self) -> pa.Table:
        """The rows with their texts."""
        return self.decoded(self.rows)

    def parted(self, column: str, known: pa.Array) -> tuple[pa.Table, pa.Table]:
        """Give the rows whose text in a column is a known one, and the others."""
        if column not in self.texts:
            return self.table, self.table.slice(0, 0)
        ours = pc.is_in(self.texts[column], known)
        if pc.all(ours).as_py() and not self.rows[column].null_count:
            return self.table, self.table.slice(0, 0)
        mine = ours.take(self.rows[column].combine_chunks()).fill_null(False)
        return tuple(self.decoded(self.rows.filter(each)) for each in (mine, pc.invert(mine)))

    def decoded(self, rows: pa.Table) -> pa.Table:
        """Give ranks back as texts."""
        for at, name in enumerate(rows.column_names):
            if name in self.texts:
                codes = rows[name].combine_chunks()
                rows = rows.set_column(at, name, self.texts[name].take(codes))
        return rows


def coded(rows: pa.Table) -> Coded:
    """Number the texts of every column in their order, be they coded already or not.

    Examples
    --------
    >>> found = coded(pa.table({"account_id": ["b", "a", None, "b"]}))
    >>> found.rows["account_id"].to_pylist()
    [1, 0, None, 1]
    """
    texts: dict[str, pa.Array] = {}
    for at, field in enumerate(rows.schema):
        if pa.types.is_string(field.type) or pa.types.is_dictionary(field.type):
            codes, texts[field.name] = _ranks(rows[field.name])
            rows = rows.set_column(at, field.name, codes)
    return Coded(rows, texts)


def _ranks(texts: pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
    if texts.null_count == len(texts):
        return pa.nulls(len(texts), pa.int32()), pa.array([], pa.string())
    if not pa.types.is_dictionary(texts.type):
        texts = texts.dictionary_encode()
    encoded = texts.unify_dictionaries()
    words = encoded.chunk(0).dictionary
    order = pc.sort_indices(words)
    ranks = np.empty(len(order), np.int32)
    ranks[order.to_numpy()] = np.arange(len(order), dtype=np.int32)
    codes = pa.concat_arrays([chunk.indices for chunk in encoded.chunks])
    return pa.array(ranks).take(codes), words.take(order)


def summed(name: str, rows: pa.Table) -> pa.Table | None:
    """Roll numbered rows up (whole numbers, texts as ranks), sorted as ``columns_of`` says.

    None where their sums might not fit, or their keys do not make one number: then SQL decides.
    """
    rollup = ROLLUPS[name]
    found = {column: CALL.search(sql) for column, sql in rollup.values.items()}
    calls = {column: (call[1], call[2]) for column, call in found.items() if call}
    if not rollup.keys or len(calls) < len(found):
        return None
    made = gathered(rows, rollup.keys, calls)
    return None if made is None else made.select(columns_of(name))


def gathered(
    rows: pa.Table, keys: Sequence[str], calls: dict[str, tuple[str, str]]
) -> pa.Table | None:
    """Gather rows of equal keys, in the order of the keys; None as in ``summed``.

    Parameters
    ----------
    rows : pyarrow.Table
        Whole numbers.
    keys : sequence of str
        Columns that make a key.
    calls : dict of str to tuple
        New column → (sum, min or max; over which column).

    Examples
    --------
    >>> rows = pa.table({"account_id": [2, 1, 2], "count": [5, 6, 7]})
    >>> gathered(rows, ["account_id"], {"count": ("sum", "count")}).to_pydict()
    {'account_id': [1, 2], 'count': [6, 12]}
    """
    if not rows.num_rows:
        return None
    parts = [_Part.of(rows[column]) for column in keys]
    at = sum(part.bits for part in parts)
    if at > BITS:
        return None
    found = (
        _as_it_stands(rows, parts, calls)
        or _side_by_side(rows, parts, calls, BITS - at)
        or _by_order(rows, parts, calls)
    )
    if found is None:
        return None
    firsts, values = found
    made = {
        column: part.column((firsts >> shift) & part.mask)
        for column, part, shift in zip(keys, parts, _shifts(parts), strict=True)
    }
    return pa.table(made | values)


@dataclass(frozen=True)
class _Part:
    """A column of whole numbers as bits of a larger number; what is missing comes first."""

    values: npt.NDArray[Any]
    low: int
    bits: int
    missing: bool
    kind: pa.DataType

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> _Part:
        missing = bool(column.null_count)
        ends = pc.min_max(column).as_py()
        low, most = (ends["min"] or 0) - missing, ends["max"] or 0
        values = (column.fill_null(low) if missing else column).to_numpy()
        bits = (int(most) - low).bit_length()
        return cls(values, low, bits, missing, column.type)

    @property
    def largest(self) -> int:
        """The largest number without its sign."""
        return max(abs(self.low), abs(self.low + self.mask))

    @property
    def mask(self) -> int:
        return (1 << self.bits) - 1

    def added(self, before: Numbers | None) -> Numbers:
        """Set its bits behind those that are there, in their place."""
        own: Numbers = np.subtract(self.values, self.low, dtype=np.int64)
        if before is None:
            return own
        before <<= self.bits
        before |= own
        return before

    def cut(self, joined: Numbers, shift: int) -> Numbers:
        """Give its values back out of larger numbers."""
        own = joined >> shift
        own &= self.mask
        own += self.low
        return own

    def column(self, bits: Numbers) -> pa.Array:
        """Give numbers back."""
        values = (bits + self.low).astype(self.kind.to_pandas_dtype())
        return pa.array(values, self.kind, mask=bits == 0 if self.missing else None)


Found = tuple[Numbers, dict[str, pa.Array]]


def _joined(parts: list[_Part]) -> Numbers:
    made = None
    for part in parts:
        made = part.added(made)
    assert made is not None
    return made


def _shifts(parts: list[_Part]) -> list[int]:
    """Say how far from the right each part's bits stand."""
    bits = [part.bits for part in parts]
    return [sum(bits[at + 1 :]) for at in range(len(bits))]


def _as_it_stands(
    rows: pa.Table, parts: list[_Part], calls: dict[str, tuple[str, str]]
) -> Found | None:
    """Take rows that are in the order of their keys already; None where they are not."""
    if not _in_order(parts[0].values):
        return None
    key = _joined(parts)
    return _reduced(rows, key, slice(None), calls) if _in_order(key) else None


def _in_order(numbers: npt.NDArray[Any]) -> bool:
    return bool((numbers[1:] >= numbers[:-1]).all())


def _side_by_side(
    rows: pa.Table, parts: list[_Part], calls: dict[str, tuple[str, str]], room: int
) -> Found | None:
    """Sort keys and values as one number each; None where they have no room in it."""
    told = {column: rows[column] for _, column in calls.values()}
    there = {name: column for name, column in told.items() if column.null_count < rows.num_rows}
    if any(c.null_count or not pa.types.is_integer(c.type) for c in there.values()):
        return None
    held = {name: _Part.of(column) for name, column in there.items()}
    width = sum(part.bits for part in held.values())
    if width > room or any(part.largest * rows.num_rows >= ROOM for part in held.values()):
        return None
    ordered = _joined([*parts, *held.values()])
    ordered.sort()
    starts = _starts(ordered >> width)
    shifts = dict(zip(held, _shifts(list(held.values())), strict=True))
    made = {}
    for new, (how, column) in calls.items():
        kind = pa.int64() if how == "sum" else told[column].type
        if column in held:
            values = held[column].cut(ordered, shifts[column])
            made[new] = pa.array(REDUCED[how].reduceat(values, starts)).cast(kind)
        else:
            made[new] = pa.nulls(len(starts), kind)
    return ordered[starts] >> width, made


def _by_order(
    rows: pa.Table, parts: list[_Part], calls: dict[str, tuple[str, str]]
) -> Found | None:
    """Find the order of the keys, and take the values in it."""
    key = _joined(parts)
    order = np.argsort(key)
    return _reduced(rows, key[order], order, calls)


def _reduced(
    rows: pa.Table,
    ordered: Numbers,
    order: npt.NDArray[np.intp] | slice,
    calls: dict[str, tuple[str, str]],
) -> Found | None:
    """Reduce the values of equal keys, which stand side by side in that order."""
    starts = _starts(ordered)
    made = {}
    for new, (how, column) in calls.items():
        values = _over(how, rows[column].combine_chunks(), order, starts)
        if values is None:
            return None
        made[new] = values
    return ordered[starts], made


def _starts(ordered: Numbers) -> npt.NDArray[np.intp]:
    """Say where each run of equal numbers begins."""
    fresh = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=fresh[1:])
    return np.flatnonzero(fresh)


def _over(
    how: str,
    values: pa.Array,
    order: npt.NDArray[np.intp] | slice,
    starts: npt.NDArray[np.intp],
) -> pa.Array | None:
    """Sum, or take the least or most of, a column over rows of equal keys; nulls do not count."""
    if how == "sum":
        values = values.cast(pa.int64())
    if values.null_count == len(values):
        return pa.nulls(len(starts), values.type)
    there = None if not values.null_count else values.is_valid().to_numpy(zero_copy_only=False)
    plain = values.to_numpy(zero_copy_only=False) if there is None else None
    if how == "sum":
        filled = values.fill_null(0).to_numpy() if plain is None else plain
        if int(np.abs(filled).max()) * len(filled) >= ROOM:
            return None
        made = np.add.reduceat(filled[order], starts)
    else:
        extreme = _extreme(values.type, how)
        filled = values.fill_null(extreme).to_numpy() if plain is None else plain
        made = REDUCED[how].reduceat(filled[order], starts)
    if there is None:
        return pa.array(made, values.type)
    found = np.add.reduceat(there[order].astype(np.int64), starts) > 0
    return pa.array(made, values.type, mask=~found)


def _extreme(kind: pa.DataType, how: str) -> float | int:
    if pa.types.is_floating(kind):
        return np.inf if how == "min" else -np.inf
    bounds = np.iinfo(kind.to_pandas_dtype())
    return int(bounds.max if how == "min" else bounds.min)
