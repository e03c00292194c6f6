"""One section of ``perennial.toml``: its keys, their types, and a clear refusal of all others."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from features.faults import ConfigurationRefused

__all__ = ["Section", "nearest", "read_section"]


class Section(BaseModel):
    """Base of every section: immutable, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


S = TypeVar("S", bound=Section)


def nearest(word: str, known: list[str]) -> str:
    """Name the known word that is nearest to ``word``, as the tail of a message.

    Examples
    --------
    >>> nearest("curency", ["currency", "timezone"])
    'did you mean "currency"?'
    >>> nearest("zzz", ["currency", "timezone"])
    'known: currency, timezone'
    """
    close = difflib.get_close_matches(word, known, n=1)
    return f'did you mean "{close[0]}"?' if close else f"known: {', '.join(known)}"


def read_section(kind: type[S], values: Mapping[str, Any], where: str) -> S:
    """Read one section, or say which key is refused and which name is nearest.

    Parameters
    ----------
    kind : type of Section
        The section's declaration.
    values : mapping
        What the file says.
    where : str
        How the section is called in messages, e.g. ``"[book]"``.

    Raises
    ------
    ConfigurationRefused
        ``config`` for an unknown key or a value of the wrong kind (exit code 78).

    Examples
    --------
    >>> class Book(Section):
    ...     currency: str = "USD"
    >>> read_section(Book, {"currency": "EUR"}, "[book]").currency
    'EUR'
    >>> read_section(Book, {"curency": "EUR"}, "[book]")
    Traceback (most recent call last):
    ...
    features.faults.ConfigurationRefused: [book] curency: config: unknown key; did you mean "currency"?
    """
    try:
        return kind.model_validate(dict(values))
    except ValidationError as refused:
        first = refused.errors(include_url=False)[0]
        raise _as_fault(kind, first, where) from refused


def _as_fault(kind: type[Section], error: Any, where: str) -> ConfigurationRefused:
    path = [str(part) for part in error["loc"]]
    place = f"{where} {'.'.join(path)}".strip()
    if error["type"] == "extra_forbidden":
        known = [field.alias or name for name, field in kind.model_fields.items()]
        cure = f"unknown key; {nearest(path[-1], known)}" if len(path) == 1 else "unknown key"
        return ConfigurationRefused("config", place, cure)
    if error["type"] == "literal_error":
        known = re.findall(r"'([^']*)'", error["ctx"]["expected"])
        found = f'unknown value "{error["input"]}"'
        return ConfigurationRefused(
            "config", place, f"{found}; {nearest(str(error['input']), known)}"
        )
    said = error["msg"].removeprefix("Value error, ")
    shown = path and not kind.model_config.get("hide_input_in_errors")
    found = f"; found {error['input']!r}" if shown else ""
    return ConfigurationRefused("config", place, said + found)
