"""Repeats: a request that is sent again under its Idempotency-Key gets the answer that it got."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass

import sqlalchemy as sa

from serving import tables
from serving.database import writing
from serving.lease import clock

__all__ = ["Answer", "Claim", "Differs", "Repeats", "Waits"]

LEASE_SECONDS = 60.0
"""How long a request may be worked at before another may be in its place."""

KEPT_SECONDS = 24 * 3600.0
"""How long an answer is kept."""


class Differs(Exception):
    """The key was given with another request."""


class Waits(Exception):
    """A request with the key is being worked at.

    Parameters
    ----------
    seconds : int
        When its place is free at the latest.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@dataclass(frozen=True)
class Answer:
    """An answer as it was given.

    Attributes
    ----------
    status : int
    kind : str
        Its media type.
    body : bytes
    """

    status: int
    kind: str
    body: bytes


@dataclass(frozen=True)
class Claim:
    """A place taken for a request that is worked at now.

    Attributes
    ----------
    name : str
        Digest of who asks and of the key.
    token : str
        Says that the place is still ours.
    """

    name: str
    token: str


@dataclass(frozen=True)
class Repeats:
    """The answers that are kept in a store.

    Attributes
    ----------
    engine : sqlalchemy.Engine

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from serving.database import opened
    >>> repeats = Repeats(opened(Path(tempfile.mkdtemp())))
    >>> claim = repeats.claim("ada-1", "PUT the same")
    >>> repeats.keep(claim, Answer(200, "application/json", b"{}"))
    >>> repeats.claim("ada-1", "PUT the same")
    Answer(status=200, kind='application/json', body=b'{}')
    """

    engine: sa.Engine

    def claim(self, name: str, question: str) -> Claim | Answer:
        """Take the place of a request, or give the answer that it got.

        Raises
        ------
        Differs
            The key was given with another request.
        Waits
            Such a request is being worked at.
        """
        r = tables.repeats.c
        with writing(self.engine) as connection:
            now = clock(connection)
            connection.execute(sa.delete(tables.repeats).where(r.until <= now))
            found = connection.execute(sa.select(tables.repeats).where(r.name == name)).first()
            if found is not None:
                return _of(found, question, now)
            claim = Claim(name, secrets.token_hex(8))
            place = {"question": question, "until": now + LEASE_SECONDS}
            connection.execute(
                sa.insert(tables.repeats).values(name=name, token=claim.token, **place)
            )
        return claim

    def keep(self, claim: Claim, answer: Answer) -> None:
        """Keep the answer, unless somebody else took the place meanwhile."""
        with writing(self.engine) as connection:
            until = clock(connection) + KEPT_SECONDS
            told = {"status": answer.status, "kind": answer.kind, "body": answer.body}
            connection.execute(
                sa.update(tables.repeats).where(_mine(claim)).values(until=until, **told)
            )

    def free(self, claim: Claim) -> None:
        """Leave the place: what went wrong may be tried again."""
        with writing(self.engine) as connection:
            connection.execute(sa.delete(tables.repeats).where(_mine(claim)))


def _of(found: sa.Row[tuple[object, ...]], question: str, now: float) -> Answer:
    if found.question != question:
        raise Differs
    if found.status is None:
        raise Waits(max(1, math.ceil(found.until - now)))
    return Answer(found.status, found.kind, bytes(found.body))


def _mine(claim: Claim) -> sa.ColumnElement[bool]:
    r = tables.repeats.c
    return sa.and_(r.name == claim.name, r.token == claim.token)
