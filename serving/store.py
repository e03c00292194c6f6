"""The store of published runs: one transaction publishes a run, and one run is current."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from serving import compaction, details, ledger, queries
from serving.database import at_hand, opened, reading, writing
from serving.facts import Facts
from serving.kept import StoreSettings
from serving.paging import Page, page
from serving.publication import Publication
from serving.publishing import Published
from serving.publishing import publish as published
from serving.queries import Filters, Run
from serving.rows import add_facts
from serving.verifying import verify

__all__ = ["Filters", "Page", "Publication", "Published", "Run", "Store"]


def _nothing(_name: str) -> None:
    """Pass a named point of publishing: nothing to do there outside tests."""


@dataclass(frozen=True)
class Store:
    """Published runs under one home.

    Attributes
    ----------
    home : Path
        The folder of state, where exports are written.
    engine : sqlalchemy.Engine
        The opened database: ``home/perennial.db``, or a PostgreSQL.
    settings : StoreSettings
        Section ``[store]``.

    Examples
    --------
    >>> import tempfile
    >>> store = Store.open(Path(tempfile.mkdtemp()))
    >>> print(store.current())
    None
    """

    home: Path
    engine: sa.Engine
    settings: StoreSettings = field(default_factory=StoreSettings)

    @classmethod
    def open(
        cls, home: Path, settings: StoreSettings | None = None, within: float | None = None
    ) -> Store:
        """Open the store of a home, created and migrated if need be.

        Parameters
        ----------
        home : Path
        settings : StoreSettings, optional
        within : float, optional
            Seconds after which a question is given up as busy: for a server.

        Raises
        ------
        ConfigurationRefused
            ``store.revision``, ``config`` (exit code 78).
        """
        settings = settings or StoreSettings()
        return cls(home, opened(home, settings, within), settings)

    def publish(
        self,
        publication: Publication,
        *,
        now: datetime,
        checkpoint: Callable[[str], None] = _nothing,
        held: Sequence[str] = (),
        guard: Callable[[sa.Connection], None] | None = None,
    ) -> Published:
        """Publish a run: files first, then one transaction that stores it and makes it current.

        Killed at any moment, the run before it still serves, and publishing again gives the
        same digest. A run for an earlier date than the current one's is kept beside it. With
        reasons in ``held`` it is kept whole, but does not serve until it is approved. What ``guard``
        refuses within the transaction is not published.

        Raises
        ------
        Busy
            ``busy`` if another job publishes; ``fenced`` if another took over while this one
            stood still (exit code 75).
        CannotWrite
            ``cannot_write`` if the disk is full; the run before it still serves (exit code 73).
        DependencyDown
            ``store.unavailable`` if the database stays away (exit code 69).
        """
        return published(
            self.engine, self.home, self.settings, publication, now, checkpoint, tuple(held), guard
        )

    def compact(self, most: int | None = None) -> list[str]:
        """Pack the runs of older dates than ``[store] whole_dates``: the oldest ``most``, or all.

        They are asked as before. Gives the runs that were packed.
        """
        return compaction.compacted(self.engine, self.settings.whole_dates, most)

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
            return ledger.approve(connection, run_id, now, by)

    def run(self, name: str) -> Run | None:
        """Give a run by its id."""
        with reading(self.engine) as connection:
            return queries.run(connection, name)

    def at_hand(self, within: float) -> Store | None:
        """Give a view of the same store for quick questions: an answer soon, or ``Busy``.

        None for a store in a server.
        """
        engine = at_hand(self.engine, within)
        return None if engine is None else replace(self, engine=engine)

    def current(self) -> Run | None:
        """Give the run that serves, or None when nothing was published yet."""
        with reading(self.engine) as connection:
            return queries.current_run(connection)

    def runs(self, limit: int = 100, *, held: bool = False) -> list[Run]:
        """List runs, newest date and revision first; with ``held`` those that are held too."""
        with reading(self.engine) as connection:
            return queries.runs(connection, limit, held=held)

    def before(self, as_of: date) -> Run | None:
        """Give the run that stands for the last date before one."""
        with reading(self.engine) as connection:
            return queries.run_before(connection, as_of)

    def attempts(self) -> list[tuple[str, str]]:
        """List run id and outcome of every attempt to publish, oldest first."""
        with reading(self.engine) as connection:
            return ledger.outcomes(connection)

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
            return page(connection, name, filters or Filters(), sort, limit, after)

    def account(self, account_id: str, *, run: str | None = None) -> dict[str, Any] | None:
        """Give one account's row (of the current run unless another is named)."""
        with reading(self.engine) as connection:
            name = run or queries.current_name(connection)
            return queries.account(connection, name, account_id)

    def history(
        self, account_id: str, *, before: date | None = None, limit: int = 53
    ) -> list[dict[str, Any]]:
        """Give what an account was told to be, date by date, newest first.

        Parameters
        ----------
        account_id : str
        before : date, optional
            Only dates before this one: the last date of a page asks for the next.
        limit : int
            How many dates.
        """
        with reading(self.engine) as connection:
            return queries.history(connection, account_id, before, limit)

    def verify(self, run: str | None = None) -> list[str]:
        """Hold the rows of a run, or of all, beside the ledger; give the runs that agree.

        Raises
        ------
        DataRejected
            ``ledger.mismatch`` naming the run (exit code 65).
        InputMissing
            ``run.unknown`` (exit code 66).
        """
        return verify(self.engine, run)

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

    def detail(self, account_id: str, *, run: str | None = None) -> dict[str, Any] | None:
        """Give an account's detail (``features.account_detail``); None where none is kept.

        Details are kept for the newest two dates; runs of an earlier Perennial, and backfilled
        ones, have none.
        """
        with reading(self.engine) as connection:
            name = run or queries.current_name(connection)
            return details.detail(connection, name, account_id)

    def add_facts(
        self, run: str, facts: Facts, guard: Callable[[sa.Connection], None] | None = None
    ) -> bool:
        """Keep facts with a run that was published without; its digest stays. Whether it had none.

        ``guard`` refuses in the same transaction what must not be kept any more.
        """
        with writing(self.engine) as connection:
            if guard is not None:
                guard(connection)
            return add_facts(connection, run, facts)

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
