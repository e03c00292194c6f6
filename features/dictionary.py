"""The dictionary: ``docs/tables.md``, written from the contract so that it cannot go stale."""

from __future__ import annotations

from features.columns import Column
from features.contracts import TABLES, TableContract

__all__ = ["dictionary"]

HEAD = """# The tables of a book

Written from `features/contracts.py` by `features/dictionary.py`; a test fails when it is stale.
A file is found by its table's name: `accounts.csv`, `accounts.csv.gz`, `accounts.parquet`, or a
folder `accounts/*.parquet`. Other names: [mapping.md](mapping.md). **Bold** columns are required.
Every table but accounts, plans, contacts and feature_catalog may carry `recorded_at`: from then on
a row counts as known. `updated_at` says which of two versions of a row is the newer one.
"""


def dictionary() -> str:
    """Write the page.

    Examples
    --------
    >>> print(dictionary().splitlines()[0])
    # The tables of a book
    """
    return "\n".join([HEAD, *(_table(table) for table in TABLES.values())])


def _table(table: TableContract) -> str:
    shown = [column for column in table.columns if column.name not in ("updated_at", "recorded_at")]
    rows = [_row(column) for column in shown]
    head = [f"## {table.name}", "", table.doc[0].upper() + table.doc[1:] + ".", ""]
    key = f"Key: {', '.join(table.key)}. {STRANGERS[table.stranger]}"
    return "\n".join([*head, key, "", "| column | kind | meaning |", "|---|---|---|", *rows, ""])


def _row(column: Column) -> str:
    name = f"**{column.name}**" if column.required else column.name
    words = [column.doc]
    words += [f"one of {', '.join(column.allowed)}"] if column.allowed else []
    words += [f"default {column.default}"] if column.default else []
    words += ["never echoed in messages"] if column.personal else []
    words += ["not in the future"] if column.past else []
    return f"| {name} | {column.kind} | {'; '.join(words)} |"


STRANGERS = {
    "quarantine": "A row of an unknown account is set aside as an error: it is money.",
    "unmatched": "A row of an unknown account is set aside and counted apart.",
    "none": "",
}
