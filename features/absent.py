"""What is absent: the signals and triggers that further tables and columns would bring to a book.

Nothing is listed by hand: a signal's declaration names the tables that it lives on, a trigger is
watched for the columns that it reads, and the contract names the columns of a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from features.book import Book
from features.catalog import CATALOG
from features.contracts import TABLES
from features.signal import Signal
from features.triggers import TRIGGERS
from features.watched import reads

__all__ = ["gains"]

REVENUE = ("subscriptions", "mrr_by_month")
NO_SIGNAL = ("recorded_at", "updated_at", "currency", "status")
NAMED = 3  # signals or triggers that a sentence names


def gains(book: Book, reach: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Say what each table or column that the book has not would bring.

    Parameters
    ----------
    book : Book
        An opened snapshot.
    reach : mapping
        For how many accounts each signal is known (``features.reach``).

    Returns
    -------
    list of dict
        First the tables that are absent: ``table``, ``with`` (other absent tables that some of
        the signals need too), ``signals`` (slugs), ``triggers`` (names of those that look at
        them), ``said``. Then the tables that are there without some of their optional columns,
        where signals are known of nobody: the same with ``columns`` instead of ``with``.
    """
    return [*_tables(book), *_columns(book, reach)]


def _tables(book: Book) -> list[dict[str, Any]]:
    found = []
    for table in TABLES:
        asking = [] if book.has(table) else [each for each in CATALOG if table in each.needs]
        if asking:
            missing = {need for each in asking for need in each.needs if not book.has(need)}
            others = [name for name in TABLES if name in missing - {table}]
            found.append(
                _gain(table, "with", others, asking, f"{_wanted(book, table)} would bring")
            )
    return found


def _columns(book: Book, reach: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    unknown = [each for each in CATALOG if not reach[each.slug]["accounts"]]
    ready = [each for each in unknown if all(map(book.has, each.needs))]
    found = []
    for table in (name for name in TABLES if book.has(name)):
        columns = _lacking(book, table)
        asking = [each for each in ready if table in (each.needs or REVENUE)]
        if columns and asking:
            said = f"{table} came without {', '.join(columns)}, and nobody has"
            found.append(_gain(table, "columns", columns, asking, said))
    return found


def _lacking(book: Book, table: str) -> list[str]:
    """Name the optional columns that a table of the book came without."""
    contract = TABLES[table]
    given = {*book.provided[table], *contract.key, *NO_SIGNAL}
    stored = [one for one in contract.columns if one.stored and one.default is None]
    return [one.name for one in stored if not {one.name, one.stored_name} & given]


def _wanted(book: Book, table: str) -> str:
    other = [name for name in REVENUE if name != table and book.has(name)]
    return f"{table} in place of {other[0]}" if table in REVENUE and other else table


def _gain(
    table: str, key: str, names: list[str], signals: list[Signal], said: str
) -> dict[str, Any]:
    slugs = [each.slug for each in signals]
    looking = [each.name for each in TRIGGERS if not {*slugs}.isdisjoint(reads(each))]
    triggers = list(dict.fromkeys(looking))
    told = f"{said} {_counted(slugs, 'signal')}"
    told += f" and {_counted(triggers, 'trigger')}" if triggers else ""
    told += f"; some need {' and '.join(names)} too" if key == "with" and names else ""
    return {"table": table, key: names, "signals": slugs, "triggers": triggers, "said": told}


def _counted(names: Iterable[str], noun: str) -> str:
    """Count names and give the first of them.

    Examples
    --------
    >>> _counted(["a", "b", "c", "d"], "signal"), _counted(["a"], "trigger")
    ('4 signals (a, b, c and 1 more)', '1 trigger (a)')
    """
    every = list(names)
    more = f" and {len(every) - NAMED} more" if len(every) > NAMED else ""
    return f"{len(every)} {noun}{'s' * (len(every) != 1)} ({', '.join(every[:NAMED])}{more})"
