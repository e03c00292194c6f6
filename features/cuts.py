"""Cuts: the columns of accounts by which a figure can be split."""

from __future__ import annotations

from datetime import date, timedelta

from features.asof import instant
from features.book import Book
from features.configuration import nearest
from features.faults import UsageFault
from features.steps import Steps

__all__ = ["cut_columns", "members_steps", "quoted"]

_DERIVED = "acv_segment"
_DATED = ("segment", "csm", "parent_account_id")


def quoted(name: str) -> str:
    """Write a column's name so that SQL reads it as one, whatever is in it.

    Examples
    --------
    >>> quoted('the "old" region')
    '"the ""old"" region"'
    """
    return '"' + name.replace('"', '""') + '"'


def cut_columns(book: Book, by: list[str]) -> list[str]:
    """Check that accounts can be cut by each of these columns.

    Raises
    ------
    UsageFault
        ``cut.unknown`` with the nearest name.
    """
    known = sorted((book.provided.get("accounts", frozenset()) - _HIDDEN) | {_DERIVED, "segment"})
    for name in by:
        if name not in known:
            raise UsageFault(
                "cut.unknown", f'--by "{name}": no such column of accounts', nearest(name, known)
            )
    return list(dict.fromkeys(by))


_HIDDEN = frozenset({"account_id", "recorded_at", "updated_at", "known_at"})


def members_steps(book: Book, by: list[str], opening: date, as_of: date | None) -> Steps:
    """Write the step ``attributes``: account_id and its columns, as they were at the opening.

    ``segment`` is null for every account where neither accounts nor its history has it: the
    caller then puts ``acv_segment`` in its place. ``acv_segment`` itself follows from the ledger
    and is not here.
    """
    stored = [name for name in by if name != _DERIVED and _is_stored(book, name)]
    if not stored:
        return {"attributes": "SELECT CAST(NULL AS VARCHAR) AS account_id WHERE false"}
    dated = [name for name in stored if name in _DATED and book.has("account_history")]
    if not dated:
        columns = ", ".join(f"CAST({quoted(name)} AS VARCHAR) AS {quoted(name)}" for name in stored)
        return {"attributes": f"SELECT account_id, {columns} FROM accounts"}
    known = instant(as_of) if as_of else instant(date.max - timedelta(days=1))
    history = ", ".join(
        f"arg_max({name}, valid_from) FILTER ({name} IS NOT NULL) AS {name}" for name in dated
    )
    columns = ", ".join(
        f"coalesce(past.{name}, CAST(present.{name} AS VARCHAR)) AS {name}"
        if name in dated
        else f"CAST(present.{quoted(name)} AS VARCHAR) AS {quoted(name)}"
        for name in stored
    )
    return {
        "history": f"""
    SELECT account_id, {history} FROM account_history
    WHERE valid_from <= DATE '{opening}' AND known_at < TIMESTAMPTZ '{known}'
    GROUP BY account_id""",
        "attributes": f"""
    SELECT account_id, {columns} FROM accounts AS present LEFT JOIN history AS past USING (account_id)""",
    }


def _is_stored(book: Book, name: str) -> bool:
    return name in book.provided.get("accounts", frozenset())
