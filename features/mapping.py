"""perennial.toml: how the user's own tables map onto the contract.

The file is parsed once; ``[book]`` and ``[tables.*]`` are read here, every other known section is
left as it stands for its owner.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping as Dict
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal
from zoneinfo import available_timezones

from pydantic import Field, field_validator

from features.configuration import Section, nearest, read_section
from features.contracts import TABLES, table_names
from features.currencies import CURRENCIES
from features.erased import NOBODY, Erased
from features.faults import ConfigurationRefused, InputMissing, NotPermitted
from features.location import located
from features.selecting import SqlSource
from features.units import unit_names

__all__ = ["SECTIONS", "BookSettings", "TableSettings", "Workspace", "read_workspace"]

SECTIONS = (
    "revenue", "benchmarks", "matrix", "outreach", "forecast", "alerts", "mlflow", "ingest",
    "triggers", "maturity", "engine", "store", "gates", "models", "serve",
    "operation", "retention",
)  # fmt: skip


class BookSettings(Section):
    """``[book]``: where the tables are and what holds for all of them.

    Attributes
    ----------
    path : str
        Folder of the tables, relative to the file (``--book`` overrides it).
    currency : str
        Reporting currency, and that of rows which name none (ISO 4217).
    timezone : str
        Zone of timestamps without offset.
    as_of : date or None
        Default as-of date; unset, the day after the latest thing that happened.
    fiscal_year_starts : int
        Month in which the fiscal year starts.
    """

    path: str = "."
    currency: str = "USD"
    timezone: str = "UTC"
    as_of: date | None = None
    fiscal_year_starts: int = Field(default=1, ge=1, le=12)

    @field_validator("currency")
    @classmethod
    def _known_currency(cls, code: str) -> str:
        if code not in CURRENCIES:
            raise ValueError("not a currency of ISO 4217")
        return code

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError("not a time zone of the IANA list")
        return zone


class TableSettings(Section):
    """``[tables.<name>]``: where a table is and how its columns are called.

    Attributes
    ----------
    source : str, SqlSource or None
        File, glob or folder, relative to the book, or a query of a database; by default the
        table's own name.
    columns : dict
        Contract column → source column.
    computed : dict
        Contract column → one SQL expression over the source's columns (all text), for each row.
    months : str or None
        strptime format of columns that are months: the sheet becomes a row per month.
    values : dict
        Contract column → (source value → contract value).
    units : dict
        Contract column → unit of the source, e.g. ``cents``, ``percent``, ``epoch_s``.
    formats : dict
        Contract column → strptime format of dates that are not ISO-8601.
    sentinels : list
        Dates that mean "empty", e.g. ``9999-12-31`` (at any time of that day).
    where : str or None
        Predicate over the source's columns (as text); other rows are left out and counted.
    grain : day, week, month or None
        What one aggregated row covers, from its timestamp on.
    extra : list or None
        Further columns of accounts to keep (default: all).
    ignore : list
        Source columns not to take.
    net_of_discount : bool
        Whether the price of a line already has its discount taken off.
    delimiter, encoding : str
        How the CSV is written.
    """

    source: str | SqlSource | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    computed: dict[str, str] = Field(default_factory=dict)
    months: str | None = Field(default=None, min_length=2)
    values: dict[str, dict[str, str]] = Field(default_factory=dict)
    units: dict[str, str] = Field(default_factory=dict)
    formats: dict[str, str] = Field(default_factory=dict)
    sentinels: list[str] = Field(default_factory=list)
    where: str | None = None
    grain: Literal["day", "week", "month"] | None = None
    extra: list[str] | None = None
    ignore: list[str] = Field(default_factory=list)
    net_of_discount: bool = False
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    encoding: Literal["utf-8", "utf-16", "latin-1", "cp1252"] = "utf-8"

    @property
    def placed(self) -> dict[str, str]:
        """Contract column → source column, or the name that a computed one has among them."""
        return self.columns | {mine: f"= {mine}" for mine in self.computed}

    @property
    def reshapes(self) -> bool:
        """Whether rows are not taken as they stand."""
        return bool(self.computed or self.months)


@dataclass(frozen=True)
class Workspace:
    """One company's settings, parsed.

    Attributes
    ----------
    directory : Path
        Directory of perennial.toml (or the current one): state lives under it.
    book_dir : Path
        Directory that sources are relative to.
    book : BookSettings
        ``[book]``.
    tables : mapping of str to TableSettings
        ``[tables.*]``; a table that is not there has default settings.
    sections : mapping of str to mapping
        Every other section, raw, for its owner.
    erased : Erased
        The accounts whose rows are dropped as they are read.
    """

    directory: Path
    book_dir: Path
    book: BookSettings = field(default_factory=BookSettings)
    tables: Dict[str, TableSettings] = field(default_factory=dict)
    sections: Dict[str, Dict[str, Any]] = field(default_factory=dict)
    erased: Erased = NOBODY

    def table(self, name: str) -> TableSettings:
        """Give the settings of a table."""
        return self.tables.get(name, TableSettings())

    def queries(self) -> dict[str, SqlSource]:
        """Give the tables that are asked of a database."""
        sources = {name: each.source for name, each in self.tables.items()}
        return {name: each for name, each in sources.items() if isinstance(each, SqlSource)}

    def section(self, name: str) -> Dict[str, Any]:
        """Give another section as the file has it; empty when absent."""
        return self.sections.get(name, {})


def read_workspace(
    toml: Path | None = None, book_dir: Path | None = None, directory: Path | None = None
) -> Workspace:
    """Read ``perennial.toml``, or take every default where there is none.

    Parameters
    ----------
    toml : Path or None
        The file; None = no file, names already fit.
    book_dir : Path or None
        Overrides ``[book] path`` (``--book``).
    directory : Path or None
        Workspace when there is no file (default: ``book_dir``, else the current directory).

    Raises
    ------
    ConfigurationRefused
        ``config`` for a syntax error (with its line), an unknown section, key, table or column.

    Examples
    --------
    >>> workspace = read_workspace(None, Path("exports"))
    >>> str(workspace.book_dir), workspace.book.currency, workspace.table("usage").where
    ('exports', 'USD', None)
    """
    if toml is None:
        home = directory or book_dir or Path()
        return Workspace(home, book_dir or home)
    try:
        return _workspace(toml, _parse(toml), book_dir)
    except ConfigurationRefused as refused:
        raise located(toml, refused) from refused


def _workspace(toml: Path, values: dict[str, Any], book_dir: Path | None) -> Workspace:
    _refuse_unknown(toml, values)
    book = read_section(BookSettings, values.get("book", {}), f"{toml.name} [book]")
    tables = {name: _table(toml, name, each) for name, each in values.get("tables", {}).items()}
    sections = {name: values[name] for name in SECTIONS if name in values}
    home = toml.parent
    return Workspace(home, book_dir or home / book.path, book, tables, sections)


def _parse(toml: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(toml.read_text(encoding="utf-8"))
    except FileNotFoundError as gone:
        raise InputMissing("config.missing", f"{toml}: no such file", "name another") from gone
    except PermissionError as refused:
        raise NotPermitted("config.unreadable", f"{toml}", "allow it to be read") from refused
    except UnicodeDecodeError as refused:
        raise ConfigurationRefused("config", f"{toml}: not UTF-8", "save it again") from refused
    except tomllib.TOMLDecodeError as refused:
        raise ConfigurationRefused("config", f"{toml.name}: {refused}", "mend it") from refused


def _refuse_unknown(toml: Path, values: dict[str, Any]) -> None:
    known = ["book", "tables", *SECTIONS]
    for name, section in values.items():
        if name not in known:
            cure = f"unknown section; {nearest(name, known)}"
            raise ConfigurationRefused("config", f"{toml.name} [{name}]", cure)
        if not isinstance(section, dict):
            raise ConfigurationRefused("config", f"{toml.name} {name}", f"write it as [{name}]")
    for name, section in values.get("tables", {}).items():
        if name not in TABLES:
            cure = f"unknown table; {nearest(name, table_names())}"
            raise ConfigurationRefused("config", f"{toml.name} [tables.{name}]", cure)
        if not isinstance(section, dict):
            cure = f"write it as [tables.{name}]"
            raise ConfigurationRefused("config", f"{toml.name} tables.{name}", cure)


def _table(toml: Path, name: str, values: dict[str, Any]) -> TableSettings:
    where = f"{toml.name} [tables.{name}]"
    settings = read_section(TableSettings, _with_source(values, where), where)
    known = [column.name for column in TABLES[name].columns]
    named = {
        "columns": [] if TABLES[name].extras else settings.columns,
        "computed": [] if TABLES[name].extras else settings.computed,
        "values": settings.values,
        "units": settings.units,
        "formats": settings.formats,
    }
    for key, columns in named.items():
        for column in columns:
            if column not in known:
                cure = f"unknown column; {nearest(column, known)}"
                raise ConfigurationRefused("config", f"{where} {key}.{column}", cure)
    for column in settings.computed:
        if column in settings.columns:
            cure = "it is under `columns` too: keep one"
            raise ConfigurationRefused("config", f"{where} computed.{column}", cure)
    if settings.months and name != "mrr_by_month":
        cure = "only mrr_by_month may have a column per month"
        raise ConfigurationRefused("config", f"{where} months", cure)
    for column, unit in settings.units.items():
        units = unit_names(TABLES[name].column(column).kind)
        if unit not in units:
            cure = f'unknown unit "{unit}"; {nearest(unit, units)}'
            raise ConfigurationRefused("config", f"{where} units.{column}", cure)
    return settings


def _with_source(values: dict[str, Any], where: str) -> dict[str, Any]:
    """Read a source that is a query by its own declaration."""
    source = values.get("source")
    if isinstance(source, dict):
        return values | {"source": read_section(SqlSource, source, f"{where} source")}
    if source is not None and not isinstance(source, str):
        cure = "write a file, a glob or a folder, or { url, query }"
        raise ConfigurationRefused("config", f"{where} source", cure)
    return values
