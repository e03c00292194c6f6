"""Sessions: a browser that a key was pasted into once; they end with the key, or by signing out."""

from __future__ import annotations

import base64
import os
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from serving import tables
from serving.audit import append
from serving.database import writing
from serving.keys import Key, key_row
from serving.pepper import Pepper

__all__ = ["Session", "begin", "end", "session_key"]


class Session(NamedTuple):
    """A session that is good.

    Attributes
    ----------
    key : Key
        The key that began it.
    until : datetime
        When it ends by itself.
    """

    key: Key
    until: datetime


def begin(engine: sa.Engine, pepper: Pepper, key: Key, *, now: datetime, lasts: timedelta) -> str:
    """Begin a session of a key, and give its token; only the token's seal is kept."""
    token = base64.urlsafe_b64encode(os.urandom(30)).decode()
    s = tables.sessions
    row = {
        "seal": pepper.seal("session", token),
        "key_id": key.key_id,
        "role": key.role,
        "csm": key.csm,
        "expires_at": (now + lasts).isoformat(),
    }
    with writing(engine) as connection:
        connection.execute(sa.delete(s).where(s.c.expires_at < now.isoformat()))
        connection.execute(sa.insert(s).values(row))
        append(connection, now, key.name, "session.begun", key.key_id)
    return token


def session_key(
    connection: sa.Connection, pepper: Pepper, token: str, now: datetime
) -> Session | None:
    """Find a session that is still good, its key in the role that it began with."""
    s = tables.sessions
    row = connection.execute(sa.select(s).where(s.c.seal == pepper.seal("session", token))).first()
    if row is None or row.ended_at is not None:
        return None
    until = datetime.fromisoformat(row.expires_at)
    key = key_row(connection, row.key_id)
    unchanged = (key.role, key.csm) == (row.role, row.csm)
    return Session(key, until) if unchanged and key.good(now) and now < until else None


def end(engine: sa.Engine, pepper: Pepper, token: str, *, now: datetime) -> None:
    """End a session; whoever sends its token again is a stranger."""
    s = tables.sessions
    chosen = (s.c.seal == pepper.seal("session", token)) & s.c.ended_at.is_(None)
    with writing(engine) as connection:
        found = connection.execute(sa.select(s.c.key_id).where(chosen)).first()
        if found is not None:
            connection.execute(sa.update(s).where(chosen).values(ended_at=now.isoformat()))
            name = key_row(connection, found.key_id).name
            append(connection, now, name, "session.ended", found.key_id)
