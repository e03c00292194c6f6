"""Small pieces of arithmetic on which every family stands: an exact sum, an honest ratio."""

from __future__ import annotations

import narwhals.stable.v2 as nw
import pandas as pd

__all__ = ["ratio", "share", "total"]


def share(part: pd.Series, whole: pd.Series) -> pd.Series:
    """Divide, with a missing value where the whole is zero or missing.

    Examples
    --------
    >>> share(pd.Series([1.0, 1.0]), pd.Series([4.0, 0.0])).tolist()
    [0.25, nan]
    """
    whole = whole.astype(float)
    return part.astype(float) / whole.where(whole != 0)


def ratio(part: str | nw.Expr, whole: str | nw.Expr) -> nw.Expr:
    """Divide columns of the account frame, missing where the whole is zero or missing.

    Examples
    --------
    >>> frame = nw.from_native(pd.DataFrame({"tickets": [1.0, 1.0], "users": [4.0, 0.0]}))
    >>> frame.select(value=ratio("tickets", "users"))["value"].to_list()
    [0.25, nan]
    """
    part = nw.col(part) if isinstance(part, str) else part
    whole = nw.col(whole) if isinstance(whole, str) else whole
    return part / nw.when(whole != 0).then(whole)


def total(when: nw.Expr, column: str = "") -> nw.Expr:
    """Sum a whole-number column (or count the rows) where a condition holds: exact, then float."""
    what = nw.col(column) if column else nw.lit(1)
    return nw.when(when).then(what).otherwise(0).sum().cast(nw.Float64)
