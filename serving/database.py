"""The store's database: opened, migrated, read from in one state and written to by one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from features.faults import (
    CannotWrite,
    ConfigurationRefused,
    Fault,
    NotPermitted,
)
from features.locking import held
from serving import embedded
from serving.kept import StoreSettings

__all__ = ["FILE", "HEAD", "at_hand", "opened", "reading", "revision_of", "works_with", "writing"]

FILE = "perennial.db"
HEAD = "0010"
MIGRATIONS = Path(__file__).parent / "migrations"
POSTGRES = "postgresql"


def opened(
    home: Path, settings: StoreSettings | None = None, within: float | None = None
) -> sa.Engine:
    """Open the database, created and migrated if need be.

    Parameters
    ----------
    home : Path
    settings : StoreSettings, optional
    within : float, optional
        Seconds after which a question is given up as busy: a server's callers do not wait.

    Raises
    ------
    ConfigurationRefused
        ``store.revision`` if a newer Perennial wrote the database, or if it is to be migrated
        and may not be (exit code 78); ``config`` if the settings name no database.
    """
    settings = settings or StoreSettings()
    try:
        home.mkdir(parents=True, exist_ok=True)
        url = settings.address()
        engine = _file(home) if url is None else _server(url, settings)
        return engine if within is None else _hurried(engine, home, settings, within)
    except OSError as refused:
        cure = "let this user read and write there"
        raise CannotWrite("cannot_write", f"{home}: {refused.strerror}", cure) from refused


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Give a connection that sees one state of the store, whatever is published meanwhile."""
    if engine.dialect.name == POSTGRES:
        one_state = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        engine = engine.execution_options(**one_state)
    with _begun(engine) as connection:
        yield connection


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Give a connection that alone may write; it commits at the end or rolls back whole."""
    with _begun(engine.execution_options(write=True)) as connection:
        yield connection


@contextmanager
def _begun(engine: sa.Engine) -> Iterator[sa.Connection]:
    with _named(engine), engine.begin() as connection:
        try:
            yield connection
        except sa.exc.DBAPIError:
            raise
        except BaseException:
            if engine.dialect.name == POSTGRES:
                connection.invalidate()  # it may be in the middle of a statement: cut it off
            raise


@contextmanager
def _named(engine: sa.Engine) -> Iterator[None]:
    """Turn the driver's errors into faults that say what to do."""
    try:
        yield
    except (sa.exc.DBAPIError, sa.exc.TimeoutError) as refused:
        raise _fault(engine, refused) from None


def _fault(engine: sa.Engine, refused: sa.exc.SQLAlchemyError) -> Fault:
    if engine.dialect.name != POSTGRES:
        return embedded.fault(refused, label(engine))
    from serving import postgres  # heavy: psycopg's settings, only for such stores

    return postgres.fault(refused, label(engine), engine.url)


def label(engine: sa.Engine) -> str:
    """Name a store in messages; there is no secret in it.

    Examples
    --------
    >>> label(sa.create_engine("sqlite:///.perennial/perennial.db"))
    '.perennial/perennial.db'
    """
    if engine.dialect.name != POSTGRES:
        return str(engine.url.database)
    return f"PostgreSQL {engine.url.database or 'database'} on {engine.url.host or 'this machine'}"


def _file(home: Path) -> sa.Engine:
    path = home / FILE
    with held(home / "store.lock", wait_seconds=60):
        engine = embedded.sqlite_engine(path)
        if _migrated(engine):
            path.chmod(0o600)
    return engine


def _server(url: str, settings: StoreSettings) -> sa.Engine:
    from serving.postgres import postgres_engine  # heavy: only for such stores

    engine = postgres_engine(url, settings)
    _migrated(engine)
    return engine


def _hurried(engine: sa.Engine, home: Path, settings: StoreSettings, within: float) -> sa.Engine:
    """Give an engine for the same database that does not wait long; it is migrated already."""
    url = settings.address()
    engine.dispose()
    if url is None:
        return embedded.sqlite_engine(home / FILE, within)
    from serving.postgres import postgres_engine  # heavy: only for such stores

    waits = ("statement_seconds", "wait_seconds")
    soon = {name: min(within, getattr(settings, name)) for name in waits}
    return postgres_engine(url, settings.model_copy(update=soon))


def at_hand(engine: sa.Engine, within: float) -> sa.Engine | None:
    """Give an engine for the same file that answers within some seconds, or says that it is busy.

    None for a server: what it says crosses a network, and nobody can tell how long that takes.

    Examples
    --------
    >>> at_hand(sa.create_engine("postgresql+psycopg://db.example/perennial"), 0.02) is None
    True
    """
    if engine.dialect.name == POSTGRES or engine.url.database is None:
        return None
    return embedded.sqlite_engine(Path(engine.url.database), within)


def _migrated(engine: sa.Engine) -> bool:
    """Bring the schema up to date, in one transaction; whether there was anything to do."""
    with reading(engine) as connection:
        found = _revision(connection, engine)
    if found is not None and found >= HEAD:
        return False
    try:
        with writing(engine) as connection:
            if (_revision(connection, engine) or "") < HEAD:  # nobody else did it meanwhile
                _upgrade(connection)
    except (NotPermitted, CannotWrite) as refused:
        found = f"{label(engine)}: revision {found or 'none'}, this Perennial needs {HEAD}"
        cure = f"open it once with a user that may change its tables ({refused.message})"
        raise ConfigurationRefused("store.revision", found, cure) from refused
    return True


def _revision(connection: sa.Connection, engine: sa.Engine) -> str | None:
    found = revision_of(connection)
    if found is not None and not works_with(connection, found):
        cure = f"install the Perennial that wrote it (this one knows revision {HEAD})"
        raise ConfigurationRefused("store.revision", f"{label(engine)}: revision {found}", cure)
    return found


def revision_of(connection: sa.Connection) -> str | None:
    """Give the revision of a database's tables; None where there are none."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return found


def works_with(connection: sa.Connection, found: str) -> bool:
    """Whether this Perennial works with tables of a revision: its own, or one that promises so."""
    if found <= HEAD:
        return True
    if not sa.inspect(connection).has_table("reach"):
        return False
    told = connection.execute(sa.text("SELECT revision, oldest FROM reach WHERE slot = 1")).first()
    return told is not None and told.revision == found and told.oldest <= HEAD


def _upgrade(connection: sa.Connection) -> None:
    # alembic is imported only when there is something to migrate: the server starts without it
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    attributes: dict[str, Any] = config.attributes
    attributes["connection"] = connection
    command.upgrade(config, HEAD)
