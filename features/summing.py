"""Summing: a keyed roll-up made by one sort of whole numbers.

``features.rollup`` declares what a roll-up is, and its SQL makes it of any rows. Rows that are
ingested by the million are made here to the same declaration, several times faster: texts become
their ranks, the keys one number, and equal keys stand side by side. A test holds the two equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.rollup import ROLLUPS, columns_of

__all__ = ["Coded", "coded", "gathered", "summed"]

CALL = re.compile(r"\b(sum|min|max)\((\w+)\)")
ROOM = 1 << 62
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

    def decoded(self, rows: pa.Table) -> pa.Table:
        """Give ranks back as texts."""
        for at, name in enumerate(rows.column_names):
            if name in self.texts:
                codes = rows[name].combine_chunks()
                rows = rows.set_column(at, name, self.texts[name].take(codes))
        return rows


def coded(rows: pa.Table) -> Coded:
    """Number the texts of every column in their order.

    Examples
    --------
    >>> found = coded(pa.table({"account_id": ["b", "a", None, "b"]}))
    >>> found.rows["account_id"].to_pylist()
    [1, 0, None, 1]
    """
    texts: dict[str, pa.Array] = {}
    for at, field in enumerate(rows.schema):
        if pa.types.is_string(field.type):
            codes, texts[field.name] = _ranks(rows[field.name].combine_chunks())
            rows = rows.set_column(at, field.name, codes)
    return Coded(rows, texts)


def _ranks(texts: pa.Array) -> tuple[pa.Array, pa.Array]:
    if texts.null_count == len(texts):
        return pa.nulls(len(texts), pa.int32()), pa.array([], pa.string())
    encoded = texts.dictionary_encode()
    order = pc.sort_indices(encoded.dictionary)
    ranks = np.empty(len(order), np.int32)
    ranks[order.to_numpy()] = np.arange(len(order), dtype=np.int32)
    return pa.array(ranks).take(encoded.indices), encoded.dictionary.take(order)


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
    rows: pa.Table, keys: Iterable[str], calls: dict[str, tuple[str, str]]
) -> pa.Table | None:
    """Gather rows of equal keys, in the order of the keys; None as in ``summed``.

    Parameters
    ----------
    rows : pyarrow.Table
        Whole numbers.
    keys : iterable of str
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
    key = _one_number(_filled(rows[column]) for column in keys)
    if key is None:
        return None
    order = np.argsort(key)
    ordered = key[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=ordered[0] - 1))
    firsts = pa.array(order[starts])
    made = {column: rows[column].take(firsts) for column in keys}
    for new, (how, column) in calls.items():
        values = _over(how, rows[column].combine_chunks(), order, starts)
        if values is None:
            return None
        made[new] = values
    return pa.table(made)


def _filled(column: pa.ChunkedArray) -> Numbers:
    """Give whole numbers; what is missing comes before all others."""
    low = pc.min(column).as_py() or 0
    return np.asarray(column.fill_null(low - 1).to_numpy(), dtype=np.int64)


def _one_number(columns: Iterable[Numbers]) -> Numbers | None:
    """Make one number of several, in their order; None where it would be too large."""
    made, size = None, 1
    for values in columns:
        if not len(values):
            return None
        low = int(values.min())
        width = int(values.max()) - low + 1
        size *= width
        if size >= ROOM:
            return None
        made = values - low if made is None else made * width + (values - low)
    return made


def _over(
    how: str, values: pa.Array, order: npt.NDArray[np.intp], starts: npt.NDArray[np.intp]
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
        reduce = np.minimum if how == "min" else np.maximum
        made = reduce.reduceat(filled[order], starts)
    if there is None:
        return pa.array(made, values.type)
    found = np.add.reduceat(there[order].astype(np.int64), starts) > 0
    return pa.array(made, values.type, mask=~found)


def _extreme(kind: pa.DataType, how: str) -> float | int:
    if pa.types.is_floating(kind):
        return np.inf if how == "min" else -np.inf
    bounds = np.iinfo(kind.to_pandas_dtype())
    return int(bounds.max if how == "min" else bounds.min)
