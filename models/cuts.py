"""Cuts: the columns of accounts that divide a book into parts that can be told one by one."""

from __future__ import annotations

import pandas as pd

__all__ = ["cut_columns"]


def cut_columns(accounts: pd.DataFrame) -> list[str]:
    """List the columns that hold words and divide accounts, by name.

    Examples
    --------
    >>> cut_columns(pd.DataFrame({"segment": ["smb"], "account_id": ["a"], "mrr_micros": [1]}))
    ['segment']
    """
    return sorted(str(one) for one in accounts.columns if _is_cut(accounts[one], str(one)))


def _is_cut(column: pd.Series, name: str) -> bool:
    return name not in ("account_id", "name") and (
        pd.api.types.is_string_dtype(column) or isinstance(column.dtype, pd.CategoricalDtype)
    )
