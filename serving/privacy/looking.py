"""Looking: every place where an account is kept, read through for what may be left of it.

The certificate of an erasure is given when nothing is found. Text is looked for as a word of its own,
and only where it has four characters or more; ids in columns of ids are compared whatever their length.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa

from features.faults import DataRejected
from serving import tables
from serving.privacy.rows import runs_of, seen_in
from serving.privacy.who import Who

__all__ = ["accounts_in", "remains"]

TEXTS = (".csv", ".html", ".json", ".jsonl", ".log", ".md", ".txt", ".yaml", ".yml")
IDS = ("account_id", "parent_account_id", "merged_into")


def accounts_in(home: Path) -> set[str]:
    """Give every account that a Parquet file under a home knows of.

    What bears a name that begins with a dot is still being written.

    Raises
    ------
    DataRejected
        ``snapshot.corrupt`` with a file that cannot be read (exit code 65).
    """
    found: set[str] = set()
    for path in sorted(home.rglob("*.parquet")):
        if any(part.startswith(".") for part in path.relative_to(home).parts):
            continue
        try:
            found |= _accounts_of(path)
        except FileNotFoundError:  # past its time, and removed meanwhile
            continue
        except pa.ArrowInvalid as broken:
            cure = "remove it, or put it back from a backup"
            raise DataRejected("snapshot.corrupt", f"{path}: {broken}", cure) from broken
    return found


def _accounts_of(path: Path) -> set[str]:
    with pq.ParquetFile(path) as file:
        if "account_id" not in file.schema_arrow.names:
            return set()
        ids = pc.unique(file.read(["account_id"])["account_id"]).cast(pa.string())
        return {one for one in ids.to_pylist() if one}


def remains(connection: sa.Connection, folders: tuple[Path, ...], who: Who) -> list[str]:
    """Name every place that still speaks of an account; empty when it is gone."""
    found = [f"store, run {run.run_id}" for run in runs_of(connection, who)]
    found += ["store"] if who.account_id in seen_in(connection) else []
    subjects = sa.select(tables.audit.c.entry).where(tables.audit.c.subject == who.account_id)
    found += ["store, audit"] if connection.scalar(subjects.limit(1)) is not None else []
    return found + [str(path) for folder in folders for path in _files(folder, who)]


def _files(folder: Path, who: Who) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if (path.suffix == ".parquet" and _in_table(path, who)) or (
            path.suffix in TEXTS and path.is_file() and _in_text(path, who)
        ):
            yield path


def _in_table(path: Path, who: Who) -> bool:
    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        ids = file.read([name for name in names if name in IDS])
        called = file.read(["name"]) if "name" in names and "account_id" in names else None
    mine = any(pc.any(pc.equal(one.cast(pa.string()), who.account_id)).as_py() for one in ids)
    return mine or (called is not None and _called(called["name"], who))


def _called(names: pa.ChunkedArray, who: Who) -> bool:
    return (
        pc.any(pc.is_in(names.cast(pa.string()), pa.array(who.names, pa.string()))).as_py() is True
    )


def _in_text(path: Path, who: Who) -> bool:
    return who.said_in(html.unescape(path.read_text(encoding="utf-8", errors="replace")))
