"""Fitting: whether what a column holds reads as the contract asks, and how it has to be declared."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from features.casting import Frame, cast, prepared, quoted
from features.columns import Column
from features.composing import worded
from features.mapping import TableSettings

__all__ = ["Fit", "fitting", "thousands", "undecided"]

NEARLY = 0.9
FORMATS = (
    "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%Y/%m/%d", "%m/%d/%y", "%d/%m/%y", "%d-%b-%Y",
    "%d %b %Y", "%b %d, %Y", "%B %d, %Y", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%d.%m.%Y %H:%M",
    "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S UTC",
    "%Y-%m", "%Y/%m", "%m/%Y", "%b %Y", "%b-%y", "%B %Y",
)  # fmt: skip
GROUPED = re.compile(r"-?[1-9][0-9]{0,2}([.][0-9]{3})+")
OPEN = ("id", "text")


@dataclass(frozen=True)
class Fit:
    """How the values of a column read.

    Attributes
    ----------
    read, of : int
        How many of how many values read.
    declared : tuple of str
        Ways in which they read, as lines of a mapping; empty where nothing has to be declared.
    """

    read: int
    of: int
    declared: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether nearly all read (an empty column is no evidence against it)."""
        return self.read >= NEARLY * self.of

    @property
    def said(self) -> str:
        """Tell how many read."""
        return f"{self.read} of {self.of} values read" if self.of else "it is empty here"


def fitting(
    connection: duckdb.DuckDBPyConnection, column: Column, values: list[str], now: datetime
) -> Fit:
    """Read values as a column of the contract: as they stand, else in every unit and format.

    Examples
    --------
    >>> from datetime import UTC
    >>> from features.desk import desk
    >>> day, now = Column("starts_on", "date", "first day"), datetime(2025, 7, 1, tzinfo=UTC)
    >>> fitting(desk(), day, ["31.01.2025", "01.02.2025"], now).declared
    ('formats.starts_on = "%d.%m.%Y"',)
    >>> fitting(desk(), day, ["1/2/2025", "3/4/2025"], now).declared
    ('formats.starts_on = "%m/%d/%Y"', 'formats.starts_on = "%d/%m/%Y"')
    >>> fitting(desk(), day, ["soon"], now).good
    False
    """
    if column.kind in OPEN or not values:
        return Fit(len(values), len(values))
    connection.register("held", pa.table({column.name: pa.array(values, pa.string())}))
    read = _read(connection, column, TableSettings(), now)
    plain = Fit(read, len(values))
    if plain.good or column.kind not in ("date", "timestamp", "month"):
        return plain
    ways = {
        f'formats.{column.name} = "{each}"': {"formats": {column.name: each}} for each in FORMATS
    }
    if column.kind != "month":
        for unit in ("epoch_s", "epoch_ms"):
            ways[f'units.{column.name} = "{unit}"'] = {"units": {column.name: unit}}
    counts = {
        line: _read(connection, column, TableSettings.model_validate(way), now)
        for line, way in ways.items()
    }
    best = max(counts.values())
    if best < NEARLY * len(values):
        return plain
    return Fit(best, len(values), tuple(line for line, read in counts.items() if read == best))


def thousands(values: list[str]) -> int:
    """Count amounts as 1.234, where no other amount tells that the point is a decimal one.

    Examples
    --------
    >>> thousands(["1.234", "999"]), thousands(["1.234", "99.5"]), thousands(["0.125"])
    (1, 0, 0)
    """
    pointed = [value for value in values if "." in value]
    return len(pointed) if all(map(GROUPED.fullmatch, pointed)) else 0


def undecided(column: str, value: str, count: int, fractions: str, groups: str) -> list[str]:
    """Write the lines that set amounts as 1.234 aside until somebody has said what they are.

    Parameters
    ----------
    column, value : str
        The amount's column of the contract, and the SQL of its text.
    count : int
        How many amounts are so.
    fractions, groups : str
        SQL that reads them as one and a fraction, and as thousands.

    Examples
    --------
    >>> lines = undecided("mrr", "Price", 2, "Price", "replace(Price, '.', '')")
    >>> lines[0]
    '# OPEN: mrr: 2 amounts as 1.234 may be thousands or fractions; set aside until you keep one line of:'
    >>> [line.split("   # ")[1] for line in lines[1:]]
    ['thousands', 'one and a fraction', 'set aside']
    """
    said = f"{count} amounts as 1.234 may be thousands or fractions"
    aside = (
        f"CASE WHEN regexp_full_match({value}, '{GROUPED.pattern}') "
        f"THEN {value} || '?' ELSE {fractions} END"
    )
    return [
        f"# OPEN: {column}: {said}; set aside until you keep one line of:",
        f"# computed.{column} = {worded(groups)}   # thousands",
        f"# computed.{column} = {worded(fractions)}   # one and a fraction",
        f"computed.{column} = {worded(aside)}   # set aside",
    ]


def _read(
    connection: duckdb.DuckDBPyConnection, column: Column, settings: TableSettings, now: datetime
) -> int:
    """Count the values that read."""
    made = cast(column, Frame(settings, "USD", "UTC", now))
    text = f"SELECT {prepared(column, settings)} AS {quoted(column.name)} FROM held"
    sql = f"SELECT count(*) FILTER (WHERE ({made.code}) IS NULL) FROM ({text})"
    found = connection.execute(sql).fetchone()
    return int(found[0]) if found else 0
