"""Contacted: what was lately done with the accounts of a list."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa

from serving import tables
from serving.database import reading

__all__ = ["contacted_since"]


def contacted_since(
    engine: sa.Engine, accounts: Sequence[str], since: date
) -> dict[str, dict[str, Any]]:
    """Give the last contact of each account that had one since a day.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    accounts : sequence of str
        The accounts that are asked for.
    since : date
        The first day that counts.

    Returns
    -------
    dict of str to dict
        By account: ``play``, ``acted_on``, ``outcome``, ``csm``.
    """
    a = tables.actions.c
    told = sa.select(a.account_id, a.play, a.acted_on, a.outcome, a.csm)
    asked = told.where(a.account_id.in_(accounts), a.acted_on >= since)
    with reading(engine) as connection:
        found = connection.execute(asked.order_by(a.acted_on, a.action_id)).all()
    return {row.account_id: dict(row._mapping) for row in found}
