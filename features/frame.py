"""A frame: what holds while a table is cast, and the words in which casts are written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from features.erased import NOBODY, Erased
from features.mapping import TableSettings

__all__ = ["Cast", "Frame", "full_match", "literal", "quoted"]


@dataclass(frozen=True)
class Frame:
    """What holds while a table is cast.

    Attributes
    ----------
    settings : TableSettings
        The table's mapping.
    currency : str
        The book's currency.
    timezone : str
        Zone of timestamps without offset.
    now : datetime
        Instant that "in the future" is judged by.
    erased : Erased
        Accounts whose rows are dropped.
    """

    settings: TableSettings
    currency: str
    timezone: str
    now: datetime
    erased: Erased = NOBODY


@dataclass(frozen=True)
class Cast:
    """A column's two expressions, and what it is called in a snapshot.

    Attributes
    ----------
    value : str
        SQL of the typed value.
    code : str
        SQL of the breach's code; null where the value is good.
    """

    value: str
    code: str


def quoted(name: str) -> str:
    """Quote an identifier.

    Examples
    --------
    >>> quoted('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text.

    Examples
    --------
    >>> literal("O'Hara")
    "'O''Hara'"
    """
    return "'" + text.replace("'", "''") + "'"


def full_match(text: str, pattern: str) -> str:
    """Give the SQL that says whether a text is wholly of a pattern.

    Examples
    --------
    >>> full_match("v", "a+")
    "regexp_full_match(v, 'a+')"
    """
    return f"regexp_full_match({text}, {literal(pattern)})"
