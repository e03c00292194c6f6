"""The store in PostgreSQL: every limit set for one transaction, and what it refuses as faults.

Nothing outlives a transaction, neither a lock nor a setting, so that a pooler in between
(PgBouncer) may give every transaction another session.
"""

from __future__ import annotations

from functools import partial

import orjson
import sqlalchemy as sa
from sqlalchemy import exc

from features.connecting import said
from features.faults import (
    Busy,
    CannotWrite,
    ConfigurationRefused,
    DependencyDown,
    Fault,
    NotPermitted,
)
from serving.kept import StoreSettings
from serving.patience import Away

__all__ = ["fault", "postgres_engine"]

CONNECT_SECONDS = 10
CHECK_MILLISECONDS = 500
WRITER = 0x7065726E  # one number of our own beside the schema's, so that nobody else's lock is ours
AWAY = ("08", "40", "53", "57", "25006", "25P03")
POSTGRES = ("postgres", "postgresql")
LIMITS = "SELECT " + ", ".join(
    f"set_config('{name}', %s, true)"
    for name in (
        "statement_timeout",
        "lock_timeout",
        "idle_in_transaction_session_timeout",
        "client_connection_check_interval",
    )
)
ALONE = "SELECT pg_advisory_xact_lock(%s, hashtext(coalesce(current_schema(), '')))"


def postgres_engine(url: str, settings: StoreSettings) -> sa.Engine:
    """Give an engine for the database of a URL; nothing is opened yet.

    Raises
    ------
    ConfigurationRefused
        ``config``: not the URL of a PostgreSQL, or its driver is not installed.
    """
    try:
        engine = sa.create_engine(
            _address(url),
            connect_args={"connect_timeout": _patience(settings), "prepare_threshold": None},
            pool_pre_ping=True,
            max_overflow=35,
            pool_timeout=settings.wait_seconds,
            hide_parameters=True,
            json_serializer=lambda value: orjson.dumps(value).decode(),
            json_deserializer=orjson.loads,
        )
    except ModuleNotFoundError:
        cure = "install it: pip install 'perennial[postgres]'"
        raise _no_database("the driver psycopg is not installed", cure) from None
    sa.event.listen(engine, "begin", partial(_on_begin, settings))
    return engine


def fault(refused: exc.SQLAlchemyError, label: str, url: sa.URL) -> Fault:
    """Say what PostgreSQL refused, and the cure, without the URL's secrets."""
    if not isinstance(refused, exc.DBAPIError):
        return Busy("busy", f"{label}: all connections are in use", "try again later")
    state = str(getattr(refused.orig, "sqlstate", None) or "")
    message = f"{label}: {said(refused, url)}"
    if state in ("55P03", "57014"):
        return Busy("busy", message, "try again later")
    if state == "53100":
        return CannotWrite("cannot_write", message, "free the database's disk")
    if state == "42501":
        return NotPermitted("store.denied", message, "let the database's user do it")
    if refused.connection_invalidated or state.startswith(AWAY) or not state:
        return Away("store.unavailable", message, "see that the database answers, then try again")
    return DependencyDown("store", message, "mend the database or restore its last backup")


def _patience(settings: StoreSettings) -> int:
    """Give whole seconds to wait for a connection: no longer than a statement waits for a lock."""
    return max(1, min(CONNECT_SECONDS, round(settings.wait_seconds)))


def _on_begin(settings: StoreSettings, connection: sa.Connection) -> None:
    seconds = (settings.statement_seconds, settings.wait_seconds, settings.lease_seconds)
    limits = [str(max(1, round(each * 1000))) for each in seconds]
    connection.exec_driver_sql(LIMITS, (*limits, str(CHECK_MILLISECONDS)))
    if connection.get_execution_options().get("write", False):
        connection.exec_driver_sql(ALONE, (WRITER,))


def _address(url: str) -> sa.URL:
    cure = "write postgresql://user:password@host/database into the variable"
    try:
        address = sa.make_url(url)
    except (exc.ArgumentError, ValueError):
        raise _no_database("not the URL of a database", cure) from None
    if address.get_backend_name() not in POSTGRES:
        raise _no_database("not the URL of a PostgreSQL", cure)
    if "@" in (address.host or ""):
        raise _no_database("an @ in a password is written %40", cure)
    return address.set(drivername="postgresql+psycopg")


def _no_database(found: str, cure: str) -> ConfigurationRefused:
    return ConfigurationRefused("config", f"[store] url: {found}", cure)
