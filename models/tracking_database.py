"""The database of a workspace's own MLflow: created whole or not at all, and looked at first."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from features.faults import ConfigurationRefused, DependencyDown

__all__ = ["check_database", "create_database"]


def create_database(path: Path, upgrade: Callable[[str], None]) -> None:
    """Create the database beside its place and move it there: it is whole or it is not there.

    Parameters
    ----------
    path : Path
        Where it shall be.
    upgrade : callable
        Brings the database of an address to MLflow's schema.

    Raises
    ------
    ConfigurationRefused
        ``registry.path`` for a path that cannot be written as an address.
    """
    if "?" in str(path.parent):
        said = f'{path.parent}: a path with "?" cannot be written as a database address'
        raise ConfigurationRefused("registry.path", said, "rename the directory")
    for stale in path.parent.glob(f"{path.name}.part*"):
        stale.unlink()
    part = path.with_name(f"{path.name}.part")
    upgrade(f"sqlite:///{part}")
    part.chmod(0o600)
    part.rename(path)


def check_database(path: Path, expected: str) -> None:
    """Refuse a file that is no database, or has another schema.

    MLflow would try the one ten times, for 100 s, and would migrate the other in place.

    Raises
    ------
    DependencyDown
        ``registry.unavailable`` for a file that cannot be read or is locked (exit code 69).
    ConfigurationRefused
        ``registry.schema`` for another schema, with both revisions (exit code 78).
    """
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True)) as database:
            found = database.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.DatabaseError as refused:
        cure = "restore it from a backup, or move it away and train again"
        if "locked" in str(refused):
            cure = "another process writes to it: try again later"
        raise DependencyDown("registry.unavailable", f"{path}: {refused}", cure) from refused
    if found != [(expected,)]:
        said = f"{path}: its schema is {found[0][0] if found else None}, MLflow's {expected}"
        cure = f"back it up, then run `mlflow db upgrade sqlite:///{path}`"
        raise ConfigurationRefused("registry.schema", said, cure)
