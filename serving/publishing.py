"""Publishing: files first, then one transaction; asked twice, woken late or cut off, it is once."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from features.faults import CannotWrite, Fault
from serving import ledger, queries
from serving.database import reading, writing
from serving.exports import clear_drafts, write_exports
from serving.kept import StoreSettings
from serving.lease import Lease, alone
from serving.patience import patiently
from serving.publication import Publication, run_id
from serving.queries import Run
from serving.rows import insert

__all__ = ["Published", "publish"]

Guard = Callable[[sa.Connection], None]
"""What may still refuse a run, in the transactions that publish it."""


@dataclass(frozen=True)
class Published:
    """What came of publishing.

    Attributes
    ----------
    run_id, revision, digest : str, int, str
        The run that now stands for this input, and the digest of its content.
    published : bool
        Whether it was published now: False if this input was already, and if it is held.
    scores_path : Path
        The run's Parquet export.
    held : tuple of str
        Why a gate keeps the run back; empty where none does.
    """

    run_id: str
    revision: int
    digest: str
    published: bool
    scores_path: Path
    held: tuple[str, ...] = ()


def publish(
    engine: sa.Engine,
    home: Path,
    settings: StoreSettings,
    publication: Publication,
    now: datetime,
    checkpoint: Callable[[str], None],
    held: tuple[str, ...] = (),
    guard: Guard | None = None,
) -> Published:
    """Publish a run, or find that it is there: see ``serving.store.Store.publish``."""
    publication.digest  # noqa: B018 - what cannot be published is refused before anything is written
    with alone(engine, home, settings) as lease:
        job = _Job(engine, home, publication, now, checkpoint, held, lease, guard)
        try:
            return patiently(job.once)
        except OSError as refused:
            lease.renew()  # files that went away under us: another job took over
            cure = "free space" if refused.errno == errno.ENOSPC else "mend its permissions"
            raise CannotWrite("cannot_write", f"{home}: {refused.strerror}", cure) from refused
        finally:
            job.close()


@dataclass
class _Job:
    """One job's tries to publish one run."""

    engine: sa.Engine
    home: Path
    publication: Publication
    now: datetime
    checkpoint: Callable[[str], None]
    held: tuple[str, ...]
    lease: Lease
    guard: Guard | None = None
    attempts: list[int] = field(default_factory=list)
    done: bool = False

    @property
    def exports(self) -> Path:
        return self.home / "exports"

    def once(self) -> Published:
        """Try once: what became of the try before is read in the ledger first."""
        if self.attempts and (settled := self._settled()) is not None:
            return self._found(settled, new=not settled.held)
        with reading(self.engine) as connection:
            newest = queries.newest_run(connection, self.publication.as_of)
            standing = queries.standing_run(
                connection, self.publication.as_of, self.publication.key
            )
        if standing is not None:
            return self._found(standing, new=False)
        return self._written(newest.revision + 1 if newest is not None else 1)

    def close(self) -> None:
        """Write down that it was interrupted, if it was; no fault may hide the one that did it."""
        if self.attempts and not self.done:
            with suppress(Fault), writing(self.engine) as connection:
                fenced = not self.lease.stands(connection)
                ledger.close(connection, self.attempts, "fenced" if fenced else "interrupted")

    def _settled(self) -> Run | None:
        """Read what a transaction came to whose answer was lost: by then it has ended."""
        with writing(self.engine) as connection:
            settled = ledger.published_by(connection, self.attempts)
        if settled is None:
            self.lease.take()
        return settled

    def _written(self, revision: int) -> Published:
        run = run_id(self.publication, revision)
        with writing(self.engine) as connection:
            self.lease.keep(connection)  # woken late, what looks abandoned is another's work
            self._refuse_erased(connection)
            gone = ledger.abandoned(connection)
            self.attempts.append(ledger.begin(connection, run, self.now))
        self._clear([name for name in gone if name != run])
        self.checkpoint("begun")
        write_exports(self.publication, run, self.exports / run, self._still)
        with writing(self.engine) as connection:
            self.lease.leave(connection)  # the fence: from here to the end nobody else may write
            self._refuse_erased(connection)
            insert(
                connection, self.publication, run, revision, self.now, self.checkpoint, self.held
            )
            if not self.held:
                ledger.flip(connection, run, self.publication.as_of, self.now)
            ledger.close(connection, self.attempts[-1:], "held" if self.held else "published")
            self.checkpoint("before_commit")
        self.lease.token, self.done = 0, True
        self.checkpoint("committed")
        return self._told(run, revision, self.publication.digest, not self.held, self.held)

    def _refuse_erased(self, connection: sa.Connection) -> None:
        """Refuse to publish an account that was erased since this run was begun."""
        if self.guard is not None:
            self.guard(connection)

    def _clear(self, gone: list[str]) -> None:
        """Remove the files of runs that never came to be."""
        clear_drafts(self.exports)
        for name in gone:
            shutil.rmtree(self.exports / name, ignore_errors=True)

    def _still(self, point: str) -> None:
        """Pass a point of writing the files; before they take their place we must still be it."""
        self.checkpoint(point)
        if point == "exports.written":
            self.lease.renew()

    def _found(self, run: Run, *, new: bool) -> Published:
        self.done = True
        held = tuple(run.held_because or ()) if run.held else ()
        return self._told(run.run_id, run.revision, run.digest, new, held)

    def _told(
        self, run: str, revision: int, digest: str, new: bool, held: tuple[str, ...]
    ) -> Published:
        path = self.exports / run / "scores.parquet"
        return Published(run, revision, digest, new, path, held)
