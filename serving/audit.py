"""The audit: who did what and when, one entry after the other, each sealed to the one before.

An entry is written in the transaction of what it tells of: if it cannot be written, neither is
that. An entry that is edited or taken out breaks the chain, at the end too: how many there are
and what the last one is stands in a row of its own. Whoever can write the database can write all
of it anew; against that, keep the last link that ``perennial verify`` prints somewhere else.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa

from features.faults import DataRejected
from serving import tables
from serving.database import reading

__all__ = ["Chain", "append", "entries", "renamed", "verify_chain"]

_AT_ONCE = 10_000


class Chain(NamedTuple):
    """A chain that holds.

    Attributes
    ----------
    entries : int
        How many entries there are.
    link : str
        The link of the last one; empty without any.
    """

    entries: int
    link: str


def append(connection: sa.Connection, now: datetime, who: str, did: str, subject: str) -> None:
    """Add an entry within a transaction that is open for writing.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        The transaction that does what the entry tells of.
    now : datetime
    who : str
        The name of a key, or ``command line``.
    did : str
        What was done, e.g. ``key.made``.
    subject : str
        To which key or account.

    Raises
    ------
    DataRejected
        ``audit.broken`` if the end of the chain is not there (exit code 65).
    """
    end = tables.audit_end
    last = connection.execute(sa.select(end).where(end.c.slot == 1).with_for_update()).first()
    if last is None:
        raise _broken("its end is missing")
    entry = last.entries + 1
    told = (entry, now.isoformat(), who, did, subject)
    row = dict(zip(("entry", "at", "who", "did", "subject"), told, strict=True))
    link = _link(last.link, told)
    connection.execute(sa.insert(tables.audit).values(row | {"link": link}))
    connection.execute(sa.update(end).where(end.c.slot == 1).values(entries=entry, link=link))


def entries(engine: sa.Engine, limit: int = 100) -> list[dict[str, Any]]:
    """List the latest entries, the newest first."""
    wanted = sa.select(tables.audit).order_by(tables.audit.c.entry.desc()).limit(limit)
    with reading(engine) as connection:
        rows = connection.execute(wanted).all()
    return [{str(name): value for name, value in row._mapping.items()} for row in rows]


def renamed(connection: sa.Connection, old: str, new: str) -> tuple[str, str]:
    """Put another subject in one's place in every entry, and seal the chain again from there.

    Returns
    -------
    before, after : str
        The chain's last link: whoever keeps it elsewhere is told which became which.

    Raises
    ------
    DataRejected
        ``audit.broken`` if the chain did not hold before: that is not made good (exit code 65).
    """
    a, end = tables.audit.c, tables.audit_end
    last = connection.execute(sa.select(end).where(end.c.slot == 1).with_for_update()).first()
    chosen = sa.select(a.entry, a.at, a.who, a.did, a.subject, a.link).order_by(a.entry)
    before = after = ""
    for *told, found in connection.execute(chosen).all():
        before = _link(before, tuple(told))
        if before != found:
            raise _broken(f"entry {told[0]} is not the one that was written")
        told[4] = new if told[4] == old else told[4]
        after = _link(after, tuple(told))
        if after != found:
            kept = sa.update(tables.audit).where(a.entry == told[0])
            connection.execute(kept.values(subject=told[4], link=after))
    if last is None or last.link != before:
        raise _broken("its end is not the last entry")
    connection.execute(sa.update(end).where(end.c.slot == 1).values(link=after))
    return before, after


def verify_chain(engine: sa.Engine) -> Chain:
    """Seal every entry again and hold it beside the chain.

    Raises
    ------
    DataRejected
        ``audit.broken`` naming the first entry that does not fit (exit code 65).
    """
    a, end = tables.audit.c, tables.audit_end.c
    count, link = 0, ""
    with reading(engine) as connection:
        rows = connection.execute(
            sa.select(a.entry, a.at, a.who, a.did, a.subject, a.link).order_by(a.entry)
        )
        for *told, found in rows.yield_per(_AT_ONCE):
            count, link = count + 1, _link(link, tuple(told))
            if (told[0], found) != (count, link):
                raise _broken(f"entry {count} is not the one that was written")
        last = connection.execute(sa.select(end.entries, end.link).where(end.slot == 1)).first()
    if last is None or tuple(last) != (count, link):
        raise _broken(f"entries after {count} are missing")
    return Chain(count, link)


def _link(before: str, told: tuple[Any, ...]) -> str:
    return hashlib.sha256(orjson.dumps([before, *told])).hexdigest()


def _broken(found: str) -> DataRejected:
    return DataRejected("audit.broken", f"audit: {found}", "restore the last backup; ask who did")
