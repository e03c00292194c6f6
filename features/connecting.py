"""Connecting: a database by its URL, with what it refuses told as faults, without its secrets."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc, pool

from features.faults import (
    ConfigurationRefused,
    DataRejected,
    DependencyDown,
    Fault,
    InputMissing,
    NotPermitted,
)

__all__ = ["connected", "named", "said"]

AWAY = ("08", "40", "53", "57")
DENIED = "42501"
CONNECT_SECONDS = 10
LOCKED_SECONDS = 5
SECRET = re.compile(r"(?i)password|passwd|pwd|secret|token")
POSTGRES = ("postgres", "postgresql")


@contextmanager
def connected(url: str, label: str, book_dir: Path) -> Iterator[sa.Connection]:
    """Give one connection to the database of a URL; it is cut at the end, nothing committed.

    Parameters
    ----------
    url : str
        ``dialect://user:password@host/database``; PostgreSQL is reached through psycopg,
        whatever driver is named.
    label : str
        How messages call what is asked.
    book_dir : Path
        Folder that a file of SQLite is relative to.

    Raises
    ------
    Fault
        As ``features.databases.extract`` says.
    """
    engine = _engine(_address(url, label, book_dir), label)
    connection = _opened(engine, label)
    try:
        yield connection
    finally:
        connection.invalidate()
        connection.close()


@contextmanager
def named(url: sa.URL, label: str) -> Iterator[None]:
    """Turn what a database refuses inside the block into a fault without the URL's secrets.

    Raises
    ------
    DependencyDown
        ``extract.unavailable``: it went away, or is locked.
    NotPermitted
        ``extract.denied``.
    DataRejected
        ``extract.query``.
    """
    try:
        yield
    except exc.DBAPIError as refused:
        raise _fault(refused, f"{label}: {said(refused, url)}") from None


def _opened(engine: sa.Engine, label: str) -> sa.Connection:
    try:
        return engine.connect()
    except (exc.OperationalError, exc.InterfaceError) as refused:
        raise _away(f"{label}: {said(refused, engine.url)}") from None
    except exc.DBAPIError as refused:
        raise _no_database(label, said(refused, engine.url)) from None


def _fault(refused: exc.DBAPIError, message: str) -> Fault:
    state = str(getattr(refused.orig, "sqlstate", None) or "")
    locked = str(getattr(refused.orig, "sqlite_errorname", "")).startswith("SQLITE_BUSY")
    if refused.connection_invalidated or state.startswith(AWAY) or locked:
        return _away(message)
    if state == DENIED:
        return NotPermitted("extract.denied", message, "let the user read it")
    return DataRejected("extract.query", message, "mend the query")


def _away(message: str) -> DependencyDown:
    cure = "see that the database answers, then try again"
    return DependencyDown("extract.unavailable", message, cure)


def said(refused: exc.DBAPIError, url: sa.URL) -> str:
    """Take the first line of what the driver says, secrets blotted out."""
    line = next(iter(str(refused.orig).strip().splitlines()), "no word of why")
    asked = [str(value) for key, value in url.query.items() if SECRET.search(key)]
    for secret in filter(None, [url.password, *asked]):
        line = line.replace(secret, "***")
    return line


def _address(url: str, label: str, book_dir: Path) -> sa.URL:
    try:
        address = sa.make_url(url)
    except (exc.ArgumentError, ValueError):
        raise _no_database(label, "not the URL of a database") from None
    if "@" in (address.host or ""):
        raise _no_database(label, "an @ in a password is written %40")
    kind = address.get_backend_name()
    if kind in POSTGRES:
        return address.set(drivername="postgresql+psycopg")
    return _sqlite(address, label, book_dir) if kind == "sqlite" else address


def _no_database(label: str, found: str) -> ConfigurationRefused:
    cure = "write dialect://user:password@host/database"
    return ConfigurationRefused("config", f"{label}: {found}", cure)


def _sqlite(address: sa.URL, label: str, book_dir: Path) -> sa.URL:
    """Name a file of SQLite so that it is neither made nor written to."""
    path = book_dir / (address.database or ":memory:")
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        raise InputMissing("feed.missing", f"{label}: no such file", "mend the url") from None
    if not stat.S_ISREG(mode):
        raise NotPermitted("file.not_regular", label, "name the file itself")
    asked = {"mode": "ro", "uri": "true"}
    return sa.URL.create("sqlite", database=path.absolute().as_uri(), query=asked)


def _engine(address: sa.URL, label: str) -> sa.Engine:
    how: dict[str, Any] = {}
    if address.get_backend_name() == "postgresql" and "connect_timeout" not in address.query:
        how = {"connect_timeout": CONNECT_SECONDS}
    if address.get_backend_name() == "sqlite":
        how = {"isolation_level": None, "timeout": LOCKED_SECONDS}
    try:
        engine = sa.create_engine(address, poolclass=pool.NullPool, connect_args=how)
    except exc.NoSuchModuleError:
        raise _no_database(label, f'unknown kind "{address.drivername}"') from None
    except ModuleNotFoundError as missing:
        raise _no_driver(label, missing.name or address.drivername) from None
    if engine.dialect.is_async:
        raise _no_database(label, f"{address.drivername} is an asynchronous driver")
    return engine


def _no_driver(label: str, name: str) -> ConfigurationRefused:
    cure = f"install it: pip install {name}"
    if name == "psycopg":
        cure = "install it: pip install 'perennial[postgres]'"
    return ConfigurationRefused("config", f"{label}: the driver {name} is not installed", cure)
