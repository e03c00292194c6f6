"""An opened snapshot: contracts and SQL on DuckDB, feeds on the engine that was asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import narwhals.stable.v2 as nw
import pandas as pd
import pyarrow as pa

from features.asof import add_months
from features.contracts import stored_schema
from features.engines import (
    Engine,
    EngineSettings,
    OnDuckDB,
    chosen,
    duckdb_in_memory,
    spill_folder,
)
from features.faults import DataRejected, InputMissing
from features.publication import FORMAT, verified
from features.renamed import name_now
from features.rollup import ROLLUPS, number_of, rolled

__all__ = ["Book", "BookFacts", "Partition", "latest_snapshot", "open_book"]

AGAIN = "run `perennial ingest` again"

UNHELD = ("accounts", "account_history")
"""Tables that say who an account is: their rows stay its own."""


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
class Partition:
    """A month of a roll-up.

    Attributes
    ----------
    file : str
        Its Parquet file.
    end : int
        Number of the day after its last.
    """

    file: str
    end: int

    @classmethod
    def of(cls, entry: Mapping[str, Any], folder: Path, afar: str = "") -> Partition:
        """Find the file of a manifest's entry in the snapshot's folder, or in its copy afar."""
        end = number_of(add_months(date.fromisoformat(f"{entry['month']}-01"), 1))
        return cls(f"{afar or folder}/{entry['file']}", end)


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
        In-memory DuckDB in which every whole table is a view of its own name.
    engine : str
        Where the feeds are summed: one of ``features.engines.ENGINES``.
    partitions : mapping of str to sequence of Partition
        Per roll-up, its files; a book in memory has none.
    holders : mapping of str to str
        Accounts whose rows are another's: merged into it, or rolled up to it.

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
    engine: str = "duckdb"
    partitions: Mapping[str, Sequence[Partition]] = field(default_factory=dict, repr=False)
    holders: Mapping[str, str] = field(default_factory=dict, repr=False)
    _kept: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        tables: Mapping[str, pd.DataFrame | pa.Table],
        facts: BookFacts | None = None,
        engine: str = "duckdb",
    ) -> Book:
        """Make a book of tables in memory, in the shape that ingest reads."""
        connection = duckdb_in_memory()
        chosen(engine, connection)
        for name, table in tables.items():
            frame = table if isinstance(table, pa.Table) else pa.Table.from_pandas(table)
            connection.register(name, frame)
        provided = {name: frozenset(map(str, _columns(table))) for name, table in tables.items()}
        return cls("in-memory", facts or BookFacts(), provided, connection, engine)

    def has(self, table: str) -> bool:
        """Say whether the book has a table."""
        return table in self.provided

    def gives(self, table: str, column: str) -> bool:
        """Say whether the source of a table had a column."""
        return column in self.provided.get(table, frozenset())

    def fills(self, table: str, column: str) -> bool:
        """Say whether the source of a table had a column, with a value in any row."""
        if not self.gives(table, column):
            return False
        if column not in self.connection.table(table).columns:  # kept under another name
            return True
        told = f'SELECT 1 FROM "{table}" WHERE "{column}" IS NOT NULL LIMIT 1'
        return self.once(
            f"{table} fills {column}", lambda: self.connection.execute(told).fetchone() is not None
        )

    def table(self, name: str) -> nw.LazyFrame[Any]:
        """Give a whole table as a lazy narwhals frame over DuckDB."""
        if not self.has(name):
            raise InputMissing("table.missing", f'the book has no table "{name}"', "add its export")
        rows = nw.from_native(self.connection.table(name))
        if name in UNHELD or "account_id" not in self.provided[name]:
            return rows
        return self._held(rows, OnDuckDB(self.connection))

    def held(self, holders: Mapping[str, str]) -> Book:
        """Give the book with the rows of some accounts under those that hold them."""
        if not holders:
            return self
        who = sorted(holders.items())
        return self.once(f"held {who}", lambda: replace(self, holders=holders, _kept={}))

    def beside(self, name: str) -> nw.LazyFrame[Any]:
        """Give a whole table on the engine of the feeds, to be joined with them."""
        if self.engine == "duckdb":
            return self.table(name)
        return self.once(
            f"beside {name}", lambda: self.laid(self.table(name).collect().to_native())
        )

    def rolled(self, name: str, since: int | None = None) -> nw.LazyFrame[Any]:
        """Give a roll-up of one of the book's feeds (``features.rollup.ROLLUPS``) on the engine.

        Parameters
        ----------
        name : str
            The roll-up.
        since : int, optional
            Partitions that end before this day are not read; rows before it may still come.
        """
        rows = self._rolled(name, since)
        return self._held(rows, chosen(self.engine, self.connection))

    def _rolled(self, name: str, since: int | None) -> nw.LazyFrame[Any]:
        if not self.partitions:
            return self.once(f"rolled {name}", lambda: self._rolled_up(name))
        months = self.partitions[name]
        files = tuple(each.file for each in months if since is None or each.end > since)
        if not files:
            return self.once(f"rolled {name} of nothing", lambda: self.laid(self._no_rows(name)))
        engine = chosen(self.engine, self.connection)
        return self.once(f"rolled {name} of {len(files)}", lambda: engine.parquet(files))

    def once(self, what: str, made: Callable[[], Any]) -> Any:
        """Make something that holds for the whole book, the first time that it is asked for."""
        if what not in self._kept:
            self._kept[what] = made()
        return self._kept[what]

    def laid(self, rows: pa.Table) -> nw.LazyFrame[Any]:
        """Lay a small table beside the feeds, on their engine."""
        return chosen(self.engine, self.connection).arrow(rows)

    def _held(self, rows: nw.LazyFrame[Any], engine: Engine) -> nw.LazyFrame[Any]:
        """Put rows under the account that holds them."""
        if not self.holders:
            return rows
        who = pa.table({"account_id": list(self.holders), "holder": list(self.holders.values())})
        both = rows.join(engine.arrow(who), on="account_id", how="left")
        mine = nw.coalesce("holder", "account_id").alias("account_id")
        return both.with_columns(mine).drop("holder")

    def _rolled_up(self, name: str) -> nw.LazyFrame[Any]:
        """Roll a feed in memory up, of known accounts alone: ingest sets the others aside."""
        feed = ROLLUPS[name].feed
        source = feed
        if self.has("accounts"):
            source = f"(SELECT * FROM {feed} SEMI JOIN accounts USING (account_id))"
        made = f"_{name}"
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {made} AS {rolled(name, source)}")
        rows = self.connection.table(made)
        return nw.from_native(rows) if self.engine == "duckdb" else self.laid(_arrow(rows))

    def _no_rows(self, name: str) -> pa.Table:
        """Give a roll-up without rows, in its types."""
        self.connection.register("_nothing", stored_schema(ROLLUPS[name].feed).empty_table())
        rows = _arrow(self.connection.sql(rolled(name, "_nothing")))
        self.connection.unregister("_nothing")
        return rows


def engine() -> duckdb.DuckDBPyConnection:
    """Open an in-memory DuckDB for sums of a book's own."""
    return duckdb_in_memory()


def latest_snapshot(home: Path) -> str:
    """Give the id of the snapshot that the last ingest published."""
    pointer = home / "snapshots" / "latest"
    if not pointer.is_file():
        raise InputMissing("snapshot.none", f"{home}: no snapshot", "run `perennial ingest`")
    return pointer.read_text(encoding="utf-8").strip()


def open_book(
    home: Path,
    snapshot_id: str | None = None,
    engine: str = "duckdb",
    settings: EngineSettings | None = None,
) -> Book:
    """Open a published snapshot (the latest unless named).

    Parameters
    ----------
    home : Path
        Where state lives.
    snapshot_id : str, optional
        Which snapshot; one that was written anew for an erasure is found by its old name too.
    engine : str
        Where the feeds are summed: one of ``features.engines.ENGINES``.
    settings : EngineSettings, optional
        ``[engine]``.

    Raises
    ------
    InputMissing
        ``snapshot.none`` if nothing was ingested yet.
    DataRejected
        ``snapshot.corrupt`` if a file of the snapshot is not there or was edited;
        ``snapshot.format`` if another version of the program wrote it.
    ConfigurationRefused
        ``engine.unknown`` or ``engine.missing``.
    """
    name = name_now(home, snapshot_id or latest_snapshot(home))
    asked = settings or EngineSettings()
    folder = home / "snapshots" / name
    manifest = _manifest(folder)
    verified(folder, manifest)
    spill = spill_folder(home / "snapshots")
    connection = duckdb_in_memory(asked.memory, spill, asked.spill)
    chosen(engine, connection)
    tables = manifest["tables"]
    for table, entry in tables.items():
        if "file" in entry:
            connection.read_parquet(str(folder / entry["file"])).create_view(table)
    afar = f"{asked.feeds.rstrip('/')}/{name}" if asked.feeds and engine != "duckdb" else ""
    partitions = {
        rollup: tuple(Partition.of(each, folder, afar) for each in files)
        for entry in tables.values()
        for rollup, files in entry.get("rolled", {}).items()
    }
    provided = {table: frozenset(entry["provided"]) for table, entry in tables.items()}
    facts = manifest["book"] | {"as_of": date.fromisoformat(manifest["book"]["as_of"])}
    return Book(name, BookFacts(**facts), provided, connection, engine, partitions)


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
    except (FileNotFoundError, ValueError) as gone:
        raise DataRejected("snapshot.corrupt", f"{folder}: no manifest", AGAIN) from gone
    if manifest.get("format") != FORMAT:
        found = f"{folder}: format {manifest.get('format')}, not {FORMAT}"
        raise DataRejected("snapshot.format", found, AGAIN)
    return manifest


def _arrow(rows: duckdb.DuckDBPyRelation) -> pa.Table:
    return rows.to_arrow_table()


def _columns(table: pd.DataFrame | pa.Table) -> list[str]:
    return table.column_names if isinstance(table, pa.Table) else list(table.columns)
