"""What was done about one account: the CSM's call that holds now, and the actions logged."""

from __future__ import annotations

from datetime import date
from typing import Any

import sqlalchemy as sa

from models.contacts import Call
from serving import tables
from serving.database import reading
from serving.history import holding, last_call

__all__ = ["SHOWN", "actions_of", "call_of"]

SHOWN = 20
"""How many of an account's actions are shown."""


def call_of(engine: sa.Engine, account_id: str, today: date) -> tuple[Call, str] | None:
    """Give the call of an account that holds today, and when it was made; None where none does.

    Lists of the next day on know it: today's were made without it.
    """
    last = last_call(engine, account_id)
    call = holding(last, today)
    return None if call is None or last is None else (call, last["made_at"])


def actions_of(engine: sa.Engine, account_id: str, limit: int = SHOWN) -> list[dict[str, Any]]:
    """List what was logged of an account, the latest first: play, day, outcome, by whom."""
    a = tables.actions.c
    columns = (a.play, a.acted_on, a.outcome, a.csm, a.logged_at)
    wanted = sa.select(*columns).where(a.account_id == account_id)
    latest = wanted.order_by(a.acted_on.desc(), a.action_id.desc()).limit(limit)
    with reading(engine) as connection:
        return [dict(row._mapping) for row in connection.execute(latest)]
