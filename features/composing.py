"""Composing: a commented ``perennial.toml`` for the systems that a company has."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from features.systems import System, system, system_names

__all__ = ["Composed", "book_section", "compose", "listed", "worded"]

BOOK = """\
[book]
path = {path}           # where the tables are, relative to this file
# currency = "USD"       # reporting currency; also of rows that name none
# timezone = "UTC"       # zone of times without offset
# fiscal_year_starts = 1 # month
# as_of = 2025-01-01     # default as-of date; else the day after the last thing that happened

# How NRR is reckoned: docs/revenue.md. Presets beside each other: docs/presets.md.
# [revenue]
# preset = "stripe-like"
"""


@dataclass(frozen=True)
class Composed:
    """A file that was composed.

    Attributes
    ----------
    text : str
        The whole ``perennial.toml``.
    tables : dict of str to str
        Table → the system that gives it.
    left_out : dict of str to list of str
        Table → further systems that would give it; their lines are comments.
    """

    text: str
    tables: dict[str, str]
    left_out: dict[str, list[str]]


def worded(value: str | list[str]) -> str:
    """Write a text, or a list of texts, as TOML takes it.

    Examples
    --------
    >>> worded('Größe "m"'), worded(["a", "b"])
    ('"Größe \\\\"m\\\\""', '["a", "b"]')
    """
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def book_section(path: str, currency: str = "") -> str:
    """Write ``[book]``, its other keys as comments; a currency only where it is not the default.

    Examples
    --------
    >>> book_section("exports").splitlines()[1].split("#")[0].strip()
    'path = "exports"'
    """
    book = BOOK.format(path=worded(path))
    if currency in ("", "USD"):
        return book
    said = f"currency = {worded(currency)}        # the only one of the lines; of rows that name none too"
    return re.sub("(?m)^# currency.*$", lambda _: said, book)


def compose(systems: list[System], path: str = ".") -> Composed:
    """Put the mappings of some systems into one file; of two for one table the first stands.

    Examples
    --------
    >>> from features.systems import system
    >>> made = compose([system("stripe"), system("spreadsheet")])
    >>> made.tables["accounts"], made.left_out
    ('stripe', {'accounts': ['spreadsheet'], 'mrr_by_month': ['spreadsheet']})
    >>> import tomllib
    >>> sorted(tomllib.loads(made.text)["tables"])
    ['accounts', 'payments', 'subscriptions']
    """
    words = " ".join(["perennial init", *(f"--from {each.name}" for each in systems)])
    parts = [f"# perennial.toml, written by `{words}`.\n", book_section(path)]
    tables: dict[str, str] = {}
    left_out: dict[str, list[str]] = {}
    for each in systems:
        parts.append(f"\n# ==== {each.name} ====\n{each.preface}\n")
        for table, block in each.blocks.items():
            giver = tables.get(_form(table, tables), each.name)
            if giver == each.name:
                tables[table] = each.name
                parts.append(f"\n{block}\n")
            else:
                left_out.setdefault(table, []).append(each.name)
                parts.append(f"\n# Left out: {giver} gives this already.\n{_silent(block)}\n")
    return Composed("".join(parts), tables, left_out)


def listed() -> str:
    """List the systems that have a mapping, as comments.

    Examples
    --------
    >>> print(listed().splitlines()[1])
    # Mappings are ready for these: perennial init --from NAME --from NAME --force
    """
    names = [f"#   {name:<20} {system(name).about}" for name in system_names()]
    lead = "# Mappings are ready for these: perennial init --from NAME --from NAME --force"
    return "\n".join(["", lead, *names, ""])


def _form(table: str, tables: dict[str, str]) -> str:
    """Name the table that stands in the way: a book has one form of revenue."""
    other = {"subscriptions": "mrr_by_month", "mrr_by_month": "subscriptions"}.get(table, table)
    return other if other in tables else table


def _silent(block: str) -> str:
    return "\n".join(f"# {line}".rstrip() for line in block.splitlines())
