"""The outbox: messages queued with the run that they speak of, and what becomes of it.

A row is ``waiting``, ``sending`` (claimed until its time is up), ``sent``, ``dead`` (given up:
`perennial alerts retry`), ``held`` (its run is, and nobody is told until it is approved),
``merged`` (a later one says it all) or ``dropped`` (its account was erased). Its id follows
from the run, the sink and the account: a message that is sent again after a crash has the same one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from serving import tables
from serving.delivery import RECORDS, Delivery, stamp
from serving.told import Memory, merge

__all__ = ["close_held", "counts", "forget", "listed", "queue", "release"]


def queue(
    connection: sa.Connection,
    run_id: str,
    alerts: Sequence[Mapping[str, Any]],
    now: datetime,
    *,
    held: bool = False,
) -> int:
    """Queue what a run is to tell, in the transaction that publishes it.

    Of an account that a sink was told of in its quiet days, what is new waits until they are over,
    and what was told already is left out.

    Returns
    -------
    int
        How many messages were queued.
    """
    if held:
        kept = [{**alert, "body": dict(alert)} for alert in alerts]
        return _put(connection, run_id, kept, now, "held")
    fresh: list[Mapping[str, Any]] = []
    for sink in sorted({alert["sink"] for alert in alerts}):
        mine = [alert for alert in alerts if alert["sink"] == sink]
        _open_channel(connection, sink, now)
        fresh += _newest(connection, sink, mine, now)
        fresh += Memory.read(connection, sink).fresh(connection, mine, now)
    return _put(connection, run_id, fresh, now, "waiting")


def release(connection: sa.Connection, run_id: str, now: datetime) -> int:
    """Queue what a held run has to tell: it was approved."""
    o = tables.outbox.c
    mine = sa.and_(o.run_id == run_id, o.state == "held")
    kept = connection.scalars(sa.select(o.body).where(mine).order_by(o.delivery_id)).all()
    connection.execute(sa.delete(tables.outbox).where(mine))
    return queue(connection, run_id, kept, now)


def close_held(connection: sa.Connection, run_id: str, as_of: date, now: datetime) -> None:
    """Close what held runs of its date or an earlier one would have told: a newer run serves."""
    o, r = tables.outbox.c, tables.runs.c
    mine = sa.select(r.revision).where(r.run_id == run_id).scalar_subquery()
    before = sa.or_(r.as_of < as_of, sa.and_(r.as_of == as_of, r.revision < mine))
    held = sa.and_(o.state == "held", o.run_id.in_(sa.select(r.run_id).where(before)))
    merge(connection, held, "a newer run serves", now)


def counts(connection: sa.Connection) -> dict[str, int]:
    """Count the messages by state: a metric, and the badge of what is dead."""
    o = tables.outbox.c
    rows = connection.execute(sa.select(o.state, sa.func.count()).group_by(o.state))
    found = {str(state): int(number) for state, number in rows}
    return {state: found.get(state, 0) for state in ("waiting", "sending", "sent", "dead")} | found


def listed(
    connection: sa.Connection, states: Iterable[str] = (), limit: int = 100
) -> list[Delivery]:
    """List messages, newest first."""
    o = tables.outbox.c
    chosen = sa.select(tables.outbox).order_by(o.queued_at.desc(), o.delivery_id).limit(limit)
    wanted = tuple(states)
    rows = connection.execute(chosen.where(o.state.in_(wanted)) if wanted else chosen)
    return [Delivery(**row._mapping) for row in rows]


def forget(connection: sa.Connection, account_id: str, now: datetime) -> int:
    """Drop all that is kept of an erased account: its messages, and its part of every digest.

    Rows stay without their content, as a record that they were dropped.

    Returns
    -------
    int
        How many messages that waited were dropped or changed.
    """
    o, changed = tables.outbox.c, 0
    for row in connection.execute(sa.select(tables.outbox)).all():
        found = Delivery(**row._mapping)
        body = _without(found.body, account_id)
        if body == found.body:
            continue
        values: dict[str, Any] = {"body": body}
        open_row = found.state in ("waiting", "sending", "held", "dead")
        changed += open_row
        if not body:
            values["account_id"] = None
            said = {"said": "its account was erased", "settled_at": stamp(now)}
            values |= {"state": "dropped", **said} if open_row else {}
        connection.execute(
            sa.update(tables.outbox).where(o.delivery_id == found.delivery_id).values(values)
        )
    connection.execute(sa.delete(tables.told).where(tables.told.c.account_id == account_id))
    return changed


def _put(
    connection: sa.Connection,
    run_id: str,
    alerts: Sequence[Mapping[str, Any]],
    now: datetime,
    state: str,
) -> int:
    rows = [
        {
            "delivery_id": _name(run_id, alert),
            "run_id": run_id,
            "sink": alert["sink"],
            "kind": alert["kind"],
            "account_id": alert["account_id"],
            "body": alert["body"],
            "state": state,
            "tries": 0,
            "queued_at": stamp(now),
            "due_at": alert.get("due_at", stamp(now)),
        }
        for alert in alerts
    ]
    if rows:
        connection.execute(sa.insert(tables.outbox), rows)
    return len(rows)


def _name(run_id: str, alert: Mapping[str, Any]) -> str:
    """Name a message: batches differ by their first record, a digest is the one of its run."""
    body = alert["body"].get("body", alert["body"])
    first = str(body[RECORDS][0]) if RECORDS in body else ""
    about = [run_id, alert["sink"], alert["kind"], alert["account_id"] or first]
    return hashlib.sha256("\n".join(about).encode()).hexdigest()[:32]


def _newest(
    connection: sa.Connection, sink: str, alerts: Sequence[Mapping[str, Any]], now: datetime
) -> list[Mapping[str, Any]]:
    """Give the batches of records; those of an earlier run need not be pushed any more."""
    batches = [alert for alert in alerts if alert["kind"] == RECORDS]
    if batches:
        o = tables.outbox.c
        older = sa.and_(o.sink == sink, o.kind == RECORDS, o.state == "waiting")
        merge(connection, older, "a newer run is pushed", now)
    return batches


def _without(body: Mapping[str, Any], account_id: str) -> dict[str, Any]:
    """Give a body without an account; empty where it was of that account alone."""
    if "body" in body:
        inner = _without(body["body"], account_id)
        return {**body, "body": inner} if inner else {}
    items = [one for one in body.get("items", ()) if one["account_id"] != account_id]
    records = [one for one in body.get(RECORDS, ()) if one != account_id]
    if not (items or records):
        return {}
    kept = {"items": items} if "items" in body else {RECORDS: records}
    return {**body, **kept}


def _open_channel(connection: sa.Connection, sink: str, now: datetime) -> None:
    c = tables.channels.c
    if connection.scalar(sa.select(c.sink).where(c.sink == sink)) is None:
        connection.execute(sa.insert(tables.channels).values(sink=sink, free_at=stamp(now)))
