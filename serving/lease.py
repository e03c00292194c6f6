"""The lease of who publishes: taken for a while, by the database's clock, and fenced at the end.

Every taking has the next number. Who was stopped past its time finds another's number at the
commit, and nothing of it is kept. While a job lives it also holds a file under the home, so that on
the same machine a killed one is known as dead at once; elsewhere its time must run out.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from features.faults import Busy, Fault
from serving import tables
from serving.database import POSTGRES, label, writing
from serving.kept import StoreSettings
from serving.patience import patiently

__all__ = ["Lease", "alone", "clock"]

NAME = "publish"
_STEP_SECONDS = 0.1
_CLOCKS = {
    POSTGRES: "extract(epoch FROM clock_timestamp())",
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
}


@dataclass
class Lease:
    """One job's leave to publish.

    Attributes
    ----------
    engine : sqlalchemy.Engine
    holder : str
        Who it is, and the file that says that it lives.
    home : Path
        Folder of state, where the files are.
    seconds : float
        How long it lasts after each sign of life.
    token : int
        The number of this taking; 0 before it is taken, and after it was given back.
    """

    engine: sa.Engine
    holder: str
    home: Path
    seconds: float
    token: int = 0

    def take(self) -> None:
        """Take it, or keep it where it is ours already.

        Raises
        ------
        Busy
            ``busy`` while another job that may live has it; ``fenced`` if another took it since.
        """
        row = tables.leases.c
        with writing(self.engine) as connection:
            now = clock(connection)
            found = connection.execute(sa.select(tables.leases).where(row.name == NAME)).first()
            if self.token and (found is None or found.token != self.token):
                raise self._fenced()
            if found is not None and self._others(found, now):
                raise Busy("busy", _told(self.engine, found), "try again later")
            token = self.token or (found.token + 1 if found is not None else 1)
            kept = {"token": token, "holder": self.holder, "since": now}
            kept["until"] = now + self.seconds
            if found is None:
                connection.execute(sa.insert(tables.leases).values(name=NAME, **kept))
            else:
                connection.execute(sa.update(tables.leases).where(row.name == NAME).values(kept))
        self.token = token

    def renew(self) -> None:
        """Give a sign of life.

        Raises
        ------
        Busy
            ``fenced`` if another job took it since.
        """
        with writing(self.engine) as connection:
            self.keep(connection)

    def keep(self, connection: sa.Connection) -> None:
        """Give a sign of life in a transaction that must not commit once another job has it.

        Raises
        ------
        Busy
            ``fenced`` if another job took it since.
        """
        now = clock(connection)
        self._mine(connection, since=now, until=now + self.seconds)

    def leave(self, connection: sa.Connection) -> None:
        """Give it back in the transaction that publishes: this is the fence.

        Raises
        ------
        Busy
            ``fenced`` if another job took it since: the transaction must not commit.
        """
        self._mine(connection, holder=None, until=None)

    def stands(self, connection: sa.Connection) -> bool:
        """Whether no other job took it since."""
        mine = sa.select(tables.leases.c.token).where(tables.leases.c.name == NAME)
        return connection.scalar(mine) == self.token

    def _others(self, found: sa.Row[Any], now: float) -> bool:
        """Whether another job has it that may live."""
        another = found.holder not in (None, self.holder)
        return another and _alive(found, now, self.seconds) and not _dead(self.home, found.holder)

    def _mine(self, connection: sa.Connection, **values: float | str | None) -> None:
        row = tables.leases.c
        mine = sa.and_(row.name == NAME, row.token == self.token, row.holder == self.holder)
        done = connection.execute(sa.update(tables.leases).where(mine).values(values))
        if done.rowcount != 1:
            raise self._fenced()

    def _fenced(self) -> Busy:
        found = f"{label(self.engine)}: another job took over while this one stood still"
        return Busy("fenced", found, "run it again: what is published is not published twice")


@contextmanager
def alone(engine: sa.Engine, home: Path, settings: StoreSettings) -> Iterator[Lease]:
    """Wait for the lease, and hold it inside the block.

    Raises
    ------
    Busy
        ``busy`` if another job still has it after ``wait_seconds`` (exit code 75).

    Examples
    --------
    >>> import tempfile
    >>> from serving.database import opened
    >>> home = Path(tempfile.mkdtemp())
    >>> with alone(opened(home), home, StoreSettings()) as lease:
    ...     lease.token
    1
    """
    deadline = time.monotonic() + settings.wait_seconds
    with _sign_of_life(home) as name:
        holder = f"process {os.getpid()} on {socket.gethostname()} ({name})"
        lease = Lease(engine, holder, home, settings.lease_seconds)
        while not lease.token:
            try:
                patiently(lease.take)
            except Busy:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_STEP_SECONDS)
        _swept(home)
        try:
            yield lease
        finally:
            if lease.token:
                with suppress(Fault), writing(engine) as connection:
                    lease.leave(connection)


def clock(connection: sa.Connection) -> float:
    """Read the database's clock, in seconds."""
    return float(
        connection.exec_driver_sql(f"SELECT {_CLOCKS[connection.dialect.name]}").scalar_one()
    )


def _alive(found: sa.Row[Any], now: float, seconds: float) -> bool:
    """Whether its time runs; one that begins in the future was taken before a clock was set back."""
    return bool(found.since - seconds <= now < found.until)


def _told(engine: sa.Engine, found: sa.Row[Any]) -> str:
    since = datetime.fromtimestamp(found.since, UTC)
    return f"{label(engine)}: held by {found.holder} since {since:%Y-%m-%d %H:%M:%S} UTC"


@contextmanager
def _sign_of_life(home: Path) -> Iterator[str]:
    """Hold a file of our own, which the system lets go of when the process dies."""
    path = home / f"publish-{os.urandom(6).hex()}.lock"
    with path.open("a", encoding="utf-8") as file:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        try:
            yield path.name
        finally:
            path.unlink(missing_ok=True)


def _dead(home: Path, holder: str) -> bool:
    """Whether the holder's file is here and nobody holds it; it is removed then."""
    return _removed(home / holder.rpartition("(")[2].rstrip(")"))


def _swept(home: Path) -> None:
    """Remove the files of those who died before they had the lease."""
    for path in home.glob("publish-*.lock"):
        _removed(path)


def _removed(path: Path) -> bool:
    try:
        with path.open("r+", encoding="utf-8") as file:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
    except OSError:
        return False
    return True
