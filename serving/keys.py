"""Keys: who may ask the server; of each only its seal is kept, the key itself is shown once."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from features.faults import InputMissing
from serving import tables
from serving.database import reading
from serving.pepper import Pepper
from serving.roles import Who

__all__ = ["PATTERN", "Key", "all_keys", "key_of", "key_row", "listed", "marks"]

PATTERN = re.compile(r"per_([a-z2-7]{8})_[a-z2-7]{40}")
"""What a key looks like: its id, which is no secret, and its secret."""

_COLUMNS = [column for column in tables.keys.c if column.name not in ("seal", "pepper")]


@dataclass(frozen=True)
class Key:
    """A key as it is listed: all but its secret.

    Attributes
    ----------
    key_id, name, role : str
    kind : str
        key, or once: a token that is exchanged for a key.
    csm : str or None
        The one CSM whose accounts it shows.
    made_at : str
    expires_at, ended_at, flagged_at : str or None
        When it ends by itself; when it was, or will be, ended; when it was seen in an address.
    """

    key_id: str
    kind: str
    name: str
    role: str
    csm: str | None
    made_at: str
    expires_at: str | None
    ended_at: str | None
    flagged_at: str | None

    def state(self, now: datetime) -> str:
        """Say whether it is good, rotate (good, but seen by others), expired or revoked."""
        if self.ended_at is not None and datetime.fromisoformat(self.ended_at) <= now:
            return "revoked"
        if self.expires_at is not None and datetime.fromisoformat(self.expires_at) <= now:
            return "expired"
        return "good" if self.flagged_at is None else "rotate"

    def good(self, now: datetime) -> bool:
        """Say whether it opens anything."""
        return self.state(now) in ("good", "rotate")

    @property
    def who(self) -> Who:
        """Give who asks with it."""
        return Who.of(self.role, self.csm, self.name, self.key_id)


def listed(engine: sa.Engine) -> list[Key]:
    """List every key that was ever made, in the order in which they were."""
    with reading(engine) as connection:
        return all_keys(connection)


def marks(engine: sa.Engine) -> set[str]:
    """Give the marks of the peppers that keys were made with; none where none ever was.

    From the first key on the server is never open again.
    """
    with reading(engine) as connection:
        return set(connection.scalars(sa.select(tables.keys.c.pepper).distinct()))


def key_of(connection: sa.Connection, pepper: Pepper, text: str) -> Key | None:
    """Find the key whose text this is, good or not; None where it is nobody's."""
    found = PATTERN.fullmatch(text)
    if found is None:
        return None
    wanted = sa.select(tables.keys).where(tables.keys.c.key_id == found[1])
    row = connection.execute(wanted).first()
    seal = pepper.seal("key", text)
    if row is None or not hmac.compare_digest(row.seal, seal):
        return None
    return _key(row)


def key_row(connection: sa.Connection, key_id: str) -> Key:
    """Give a key by its id.

    Raises
    ------
    InputMissing
        ``key.unknown`` (exit code 66).
    """
    wanted = sa.select(*_COLUMNS).where(tables.keys.c.key_id == key_id)
    row = connection.execute(wanted).first()
    if row is None:
        raise InputMissing("key.unknown", f"{key_id}: no such key", "see `perennial keys list`")
    return _key(row)


def _key(row: Any) -> Key:
    return Key(**{name: getattr(row, name) for name in Key.__dataclass_fields__})


def all_keys(connection: sa.Connection) -> list[Key]:
    """List every key, in the order in which they were made."""
    k = tables.keys.c
    return [
        _key(row) for row in connection.execute(sa.select(*_COLUMNS).order_by(k.made_at, k.key_id))
    ]
