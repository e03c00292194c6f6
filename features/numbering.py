"""Numbering: a feed's rows with days and amounts as whole numbers, made on Arrow.

``features.rollup.numbered`` declares what they are, and its SQL makes them of any rows. Rows of
usage and events come by the million: they are made here to the same declaration, without a table
of their own. A test holds the two equal.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.rollup import HAPPENED, LARGEST, SCALE

__all__ = ["numbered_rows"]

DAY = 86_400_000_000
KEPT = {
    "usage": ("account_id", "feature", "user_id"),
    "events": ("account_id", "kind", "feature", "user_id"),
}
FILE = "__f"


def numbered_rows(feed: str, rows: pa.Table) -> pa.Table:
    """Number the days of a feed's rows and scale what is summed; ``__f`` is kept if it is there.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> when = pa.array([datetime(2025, 7, 1, 12, tzinfo=UTC)], pa.timestamp("us", tz="UTC"))
    >>> texts = {name: ["a"] for name in KEPT["events"]}
    >>> rows = pa.table(texts | {"occurred_at": when, "known_at": when})
    >>> numbered_rows("events", rows).select(["day", "known_day", "count"]).to_pylist()
    [{'day': 20270, 'known_day': 20270, 'count': 1}]
    """
    made = {name: rows[name] for name in KEPT[feed]}
    made["day"], made["known_day"] = _days(rows[HAPPENED[feed]]), _days(rows["known_at"])
    if feed == "usage":
        made["count"] = _thousandths(rows["count"].fill_null(1.0))
        made["quantity"] = _thousandths(rows["quantity"])
        made["users"] = rows["users"]
    else:
        made["count"] = pa.array(np.ones(rows.num_rows, np.int32))
    if FILE in rows.column_names:
        made[FILE] = pa.array(np.array(rows[FILE].to_numpy()))
    return pa.table(made)


def _days(column: pa.ChunkedArray) -> pa.Array:
    """Number the UTC days of instants."""
    if column.null_count:
        return pc.floor(pc.divide(column.cast(pa.int64()).cast(pa.float64()), float(DAY))).cast(
            pa.int32()
        )
    return pa.array((column.cast(pa.int64()).to_numpy() // DAY).astype(np.int32))


def _thousandths(column: pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Give whole thousandths of numbers; halves are rounded away from zero."""
    if column.null_count == len(column):
        return pa.nulls(len(column), pa.int64())
    missing = None
    if column.null_count:
        missing = column.is_null().to_numpy()
        column = column.fill_null(0.0)
    values = np.asarray(column.to_numpy(), np.float64)
    scaled = _within(values) * SCALE
    return pa.array(_rounded(scaled).astype(np.int64), mask=missing)


def _within(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Cut off what is too large; a number that is none counts as the largest."""
    if len(values) and values.min() >= -LARGEST and values.max() <= LARGEST:
        return values
    return np.fmax(np.fmin(values, LARGEST), -LARGEST)


def _rounded(numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    whole = np.rint(numbers)
    if np.array_equal(whole, numbers):
        return whole
    halves = np.abs(numbers - np.trunc(numbers)) == 0.5
    if halves.any():
        whole[halves] = np.trunc(numbers[halves]) + np.copysign(1, numbers[halves])
    return whole
