"""Pages of a run's accounts: filtered, sorted, each going on where the one before ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from serving import tables
from serving.queries import Filters
from serving.run_rows import RunRows, among, rows_of
from serving.schemas import SCORE_COLUMNS

__all__ = ["SORTS", "Page", "order", "page", "wanted"]

SORTS = (
    "account_id",
    "name",
    "mrr",
    "next_renewal_on",
    "p_retain",
    "p_renew",
    "p_expand",
    "p_churn",
    "expected_mrr",
    "expected_expansion_mrr",
    "expected_loss_mrr",
    "maturity_score",
)


@dataclass(frozen=True)
class Page:
    """One page of accounts.

    Attributes
    ----------
    run_id : str or None
        The run they are of; None when nothing was published yet.
    rows : list of dict
        Columns of CONTRACT section 3.
    total : int
        How many accounts the filters let through.
    after : tuple or None
        Where the next page starts; None on the last.
    """

    run_id: str | None
    rows: list[dict[str, Any]]
    total: int
    after: tuple[Any, str] | None


def page(
    connection: sa.Connection,
    run: str | None,
    filters: Filters,
    sort: str,
    limit: int,
    after: tuple[Any, str] | None,
) -> Page:
    """Give one page of accounts, sorted by a column (``-`` before it: downwards), nulls last."""
    rows = rows_of(connection, run)
    let_through = wanted(connection, rows, filters)
    counted = sa.select(sa.func.count()).select_from(rows.table).where(*let_through)
    total = connection.scalar(counted)
    by, down = sort.lstrip("-"), sort.startswith("-")
    beyond = [_beyond(rows, by, after, down=down)] if after is not None else []
    chosen = (
        sa.select(rows.table)
        .where(*let_through, *beyond)
        .order_by(*order(rows, sort))
        .limit(limit + 1)
    )
    found = [dict(zip(SCORE_COLUMNS, row, strict=True)) for row in connection.execute(chosen)]
    last = found[limit - 1] if len(found) > limit else None
    next_start = (last[by], last["account_id"]) if last is not None else None
    return Page(run, rows.filled(connection, found[:limit]), total or 0, next_start)


def order(rows: RunRows, sort: str) -> tuple[sa.ColumnElement[Any], ...]:
    """Write the order of a listing: by a column, nulls last, then by account."""
    column = rows.c[sort.lstrip("-")]
    by = column.desc() if sort.startswith("-") else column
    return (column.is_(None), by, rows.c.account_id)


def wanted(
    connection: sa.Connection, rows: RunRows, filters: Filters
) -> list[sa.ColumnElement[bool]]:
    """Write the conditions that an account of a run must meet to be listed."""
    s = rows.c
    conditions: list[sa.ColumnElement[bool]] = [s.run_id == rows.run]
    for name in ("cell", "csm", "segment"):
        value = getattr(filters, name)
        conditions += [s[name] == value] if value is not None else []
    if filters.named is not None:
        both = (s.name, s.account_id)
        conditions.append(sa.or_(*(one.icontains(filters.named, autoescape=True) for one in both)))
    if filters.min_mrr is not None:
        conditions.append(s.mrr >= filters.min_mrr)
    if filters.moved is not None:
        moved = sa.and_(s.previous_cell.is_not(None), s.previous_cell != s.cell)
        conditions.append(moved if filters.moved else sa.not_(moved))
    if filters.renewal_from is not None:
        conditions.append(s.next_renewal_on >= filters.renewal_from)
    if filters.renewal_before is not None:
        conditions.append(s.next_renewal_on < filters.renewal_before)
    if filters.play is not None:
        conditions.append(_listed(connection, rows, filters.play))
    if filters.trigger is not None:
        conditions.append(_firing(connection, rows, filters.trigger))
    return conditions


def _listed(connection: sa.Connection, rows: RunRows, play: str) -> sa.ColumnElement[bool]:
    """Write that the run's list names the account with a play."""
    if rows.number is not None:
        told = [row["account_id"] for row in rows.listed(connection) if row["play"] == play]
        return among(connection, rows.c.account_id, told)
    o = tables.outreach.c
    listed = sa.select(o.account_id).where(o.run_id == rows.run, o.play == play)
    return rows.c.account_id.in_(listed)


def _firing(connection: sa.Connection, rows: RunRows, trigger: str) -> sa.ColumnElement[bool]:
    """Write that a trigger fires for the account."""
    if rows.number is not None:
        told = [row["account_id"] for row in rows.firing(connection) if row["trigger"] == trigger]
        return among(connection, rows.c.account_id, told)
    f = tables.firing.c
    firing = sa.select(f.account_id).where(f.run_id == rows.run, f.trigger == trigger)
    return rows.c.account_id.in_(firing)


def _beyond(
    rows: RunRows, by: str, after: tuple[Any, str], *, down: bool
) -> sa.ColumnElement[bool]:
    column, (value, account_id) = rows.c[by], after
    later = rows.c.account_id > account_id
    if value is None:
        return sa.and_(column.is_(None), later)
    further = column < value if down else column > value
    return sa.or_(column.is_(None), further, sa.and_(column == value, later))
