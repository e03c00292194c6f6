"""Claiming: a message is taken by one who sends it, and settled; what fails waits for its next try."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from serving import tables
from serving.alerts.outcome import Outcome
from serving.alerts.settings import AlertSettings
from serving.delivery import Delivery, stamp

__all__ = ["CLAIM_SECONDS", "PACE_SECONDS", "claim", "retry", "settle", "soonest"]

CLAIM_SECONDS = 120.0
PACE_SECONDS = 1.0
FIRST_WAIT = 60.0
LONGER_BY = 3.0
JITTER = 0.3


def claim(connection: sa.Connection, now: datetime) -> Delivery | None:
    """Claim the message that is due longest on a channel that is free; None if there is none.

    Of two who ask at once, one gets it: rows that another holds are skipped. A claim that nobody
    settled in two minutes is free again: who held it has died.
    """
    o, c, at = tables.outbox.c, tables.channels.c, stamp(now)
    free = sa.and_(o.state.in_(("waiting", "sending")), o.due_at <= at, c.free_at <= at)
    joined = tables.outbox.join(tables.channels, c.sink == o.sink)
    first = sa.select(tables.outbox).select_from(joined).where(free)
    first = first.order_by(o.due_at, o.delivery_id).limit(1)
    locked = first.with_for_update(skip_locked=True, of=tables.outbox)
    row = connection.execute(locked).first()
    if row is None or not _taken(connection, row.sink, now):
        return None
    found = Delivery(**row._mapping)
    values = {
        "state": "sending",
        "tries": found.tries + 1,
        "due_at": stamp(now, CLAIM_SECONDS),
        "first_tried_at": found.first_tried_at or at,
    }
    mine = o.delivery_id == found.delivery_id
    connection.execute(sa.update(tables.outbox).where(mine).values(values))
    return Delivery(**{**row._mapping, **values})


def settle(
    connection: sa.Connection,
    delivery: Delivery,
    outcome: Outcome,
    now: datetime,
    settings: AlertSettings,
) -> Delivery:
    """Write down what came of a sending: sent, tried again later, or given up.

    A receiver that asks to wait holds its whole channel, and no try is counted. What was not
    accepted of a batch is tried again by itself.
    """
    values: dict[str, Any] = {"said": outcome.said}
    if outcome.failed:
        values["body"] = {"records": list(outcome.failed)}
    if outcome.state == "sent":
        values |= {"state": "sent", "settled_at": stamp(now)}
    elif outcome.state == "busy":
        due = stamp(now, max(outcome.wait, 2 * PACE_SECONDS))
        values |= {"state": "waiting", "tries": delivery.tries - 1, "due_at": due}
        _pause(connection, delivery.sink, due)
    elif outcome.state == "never" or _over(delivery, now, settings):
        values |= {"state": "dead", "settled_at": stamp(now)}
    else:
        wait = max(_wait(delivery), outcome.wait)
        values |= {"state": "waiting", "due_at": stamp(now, wait)}
    o = tables.outbox.c
    mine = (o.delivery_id == delivery.delivery_id, o.state == "sending")
    still = sa.and_(*mine, o.tries == delivery.tries)  # nobody has claimed it since
    connection.execute(sa.update(tables.outbox).where(still).values(values))
    return Delivery(**{**delivery.__dict__, **values})


def retry(connection: sa.Connection, now: datetime, ids: Sequence[str] = ()) -> int:
    """Make dead letters wait again, all or the named ones, with all their tries before them."""
    o = tables.outbox.c
    wanted = [o.state == "dead", *([o.delivery_id.in_(ids)] if ids else [])]
    values = {"state": "waiting", "tries": 0, "due_at": stamp(now), "settled_at": None}
    values |= {"first_tried_at": None}
    return connection.execute(sa.update(tables.outbox).where(*wanted).values(values)).rowcount


def soonest(connection: sa.Connection) -> str | None:
    """Say when the next message may be claimed; None if none waits."""
    o, c = tables.outbox.c, tables.channels.c
    free = sa.case((c.free_at > o.due_at, c.free_at), else_=o.due_at)
    joined = tables.outbox.join(tables.channels, c.sink == o.sink)
    moment: str | None = connection.scalar(
        sa.select(sa.func.min(free)).select_from(joined).where(o.state.in_(("waiting", "sending")))
    )
    return moment


def _over(delivery: Delivery, now: datetime, settings: AlertSettings) -> bool:
    """Say whether a message was tried often or long enough."""
    begun = datetime.fromisoformat(delivery.first_tried_at or stamp(now))
    long = now - begun >= timedelta(hours=settings.give_up_hours)
    return delivery.tries >= settings.tries or long


def _wait(delivery: Delivery) -> float:
    """Give the seconds until the next try: longer each time, and never all at once."""
    drawn = hashlib.sha256(f"{delivery.delivery_id} {delivery.tries}".encode()).digest()
    jitter = 1 + JITTER * int.from_bytes(drawn[:4], "big") / 2**32
    return FIRST_WAIT * LONGER_BY ** (delivery.tries - 1) * jitter


def _taken(connection: sa.Connection, sink: str, now: datetime) -> bool:
    """Take the channel for a second; another may have taken it in this moment."""
    c = tables.channels.c
    free = sa.and_(c.sink == sink, c.free_at <= stamp(now))
    paced = sa.update(tables.channels).where(free).values(free_at=stamp(now, PACE_SECONDS))
    return connection.execute(paced).rowcount == 1


def _pause(connection: sa.Connection, sink: str, until: str) -> None:
    c = tables.channels.c
    later = sa.and_(c.sink == sink, c.free_at < until)
    connection.execute(sa.update(tables.channels).where(later).values(free_at=until))
