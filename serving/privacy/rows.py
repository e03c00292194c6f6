"""An account's rows taken out of the store, and every run sealed again over what is left.

A run's digest is over its rows, so it is another afterwards; only a run that agreed with its digest
before is sealed again: an erasure makes nothing good that was tampered with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa

from serving import compaction, outbox, queries, tables
from serving.privacy.who import Who
from serving.queries import Run
from serving.verifying import sealed

__all__ = ["Taken", "names_in", "runs_of", "seen_in", "taken"]

OWN = ("scores", "firing", "memories", "details", "outreach", "calls", "actions")
"""Tables of which a row is one account's."""
NOTES = (("calls", "note"), ("actions", "outcome"))
"""Columns in which a CSM may have written of any account."""
Outlook = Callable[[str, str], str | None]


@dataclass
class Taken:
    """What was taken out of the store.

    Attributes
    ----------
    rows : dict of str to int
        Rows that were deleted, by table.
    changed : dict of str to int
        Rows that spoke of the account beside others and no longer do, by table.
    runs : dict of str to dict
        By run that was sealed again, its digest ``before`` and ``after``.
    unsealed : list of str
        Runs that did not agree with their digest before, and do not now.
    """

    rows: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    runs: dict[str, dict[str, str]] = field(default_factory=dict)
    unsealed: list[str] = field(default_factory=list)


def seen_in(connection: sa.Connection) -> set[str]:
    """Give every account that the store knows of."""
    found: set[str] = set()
    for name in (*OWN, "briefs", "told", "outbox"):
        column = tables.metadata.tables[name].c.account_id
        found |= {one for one in connection.scalars(sa.select(column).distinct()) if one}
    return found


def names_in(connection: sa.Connection, account_id: str, names: set[str]) -> tuple[str, ...]:
    """Give what an account is called, in the store or by ``names``, and no other account is."""
    columns = [table.c for table in (tables.scores, tables.briefs)]
    mine = sa.union(*(sa.select(s.name).where(s.account_id == account_id) for s in columns))
    called = {name for name in (*connection.scalars(mine), *names) if name}
    others = (
        sa.select(s.name).where(s.name.in_(called), s.account_id != account_id) for s in columns
    )
    shared = set(connection.scalars(sa.union(*others)))
    return tuple(sorted(called - shared - _words(connection, called)))


def _words(connection: sa.Connection, called: set[str]) -> set[str]:
    """Give those of some names that are also a segment, a CSM, an action: words of the book."""
    texts = [c for c in tables.scores.c if isinstance(c.type, type(tables.scores.c.name.type))]
    others = [c for c in texts if c.name not in ("run_id", "account_id", "name")]
    chosen = [sa.select(c).where(c.in_(called)).distinct() for c in others]
    return {word for wanted in chosen for word in connection.scalars(wanted)}


def runs_of(connection: sa.Connection, who: Who) -> list[Run]:
    """List the runs that speak of an account."""
    named: set[str] = set()
    for name in OWN[:5]:
        table = tables.metadata.tables[name]
        mine = sa.select(table.c.run_id).where(table.c.account_id == who.account_id)
        named |= set(connection.scalars(mine.distinct()))
    b, p, d = tables.briefs.c, tables.packed.c, tables.documents.c
    packed = sa.select(p.run_id).join(tables.briefs, b.number == p.number)
    named |= set(connection.scalars(packed.where(b.account_id == who.account_id)))
    found = connection.execute(sa.select(d.run_id, d.body).where(_speaks(d.body, who)))
    named |= {row.run_id for row in found if who.left(row.body) != row.body}
    return [run for name in sorted(named) if (run := queries.run(connection, name))]


def taken(connection: sa.Connection, who: Who, now: datetime, outlook: Outlook) -> Taken:
    """Take an account out of every table, in the transaction that is open.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        Open for writing.
    who : Who
    now : datetime
    outlook : callable
        Given a run and the digest of its kept outlook, writes it anew without the account and
        gives the new digest; None where it has none, or none to be trusted.
    """
    told = Taken()
    runs = runs_of(connection, who)
    agreed = [run for run in runs if sealed(connection, run) == (run.accounts, run.digest)]
    told.unsealed = [run.run_id for run in runs if run not in agreed]
    for name in OWN:
        table = tables.metadata.tables[name]
        gone = connection.execute(sa.delete(table).where(table.c.account_id == who.account_id))
        told.rows[name] = gone.rowcount
    told.rows["packed"] = compaction.forget(connection, [who.account_id])
    told.changed["outbox"] = outbox.forget(connection, who.account_id, now)
    told.changed["documents"] = _documents(connection, who)
    told.rows["repeats"] = _repeats(connection, who)
    for name, column in NOTES:
        told.changed[name] = _notes(connection, tables.metadata.tables[name], column, who)
    for run in runs:
        _outlook(connection, run.run_id, outlook)
    for run in agreed:
        told.runs[run.run_id] = _sealed_again(connection, run)
    return told


def _speaks(column: sa.ColumnElement[Any], who: Who) -> sa.ColumnElement[bool]:
    """Give the SQL that finds what may speak of an account; Python looks closer."""
    text = sa.cast(column, sa.Text)
    words = {who.account_id, *who.names}
    plain = [text.contains(word, autoescape=True) for word in sorted(words)]
    spelt = [text.contains(_escaped(word), autoescape=True) for word in sorted(words)]
    return sa.or_(*plain, *spelt)


def _escaped(word: str) -> str:
    """Write a word as JSON does, where that is otherwise."""
    return word.replace("\\", "\\\\").replace('"', '\\"')


def _documents(connection: sa.Connection, who: Who) -> int:
    d, changed = tables.documents.c, 0
    for row in connection.execute(sa.select(tables.documents).where(_speaks(d.body, who))).all():
        body = who.left(row.body)
        if body == row.body:
            continue
        changed += 1
        mine = sa.and_(d.run_id == row.run_id, d.kind == row.kind, d.key == row.key)
        connection.execute(sa.update(tables.documents).where(mine).values(body=body))
    return changed


def _repeats(connection: sa.Connection, who: Who) -> int:
    """Forget the answers kept for an Idempotency-Key that speak of it."""
    r = tables.repeats.c
    rows = connection.execute(sa.select(r.name, r.body).where(r.body.is_not(None))).all()
    named = [row.name for row in rows if _tells(row.body, who)]
    connection.execute(sa.delete(tables.repeats).where(r.name.in_(named)))
    return len(named)


def _tells(body: bytes, who: Who) -> bool:
    """Whether a kept answer speaks of an account."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return who.said_in(body.decode("utf-8", "replace"))
    return bool(who.left(told) != told)


def _notes(connection: sa.Connection, table: sa.Table, column: str, who: Who) -> int:
    key, text, changed = next(iter(table.primary_key)), table.c[column], 0
    for row in connection.execute(sa.select(key, text).where(_speaks(text, who))).all():
        unsaid = who.unsaid(row[1])
        changed += unsaid != row[1]
        connection.execute(sa.update(table).where(key == row[0]).values({column: unsaid}))
    return changed


def _outlook(connection: sa.Connection, run: str, outlook: Outlook) -> None:
    d = tables.documents.c
    mine = sa.and_(d.run_id == run, d.kind == "outlook", d.key == "")
    body = connection.scalar(sa.select(d.body).where(mine))
    digest = outlook(run, body["sha256"]) if body is not None else None
    if body is not None and digest is not None:
        values = {"body": {**body, "sha256": digest}}
        connection.execute(sa.update(tables.documents).where(mine).values(values))


def _sealed_again(connection: sa.Connection, run: Run) -> dict[str, str]:
    accounts, digest = sealed(connection, run)
    mine = tables.runs.c.run_id == run.run_id
    connection.execute(sa.update(tables.runs).where(mine).values(accounts=accounts, digest=digest))
    return {"before": run.digest, "after": digest}
