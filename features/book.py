"""An opened snapshot: the tables of a book, read lazily by DuckDB."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import narwhals.stable.v2 as nw
import pandas as pd
import pyarrow as pa

from features.faults import DataRejected, InputMissing
from features.rollup import ROLLUPS, rolled

__all__ = ["Book", "BookFacts", "latest_snapshot", "open_book"]


@dataclass(frozen=True)
class BookFacts:
    """What holds for the whole book.

    Attributes
    ----------
    currency : str
        Reporting currency, ISO 4217.
    timezone : str
        Zone in which timestamps without offset are read.
    fiscal_year_starts : int
        Month in which the fiscal year starts, 1 to 12.
    as_of : date
        Default as-of date.
    """

    currency: str = "USD"
    timezone: str = "UTC"
    fiscal_year_starts: int = 1
    as_of: date = date(1970, 1, 1)


@dataclass(frozen=True)
class Book:
    """A snapshot that can be asked for its tables.

    Attributes
    ----------
    snapshot_id : str
        Digest of the content.
    facts : BookFacts
        Currency, zone, fiscal year, default as-of date.
    provided : mapping of str to frozenset of str
        Per table, the contract columns that the source really had.
    connection : duckdb.DuckDBPyConnection
        In-memory engine in which every table is a view of its own name.

    Examples
    --------
    >>> book = Book.of({"accounts": pd.DataFrame({"account_id": ["a", "b"]})})
    >>> book.has("accounts"), book.has("usage")
    (True, False)
    >>> book.table("accounts").collect().shape
    (2, 1)
    """

    snapshot_id: str
    facts: BookFacts
    provided: Mapping[str, frozenset[str]]
    connection: duckdb.DuckDBPyConnection = field(repr=False, compare=False)

    @classmethod
    def of(
        cls, tables: Mapping[str, pd.DataFrame | pa.Table], facts: BookFacts | None = None
    ) -> Book:
        """Make a book of tables in memory, in the shape that ingest writes."""
        connection = engine()
        for name, table in tables.items():
            frame = table if isinstance(table, pa.Table) else pa.Table.from_pandas(table)
            connection.register(name, frame)
        provided = {name: frozenset(map(str, _columns(table))) for name, table in tables.items()}
        return cls("in-memory", facts or BookFacts(), provided, connection)

    def has(self, table: str) -> bool:
        """Say whether the book has a table."""
        return table in self.provided

    def table(self, name: str) -> nw.LazyFrame[Any]:
        """Give a table as a lazy narwhals frame over DuckDB."""
        if not self.has(name):
            raise InputMissing("table.missing", f'the book has no table "{name}"', "add its export")
        return nw.from_native(self.connection.table(name))

    def rolled(self, name: str) -> nw.LazyFrame[Any]:
        """Give a roll-up of one of the book's feeds (``features.rollup.ROLLUPS``)."""
        made = f"_{name}"
        try:
            self.connection.table(made)
        except duckdb.CatalogException:
            made_of = rolled(name, ROLLUPS[name].feed)
            self.connection.execute(f"CREATE TEMP TABLE {made} AS {made_of}")
        return nw.from_native(self.connection.table(made))


def engine() -> duckdb.DuckDBPyConnection:
    """Open an in-memory DuckDB that reads in UTC and loads nothing from outside."""
    connection = duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"})
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    return connection


def latest_snapshot(home: Path) -> str:
    """Give the id of the snapshot that the last ingest published."""
    pointer = home / "snapshots" / "latest"
    if not pointer.is_file():
        raise InputMissing("snapshot.none", f"{home}: no snapshot", "run `perennial ingest`")
    return pointer.read_text(encoding="utf-8").strip()


def open_book(home: Path, snapshot_id: str | None = None) -> Book:
    """Open a published snapshot (the latest unless named).

    Raises
    ------
    InputMissing
        ``snapshot.none`` if nothing was ingested yet.
    DataRejected
        ``snapshot.corrupt`` if a file of the snapshot is not there or cannot be read.
    """
    name = snapshot_id or latest_snapshot(home)
    folder = home / "snapshots" / name
    cure = "run `perennial ingest` again"
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError) as gone:
        raise DataRejected("snapshot.corrupt", f"{folder}: no manifest", cure) from gone
    connection = engine()
    for table, entry in manifest["tables"].items():
        path = folder / entry["file"]
        if not path.is_file():
            raise DataRejected("snapshot.corrupt", f"{path}: gone", cure)
        try:
            connection.read_parquet(str(path)).create_view(table)
        except duckdb.Error as edited:
            raise DataRejected("snapshot.corrupt", f"{path}: not Parquet", cure) from edited
    provided = {name: frozenset(entry["provided"]) for name, entry in manifest["tables"].items()}
    facts = manifest["book"] | {"as_of": date.fromisoformat(manifest["book"]["as_of"])}
    return Book(name, BookFacts(**facts), provided, connection)


def _columns(table: pd.DataFrame | pa.Table) -> list[str]:
    return table.column_names if isinstance(table, pa.Table) else list(table.columns)
