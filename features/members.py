"""Members: which value of each cut an account has in a window, as of the window's opening."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

import duckdb

from features.bands import BANDS
from features.book import Book
from features.cuts import LINE_KEYS, column, dated_steps, fixed_steps, is_dated, is_stored
from features.steps import with_steps
from features.windows import Window

__all__ = ["account_columns", "write_members"]


def account_columns(cuts: Iterable[Sequence[str]], lines: Sequence[str] = LINE_KEYS) -> list[str]:
    """List the columns of cuts that belong to accounts, each once.

    Examples
    --------
    >>> account_columns([("region", "plan"), ("region",)])
    ['region']
    """
    return list(dict.fromkeys(name for cut in cuts for name in cut if name not in lines))


def write_members(
    connection: duckdb.DuckDBPyConnection,
    book: Book,
    windows: list[Window],
    columns: list[str],
    as_of: date | None,
) -> None:
    """Write ``members``: b, account, and one column per cut.

    A segment that the book does not have is the band of the account's ACV. An account that joins
    in the window has the size of its first movement.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        With ``windows`` (b, e), ``accounts``, ``account_months``, ``account_positions``.
    book : Book
        Has the columns of accounts and their history.
    windows : list of Window
        No two with the same opening.
    columns : list of str
        Of `features.cuts.cut_columns`, lines' columns left out.
    as_of : date or None
        Only what was known before it counts.
    """
    derived = {name: name for name in columns if name in BANDS}
    if "segment" in columns and not is_stored(book, "segment"):
        derived["segment"] = "acv_segment"
    stored = [name for name in columns if name not in derived]
    dated = [name for name in stored if is_dated(book, name)]
    _register(connection, book, windows, stored, dated, as_of)
    starts = book.facts.fiscal_year_starts
    chosen = {name: BANDS[band].sql(band, starts) for name, band in derived.items()}
    chosen |= {name: _stored(connection, name, name in dated) for name in stored}
    values = "".join(f", {sql} AS {column(name)}" for name, sql in chosen.items())
    connection.execute(_MEMBERS.format(values=values))
    for table in ("fixed", "dated"):
        connection.unregister(table)


def _register(
    connection: duckdb.DuckDBPyConnection,
    book: Book,
    windows: list[Window],
    stored: list[str],
    dated: list[str],
    as_of: date | None,
) -> None:
    steps = {"fixed": with_steps(fixed_steps(book, stored), "FROM fixed")}
    none = "SELECT 0 AS b, CAST(NULL AS VARCHAR) AS account_id WHERE false"
    days = [window.opening for window in windows]
    steps["dated"] = (
        with_steps(dated_steps(book, dated, days, as_of), "FROM dated") if dated else none
    )
    for name, query in steps.items():
        connection.register(name, book.connection.execute(query).to_arrow_table())


def _stored(connection: duckdb.DuckDBPyConnection, name: str, has_history: bool) -> str:
    """Write a stored column: what its history says, else what accounts says today."""
    fixed = connection.table("fixed").columns
    today = f"fixed.{column(name)}" if f"cut {name}" in fixed else "NULL"
    return f"coalesce(dated.{column(name)}, {today})" if has_history else today


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
