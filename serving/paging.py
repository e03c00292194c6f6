"""Pages of a run's accounts: filtered, sorted, each going on where the one before ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from serving import tables
from serving.queries import Filters
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
    let_through = wanted(run, filters)
    counted = sa.select(sa.func.count()).select_from(tables.scores).where(*let_through)
    total = connection.scalar(counted)
    column, down = tables.scores.c[sort.lstrip("-")], sort.startswith("-")
    beyond = [_beyond(column, after, down=down)] if after is not None else []
    chosen = (
        sa.select(tables.scores)
        .where(*let_through, *beyond)
        .order_by(*order(sort))
        .limit(limit + 1)
    )
    rows = [dict(zip(SCORE_COLUMNS, row, strict=True)) for row in connection.execute(chosen)]
    last = rows[limit - 1] if len(rows) > limit else None
    next_start = (last[column.name], last["account_id"]) if last is not None else None
    return Page(run, rows[:limit], total or 0, next_start)


def order(sort: str) -> tuple[sa.ColumnElement[Any], ...]:
    """Write the order of a listing: by a column, nulls last, then by account."""
    column = tables.scores.c[sort.lstrip("-")]
    by = column.desc() if sort.startswith("-") else column
    return (column.is_(None), by, tables.scores.c.account_id)


def wanted(run: str | None, filters: Filters) -> list[sa.ColumnElement[bool]]:
    """Write the conditions that an account of a run must meet to be listed."""
    s = tables.scores.c
    conditions: list[sa.ColumnElement[bool]] = [s.run_id == run]
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
        o = tables.outreach.c
        listed = sa.select(o.account_id).where(o.run_id == run, o.play == filters.play)
        conditions.append(s.account_id.in_(listed))
    if filters.trigger is not None:
        f = tables.firing.c
        firing = sa.select(f.account_id).where(f.run_id == run, f.trigger == filters.trigger)
        conditions.append(s.account_id.in_(firing))
    return conditions


def _beyond(
    column: sa.Column[Any], after: tuple[Any, str], *, down: bool
) -> sa.ColumnElement[bool]:
    value, account_id = after
    later = tables.scores.c.account_id > account_id
    if value is None:
        return sa.and_(column.is_(None), later)
    further = column < value if down else column > value
    return sa.or_(column.is_(None), further, sa.and_(column == value, later))
