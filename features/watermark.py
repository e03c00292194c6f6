"""A watermark: which rows of a query are new, told by a column that only grows.

The rows below a mark are settled: they are kept and not asked again. Those from the mark on, and
those that have none, are asked each time: more of them may still come. All comparing is done by
the database, so that a mark is compared as its column is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from features.faults import ConfigurationRefused, DataRejected
from features.shelf import Mark

__all__ = ["Asked", "Selection"]

KINDS = (str, int, float, Decimal, date, datetime)
MARKS = {"qmark": "?", "format": "%s", "pyformat": "%s"}
"""How a driver writes a value's place."""


@dataclass(frozen=True)
class Asked:
    """One question: SQL as the driver takes it, and its values."""

    sql: str
    values: tuple[Mark, ...] = ()


@dataclass(frozen=True)
class Selection:
    """A query whose rows are asked by their watermark.

    Attributes
    ----------
    dialect : sqlalchemy.Dialect
        How the database quotes a name, and writes a value's place.
    label : str
        How messages call it.
    sql : str
        The query.
    column : str
        Its watermark.
    overlap : float
        How far below the highest mark rows are asked again.

    Examples
    --------
    >>> from sqlalchemy.dialects.sqlite.pysqlite import dialect
    >>> clicks = Selection(dialect(), "usage", "SELECT * FROM clicks", "id", 10)
    >>> clicks.settled(40, 90)
    Asked(sql='SELECT * FROM (SELECT * FROM clicks\\n) asked WHERE asked.id < ? AND asked.id >= ?', values=(90, 40))
    >>> clicks.until(40, 100), clicks.until(40, 45), clicks.until(40, None)
    (90, 40, 40)
    """

    dialect: sa.Dialect
    label: str
    sql: str
    column: str
    overlap: float = 0.0

    def highest(self, since: Mark | None) -> Asked:
        """Ask for the highest mark of the rows from a mark on."""
        bound = f" WHERE {self._name} >= {self._place}" if since is not None else ""
        return self._asked(f"max({self._name})", bound, since)

    def settled(self, since: Mark | None, until: Mark) -> Asked:
        """Ask for the rows from a mark (or all) to before another."""
        bound = f" WHERE {self._name} < {self._place}"
        if since is not None:
            bound += f" AND {self._name} >= {self._place}"
        return self._asked("*", bound, until, since)

    def open(self, until: Mark | None) -> Asked:
        """Ask for the rows that are not settled: from a mark on, and those without one."""
        if until is None:
            return self._asked("*", "")
        return self._asked(
            "*", f" WHERE {self._name} >= {self._place} OR {self._name} IS NULL", until
        )

    def until(self, since: Mark | None, highest: Any) -> Mark | None:
        """Give the mark below which all is settled; it never goes back.

        Raises
        ------
        DataRejected
            ``extract.watermark`` for a column that has no order of its own.
        """
        if highest is None:
            return since
        if isinstance(highest, bool) or not isinstance(highest, KINDS) or highest != highest:
            message = f'{self.label}: watermark "{self.column}" holds {type(highest).__name__}'
            cure = "name a column of timestamps, numbers or text that only grows"
            raise DataRejected("extract.watermark", message, cure)
        mark = _lowered(highest, self.overlap)
        return mark if since is None or _later(mark, since) else since

    @property
    def _name(self) -> str:
        return f"asked.{self.dialect.identifier_preparer.quote(self.column)}"

    @property
    def _place(self) -> str:
        style = self.dialect.paramstyle
        if style not in MARKS:
            message = (
                f"{self.label}: watermark: the driver {self.dialect.driver} is not known to it"
            )
            raise ConfigurationRefused("config", message, "leave the watermark out")
        return MARKS[style]

    def _asked(self, what: str, bound: str, *values: Mark | None) -> Asked:
        given = tuple(value for value in values if value is not None)
        percent = given and self._place == "%s"
        inner = self.sql.replace("%", "%%") if percent else self.sql
        return Asked(f"SELECT {what} FROM ({inner}\n) asked{bound}", given)


def _later(mark: Any, since: Any) -> bool:
    """Say whether a mark lies above another of its kind; a kind that has changed says nothing."""
    try:
        return type(mark) is type(since) and bool(mark > since)
    except TypeError:  # with and without a zone
        return False


def _lowered(mark: Mark, overlap: float) -> Mark:
    if isinstance(mark, datetime):
        return mark - timedelta(minutes=overlap)
    if isinstance(mark, int):
        return mark - int(overlap)
    if isinstance(mark, Decimal):
        return mark - Decimal(str(overlap))
    return mark - overlap if isinstance(mark, float) else mark
