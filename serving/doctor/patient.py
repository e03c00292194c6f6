"""The patient: a workspace as the doctor finds it; nothing is created, migrated or asked abroad."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import sqlalchemy as sa

from serving import embedded
from serving.database import FILE, HEAD, reading, revision_of, works_with
from serving.settings import Settings
from serving.store import Run, Store

__all__ = ["Patient"]


@dataclass(frozen=True)
class Patient:
    """A workspace that is looked at.

    Attributes
    ----------
    settings : Settings
    now : datetime
    """

    settings: Settings
    now: datetime

    @property
    def home(self) -> Path:
        """The folder of state."""
        return self.settings.home

    @cached_property
    def engine(self) -> sa.Engine | None:
        """The store's database as it is; None where none was made yet."""
        kept = self.settings.store
        address = kept.address()
        if address is not None:
            from serving.postgres import postgres_engine  # heavy: only for such stores

            return postgres_engine(address, kept)
        path = self.home / FILE
        return embedded.sqlite_engine(path) if path.is_file() else None

    @cached_property
    def revision(self) -> str | None:
        """The revision of the store's tables; None where there are none."""
        if self.engine is None:
            return None
        with reading(self.engine) as connection:
            return revision_of(connection)

    @cached_property
    def works(self) -> bool:
        """Whether this Perennial works with the store's tables as they are."""
        found = self.revision
        if self.engine is None or found is None or found < HEAD:
            return False
        with reading(self.engine) as connection:
            return works_with(connection, found)

    @cached_property
    def store(self) -> Store | None:
        """The store, where this Perennial works with its tables."""
        if self.engine is None or not self.works:
            return None
        return Store(self.home, self.engine, self.settings.store)

    @cached_property
    def run(self) -> Run | None:
        """The run that serves."""
        return None if self.store is None else self.store.current()
