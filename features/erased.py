"""The erased: accounts that were taken out of the book for good, known by their seals alone.

Whoever exports the book may not know that an account was erased here: its rows come again with the
next delivery. They are dropped as they are read, before anything of them is written, and other
accounts no longer name it. Who it was is not kept: only a seal, which tells it when it comes back.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["CODE", "NOBODY", "REFERENCES", "Erased", "without"]

CODE: Final = "privacy.tombstone"
"""What a row of an erased account is dropped for."""
REFERENCES = ("parent_account_id", "merged_into")
"""Columns by which an account names another."""
_BETWEEN = re.compile(r'[,;\t|"]')


@dataclass(frozen=True)
class Erased:
    """Accounts that may not come back.

    Attributes
    ----------
    seals : frozenset of str
        One for each of them.
    seal : callable
        Seals an account's id; the secret by which it does stays with whoever gave it.

    Examples
    --------
    >>> gone = Erased(frozenset({"A"}), str.upper)
    >>> gone.among(["a", "b", None])
    ['a']
    >>> bool(NOBODY), NOBODY.among(["a"])
    (False, [])
    """

    seals: frozenset[str] = frozenset()
    seal: Callable[[str], str] = field(default=str, compare=False, repr=False)
    _met: dict[str, bool] = field(default_factory=dict, compare=False, repr=False)

    def __bool__(self) -> bool:
        return bool(self.seals)

    @property
    def terms(self) -> str:
        """Digest of the seals (empty without any): what was read by others is to be read again."""
        text = "\n".join(sorted(self.seals))
        return hashlib.sha256(text.encode()).hexdigest() if text else ""

    def among(self, accounts: Iterable[str | None]) -> list[str]:
        """Give those of some accounts that were erased, in their order."""
        if not self.seals:
            return []
        return [account for account in accounts if account is not None and self._is(account)]

    def rows_left(
        self, accounts: pa.ChunkedArray, words: Mapping[str, str] | None = None
    ) -> pa.ChunkedArray | None:
        """Say of a column of ids which rows may stay; None where all may.

        ``words`` are other ids that stand in the column for those of accounts.

        Examples
        --------
        >>> gone = Erased(frozenset({"A"}), str.upper)
        >>> gone.rows_left(pa.chunked_array([["a", "b", " x", None]]), {"x": "a"}).to_pylist()
        [False, True, False, True]
        """
        met = pc.unique(accounts).cast(pa.string()).to_pylist()
        meant = {one: (words or {}).get(one.strip(), one) for one in met if one is not None}
        found = [one for one, account in meant.items() if self.among([account])]
        if not found:
            return None
        return pc.invert(pc.is_in(accounts.cast(pa.string()), pa.array(found, pa.string())))

    def named_in(self, line: str) -> bool:
        """Whether a line that has no form holds the id of one of them.

        Examples
        --------
        >>> gone = Erased(frozenset({"A"}), str.upper)
        >>> gone.named_in('b;"a";1'), gone.named_in("b,abc")
        (True, False)
        """
        return bool(self.among(_BETWEEN.split(line)))

    def _is(self, account: str) -> bool:
        account = account.strip()
        if account not in self._met:
            self._met[account] = self.seal(account) in self.seals
        return self._met[account]


NOBODY = Erased()
"""No account was erased."""


def without(
    rows: pa.Table, erased: Erased, words: Mapping[str, str] | None = None
) -> tuple[pa.Table, int]:
    """Drop the rows of erased accounts, and let those of others no longer name one.

    Returns
    -------
    rows : pyarrow.Table
    gone : int
        How many were dropped.

    Examples
    --------
    >>> gone = Erased(frozenset({"A"}), str.upper)
    >>> rows = pa.table({"account_id": ["a", "b"], "parent_account_id": [None, "a"]})
    >>> left, dropped = without(rows, gone)
    >>> left.to_pylist(), dropped
    ([{'account_id': 'b', 'parent_account_id': None}], 1)
    """
    if not erased:
        return rows, 0
    height = rows.num_rows
    if "account_id" in rows.column_names:
        left = erased.rows_left(rows["account_id"], words)
        rows = rows if left is None else rows.filter(left)
    for name in REFERENCES:
        if name in rows.column_names and (left := erased.rows_left(rows[name])) is not None:
            blank = pa.scalar(None, rows[name].type)
            at = rows.column_names.index(name)
            rows = rows.set_column(at, name, pc.if_else(left, rows[name], blank))
    return rows, height - rows.num_rows
