"""Recognition: which column of a file is which of the contract, and on what grounds.

Nothing is guessed in silence. A column is placed for its name, if what it holds reads as the
contract asks, or as the only one that reads as a day; where two come into question, none is taken.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import duckdb

from features.casting import quoted
from features.columns import Column
from features.composing import worded
from features.contracts import TABLES, TableContract
from features.fitting import Fit, fitting, thousands, undecided
from features.heads import Head
from features.likeness import COLUMNS, plain

__all__ = ["Placed", "Recognised", "recognised"]

DAYS = ("date", "timestamp", "month")
COMMA = re.compile(r",[0-9]{1,2}$")
NUMBERED = ("id", "no", "number", "code")


@dataclass(frozen=True)
class Placed:
    """A column that has its place.

    Attributes
    ----------
    column, source : str
        Of the contract, of the file.
    ground : str
        Why it is here.
    declared : tuple of str
        What has to be declared of it; more than one where it could be read in several ways.
    written : tuple of str
        The lines that stand for it, where an expression takes the place of the column.
    """

    column: str
    source: str
    ground: str
    declared: tuple[str, ...] = ()
    written: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recognised:
    """What was recognised of a file as a table.

    Attributes
    ----------
    table : str
        The table.
    placed : tuple of Placed
        Columns that have their place.
    open : tuple of str
        What a person has to decide, in sentences.
    missing : tuple of str
        Required columns that were not found.
    left : tuple of str
        Columns of the file that are not taken.
    """

    table: str
    placed: tuple[Placed, ...]
    open: tuple[str, ...]
    missing: tuple[str, ...]
    left: tuple[str, ...]


def recognised(
    connection: duckdb.DuckDBPyConnection, head: Head, table: str, now: datetime
) -> Recognised:
    """Recognise the columns of a file as those of a table.

    Examples
    --------
    >>> from datetime import UTC
    >>> import pyarrow as pa
    >>> from features.desk import desk
    >>> from features.source_rows import SourceRows
    >>> rows = pa.table({"Customer ID": ["a"], "Start": ["2025-01-31"], "mrr": ["9"], "x": ["?"]})
    >>> head = Head("subs.csv", SourceRows("subs.csv", "", rows, pa.array([2])))
    >>> found = recognised(desk(), head, "subscriptions", datetime(2025, 7, 1, tzinfo=UTC))
    >>> for each in found.placed: print(each.column, "=", each.source, "|", each.ground)
    account_id = Customer ID | its name; 1 of 1 values read
    starts_on = Start | its name; 1 of 1 values read
    mrr = mrr | same name; 1 of 1 values read
    >>> found.missing, found.left
    ((), ('x',))
    """
    contract = TABLES[table]
    search = _Search(connection, head, contract, now)
    search.by_name()
    search.by_content()
    used = {each.source for each in search.placed.values()}
    placed = tuple(
        search.placed[each.name] for each in contract.columns if each.name in search.placed
    )
    left = tuple(name for name in head.header if name not in used)
    return Recognised(table, placed, tuple(search.open), _missing(contract, search.placed), left)


def _missing(contract: TableContract, placed: dict[str, Placed]) -> tuple[str, ...]:
    gone = [name for name in contract.required if name not in placed]
    if contract.name == "subscriptions" and "mrr" not in placed:
        gone += [] if {"amount", "interval_months"} <= set(placed) else ["mrr"]
    return tuple(gone)


@dataclass
class _Search:
    connection: duckdb.DuckDBPyConnection
    head: Head
    contract: TableContract
    now: datetime

    def __post_init__(self) -> None:
        self.placed: dict[str, Placed] = {}
        self.open: list[str] = []

    def by_name(self) -> None:
        """Take columns of the same name, then those whose name is one of the other names."""
        for column in self.contract.columns:
            own = [name for name in self.head.header if name.casefold() == column.name]
            if own:
                self._take(column, own[0], "same name")
        named = {
            column.name: self._candidates(column)
            for column in self.contract.columns
            if column.name not in self.placed
        }
        wanted = Counter(names[0] for names in named.values() if len(names) == 1)
        for column in self.contract.columns:
            self._decide(column, named.get(column.name, []), wanted)

    def _decide(self, column: Column, names: list[str], wanted: Counter[str]) -> None:
        free = [name for name in names if name not in self._used]
        if len(free) > 1:
            self.open.append(f"{column.name} ({column.doc}): {_either(free)}?")
        elif free and wanted[free[0]] > 1 and not column.required:
            self.open.append(f'"{free[0]}": {column.name} ({column.doc}), or something else?')
        elif free:
            self._take(column, free[0], "its name")

    def by_content(self) -> None:
        """Take the only column of days for a day that is required."""
        for column in self.contract.columns:
            asked = any(said.startswith(f"{column.name} ") for said in self.open)
            if (
                not column.required
                or column.name in self.placed
                or asked
                or column.kind not in DAYS
            ):
                continue
            fits = {name: self._fit(column, name) for name in self.head.header}
            days = [n for n, fit in fits.items() if fit.of and fit.good and n not in self._used]
            if len(days) == 1:
                self._take(column, days[0], "the only column that reads as a day")
            elif days:
                self.open.append(f"{column.name} ({column.doc}): {_either(days)}?")

    @property
    def _used(self) -> set[str]:
        return {each.source for each in self.placed.values()}

    def _candidates(self, column: Column) -> list[str]:
        """Give columns by another name; for an id, one that says so goes before a display name."""
        others = {column.name, *COLUMNS.get(column.name, "").split()}
        tried = {*self._used, *(n for n in self.head.header if n.casefold() == column.name)}
        found = [n for n in self.head.header if plain(n) in others and n not in tried]
        numbered = [name for name in found if plain(name).rsplit("_", 1)[-1] in NUMBERED]
        return numbered if column.kind == "id" and numbered else found

    def _take(self, column: Column, source: str, ground: str) -> None:
        fit = self._fit(column, source)
        if not fit.good:
            said = f'{column.name} ({column.doc}): "{source}" by {ground}, but {fit.said}'
            said = f"{said} as {_kind(column)}"
            decimal = column.kind == "money" and any(map(COMMA.search, self.head.values(source)))
            cure = f"; a decimal comma? {_commas(column, source)}" if decimal else ""
            self.open.append(said + cure)
            return
        written: list[str] = []
        if column.kind == "money" and (count := thousands(self.head.values(source))):
            value = quoted(source)
            written = undecided(column.name, value, count, value, _grouped(source))
        self.placed[column.name] = Placed(
            column.name, source, f"{ground}; {fit.said}", fit.declared, tuple(written)
        )

    def _fit(self, column: Column, source: str) -> Fit:
        return fitting(self.connection, column, self.head.values(source), self.now)


def _kind(column: Column) -> str:
    return f"one of {', '.join(column.allowed)}" if column.allowed else column.kind


def _commas(column: Column, source: str) -> str:
    """Write the line that reads 1.234,50 of a column."""
    return f"computed.{column.name} = {worded(_grouped(source))}"


def _grouped(source: str) -> str:
    return f"replace(replace({quoted(source)}, '.', ''), ',', '.')"


def _either(names: list[str]) -> str:
    return " or ".join(f'"{name}"' for name in names)
