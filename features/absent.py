"""What is absent: the signals and triggers that further tables and columns would bring to a book.

Nothing is listed by hand: a signal's declaration names the tables that it lives on, a trigger is
watched for the columns that it reads, and the contract names the columns of a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from features.book import Book
from features.catalog import CATALOG
from features.contracts import TABLES
from features.rollup import FEEDS
from features.signal import Signal
from features.triggers import TRIGGERS
from features.view import feed_of
from features.watched import reads

__all__ = ["gains"]

REVENUE = ("subscriptions", "mrr_by_month")
NO_SIGNAL = ("recorded_at", "updated_at", "currency", "status")
NAMED = 3  # signals or triggers that a sentence names


def gains(book: Book, as_of: date, reach: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Say what each table or column that the book has not would bring.

    Parameters
    ----------
    book : Book
        An opened snapshot.
    as_of : date
        The day on which it was measured.
    reach : mapping
        For how many accounts each signal is known (``features.reach``).

    Returns
    -------
    list of dict
        First the tables that are absent, the richest first: ``table``, ``with`` (other absent tables that some of
        the signals need too), ``signals`` (slugs), ``triggers`` (names of those that look at
        them), ``said``. Then the feeds that are behind: the same with ``behind`` (true) instead
        of ``with``. Last the tables that are there without some of their optional columns, where
        nobody has a signal that lives on them: the same with ``columns``.
    """
    needed = {need for each in CATALOG for need in each.needs}
    there = [table for table in FEEDS if table in needed and book.has(table)]
    late = [table for table in there if _behind(book, table, as_of)]
    ready = [each for each in CATALOG if all(map(book.has, each.needs))]
    held = [each for each in ready if not {*late}.isdisjoint(each.needs)]
    unknown = [e for e in ready if e not in held and not reach[e.slug]["accounts"]]
    return [*_tables(book), *(_late(table, held) for table in late), *_columns(book, unknown)]


def _tables(book: Book) -> list[dict[str, Any]]:
    found = []
    for table in TABLES:
        asking = [] if book.has(table) else [each for each in CATALOG if table in each.needs]
        if asking:
            missing = {need for each in asking for need in each.needs if not book.has(need)}
            others = [name for name in TABLES if name in missing - {table}]
            too = f"; some need {' and '.join(others)} too" if others else ""
            said = f"{_wanted(book, table)} would bring {_brought(asking)}{too}"
            found.append(_gain(table, asking, said) | {"with": others})
    return sorted(found, key=lambda gain: -len(gain["signals"]))


def _late(table: str, held: Sequence[Signal]) -> dict[str, Any]:
    asking = [each for each in held if table in each.needs]
    said = f"{table} is there, but behind; until it catches up nobody has {_brought(asking)}"
    return _gain(table, asking, said) | {"behind": True}


def _columns(book: Book, unknown: Sequence[Signal]) -> list[dict[str, Any]]:
    found = []
    for table in (name for name in TABLES if book.has(name)):
        columns = _lacking(book, table)
        asking = [each for each in unknown if table in (each.needs or REVENUE)]
        if columns and asking:
            said = f"{table} came without {', '.join(columns)}; nobody has {_reasons(asking)}"
            found.append(_gain(table, asking, said) | {"columns": columns})
    return found


def _gain(table: str, signals: Sequence[Signal], said: str) -> dict[str, Any]:
    slugs = [each.slug for each in signals]
    return {"table": table, "signals": slugs, "triggers": _looking(slugs), "said": said}


def _behind(book: Book, table: str, as_of: date) -> bool:
    feed = feed_of(book, table, as_of)
    return feed is not None and feed.stale


def _lacking(book: Book, table: str) -> list[str]:
    """Name the optional columns that a table of the book came without."""
    contract = TABLES[table]
    given = {*book.provided[table], *contract.key, *NO_SIGNAL}
    stored = [one for one in contract.columns if one.stored and one.default is None]
    return [one.name for one in stored if not {one.name, one.stored_name} & given]


def _wanted(book: Book, table: str) -> str:
    other = [name for name in REVENUE if name != table and book.has(name)]
    return f"{table} in place of {other[0]}" if table in REVENUE and other else table


def _looking(slugs: Sequence[str]) -> list[str]:
    """Name the triggers that look at signals, each once."""
    seen = [each.name for each in TRIGGERS if not {*slugs}.isdisjoint(reads(each))]
    return list(dict.fromkeys(seen))


def _brought(signals: Sequence[Signal]) -> str:
    slugs = [each.slug for each in signals]
    triggers = _looking(slugs)
    more = f" and {_counted(triggers, 'trigger')}" if triggers else ""
    return _counted(slugs, "signal") + more


def _reasons(signals: Sequence[Signal]) -> str:
    """Name signals by why they are missing."""
    by_reason: dict[str, list[str]] = {}
    for each in signals:
        by_reason.setdefault(each.missing, []).append(each.slug)
    return "; ".join(f"{_few(slugs)} ({why})" for why, slugs in by_reason.items())


def _counted(names: Sequence[str], noun: str) -> str:
    """Count names and give the first of them.

    Examples
    --------
    >>> _counted(["a", "b", "c", "d"], "signal"), _counted(["a"], "trigger")
    ('4 signals (a, b, c and 1 more)', '1 trigger (a)')
    """
    return f"{len(names)} {noun}{'s' * (len(names) != 1)} ({_few(names)})"


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
