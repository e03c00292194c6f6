"""Members: which value of each cut an account has, for good or as of a window's opening.

``traits`` has the columns that an account has once and for all, ``members`` those that depend on
the opening: a column with a history, and the bands of size, age and rank.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

import duckdb

from features.bands import BANDS
from features.book import Book
from features.cuts import LINE_KEYS, column, dated_steps, fixed_steps, is_dated, is_stored
from features.steps import with_steps
from features.windows import Window

__all__ = ["account_columns", "moving", "write_members", "write_traits"]

_FOR_GOOD = "acquisition_cohort"


def account_columns(cuts: Iterable[Sequence[str]], lines: Sequence[str] = LINE_KEYS) -> list[str]:
    """List the columns of cuts that belong to accounts, each once.

    Examples
    --------
    >>> account_columns([("region", "plan"), ("region",)])
    ['region']
    """
    return list(dict.fromkeys(name for cut in cuts for name in cut if name not in lines))


def moving(book: Book, columns: list[str]) -> list[str]:
    """List the columns whose value depends on the window's opening."""
    still = ("", _FOR_GOOD)
    return [name for name in columns if _is_dated(book, name) or _band(book, name) not in still]


def write_traits(connection: duckdb.DuckDBPyConnection, book: Book, columns: list[str]) -> None:
    """Write ``traits``: account and a `column` per cut that never changes.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        With ``accounts``.
    book : Book
        Has the columns of accounts.
    columns : list of str
        Of `features.cuts.cut_columns`, without those of `moving` and of lines.
    """
    quarter = BANDS[_FOR_GOOD].sql(_FOR_GOOD, book.facts.fiscal_year_starts)
    values = "".join(
        f", {quarter if name == _FOR_GOOD else f'fixed.{column(name)}'} AS {column(name)}"
        for name in columns
    )
    stored = [name for name in columns if name != _FOR_GOOD]
    query = with_steps(fixed_steps(book, stored), "FROM fixed")
    connection.register("fixed", book.connection.execute(query).to_arrow_table())
    connection.execute(f"""
    CREATE OR REPLACE TEMP TABLE traits AS
    SELECT account{values} FROM accounts LEFT JOIN fixed USING (account_id)""")
    connection.unregister("fixed")


def write_members(
    connection: duckdb.DuckDBPyConnection,
    book: Book,
    windows: list[Window],
    columns: list[str],
    as_of: date | None,
) -> None:
    """Write ``members``: b, account, and a `column` per cut that depends on the opening.

    A segment that the book does not have is the band of the account's ACV. An account that joins
    in the window has the size of its first movement.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        With ``windows`` (b, e), ``accounts``, ``account_units``, ``account_months`` and
        ``account_positions``.
    book : Book
        Has the columns of accounts and their history.
    windows : list of Window
        No two with the same opening.
    columns : list of str
        Those of `moving`.
    as_of : date or None
        Only what was known before it counts.
    """
    dated = [name for name in columns if _is_dated(book, name)]
    today = fixed_steps(book, dated)
    past = dated_steps(book, dated, [window.opening for window in windows], as_of)
    for name, steps in (("fixed", today), ("dated", past)):
        query = with_steps(steps, f"FROM {name}")
        connection.register(name, book.connection.execute(query).to_arrow_table())
    there = connection.table("fixed").columns
    values = ""
    for name in columns:
        now = f"fixed.{column(name)}" if f"cut {name}" in there else "NULL"
        value = f"coalesce(dated.{column(name)}, {now})" if name in dated else _sql(book, name)
        values += f", {value} AS {column(name)}"
    connection.execute(_MEMBERS.format(values=values))
    for name in ("fixed", "dated"):
        connection.unregister(name)


def _is_dated(book: Book, name: str) -> bool:
    return _band(book, name) == "" and is_dated(book, name)


def _band(book: Book, name: str) -> str:
    """Name the band that a cut is; empty for a column of accounts."""
    if name in BANDS:
        return name
    return "acv_segment" if name == "segment" and not is_stored(book, name) else ""


def _sql(book: Book, name: str) -> str:
    band = _band(book, name)
    return BANDS[band].sql(band, book.facts.fiscal_year_starts)


_MEMBERS = """
    CREATE OR REPLACE TEMP TABLE members AS
    WITH paying AS (
        SELECT p AS b, unit, closing FROM account_positions WHERE closing > 0),
    joining AS (
        SELECT b, unit, arg_min(new + reactivation, m) AS micros
        FROM account_months JOIN windows ON m > b AND m <= e
        WHERE new + reactivation > 0 GROUP BY b, unit),
    sized AS (
        SELECT b, account, account_id, first, paying.closing AS paying,
            coalesce(paying.closing, joining.micros) AS mrr
        FROM windows JOIN accounts ON first <= e
        JOIN account_units USING (account)
        LEFT JOIN paying USING (b, unit) LEFT JOIN joining USING (b, unit))
    SELECT b, account{values}
    FROM sized LEFT JOIN fixed USING (account_id) LEFT JOIN dated USING (b, account_id)"""
