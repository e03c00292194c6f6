"""Steps: a query written as named selections, one idea each, the last of which is the result."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from features.book import Book
from features.faults import DataRejected

__all__ = ["Steps", "laid", "month_end_sql", "month_number", "run", "with_steps"]

Steps = dict[str, str]


def month_number(column: str) -> str:
    """Write a date as its month's number, counted from year 0: 2025-07 is 24306.

    The month-ends on which a line ``[s, e)`` is alive are those of the months from
    ``month_number(s)`` to ``month_number(e) - 1``.

    Examples
    --------
    >>> month_number("starts_on")
    '(12 * year(starts_on) + month(starts_on) - 1)'
    """
    return f"(12 * year({column}) + month({column}) - 1)"


def month_end_sql(month: str) -> str:
    """Write the last day of a month that is given by its number.

    Examples
    --------
    >>> month_end_sql("m")
    'last_day(make_date(CAST(m // 12 AS INTEGER), CAST(m % 12 + 1 AS INTEGER), 1))'
    """
    return (
        f"last_day(make_date(CAST({month} // 12 AS INTEGER), CAST({month} % 12 + 1 AS INTEGER), 1))"
    )


def with_steps(steps: Steps, ending: str) -> str:
    """Write a query whose steps are named, and its ending.

    A step that is read more than once is computed once and kept; others pass their rows on. What
    nothing reads is left out.

    Examples
    --------
    >>> print(with_steps({"one": "SELECT 1 AS n", "none": "SELECT 0"}, "FROM one"))
    WITH one AS NOT MATERIALIZED (SELECT 1 AS n)
    FROM one
    >>> print(with_steps({"one": "SELECT 1 AS n"}, "FROM one UNION ALL FROM one"))
    WITH one AS MATERIALIZED (SELECT 1 AS n)
    FROM one UNION ALL FROM one
    """
    parts: list[str] = []
    later = [ending]
    for name, select in reversed(steps.items()):
        reading = re.compile(rf"\b(?:FROM|JOIN) {name}\b")
        times = sum(len(reading.findall(text)) for text in later)
        if times:
            kept = "MATERIALIZED" if times > 1 else "NOT MATERIALIZED"
            parts.insert(0, f"{name} AS {kept} ({select})")
            later.append(select)
    listed = ",\n".join(parts)
    return f"WITH {listed}\n{ending}"


def run(book: Book, steps: Steps, ending: str) -> pa.Table:
    """Ask a book.

    Raises
    ------
    DataRejected
        ``money.out_of_range`` where an amount leaves the range of exact money.
    """
    with _exact_money():
        return book.connection.execute(with_steps(steps, ending)).to_arrow_table()


def laid(book: Book, steps: Steps, name: str, table: str) -> None:
    """Work out a step and put its rows by, as a table of the book's connection.

    Raises
    ------
    DataRejected
        ``money.out_of_range`` where an amount leaves the range of exact money.
    """
    query = f"CREATE OR REPLACE TEMP TABLE {table} AS {with_steps(steps, f'FROM {name}')}"
    with _exact_money():
        book.connection.execute(query)


@contextmanager
def _exact_money() -> Iterator[None]:
    try:
        yield
    except (duckdb.ConversionException, duckdb.OutOfRangeException) as overflow:
        found = "an account's MRR is above 9.2 million million units of the book's currency"
        cure = "check the units of amounts, and fx_rates"
        raise DataRejected("money.out_of_range", found, cure) from overflow
