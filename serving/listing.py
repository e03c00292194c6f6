"""A whole listing of a run as CSV, a piece at a time: little of it is held, however long it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import sqlalchemy as sa

from serving.database import reading
from serving.exports import csv_text
from serving.paging import order, wanted
from serving.queries import Filters
from serving.run_rows import rows_of
from serving.schemas import SCORE_COLUMNS, SCORE_TABLE

__all__ = ["AT_ONCE", "listing_csv", "listing_rows"]

AT_ONCE = 500
"""Rows that are held at once."""


def listing_rows(
    engine: sa.Engine, run: str, filters: Filters, sort: str
) -> Iterator[list[dict[str, Any]]]:
    """Give the rows of a listing in its order, some hundreds at a time.

    Only the ids are sorted and held whole, packed; each piece is read by them, in a transaction
    of its own, so that a slow reader keeps nobody waiting.
    """
    with reading(engine) as connection:
        rows = rows_of(connection, run)
        let_through = wanted(connection, rows, filters)
        ids = sa.select(rows.c.account_id).where(*let_through).order_by(*order(rows, sort))
        found = connection.scalars(ids.execution_options(yield_per=AT_ONCE))
        pieces = [orjson.dumps(list(piece)) for piece in found.partitions(AT_ONCE)]
    for packed in pieces:
        piece = orjson.loads(packed)
        with reading(engine) as connection:
            rows = rows_of(connection, run)  # it may have been packed since
            mine = (rows.c.run_id == run, rows.c.account_id.in_(piece))
            asked = connection.execute(sa.select(rows.table).where(*mine))
            told = [dict(zip(SCORE_COLUMNS, row, strict=True)) for row in asked]
            told = rows.filled(connection, told)
        by_id = {row["account_id"]: row for row in told}
        yield [by_id[name] for name in piece if name in by_id]


def listing_csv(engine: sa.Engine, run: str, filters: Filters, sort: str) -> Iterator[bytes]:
    """Write a listing as CSV: every column of a scored account, numbers exact, texts safe."""
    yield csv_text({name: [] for name in SCORE_COLUMNS}, SCORE_TABLE)
    for rows in listing_rows(engine, run, filters, sort):
        columns = {name: [row[name] for row in rows] for name in SCORE_COLUMNS}
        yield csv_text(columns, SCORE_TABLE).partition(b"\n")[2]
