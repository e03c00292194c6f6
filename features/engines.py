"""Engines: where the feeds of a book are summed: DuckDB in this process, Polars, or Spark.

Contracts and money stay on DuckDB on every engine; a feed's partitions are read where they are
summed, and what comes back is one row per account. Polars and Spark are imported only when asked.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import duckdb
import narwhals.stable.v2 as nw
import pyarrow as pa
from pydantic import Field

from features.configuration import Section
from features.faults import CannotWrite, ConfigurationRefused

__all__ = [
    "ENGINES",
    "Engine",
    "EngineSettings",
    "chosen",
    "duckdb_in_memory",
    "memory_watched",
    "spill_folder",
]

SIZE = r"^[1-9][0-9]*(MB|GB)$"
SPILLED = ".spill-"


class EngineSettings(Section):
    """``[engine]``: what a book is summed with.

    Attributes
    ----------
    memory : str
        What DuckDB may hold; beyond it, it spills beside the snapshots.
    spill : str
        What it may spill; beyond it, the command fails (``memory.exceeded``).
    feeds : str
        Where the snapshots' folder was copied to, for Polars and Spark to read the feeds from,
        e.g. ``"s3a://bucket/perennial/snapshots"``. Empty: this machine's own, as DuckDB does.
    """

    memory: str = Field(default="2GB", pattern=SIZE)
    spill: str = Field(default="20GB", pattern=SIZE)
    feeds: str = Field(default="", pattern=r"^([a-z0-9]+://.+)?$")


class Engine(Protocol):
    """What a book asks of the place where its feeds are summed."""

    def parquet(self, files: Sequence[str]) -> nw.LazyFrame[Any]:
        """Read Parquet files (at least one) as one lazy frame."""

    def arrow(self, rows: pa.Table) -> nw.LazyFrame[Any]:
        """Put a small table beside them."""


class OnDuckDB:
    """The default: embedded, out of core."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def parquet(self, files: Sequence[str]) -> nw.LazyFrame[Any]:
        """Read Parquet files as one relation."""
        return nw.from_native(self.connection.read_parquet(list(files)))

    def arrow(self, rows: pa.Table) -> nw.LazyFrame[Any]:
        """Scan a table in memory."""
        return nw.from_native(self.connection.from_arrow(rows))


class OnPolars:
    """Polars' lazy frames."""

    def __init__(self) -> None:
        try:
            import polars  # heavy, and an extra
        except ModuleNotFoundError as absent:
            raise _extra("polars") from absent
        self.polars = polars

    def parquet(self, files: Sequence[str]) -> nw.LazyFrame[Any]:
        """Scan Parquet files lazily."""
        return nw.from_native(self.polars.scan_parquet(list(files)))

    def arrow(self, rows: pa.Table) -> nw.LazyFrame[Any]:
        """Take a table over from Arrow."""
        frame: Any = self.polars.from_arrow(rows)
        return nw.from_native(frame.lazy())


class OnSpark:
    """A Spark session: the one that is running, else one of this machine or of ``SPARK_CONF_DIR``.

    Nothing is computed in Python on the executors, so that they need no Python.
    """

    def __init__(self) -> None:
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        try:
            from pyspark.errors import PySparkRuntimeError  # heavy, and an extra
            from pyspark.sql import SparkSession
        except ModuleNotFoundError as absent:
            raise _extra("spark") from absent
        try:
            self.session = _settled(SparkSession.builder)
        except PySparkRuntimeError as silent:
            cure = "install Java 17 and set JAVA_HOME"
            raise ConfigurationRefused("engine.missing", "spark: no Java", cure) from silent

    def parquet(self, files: Sequence[str]) -> nw.LazyFrame[Any]:
        """Read Parquet files as one frame; a path without a scheme is one of this machine."""
        places = [file if "://" in file else Path(file).absolute().as_uri() for file in files]
        return nw.from_native(self.session.read.parquet(*places))

    def arrow(self, rows: pa.Table) -> nw.LazyFrame[Any]:
        """Send a small table to the session."""
        return nw.from_native(self.session.createDataFrame(rows))


ENGINES = ("duckdb", "polars", "spark")


def chosen(name: str, connection: duckdb.DuckDBPyConnection) -> Engine:
    """Give the engine of a name; DuckDB's sums where the contracts lie.

    Raises
    ------
    ConfigurationRefused
        ``engine.unknown``, or ``engine.missing`` if its package is not installed.

    Examples
    --------
    >>> chosen("dask", duckdb_in_memory())
    Traceback (most recent call last):
    features.faults.ConfigurationRefused: dask: engine.unknown: duckdb, polars or spark
    """
    if name == "duckdb":
        return OnDuckDB(connection)
    if name == "polars":
        return OnPolars()
    if name == "spark":
        return OnSpark()
    raise ConfigurationRefused("engine.unknown", name, "duckdb, polars or spark")


def duckdb_in_memory(
    memory: str | None = None, spill: Path | None = None, most: str = "20GB"
) -> duckdb.DuckDBPyConnection:
    """Open an in-memory DuckDB that reads in UTC and loads nothing from outside.

    Parameters
    ----------
    memory : str, optional
        Beyond it DuckDB spills (default: four fifths of the machine's).
    spill : Path, optional
        The folder it spills into; None: nowhere.
    most : str
        Beyond it a query fails, as ``memory_watched`` says.
    """
    settings = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    settings["temp_directory"] = str(spill) if spill else ""
    if memory:
        settings["memory_limit"] = memory
    connection = duckdb.connect(":memory:", config=settings)
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    if spill:  # as a setting of the connection it is read but not kept to
        connection.execute(f"SET max_temp_directory_size = '{most}'")
    return connection


def spill_folder(place: Path) -> Path:
    """Name a folder that no other book spills into, and remove those of processes that died.

    Nothing is made: DuckDB makes it when it must, and takes it away.
    """
    for left in place.glob(f"{SPILLED}*"):
        if not _runs(int(left.name.removeprefix(SPILLED).split("-")[0])):
            shutil.rmtree(left, ignore_errors=True)
    return place / f"{SPILLED}{os.getpid()}-{secrets.token_hex(4)}"


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def memory_watched() -> Iterator[None]:
    """Turn DuckDB's "out of memory" (and no room left to spill) into a fault with its cure.

    Raises
    ------
    CannotWrite
        ``memory.exceeded``.

    Examples
    --------
    >>> with memory_watched():
    ...     raise duckdb.OutOfMemoryException("failed to pin block")
    Traceback (most recent call last):
    features.faults.CannotWrite: failed to pin block: memory.exceeded: give it more memory or disk
    """
    try:
        yield
    except duckdb.OutOfMemoryException as beyond:
        said = str(beyond).splitlines()[0].removeprefix("Out of Memory Error: ")
        raise CannotWrite("memory.exceeded", said, "give it more memory or disk") from beyond


def _settled(builder: Any) -> Any:
    """Start or find the session: in UTC, without a page of its own, calm on the terminal."""
    session = (
        builder.appName("perennial")
        .config("spark.ui.enabled", "false")
        .config("spark.log.level", "ERROR")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.execution.arrow.pyspark.enabled", "true")
        .getOrCreate()
    )
    session.conf.set("spark.sql.session.timeZone", "UTC")
    if session.sparkContext.master.startswith("local"):
        session.conf.set("spark.sql.shuffle.partitions", str(os.cpu_count() or 2))
    return session


def _extra(name: str) -> ConfigurationRefused:
    cure = f"pip install 'perennial[{name}]'"
    return ConfigurationRefused("engine.missing", f"{name}: not installed", cure)
