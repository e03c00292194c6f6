"""The store of published runs: one transaction publishes a run, and one run is current."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from features.faults import Busy, CannotWrite, InputMissing, UsageFault
from features.locking import held as locked
from serving import queries, tables
from serving.columns import as_rows
from serving.database import opened, reading, writing
from serving.exports import clear_drafts, write_exports
from serving.publication import Publication, run_id
from serving.queries import Filters, Page, Run

__all__ = ["Filters", "Page", "Publication", "Published", "Run", "Store"]


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


def _nothing(_name: str) -> None:
    """Pass a named point of publishing: nothing to do there outside tests."""


@dataclass(frozen=True)
class Store:
    """Published runs under one home.

    Attributes
    ----------
    home : Path
        The folder of state; the database is ``home/perennial.db``.
    engine : sqlalchemy.Engine
        The opened database.

    Examples
    --------
    >>> import tempfile
    >>> store = Store.open(Path(tempfile.mkdtemp()))
    >>> print(store.current())
    None
    """

    home: Path
    engine: sa.Engine

    @classmethod
    def open(cls, home: Path) -> Store:
        """Open the store of a home, created and migrated under a lock if need be."""
        return cls(home, opened(home))

    def publish(
        self,
        publication: Publication,
        *,
        now: datetime,
        checkpoint: Callable[[str], None] = _nothing,
        held: Sequence[str] = (),
    ) -> Published:
        """Publish a run: files first, then one transaction that stores it and makes it current.

        Killed at any moment, the run before it still serves, and publishing again gives the
        same digest. A run for an earlier date than the current one's is kept beside it. With
        reasons in ``held`` it is kept whole, but does not serve until it is approved.

        Raises
        ------
        Busy
            ``busy`` if another run publishes (exit code 75).
        CannotWrite
            ``cannot_write`` if the disk is full; the run before it still serves (exit code 73).
        """
        try:
            with locked(self.home / "publish.lock", wait_seconds=30):
                return self._publish(publication, now, checkpoint, tuple(held))
        except OSError as refused:
            cure = "free space" if refused.errno == errno.ENOSPC else "mend its permissions"
            found = f"{self.home}: {refused.strerror}"
            raise CannotWrite("cannot_write", found, cure) from refused

    def find(
        self, as_of: date, snapshot_id: str, model_digest: str, settings_digest: str
    ) -> Run | None:
        """Give the run of a date that stands on exactly this input, a held one too."""
        key = (snapshot_id, model_digest, settings_digest)
        with reading(self.engine) as connection:
            return queries.standing_run(connection, as_of, key)

    def approve(self, run_id: str, *, now: datetime, by: str | None = None) -> Run:
        """Let a held run through: it serves from now on. One that is approved stays so.

        Raises
        ------
        InputMissing
            ``run.unknown`` (exit code 66).
        UsageFault
            ``run.not_held`` if no gate held it (exit code 2).
        Busy
            ``run.superseded`` if a newer run of its date serves (exit code 75).
        """
        with writing(self.engine) as connection:
            run = queries.run(connection, run_id)
            if run is None:
                raise InputMissing("run.unknown", f"{run_id}: no such run", "`perennial score` names it")
            if run.status == "published":
                raise UsageFault("run.not_held", f"{run_id} is published", "nothing is to be done")
            if run.held:
                _refuse_superseded(run, queries.current_run(connection))
                _approve(connection, run_id, now, by)
                _flip(connection, run_id, run.as_of)
            return queries.run(connection, run_id) or run

    def run(self, name: str) -> Run | None:
        """Give a run by its id."""
        with reading(self.engine) as connection:
            return queries.run(connection, name)

    def current(self) -> Run | None:
        """Give the run that serves, or None when nothing was published yet."""
        with reading(self.engine) as connection:
            return queries.current_run(connection)

    def runs(self, limit: int = 100) -> list[Run]:
        """List runs, newest date and revision first."""
        with reading(self.engine) as connection:
            return queries.runs(connection, limit)

    def attempts(self) -> list[tuple[str, str]]:
        """List run id and outcome of every attempt to publish, oldest first."""
        columns = (tables.attempts.c.run_id, tables.attempts.c.outcome)
        with reading(self.engine) as connection:
            found = connection.execute(sa.select(*columns).order_by(tables.attempts.c.attempt))
            return [(row.run_id, row.outcome) for row in found]

    def scores(
        self,
        filters: Filters | None = None,
        *,
        run: str | None = None,
        sort: str = "account_id",
        limit: int = 100,
        after: tuple[Any, str] | None = None,
    ) -> Page:
        """Give one page of scored accounts of a run (the current one unless named)."""
        with reading(self.engine) as connection:
            name = run or queries.current_name(connection)
            return queries.page(connection, name, filters or Filters(), sort, limit, after)

    def account(self, account_id: str, *, run: str | None = None) -> dict[str, Any] | None:
        """Give one account's row (of the current run unless another is named)."""
        with reading(self.engine) as connection:
            name = run or queries.current_name(connection)
            return queries.account(connection, name, account_id)

    def cohort(self, run: str) -> list[tuple[str, date | None]]:
        """List the accounts of a run, each with the contract decision that was next then."""
        with reading(self.engine) as connection:
            return queries.cohort(connection, run)

    def cells(self, *, run: str | None = None) -> dict[str, tuple[int, float]]:
        """Give accounts and MRR of each cell that has any."""
        with reading(self.engine) as connection:
            return queries.cells(connection, run or queries.current_name(connection))

    def matrix(self, *, run: str | None = None) -> dict[str, Any] | None:
        """Give the run's matrix."""
        with reading(self.engine) as connection:
            name = run or queries.current_name(connection)
            return queries.document(connection, name, "matrix", "")

    def forecast(self, horizon: int = 3, *, run: str | None = None) -> dict[str, Any] | None:
        """Give the run's forecast for a horizon in months."""
        with reading(self.engine) as connection:
            name = run or queries.current_name(connection)
            return queries.document(connection, name, "forecast", str(horizon))

    def document(self, run: str, kind: str, key: str = "") -> Any:
        """Give a document of a run, None where it has none of this kind."""
        with reading(self.engine) as connection:
            return queries.document(connection, run, kind, key)

    def outreach(
        self, csm: str | None = None, capacity: int | None = None, *, run: str | None = None
    ) -> list[dict[str, Any]]:
        """Give the run's outreach list; ``capacity`` is a length per CSM."""
        with reading(self.engine) as connection:
            name = run or queries.current_name(connection)
            return queries.outreach(connection, name, csm, capacity, None)[0]

    def outreach_top(
        self, limit: int, csm: str | None = None, capacity: int | None = None, *, run: str
    ) -> tuple[list[dict[str, Any]], int]:
        """Give the first ``limit`` rows of a run's outreach list, and the list's length."""
        with reading(self.engine) as connection:
            return queries.outreach(connection, run, csm, capacity, limit)

    def previous_cells(self, before: date, runs: int = 1) -> pd.DataFrame:
        """Give the cells of the latest dates that were published before ``before``.

        Returns
        -------
        DataFrame
            ``serving.queries.PREVIOUS`` and ``memory`` (None where none was kept), newest date
            first; of each date its newest revision; empty when there is none.
        """
        with reading(self.engine) as connection:
            return queries.previous(connection, before, runs)

    def _publish(
        self,
        publication: Publication,
        now: datetime,
        checkpoint: Callable[[str], None],
        held: tuple[str, ...],
    ) -> Published:
        with reading(self.engine) as connection:
            newest = queries.newest_run(connection, publication.as_of)
            standing = queries.standing_run(connection, publication.as_of, _key(publication))
        if standing is not None:
            why = tuple(standing.held_because or ()) if standing.held else ()
            return self._published(standing.run_id, standing.revision, standing.digest, False, why)
        revision = newest.revision + 1 if newest is not None else 1
        run = run_id(publication, revision)
        digest = publication.digest
        clear_drafts(self.home / "exports")
        attempt = self._begin(run, now)
        checkpoint("begun")
        write_exports(publication, run, self.home / "exports" / run, checkpoint)
        with writing(self.engine) as connection:
            _insert(connection, publication, run, revision, now, checkpoint, held)
            if not held:
                _flip(connection, run, publication.as_of)
            _close(connection, attempt, "held" if held else "published")
            checkpoint("before_commit")
        checkpoint("committed")
        return self._published(run, revision, digest, not held, held)

    def _published(
        self, run: str, revision: int, digest: str, new: bool, held: tuple[str, ...]
    ) -> Published:
        path = self.home / "exports" / run / "scores.parquet"
        return Published(run, revision, digest, new, path, held)

    def _begin(self, run: str, now: datetime) -> int:
        table = tables.attempts
        with writing(self.engine) as connection:  # the lock is ours: open attempts are dead
            dead = sa.update(table).where(table.c.outcome == "running")
            connection.execute(dead.values(outcome="interrupted"))
            row = {"run_id": run, "started_at": now.isoformat(), "outcome": "running"}
            made = connection.execute(sa.insert(table).values(row)).inserted_primary_key
        return int(made[0]) if made else 0


def _key(publication: Publication) -> tuple[str, str, str]:
    return (publication.snapshot_id, publication.model_digest, publication.settings_digest)


def _insert(
    connection: sa.Connection,
    publication: Publication,
    run: str,
    revision: int,
    now: datetime,
    checkpoint: Callable[[str], None],
    held: tuple[str, ...] = (),
) -> None:
    scores = publication.score_columns | {"run_id": [run] * len(publication.scores)}
    entry = {
        "run_id": run,
        "as_of": publication.as_of,
        "revision": revision,
        "snapshot_id": publication.snapshot_id,
        "model_version": publication.model_version,
        "model_digest": publication.model_digest,
        "settings_digest": publication.settings_digest,
        "digest": publication.digest,
        "accounts": len(publication.scores),
        "published_at": now.isoformat(),
        "status": "held" if held else "published",
        "held_because": list(held) or None,
    }
    _rows(connection, tables.runs, [entry])
    _rows(connection, tables.scores, as_rows(scores))
    checkpoint("scores_inserted")
    _rows(connection, tables.firing, queries.firing_rows(run, scores))
    memory = [
        {"run_id": run, "account_id": account, "body": body}
        for account, body in sorted(publication.memory.items())
    ]
    _rows(connection, tables.memories, memory)
    listed = enumerate(as_rows(publication.outreach_columns), start=1)
    _rows(connection, tables.outreach, [{"run_id": run, "position": n} | row for n, row in listed])
    documents = [
        {"run_id": run, "kind": kind, "key": key, "body": body}
        for kind, key, body in publication.documents
    ]
    _rows(connection, tables.documents, documents)


def _rows(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(sa.insert(table), rows)


def _flip(connection: sa.Connection, run: str, as_of: date) -> None:
    standing = queries.current_run(connection)
    if standing is not None and standing.as_of > as_of:
        return
    connection.execute(sa.delete(tables.current))
    connection.execute(sa.insert(tables.current).values(slot=1, run_id=run))


def _refuse_superseded(run: Run, standing: Run | None) -> None:
    if standing and standing.as_of == run.as_of and standing.revision > run.revision:
        found = f"{run.run_id}: {standing.run_id} serves since"
        raise Busy("run.superseded", found, "approve nothing, or score again")


def _approve(connection: sa.Connection, run: str, now: datetime, by: str | None) -> None:
    held = sa.and_(tables.runs.c.run_id == run, tables.runs.c.status == "held")
    values = {"status": "approved", "approved_at": now.isoformat(), "approved_by": by}
    connection.execute(sa.update(tables.runs).where(held).values(values))


def _close(connection: sa.Connection, attempt: int, outcome: str) -> None:
    mine = tables.attempts.c.attempt == attempt
    connection.execute(sa.update(tables.attempts).where(mine).values(outcome=outcome))
