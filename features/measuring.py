"""Measuring: every declared signal of the accounts in a view, by the expressions of its family.

Rows are summed on the book's engine, one pass per ``Rows``; what is left is one row per account,
and is worked out in the order of declaration, on Arrow (as in SQL, what is compared with a missing
value is missing).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.signal import Family, Part, Rows, Signal
from features.view import View

__all__ = ["account_frame", "measure"]

Places = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]


def measure(view: View, families: Sequence[Family]) -> pd.DataFrame:
    """Measure the signals of some families.

    Parameters
    ----------
    view : View
        What was known at the as-of date.
    families : sequence of Family
        A family may read what those before it have declared.

    Returns
    -------
    DataFrame
        Index as ``view.standing`` (account_id), one float64 column per signal, in the order of
        declaration; missing is NaN.
    """
    frame = account_frame(view, families)
    slugs = [signal.slug for family in families for signal in family.signals]
    return frame[slugs].astype(np.float64) + 0.0


def account_frame(view: View, families: Sequence[Family]) -> pd.DataFrame:
    """Give one row per account with contract facts, parts and signals, all under their names.

    Money is a float here: Arrow takes no whole number above 2^53 (9 billion, in micros) for one.
    """
    money = [name for name in view.standing if name.endswith("_micros")]
    frame = view.standing.astype(dict.fromkeys(money, np.float64))
    asked: list[Part | Signal] = []
    for family in families:
        asked += [*family.parts, *family.signals]
        for fact in family.facts:
            frame = frame.assign(**fact(view))
    sums = [
        _summed(view, rows, [each for each in asked if each.rows == rows])
        for rows in dict.fromkeys(each.rows for each in asked if each.rows)
    ]
    frame = pd.concat([frame.reset_index(drop=True), *sums], axis=1)
    accounts = nw.from_native(pa.Table.from_pandas(frame, preserve_index=False), eager_only=True)
    for each in asked:
        if each.rows is None:
            accounts = accounts.with_columns(_worked_out(accounts, each))
    made: pd.DataFrame = accounts.to_native().to_pandas()
    return made.set_axis(view.standing.index)


def _worked_out(accounts: nw.DataFrame[Any], asked: Part | Signal) -> nw.Expr | nw.Series[Any]:
    """Give a column that is made of the others; medians over peers by pandas: Arrow's are near."""
    value = asked.value.cast(nw.Float64).alias(_name(asked))
    if isinstance(asked, Part) or not asked.across:
        return value
    columns = accounts.select(*asked.across).to_pandas()
    compared = nw.from_native(columns, eager_only=True).select(value)
    return nw.from_native(compared.to_arrow(), eager_only=True)[_name(asked)]


def _summed(view: View, rows: Rows, asked: list[Part | Signal]) -> pd.DataFrame:
    """Run all aggregates over the same rows in one pass; what is not there: missing."""
    if not view.has(*rows.tables):
        return pd.DataFrame(np.nan, range(len(view.standing)), [_name(each) for each in asked])
    missing = [_name(each) for each in asked if not _given(view, each)]
    sums = [each.value.alias(_name(each)) for each in asked]
    found = rows.of(view).group_by("account_id").agg(*sums).collect("pyarrow").to_native()
    places = _places(view, found["account_id"])
    summed = pd.DataFrame({_name(each): _placed(found, each, places) for each in asked})
    return summed.assign(**dict.fromkeys(missing, np.nan))


def _given(view: View, asked: Part | Signal) -> bool:
    """Say whether the source had the columns that a number counts."""
    columns = (column.split(".") for column in asked.given)
    return all(view.gives(table, column) for table, column in columns)


def _places(view: View, heard: pa.ChunkedArray) -> Places:
    """Find each account among those heard of; -1: nothing was heard."""
    accounts = pa.array(view.standing.index.to_numpy(dtype=object), pa.string())
    found = pc.index_in(accounts, heard.cast(pa.string()).combine_chunks())
    return np.asarray(found.fill_null(-1).to_numpy(), dtype=np.int64)


def _placed(found: pa.Table, asked: Part | Signal, places: Places) -> Floats:
    """Take a column account by account; the last value stands for those not heard of."""
    values = found[_name(asked)].cast(pa.float64()).to_numpy()
    silent = np.nan if asked.silent is None else asked.silent
    return np.append(values, silent)[places]


def _name(asked: Part | Signal) -> str:
    return asked.slug if isinstance(asked, Signal) else asked.name
