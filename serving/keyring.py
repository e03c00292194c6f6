"""The keyring: keys are made, rotated, changed and ended, each with its entry in the audit."""

from __future__ import annotations

import base64
import os
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from features.faults import UsageFault
from serving import tables
from serving.audit import append
from serving.database import writing
from serving.keys import Key, all_keys, key_of, key_row
from serving.pepper import Pepper
from serving.roles import ROLES

__all__ = [
    "ONCE_MINUTES",
    "MadeKey",
    "bootstrap",
    "change",
    "exchange",
    "flag",
    "make",
    "revoke",
    "rotate",
]

ONCE_MINUTES = 15
"""How long the token of ``keys bootstrap`` may be used."""

_LONGEST_NAME = 100


class MadeKey(NamedTuple):
    """A key that was made just now.

    Attributes
    ----------
    key : Key
    text : str
        The key itself; nobody can show it again.
    """

    key: Key
    text: str


def make(
    engine: sa.Engine,
    pepper: Pepper,
    role: str,
    *,
    now: datetime,
    by: str,
    name: str | None = None,
    csm: str | None = None,
    expires_at: datetime | None = None,
) -> MadeKey:
    """Make a key.

    Raises
    ------
    UsageFault
        ``key.role``, ``key.csm``, ``key.name``, ``key.expires`` for what a key cannot be.
    """
    _refuse_unfit(role, csm, name, now, expires_at)
    with writing(engine) as connection:
        _refuse_taken(connection, name, now)
        return _made(connection, pepper, (role, csm, name), now, by, expires_at)


def bootstrap(engine: sa.Engine, pepper: Pepper, *, now: datetime, by: str) -> MadeKey:
    """Make a token that is exchanged once, within 15 minutes, for the first key of an admin.

    Raises
    ------
    UsageFault
        ``key.admin`` if there is an admin's key that is good.
    """
    with writing(engine) as connection:
        good = [one for one in all_keys(connection) if one.good(now) and one.kind == "key"]
        if any(one.role == "admin" for one in good):
            raise UsageFault(
                "key.admin", "an admin has a key already", "use `perennial keys create`"
            )
        until = now + timedelta(minutes=ONCE_MINUTES)
        return _made(connection, pepper, ("admin", None, None), now, by, until, "once")


def exchange(engine: sa.Engine, pepper: Pepper, text: str, *, now: datetime) -> MadeKey | None:
    """Give an admin's key for a token, which is used up; None where it is not good any more."""
    with writing(engine) as connection:
        token = key_of(connection, pepper, text)
        if token is None or token.kind != "once" or not token.good(now):
            return None
        _set(connection, token.key_id, ended_at=now.isoformat())
        return _made(connection, pepper, ("admin", None, None), now, token.name, None)


def revoke(engine: sa.Engine, key_id: str, *, now: datetime, by: str) -> Key:
    """End a key, and every session that it began.

    Raises
    ------
    InputMissing
        ``key.unknown`` (exit code 66).
    """
    with writing(engine) as connection:
        key = key_row(connection, key_id)
        if key.state(now) != "revoked":
            _set(connection, key_id, ended_at=now.isoformat())
            append(connection, now, by, "key.revoked", key_id)
        return key_row(connection, key_id)


def rotate(
    engine: sa.Engine,
    pepper: Pepper,
    key_id: str,
    *,
    now: datetime,
    by: str,
    overlap: timedelta,
    expires_at: datetime | None = None,
) -> MadeKey:
    """Make a key in the place of another, which ends after an overlap; it ends when that would have.

    Raises
    ------
    InputMissing
        ``key.unknown`` (exit code 66).
    UsageFault
        ``key.ended`` if it is not good any more.
    """
    with writing(engine) as connection:
        old = key_row(connection, key_id)
        if not old.good(now) or old.kind != "key":
            raise UsageFault("key.ended", f"{key_id}: {old.state(now)}", "make another key")
        before = datetime.fromisoformat(old.expires_at) if old.expires_at else None
        until = expires_at or before
        ends = now + overlap
        if old.ended_at is not None:
            ends = min(ends, datetime.fromisoformat(old.ended_at))
        _set(connection, key_id, ended_at=ends.isoformat())
        append(connection, now, by, "key.rotated", key_id)
        return _made(connection, pepper, (old.role, old.csm, old.name), now, by, until)


def change(
    engine: sa.Engine, key_id: str, role: str, csm: str | None, *, now: datetime, by: str
) -> Key:
    """Give a key another role; whoever is signed in with it has to sign in again.

    Raises
    ------
    InputMissing
        ``key.unknown`` (exit code 66).
    UsageFault
        ``key.role``, ``key.csm``.
    """
    _refuse_unfit(role, csm, None, now, None)
    with writing(engine) as connection:
        key_row(connection, key_id)
        _set(connection, key_id, role=role, csm=csm)
        append(connection, now, by, f"key.changed to {role}", key_id)
        return key_row(connection, key_id)


def flag(engine: sa.Engine, key_id: str, *, now: datetime) -> None:
    """Note that a key was seen where others may read it: it should be rotated."""
    with writing(engine) as connection:
        if key_row(connection, key_id).flagged_at is None:
            _set(connection, key_id, flagged_at=now.isoformat())
            append(connection, now, "server", "key.flagged", key_id)


def _made(
    connection: sa.Connection,
    pepper: Pepper,
    what: tuple[str, str | None, str | None],
    now: datetime,
    by: str,
    expires_at: datetime | None,
    kind: str = "key",
) -> MadeKey:
    role, csm, name = what
    key_id, secret = _random(5), _random(25)
    text = f"per_{key_id}_{secret}"
    row: dict[str, Any] = {
        "key_id": key_id,
        "kind": kind,
        "name": name or f"{role}-{key_id}",
        "role": role,
        "csm": csm,
        "seal": pepper.seal("key", text),
        "pepper": pepper.mark,
        "made_at": now.isoformat(),
        "expires_at": expires_at.isoformat() if expires_at else None,
    }
    connection.execute(sa.insert(tables.keys).values(row))
    append(connection, now, by, f"{kind}.made for {role}", key_id)
    return MadeKey(key_row(connection, key_id), text)


def _random(size: int) -> str:
    return base64.b32encode(os.urandom(size)).decode().lower()


def _set(connection: sa.Connection, key_id: str, **values: str | None) -> None:
    chosen = tables.keys.c.key_id == key_id
    connection.execute(sa.update(tables.keys).where(chosen).values(**values))


def _refuse_unfit(
    role: str, csm: str | None, name: str | None, now: datetime, expires_at: datetime | None
) -> None:
    if role not in ROLES:
        raise UsageFault("key.role", role, f"one of {', '.join(ROLES)}")
    if csm is not None and role != "cs":
        raise UsageFault("key.csm", f"--csm with the role {role}", "only a cs key can be limited")
    for text in (name, csm):
        if text is not None and not (0 < len(text) <= _LONGEST_NAME and text.isprintable()):
            raise UsageFault("key.name", repr(text)[:80], "1 to 100 characters that can be printed")
    if expires_at is not None and expires_at <= now:
        raise UsageFault("key.expires", f"{expires_at:%Y-%m-%d}", "name a day to come")


def _refuse_taken(connection: sa.Connection, name: str | None, now: datetime) -> None:
    if name in [one.name for one in all_keys(connection) if one.good(now)]:
        raise UsageFault("key.name", f'"{name}" has a key already', "rotate it, or name another")
