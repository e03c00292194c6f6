"""The outbox: messages queued with the run that they speak of, each claimed and sent by one.

A row is ``waiting``, ``sending`` (claimed until its time is up), ``sent``, ``dead`` (given up:
`perennial alerts retry`), ``held`` (its run is, and nobody is told until it is approved),
``merged`` (told together with a later one) or ``dropped`` (its account was erased). Its id follows
from the run, the sink and the account: a message that is sent again after a crash has the same one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from serving import tables
from serving.alerts.outcome import Outcome
from serving.alerts.settings import AlertSettings

__all__ = [
    "Delivery",
    "claim",
    "counts",
    "forget",
    "listed",
    "queue",
    "release",
    "retry",
    "settle",
    "soonest",
    "stamp",
]

CLAIM_SECONDS = 120.0
PACE_SECONDS = 1.0
FIRST_WAIT = 60.0
LONGER_BY = 3.0
JITTER = 0.3
RECORDS = "records"


@dataclass(frozen=True)
class Delivery:
    """One message of the outbox.

    Attributes
    ----------
    delivery_id, run_id, sink, kind : str
    account_id : str or None
        None for a digest.
    body : dict
        What is told, as ``serving.alerts.news`` wrote it.
    state : str
    tries : int
        Sendings so far; while it is being sent, this one included.
    queued_at, due_at : str
        UTC, as `stamp` writes it.
    first_tried_at, settled_at, said : str or None
        When it was first tried, when it came to its end, and what was said last.
    """

    delivery_id: str
    run_id: str
    sink: str
    kind: str
    account_id: str | None
    body: dict[str, Any]
    state: str
    tries: int
    queued_at: str
    due_at: str
    first_tried_at: str | None
    settled_at: str | None
    said: str | None


def stamp(moment: datetime, seconds: float = 0.0) -> str:
    """Write a moment so that texts sort as moments do.

    Examples
    --------
    >>> stamp(datetime(2026, 1, 1, tzinfo=UTC), 1.5)
    '2026-01-01T00:00:01.500+00:00'
    """
    return (moment.astimezone(UTC) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


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


@dataclass
class Memory:
    """What one sink was told of each account, and when.

    Attributes
    ----------
    sink : str
    known : dict of str to tuple
        Account to when it was told of, and the keys of the facts.
    """

    sink: str
    known: dict[str, tuple[str, frozenset[str]]]

    @classmethod
    def read(cls, connection: sa.Connection, sink: str) -> Memory:
        """Read what the sink was told."""
        t = tables.told.c
        rows = connection.execute(sa.select(t.account_id, t.told_at, t.facts).where(t.sink == sink))
        return cls(sink, {account: (at, frozenset(facts)) for account, at, facts in rows})

    def fresh(
        self, connection: sa.Connection, alerts: Sequence[Mapping[str, Any]], now: datetime
    ) -> list[Mapping[str, Any]]:
        """Leave out what was told in the quiet days, let what is new wait for their end."""
        found: list[Mapping[str, Any]] = []
        changed: dict[str, tuple[str, frozenset[str]]] = {}
        for alert in alerts:
            if alert["kind"] == RECORDS:
                continue
            quiet = timedelta(days=alert["quiet_days"])
            items = [
                one for item in alert["body"]["items"] if (one := self._rest(item, now - quiet))
            ]
            if not items:
                continue
            due = max(self._free(item, quiet, now, alert) for item in items)
            changed |= {item["account_id"]: self._after(item, quiet, now, due) for item in items}
            one = {**alert, "due_at": due, "body": {**alert["body"], "items": items}}
            found.append(_merged(connection, one, now))
        self._write(connection, changed)
        return found

    def _lately(self, account: str, since: datetime) -> tuple[str, frozenset[str]] | None:
        known = self.known.get(account)
        return known if known is not None and known[0] > stamp(since) else None

    def _rest(self, item: Mapping[str, Any], since: datetime) -> dict[str, Any] | None:
        """Give what is left of an account's facts after those that were told."""
        known = self._lately(item["account_id"], since)
        facts = [f for f in item["facts"] if known is None or f["key"] not in known[1]]
        return {**item, "facts": facts} if facts else None

    def _free(
        self, item: Mapping[str, Any], quiet: timedelta, now: datetime, alert: Mapping[str, Any]
    ) -> str:
        """Say when the account may be told of again; a digest does not wait.

        A message that is still ahead takes the news along.
        """
        known = self._lately(item["account_id"], now - quiet)
        if known is None or alert["account_id"] is None:
            return stamp(now)
        if known[0] > stamp(now):
            return known[0]
        return stamp(datetime.fromisoformat(known[0]) + quiet)

    def _after(
        self, item: Mapping[str, Any], quiet: timedelta, now: datetime, due: str
    ) -> tuple[str, frozenset[str]]:
        known = self._lately(item["account_id"], now - quiet)
        keys = frozenset(fact["key"] for fact in item["facts"])
        return (due, keys) if known is None else (max(due, known[0]), keys | known[1])

    def _write(
        self, connection: sa.Connection, changed: Mapping[str, tuple[str, frozenset[str]]]
    ) -> None:
        if not changed:
            return
        t = tables.told.c
        mine = sa.and_(t.sink == self.sink, t.account_id == sa.bindparam("who"))
        old = [{"who": account} for account in changed if account in self.known]
        if old:
            connection.execute(sa.delete(tables.told).where(mine), old)
        rows = [
            {"sink": self.sink, "account_id": account, "told_at": at, "facts": sorted(facts)}
            for account, (at, facts) in changed.items()
        ]
        connection.execute(sa.insert(tables.told), rows)


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
        _merge(connection, older, "a newer run is pushed", now)
    return batches


def _merged(
    connection: sa.Connection, alert: Mapping[str, Any], now: datetime
) -> Mapping[str, Any]:
    """Take over what still waits to be told of the account."""
    o = tables.outbox.c
    mine = sa.and_(o.sink == alert["sink"], o.account_id == alert["account_id"])
    waits = sa.and_(mine, o.state == "waiting", o.tries == 0)
    rows = connection.scalars(sa.select(o.body).where(waits).order_by(o.queued_at)).all()
    if alert["account_id"] is None or not rows:
        return alert
    _merge(connection, waits, "told with a later one", now)
    item = alert["body"]["items"][0]
    facts = [fact for body in rows for fact in body["items"][0]["facts"]] + item["facts"]
    unique = list({fact["key"]: fact for fact in facts}.values())
    return {**alert, "body": {**alert["body"], "items": [{**item, "facts": unique}]}}


def _merge(
    connection: sa.Connection, which: sa.ColumnElement[bool], said: str, now: datetime
) -> None:
    values = {"state": "merged", "said": said, "settled_at": stamp(now)}
    connection.execute(sa.update(tables.outbox).where(which).values(values))


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


def _open_channel(connection: sa.Connection, sink: str, now: datetime) -> None:
    c = tables.channels.c
    if connection.scalar(sa.select(c.sink).where(c.sink == sink)) is None:
        connection.execute(sa.insert(tables.channels).values(sink=sink, free_at=stamp(now)))


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
