"""The embedded database: SQLite in WAL mode, opened, migrated, and its failures named."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from features.faults import Busy, CannotWrite, ConfigurationRefused, DependencyDown, Fault
from features.locking import held

__all__ = ["FILE", "HEAD", "opened", "reading", "writing"]

FILE = "perennial.db"
HEAD = "0002"
MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_SECONDS = 5.0


def opened(home: Path) -> sa.Engine:
    """Open the database of a home, created and migrated if need be.

    Raises
    ------
    ConfigurationRefused
        ``store.revision`` if the database was written by a newer Perennial (exit code 78).
    """
    path = home / FILE
    try:
        home.mkdir(parents=True, exist_ok=True)
        with held(home / "store.lock", wait_seconds=60):
            engine = _engine(path)
            with named(path):
                _migrate(engine, path)
    except OSError as refused:
        raise CannotWrite("cannot_write", f"{home}: {refused.strerror}", "mend it") from refused
    return engine


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Give a connection that sees one state of the store, whatever is published meanwhile."""
    with named(engine.url.database), engine.begin() as connection:
        yield connection


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Give a connection that alone may write; it commits at the end or rolls back whole."""
    writer = engine.execution_options(write=True)
    with named(engine.url.database), writer.begin() as connection:
        yield connection


@contextmanager
def named(path: Path | str | None) -> Iterator[None]:
    """Turn the driver's errors into faults that say what to do."""
    try:
        yield
    except sa.exc.DatabaseError as error:
        raise _fault(str(error.orig), str(path)) from error


def _fault(found: str, path: str) -> Fault:
    if "locked" in found or "busy" in found:
        return Busy("busy", f"{path}: {found}", "try again later")
    if any(word in found for word in ("full", "disk I/O", "readonly", "unable to open")):
        return CannotWrite("cannot_write", f"{path}: {found}", "free the disk or its permissions")
    return DependencyDown("store", f"{path}: {found}", "restore the last backup of this file")


def _engine(path: Path) -> sa.Engine:
    engine = sa.create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": _BUSY_SECONDS},
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
    )
    sa.event.listen(engine, "connect", _on_connect)
    sa.event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions begin where _on_begin says
    with closing(connection.cursor()) as cursor:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")


def _on_begin(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _migrate(engine: sa.Engine, path: Path) -> None:
    found = _revision(engine)
    if found == HEAD:
        return
    if found is not None and found > HEAD:
        cure = f"install the Perennial that wrote it (this one knows revision {HEAD})"
        raise ConfigurationRefused("store.revision", f"{path}: revision {found}", cure)
    _upgrade(engine)
    path.chmod(0o600)


def _revision(engine: sa.Engine) -> str | None:
    with engine.begin() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        version: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return version


def _upgrade(engine: sa.Engine) -> None:
    # alembic is imported only when there is something to migrate: the server starts without it
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    attributes: dict[str, Any] = config.attributes
    with engine.execution_options(write=True).begin() as connection:
        attributes["connection"] = connection
        command.upgrade(config, HEAD)
