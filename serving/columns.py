"""A published frame as plain values, column by column: what the store, JSON and CSV can hold."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd

from features.faults import InternalFault
from serving.schemas import Column

__all__ = ["Columns", "as_rows", "native", "plain"]

Columns = dict[str, list[Any]]


def native(frame: pd.DataFrame, table: tuple[Column, ...]) -> Columns:
    """Give the declared columns of a frame as lists of plain Python values, null as None.

    Raises
    ------
    InternalFault
        ``publication.columns`` if the frame has other columns than are declared, or a value
        that is not of its column's kind.

    Examples
    --------
    >>> kinds = (Column("account_id", "text", ""), Column("mrr", "number", ""))
    >>> native(pd.DataFrame({"account_id": ["a", None], "mrr": [10.5, float("nan")]}), kinds)
    {'account_id': ['a', None], 'mrr': [10.5, None]}
    """
    declared = [column.name for column in table]
    if sorted(map(str, frame.columns)) != sorted(declared):
        odd = sorted(set(map(str, frame.columns)) ^ set(declared))
        raise InternalFault("publication.columns", f"columns not as declared: {odd}")
    return {column.name: _values(frame[column.name], column) for column in table}


def as_rows(columns: Columns) -> list[dict[str, Any]]:
    """Turn columns into one dict per row.

    Examples
    --------
    >>> as_rows({"account_id": ["a", "b"], "mrr": [1.0, 2.0]})
    [{'account_id': 'a', 'mrr': 1.0}, {'account_id': 'b', 'mrr': 2.0}]
    """
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def plain(value: Any) -> Any:
    """Turn a value, however deep, into what JSON and every store can say: NaN to null, no NUL.

    Examples
    --------
    >>> plain({"value": np.float64("nan"), "on": date(2025, 7, 1), "n": np.int64(3)})
    {'value': None, 'on': '2025-07-01', 'n': 3}
    """
    if isinstance(value, str):
        return _kept(value)
    if isinstance(value, Mapping):
        return {_kept(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    return _day(value).isoformat() if isinstance(value, date) else value


def _values(series: pd.Series, column: Column) -> list[Any]:
    convert = _KINDS.get(column.kind, float)
    try:
        if column.kind == "list":
            return [convert(value) for value in series]
        if column.kind == "number":
            numbers = series.to_numpy(dtype=np.float64, na_value=np.nan)
            numbers = numbers + 0.0  # -0.0 becomes 0.0: not every store tells them apart
            return [value if math.isfinite(value) else None for value in numbers.tolist()]
        return [
            None if missing else convert(value)
            for value, missing in zip(series.astype(object), series.isna(), strict=True)
        ]
    except (TypeError, ValueError) as odd:
        message = f"{column.name}: a value is not of kind {column.kind}"
        raise InternalFault("publication.columns", message) from odd


def _day(value: Any) -> date:
    if isinstance(value, str):
        return date.fromisoformat(value)
    return value.date() if isinstance(value, datetime) else value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return _kept(value)


def _kept(text: str) -> str:
    return text.replace("\x00", "\ufffd")  # not every store can keep a NUL


def _list(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple, np.ndarray)):
        items: list[Any] = plain(value)
        return items
    if value is None or bool(pd.isna(value)):
        return []
    raise TypeError(value)


def _integer(value: Any) -> int:
    if int(value) != value:
        raise ValueError(value)
    return int(value)


_KINDS: dict[str, Callable[[Any], Any]] = {
    "text": _text,
    "date": _day,
    "integer": _integer,
    "list": _list,
}
