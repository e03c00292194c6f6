"""What was told of whom: nobody hears a fact twice, or of an account again in its quiet days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from serving import tables
from serving.delivery import RECORDS, stamp

__all__ = ["Memory", "merge"]

SLACK = timedelta(hours=6)
"""A weekly job begins an hour earlier when the clocks change, or when the last was tried again: what
it tells must not wait for the job after."""


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
            quiet = max(timedelta(days=alert["quiet_days"]) - SLACK, timedelta())
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


def merge(
    connection: sa.Connection, which: sa.ColumnElement[bool], said: str, now: datetime
) -> None:
    """Close messages that are not sent any more, as a later one says it all."""
    values = {"state": "merged", "said": said, "settled_at": stamp(now)}
    connection.execute(sa.update(tables.outbox).where(which).values(values))


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
    merge(connection, waits, "told with a later one", now)
    item = alert["body"]["items"][0]
    facts = [fact for body in rows for fact in body["items"][0]["facts"]] + item["facts"]
    unique = list({fact["key"]: fact for fact in facts}.values())
    return {**alert, "body": {**alert["body"], "items": [{**item, "facts": unique}]}}
