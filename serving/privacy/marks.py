"""The store's tombstones: set before anything is erased, closed when everything is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from features.erased import CODE, Erased
from features.faults import Busy
from serving import tables
from serving.pepper import Pepper, pepper
from serving.tombstones import noted, seal_of, written

__all__ = [
    "begun", "caught_up", "closed", "kept", "marks", "progress", "refuse_erased", "unnamed",
]  # fmt: skip

T = tables.tombstones


def marks(connection: sa.Connection) -> dict[str, sa.Row[Any]]:
    """Give the store's tombstones by their seals, the oldest first."""
    rows = connection.execute(sa.select(T).order_by(T.c.begun_at, T.c.seal)).all()
    return {row.seal: row for row in rows}


def begun(connection: sa.Connection, seal: str, secret: Pepper, now: datetime) -> str:
    """Set a tombstone, or open it again, and give the id that the ledger's amounts go under.

    That id is drawn, and follows from nothing; it is forgotten before the store is scoured.
    """
    found = marks(connection).get(seal)
    if found is not None and found.alias:
        return str(found.alias)
    alias = f"erased-{os.urandom(8).hex()}"
    if found is None:
        first = {"seal": seal, "pepper": secret.mark, "begun_at": now.isoformat(), "alias": alias}
        connection.execute(sa.insert(T).values(first))
        return alias
    opened: dict[str, Any] = {"alias": alias, "done_at": None}
    opened |= {"certificate": None} if found.done_at else {}
    connection.execute(sa.update(T).where(T.c.seal == seal).values(opened))
    return alias


def progress(connection: sa.Connection, seal: str) -> dict[str, Any]:
    """Give what an erasure that was cut off has found so far."""
    found: dict[str, Any] | None = connection.scalar(
        sa.select(T.c.certificate).where(T.c.seal == seal, T.c.done_at.is_(None))
    )
    return found or {}


def kept(connection: sa.Connection, seal: str, found: dict[str, Any]) -> None:
    """Keep what an erasure has found so far, for whoever goes on with it."""
    values = {"certificate": progress(connection, seal) | found}
    connection.execute(sa.update(T).where(T.c.seal == seal).values(values))


def unnamed(connection: sa.Connection, seal: str) -> None:
    """Forget what still tells who it was: its id, its names, and the id in closed ledgers."""
    left = {name: one for name, one in progress(connection, seal).items() if name != "who"}
    values = {"alias": None, "certificate": left}
    connection.execute(sa.update(T).where(T.c.seal == seal).values(values))


def closed(
    connection: sa.Connection, seal: str, now: datetime, certificate: dict[str, Any]
) -> None:
    """Say that an erasure is done, and keep its certificate."""
    done = {"alias": None, "done_at": now.isoformat(), "certificate": certificate}
    connection.execute(sa.update(T).where(T.c.seal == seal).values(done))


def caught_up(connection: sa.Connection, home: Path) -> None:
    """Learn of accounts that another machine of the same store erased.

    Raises
    ------
    Busy
        ``privacy.tombstone`` if there were any: what was opened may hold them. And where the home
        knows of an erasure that the store does not: an older store was put in its place, and may
        hold the account (exit code 75).
    """
    found = {seal: row.pepper for seal, row in marks(connection).items()}
    here = written(home)
    if lost := here.keys() - found.keys():
        said = f"{len(lost)} erased accounts are unknown to the store, which is older than they are"
        raise Busy(CODE, said, "run `perennial erase --again`")
    if unheard := found.keys() - here.keys():
        noted(home, {seal: found[seal] for seal in unheard})
        said = f"{len(unheard)} accounts were erased on another machine"
        raise Busy(CODE, said, "run it again, and `perennial erase --again` on this machine")


def refuse_erased(
    home: Path, named: str | None, accounts: Iterable[str]
) -> Callable[[sa.Connection], None]:
    """Give what refuses, in the transaction that publishes, a run that holds an erased account.

    Raises
    ------
    Busy
        ``privacy.tombstone`` if one of them was erased while the run was made (exit code 75).
    """

    def refuse(connection: sa.Connection) -> None:
        seals = connection.scalars(sa.select(T.c.seal)).all()
        secret = pepper(home, named) if seals else None
        if secret is None:
            return
        gone = Erased(frozenset(seals), partial(seal_of, secret)).among(accounts)
        if gone:
            found = f"{len(gone)} accounts of this run were erased while it was made"
            raise Busy(CODE, found, "run it again: it will be made without them")

    return refuse
