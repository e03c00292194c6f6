"""The cells of a book: accounts that belong to the same groups, summed once for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["Cells"]

Floats = NDArray[np.float64]
Positions = NDArray[np.int64]
Numbers = NDArray[np.integer[Any]]

BITS, FEW = 32, 65_536


@dataclass(frozen=True)
class Cells:
    """Accounts in the order of their cells, and which groups each cell belongs to.

    Sums are taken in this one order, whatever the number of threads.

    Attributes
    ----------
    order : array of int, (n,)
        Positions of the accounts, cell by cell.
    first : array of int, (c,)
        Where each cell begins in ``order``.
    belongs : array of float, (g, c)
        1 where a cell's accounts belong to a group.
    """

    order: Positions
    first: Positions
    belongs: Floats

    @property
    def is_one(self) -> bool:
        """Say whether all accounts are one cell, which has them in the order in which they come."""
        return len(self.first) == 1

    @classmethod
    def of(cls, groups: Floats) -> Cells:
        """Find the cells of groups, one row each, 1 where an account belongs to it.

        Examples
        --------
        >>> cells = Cells.of(np.array([[1.0, 1.0, 1.0], [0.0, 1.0, 0.0]]))
        >>> cells.order.tolist(), cells.first.tolist(), cells.belongs.tolist()
        ([0, 2, 1], [0, 2], [[1.0, 1.0], [0.0, 1.0]])
        """
        code: Numbers = np.zeros(groups.shape[1], dtype=np.int64)
        for start in range(0, len(groups), BITS):
            bits = np.zeros(len(code), dtype=np.int64)
            for place, row in enumerate(groups[start : start + BITS]):
                bits |= (row != 0.0).astype(np.int64) << place
            # numbered, codes are small again, so that the next bits have room
            code = _numbered(code.astype(np.int64) << BITS | bits)
        order = np.argsort(code, kind="stable")
        edges = np.flatnonzero(np.diff(code[order], prepend=-1))
        return cls(order, edges, groups[:, order[edges]])

    def add(self, values: Floats, block: slice, sums: Floats) -> None:
        """Add a block's values, (..., accounts of ``order[block]``), to sums, (..., c)."""
        low = int(np.searchsorted(self.first, block.start, side="right")) - 1
        high = int(np.searchsorted(self.first, block.start + values.shape[-1], side="left"))
        starts = np.maximum(self.first[max(low, 0) : high] - block.start, 0)
        sums[..., max(low, 0) : high] += np.add.reduceat(values, starts, axis=-1)

    def groups(self, sums: Floats) -> Floats:
        """Sum the cells of every group: (..., c) becomes (g, ...)."""
        return np.asarray(np.einsum("gc,...c->g...", self.belongs, sums))


def _numbered(code: Positions) -> Numbers:
    """Number codes in their order from 0; few fit two bytes, and those are sorted at once."""
    place, found = pd.factorize(code)
    number = np.empty(len(found), dtype=np.uint16 if len(found) <= FEW else np.int64)
    number[np.argsort(found)] = np.arange(len(found))
    return number[place]
