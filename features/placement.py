"""Placement: which source column goes to which column of the contract, and what is left over."""

from __future__ import annotations

import re
from dataclasses import dataclass

from features.configuration import nearest
from features.contracts import TableContract
from features.faults import DataRejected
from features.mapping import TableSettings

__all__ = ["Placement", "place"]


@dataclass(frozen=True)
class Placement:
    """Where each source column goes.

    Attributes
    ----------
    columns : dict
        Contract column → source column.
    extras : dict
        Further column that is kept → source column.
    ignored : tuple of str
        Source columns that are not taken.
    """

    columns: dict[str, str]
    extras: dict[str, str]
    ignored: tuple[str, ...]


def place(
    contract: TableContract, settings: TableSettings, header: list[str], label: str
) -> Placement:
    """Place a file's columns.

    A source column that the mapping names goes there only, not to its own name as well.

    Raises
    ------
    DataRejected
        ``schema.missing_column`` with what is missing, what was found, and the nearest name.

    Examples
    --------
    >>> from features.contracts import TABLES
    >>> settings = TableSettings(columns={"plan": "product"})
    >>> header = ["account_id", "product", "starts_on", "mrr", "memo"]
    >>> placed = place(TABLES["subscriptions"], settings, header, "s.csv")
    >>> placed.columns["plan"], "product" in placed.columns, placed.ignored
    ('product', False, ('memo',))
    """
    lookup = {name.casefold(): name for name in header}
    named = {
        mine: lookup.get(theirs.strip().casefold()) for mine, theirs in settings.placed.items()
    }
    gone = [settings.placed[mine] for mine, theirs in named.items() if theirs is None]
    explicit = {mine: theirs for mine, theirs in named.items() if theirs is not None}
    taken = set(explicit.values()) | {
        lookup.get(name.strip().casefold()) for name in settings.ignore
    }
    own = {
        column.name: lookup[column.name]
        for column in contract.columns
        if column.name not in named and column.name in lookup and lookup[column.name] not in taken
    }
    known = {column.name for column in contract.columns}
    columns = own | {mine: theirs for mine, theirs in explicit.items() if mine in known}
    gone += _missing(contract, columns, settings)
    if gone:
        raise DataRejected("schema.missing_column", *_say(label, gone, header))
    extras = {mine: theirs for mine, theirs in explicit.items() if mine not in known}
    extras |= _extras(contract, settings, header, {*columns.values(), *taken}, label)
    used = {*columns.values(), *extras.values()}
    left = (name for name in header if name not in used and not _is_said(name, settings))
    return Placement(columns, extras, tuple(left))


def _is_said(name: str, settings: TableSettings) -> bool:
    """Say whether a computed column or the predicate speaks of this one: then it is taken."""
    word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)
    return any(word.search(sql) for sql in (*settings.computed.values(), settings.where or ""))


def _missing(
    contract: TableContract, columns: dict[str, str], settings: TableSettings
) -> list[str]:
    gone = [
        name for name in contract.required if name not in columns and name not in settings.placed
    ]
    if contract.name == "subscriptions" and "mrr" not in columns:
        price = {"amount", "interval_months"} - set(columns) - set(settings.placed)
        gone += ["mrr (or amount and interval_months)"] if price else []
    return gone


def _extras(
    contract: TableContract,
    settings: TableSettings,
    header: list[str],
    used: set[str | None],
    label: str,
) -> dict[str, str]:
    if not contract.extras:
        return {}
    known = {column.name for column in contract.columns} | {"known_at"}
    lookup = {name.casefold(): name for name in header}
    wanted = header if settings.extra is None else settings.extra
    gone = [name for name in wanted if name.strip().casefold() not in lookup]
    if gone:
        raise DataRejected("schema.missing_column", *_say(label, gone, header))
    names = [lookup[name.strip().casefold()] for name in wanted]
    return {
        name: name
        for name in names
        if name and name not in used and name.casefold() not in known and not name.startswith("__")
    }


def _say(label: str, gone: list[str], header: list[str]) -> tuple[str, str]:
    near = "; ".join(f"{name}: {nearest(name, header)}" for name in gone)
    found = ", ".join(header)
    return f"{label}: missing {', '.join(gone)}; found {found}", f"map it under `columns` ({near})"
