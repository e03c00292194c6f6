"""Cuts: by what a figure can be split. Columns of accounts, bands of the ledger, lines."""

from __future__ import annotations

from datetime import date, timedelta

from features.asof import instant
from features.bands import BANDS
from features.book import Book
from features.configuration import nearest
from features.faults import UsageFault
from features.steps import Steps, month_number

__all__ = [
    "LINE_KEYS",
    "column",
    "crossings",
    "cut_columns",
    "dated_steps",
    "fixed_steps",
    "is_dated",
    "is_stored",
    "line_keys",
    "quoted",
]

LINE_KEYS = ("product", "plan")
"""Columns of lines; a cut by one of them has a row "moved between lines"."""

_DATED = ("segment", "csm", "parent_account_id")
_HIDDEN = frozenset({"account_id", "recorded_at", "updated_at", "known_at"})


def quoted(name: str) -> str:
    """Write a column's name so that SQL reads it as one, whatever is in it.

    Examples
    --------
    >>> quoted('the "old" region')
    '"the ""old"" region"'
    """
    return '"' + name.replace('"', '""') + '"'


def column(name: str) -> str:
    """Name a cut's column so that no column of the ledger can be meant.

    Examples
    --------
    >>> column("region")
    '"cut region"'
    """
    return quoted(f"cut {name}")


def cut_columns(book: Book, by: list[str]) -> list[str]:
    """Check that figures can be cut by each of these columns, and drop repeated ones.

    Raises
    ------
    UsageFault
        ``cut.unknown`` with the nearest name.
    """
    stored = book.provided.get("accounts", frozenset()) - _HIDDEN
    known = sorted({*stored, *line_keys(book), *BANDS, "segment"})
    for name in by:
        if name not in known:
            raise UsageFault(
                "cut.unknown", f'--by "{name}": no such column of accounts', nearest(name, known)
            )
    return list(dict.fromkeys(by))


def crossings(columns: list[str]) -> list[tuple[str, ...]]:
    """List the cuts that columns ask for: each alone, then, of several, all at once.

    Examples
    --------
    >>> crossings(["region", "plan"]), crossings(["region"]), crossings([])
    ([('region',), ('plan',), ('region', 'plan')], [('region',)], [])
    """
    return [(name,) for name in columns] + ([tuple(columns)] if len(columns) > 1 else [])


def line_keys(book: Book) -> tuple[str, ...]:
    """List the columns of the book's lines by which figures can be cut.

    Where accounts has a column of the same name, the lines' is meant.
    """
    table = "subscriptions" if book.has("subscriptions") else "mrr_by_month"
    provided = book.provided.get(table, frozenset())
    return tuple(name for name in LINE_KEYS if name in provided)


def is_stored(book: Book, name: str) -> bool:
    """Say whether a column of accounts, or its dated form, was given and is not all empty."""
    tables = ["accounts", "account_history"] if name in _DATED else ["accounts"]
    for table in tables:
        if name in book.provided.get(table, frozenset()):
            query = f"SELECT count({quoted(name)}) > 0 FROM {table}"
            if book.connection.execute(query).fetchall()[0][0]:
                return True
    return False


def is_dated(book: Book, name: str) -> bool:
    """Say whether a column of accounts has a history."""
    return name in _DATED and name in book.provided.get("account_history", frozenset())


def fixed_steps(book: Book, names: list[str]) -> Steps:
    """Write the step ``fixed``: account_id and, as text, each `column` as accounts has it today."""
    there = [name for name in names if name in book.provided.get("accounts", frozenset())]
    if not there:
        return {"fixed": "SELECT CAST(NULL AS VARCHAR) AS account_id WHERE false"}
    columns = ", ".join(f"CAST({quoted(name)} AS VARCHAR) AS {column(name)}" for name in there)
    return {"fixed": f"SELECT account_id, {columns} FROM accounts"}


def dated_steps(book: Book, names: list[str], days: list[date], as_of: date | None) -> Steps:
    """Write the step ``dated``: b (number of the day's month), account_id, each `column` as it was.

    A column holds from ``valid_from`` until another value takes its place; a day before the
    first one has null.
    """
    known = instant(as_of) if as_of else instant(date.max - timedelta(days=1))
    columns = ", ".join(
        f"arg_max({quoted(name)}, valid_from) FILTER ({quoted(name)} IS NOT NULL) AS {column(name)}"
        for name in names
    )
    if not names:
        return {"dated": "SELECT 0 AS b, CAST(NULL AS VARCHAR) AS account_id WHERE false"}
    rows = ", ".join(f"(DATE '{day}')" for day in days)
    return {
        "days": f"FROM (VALUES {rows}) AS days (day)",
        "dated": f"""
    SELECT {month_number("day")} AS b, account_id, {columns}
    FROM days JOIN account_history ON valid_from <= day AND known_at < TIMESTAMPTZ '{known}'
    GROUP BY day, account_id""",
    }
