"""Held: what a proposed table's columns hold in the head of its file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from typing import Any

from features.casting import quoted
from features.composing import worded
from features.heads import Head

__all__ = ["held", "called_as_tests"]

TRIED = re.compile(r"\b(test|tests|testing|demo|sandbox|dummy)\b", re.IGNORECASE)


def held(
    blocks: dict[str, str],
    read: dict[str, Head],
    table: str,
    column: str,
    said: Callable[[str], str] = str,
) -> set[str]:
    """Give the different values of a column of a table, each as it is said.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from features.source_rows import SourceRows
    >>> rows = SourceRows("a.csv", "", pa.table({"Cur": ["eur", "EUR", ""]}), pa.array([2, 3, 4]))
    >>> block = '[tables.subscriptions]\\nsource = "a.csv"\\ncolumns.currency = "Cur"'
    >>> held({"subscriptions": block}, {"a.csv": Head("a.csv", rows)}, "subscriptions", "currency", str.upper)
    {'EUR'}
    """
    settings = _settings(blocks, table)
    source, head = settings.get("columns", {}).get(column), read.get(str(settings.get("source")))
    return (
        {said(value) for value in head.values(source)} if head and source in head.header else set()
    )


def called_as_tests(blocks: dict[str, str], read: dict[str, Head]) -> list[str]:
    """Ask of accounts whose name says that they are a test: who they are stays unsaid.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from features.source_rows import SourceRows
    >>> rows = pa.table({"Who": ["Ada", "TEST do not use", "Protest Ltd"]})
    >>> head = Head("a.csv", SourceRows("a.csv", "", rows, pa.array([2, 3, 4])))
    >>> block = '[tables.accounts]\\nsource = "a.csv"\\ncolumns.name = "Who"'
    >>> called_as_tests({"accounts": block}, {"a.csv": head})[0][:60]
    'a.csv: 1 name in "Who" holds a word as test or demo: if they'
    """
    settings = _settings(blocks, "accounts")
    columns, place = settings.get("columns", {}), str(settings.get("source"))
    column = "name" if "name" in columns else "account_id"
    names = [name for name in held(blocks, read, "accounts", column) if TRIED.search(name)]
    if not names:
        return []
    count = f"{len(names)} names" if len(names) > 1 else "1 name"
    verb = "hold" if len(names) > 1 else "holds"
    sql = f"not regexp_matches(lower({quoted(columns[column])}), '{TRIED.pattern}')"
    cure = f"leave them out, here and where their lines and payments are: where = {worded(sql)}"
    return [
        f"{place}: {count} in {worded(columns[column])} {verb} a word as test or demo: if they are no customers, {cure}"
    ]


def _settings(blocks: dict[str, str], table: str) -> dict[str, Any]:
    found = tomllib.loads(blocks[table]) if table in blocks else {}
    settings: dict[str, Any] = found.get("tables", {}).get(table, {})
    return settings
