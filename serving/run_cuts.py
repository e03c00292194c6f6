"""Cuts of a published run: whose accounts it has, and the matrix of some of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import sqlalchemy as sa

from serving import tables
from serving.database import reading
from serving.paging import wanted
from serving.queries import Filters
from serving.run_rows import rows_of
from serving.schemas import CELLS

__all__ = ["matrix_cut", "names_of"]


def names_of(
    engine: sa.Engine, run: str, column: Literal["csm", "segment"], csm: str | None = None
) -> list[str]:
    """List the CSMs or the segments of a run's accounts, of one CSM's if named."""
    with reading(engine) as connection:
        s = rows_of(connection, run).c
        of_run = [s.run_id == run, s[column].is_not(None)]
        of_run += [s.csm == csm] if csm is not None else []
        return sorted(connection.scalars(sa.select(s[column]).where(*of_run).distinct()))


def triggers_of(engine: sa.Engine, run: str) -> list[str]:
    """List the triggers that fire in a run."""
    f = tables.firing.c
    with reading(engine) as connection:
        rows = rows_of(connection, run)
        if rows.number is not None:
            return sorted({row["trigger"] for row in rows.firing(connection)})
        found = connection.scalars(sa.select(f.trigger).where(f.run_id == run).distinct())
        return sorted(found)


def matrix_cut(engine: sa.Engine, run: str, filters: Filters) -> dict[str, Any]:
    """Count the nine cells, and the flows between them since the run before, for some accounts.

    Returns
    -------
    dict
        In the shape of the run's own matrix: ``accounts``, ``mrr``, ``cells`` (each ``accounts``
        and ``mrr``), ``flows`` (``from``, ``to``, ``accounts``, ``mrr``; the largest first),
        ``moved`` and ``new``.
    """
    with reading(engine) as connection:
        of_run = rows_of(connection, run)
        s = of_run.c
        per_move = sa.select(s.previous_cell, s.cell, sa.func.count(), sa.func.sum(s.mrr))
        let_through = wanted(connection, of_run, filters)
        asked = per_move.where(*let_through).group_by(s.previous_cell, s.cell)
        rows = [
            (before, cell, int(n), _summed([mrr or 0.0]))
            for before, cell, n, mrr in connection.execute(asked)
        ]
    flows = [row for row in rows if row[0] not in (None, row[1])]
    return {
        "accounts": sum(row[2] for row in rows),
        "mrr": _summed([row[3] for row in rows]),
        "cells": {cell: _sums([row for row in rows if row[1] == cell]) for cell in CELLS},
        "flows": [
            {"from": before, "to": cell, "accounts": n, "mrr": mrr}
            for before, cell, n, mrr in sorted(flows, key=lambda row: (-row[2], -row[3], row[:2]))
        ],
        "moved": sum(row[2] for row in flows),
        "new": sum(row[2] for row in rows if row[0] is None),
    }


def _sums(rows: Sequence[tuple[Any, Any, int, float]]) -> dict[str, Any]:
    return {"accounts": sum(row[2] for row in rows), "mrr": _summed([row[3] for row in rows])}


def _summed(amounts: Sequence[float]) -> float:
    """Add up amounts of money, without what binary fractions leave behind the last digit.

    >>> _summed([57726.1, 0.8])
    57726.9
    """
    return round(math.fsum(amounts), 6)
