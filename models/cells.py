"""The cells of a book: accounts that belong to the same groups, summed once for all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Cells"]

Floats = NDArray[np.float64]
Positions = NDArray[np.int64]

BITS = 32


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

    @classmethod
    def of(cls, groups: Floats) -> Cells:
        """Find the cells of groups, one row each, 1 where an account belongs to it.

        Examples
        --------
        >>> cells = Cells.of(np.array([[1.0, 1.0, 1.0], [0.0, 1.0, 0.0]]))
        >>> cells.order.tolist(), cells.first.tolist(), cells.belongs.tolist()
        ([0, 2, 1], [0, 2], [[1.0, 1.0], [0.0, 1.0]])
        """
        code = np.zeros(groups.shape[1], dtype=np.int64)
        for start in range(0, len(groups), BITS):
            bits = np.zeros(len(code), dtype=np.int64)
            for place, row in enumerate(groups[start : start + BITS]):
                bits |= (row != 0.0).astype(np.int64) << place
            if start:  # number the cells so far, so that their codes leave room
                code = np.unique(code, return_inverse=True)[1].astype(np.int64) << BITS
            code = code | bits
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
