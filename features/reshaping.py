"""Reshaping: what a mapping makes of a source's rows before its columns are placed.

Two things: a sheet with a month in every column becomes a row per account and month (``months``),
and columns are computed from others (``computed``). Both give text, as a reader does, so that all
that is checked of a file is checked of these too.
"""

from __future__ import annotations

import re
from calendar import month_abbr, month_name
from dataclasses import replace
from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.configuration import nearest
from features.desk import expressed
from features.faults import DataRejected
from features.mapping import TableSettings
from features.source_rows import SourceRows

__all__ = ["MONTH", "VALUE", "month_columns", "reshaped"]

MONTH, VALUE = "month", "mrr"
"""What the two columns are called that stand for the columns of months."""

NAMES = (
    "jan januar janvier janv ene enero gen gennaio janeiro januari jän jänner",
    "feb februar février fevrier févr fév febrero febbraio fev fevereiro februari",
    "mär märz mrz maerz mars mar marzo março marco mrt maart",
    "apr avril avr abr abril aprile",
    "mai mayo mag maggio maio mei",
    "jun juni juin junio giu giugno junho",
    "jul juli juillet juil julio lug luglio julho",
    "aug august août aout ago agosto augustus",
    "sep sept september septembre septiembre set settembre setembro",
    "okt oktober octobre oct octubre ott ottobre out outubro",
    "nov november novembre noviembre novembro",
    "dez dezember décembre decembre déc dec dic diciembre dicembre dezembro december",
)
MONTHS = {word: month for month, words in enumerate(NAMES, 1) for word in words.split()}
WORD = re.compile(r"[^\W\d_]+[.]?")


def reshaped(read: SourceRows, settings: TableSettings, table: str) -> SourceRows:
    """Turn columns of months into rows, then add the computed columns.

    Examples
    --------
    >>> rows = pa.table({"who": ["a", "b"], "Jan 25": ["10", ""], "Feb 25": ["12", "7"]})
    >>> read = SourceRows("sheet.csv", "", rows, pa.array([2, 3]))
    >>> long = reshaped(read, TableSettings(months="%b %y"), "mrr_by_month")
    >>> long.rows.to_pylist()
    [{'who': 'a', 'month': '2025-01-01', 'mrr': '10'}, \
{'who': 'a', 'month': '2025-02-01', 'mrr': '12'}, \
{'who': 'b', 'month': '2025-02-01', 'mrr': '7'}]
    >>> long.lines.to_pylist()
    [2, 2, 3]
    """
    if settings.months:
        read = _long(read, settings.months)
    if settings.computed:
        read = _computed(read, settings, table)
    return read


def month_columns(header: list[str], form: str) -> dict[str, date]:
    """Give the columns whose name reads as a month in a strptime format.

    Names of months are English, German, French, Spanish, Italian, Portuguese or Dutch.

    Examples
    --------
    >>> month_columns(["Customer", "01/2025", "02/2025", "Total"], "%m/%Y")
    {'01/2025': datetime.date(2025, 1, 1), '02/2025': datetime.date(2025, 2, 1)}
    >>> month_columns(["Mai 25", "Okt. 25", "août 25", "Summe 25"], "%b %y")
    {'Mai 25': datetime.date(2025, 5, 1), 'Okt. 25': datetime.date(2025, 10, 1), \
'août 25': datetime.date(2025, 8, 1)}
    """
    read = {name: _month(name, form) for name in header}
    return {name: month for name, month in read.items() if month is not None}


def _month(name: str, form: str) -> date | None:
    words = WORD.search(name) if "%b" in form or "%B" in form else None
    month = MONTHS.get(words[0].casefold().rstrip(".")) if words else None
    if words and month:
        english = (month_name if "%B" in form else month_abbr)[month]
        name = name[: words.start()] + english + name[words.end() :]
    try:
        return datetime.strptime(name.strip(), form).date().replace(day=1)  # noqa: DTZ007
    except ValueError:
        return None


def _long(read: SourceRows, form: str) -> SourceRows:
    """Give a row per source row and month in which its cell is not empty, months in order."""
    header = read.rows.column_names
    months = month_columns(header, form)
    _refuse(read.label, form, header, months)
    kept = [name for name in header if name not in months]
    height, width = read.rows.num_rows, len(months)
    order = sorted(months, key=lambda name: months[name])
    at = pa.array(np.repeat(np.arange(height), width))
    cells = pa.concat_arrays([read.rows[name].combine_chunks().cast(pa.string()) for name in order])
    value = cells.take(pa.array(np.arange(height * width).reshape(width, height).T.ravel()))
    month = pa.array([months[name].isoformat() for name in order] * height, pa.string())
    rows = read.rows.select(kept).take(at)
    rows = rows.append_column(MONTH, month).append_column(VALUE, value)
    told = pc.not_equal(pc.utf8_trim_whitespace(pc.fill_null(value, "")), "")
    return replace(read, rows=rows.filter(told), lines=read.lines.take(at).filter(told))


def _refuse(label: str, form: str, header: list[str], months: dict[str, date]) -> None:
    """Refuse a sheet without months, with one month twice, or with a name that is taken."""
    found, cure = ", ".join(header), f"mend `months` ({nearest('month', header)})"
    if not months:
        message = f'{label}: no column reads as a month "{form}"; found {found}'
        raise DataRejected("schema.missing_column", message, cure)
    twice = [name for name in months if list(months.values()).count(months[name]) > 1]
    taken = [name for name in header if name not in months and name.casefold() in (MONTH, VALUE)]
    if twice or taken:
        message = f"{label}: {', '.join(twice or taken)}"
        cure = "keep one column per month" if twice else "rename it: `months` makes such a column"
        raise DataRejected("schema.duplicate_column", message, cure)


def _computed(read: SourceRows, settings: TableSettings, table: str) -> SourceRows:
    """Add each computed column under a name of its own; none sees another."""
    source, rows = read.rows, read.rows
    for mine, expression in settings.computed.items():
        place = f"[tables.{table}] computed.{mine}"
        value = expressed(source, expression, "VARCHAR", place, "expression")
        rows = rows.append_column(settings.placed[mine], value.cast(pa.string()))
    return replace(read, rows=rows)
