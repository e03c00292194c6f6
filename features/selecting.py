"""Selecting: a source that is a query of a database, as perennial.toml writes it.

The query only reads: the database is asked in a read-only transaction, and what cannot be one
SELECT is refused before that. The file holds no password: the environment does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import ConfigDict, Field, model_validator

from features.configuration import Section

__all__ = ["Question", "SqlSource", "one_select"]

VARIABLE = re.compile(r"env:[A-Za-z_]\w*")
SECRET = re.compile(r"(?i)://[^:/]*:.*@|[?&]\w*(password|passwd|pwd|secret|token)=")

TOKEN = re.compile(
    r"""
    (?P<blank>\s+|--[^\n]*|/\*.*?\*/)
    | (?P<text>[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`
        |\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    | (?P<word>[^\W\d][\w$]*)
    | (?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)
READING = ("select", "with", "values", "table")


class SqlSource(Section):
    """``source = { url, query }`` or ``{ url, table }``: the rows of a query of a database.

    What is refused here is never repeated in the message: it may hold a password.

    Attributes
    ----------
    url : str
        ``env:NAME``, the environment variable that holds the URL, or a URL without password.
    query : str or None
        One SELECT (or WITH … SELECT).
    table : str or None
        A table or view to take whole, ``schema.name`` where it has a schema.
    watermark : str or None
        A column that only grows, as ``updated_at`` or a serial number: what was read is kept, and
        of the next ingest on only newer rows are asked. Absent, all rows are asked each time.
    key : str or None
        Column that tells rows apart: a row that comes again stands for the one that was kept.
    overlap : float
        How far below the highest mark rows are asked again, for those that were written late:
        minutes of a timestamp, units of a number; not for text and days.

    Examples
    --------
    >>> SqlSource(url="env:DATABASE_URL", table="crm.accounts").variable
    'DATABASE_URL'
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    url: str
    query: str | None = None
    table: str | None = None
    watermark: str | None = Field(default=None, pattern=r"^[^%\x00-\x1f]+$")
    key: str | None = None
    overlap: float = Field(default=60.0, ge=0, allow_inf_nan=False)

    @property
    def variable(self) -> str | None:
        """The environment variable that holds the URL, if one does."""
        return self.url.removeprefix("env:") if self.url.startswith("env:") else None

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if (self.query is None) == (self.table is None):
            raise ValueError("give a query or a table, one of the two")
        if self.query is not None:
            one_select(self.query)
        return self

    @model_validator(mode="after")
    def _key_of_newer(self) -> Self:
        if self.key is not None and self.watermark is None:
            raise ValueError("a key is for a watermark: without one all rows are asked")
        return self

    @model_validator(mode="after")
    def _no_secret(self) -> Self:
        named = self.variable is not None
        if named and not VARIABLE.fullmatch(self.url):
            raise ValueError("after env: comes the name of an environment variable")
        if not named and "://" not in self.url:
            raise ValueError('a url is "env:NAME" or dialect://host/database')
        if not named and SECRET.search(self.url):
            raise ValueError('a password may not stand in this file: write url = "env:NAME"')
        return self


@dataclass(frozen=True)
class Question:
    """What one table asks of a database.

    Attributes
    ----------
    table : str
        Name in the contract.
    source : SqlSource
        The query, and where it is written that the database is.
    path : Path
        Where its rows are staged.
    """

    table: str
    source: SqlSource
    path: Path

    @property
    def settled(self) -> Path:
        """Where those of its rows are staged that are not asked again."""
        return self.path.with_suffix(".settled.parquet")

    def anew(self, number: int) -> Path:
        """Say where a kept part of its rows is written anew."""
        return self.path.with_suffix(f".{number}.parquet")

    @property
    def label(self) -> str:
        """How messages call it; there is no secret in it."""
        return f"{self.table} ({self.source.url.split('?')[0]})"


def one_select(query: str) -> str:
    """Give a query without its closing semicolon.

    Raises
    ------
    ValueError
        If it does not begin with SELECT or WITH, or if a second statement follows.

    Examples
    --------
    >>> one_select("-- paying only\\nselect ';' as mark from usage;  ")
    "-- paying only\\nselect ';' as mark from usage"
    >>> one_select("delete from usage")
    Traceback (most recent call last):
    ...
    ValueError: a query begins with SELECT or WITH, not with DELETE
    """
    first, end = "", len(query)
    for token in TOKEN.finditer(query):
        kind, said = token.lastgroup, token.group()
        if kind == "blank":
            _refuse_nested(said)
        elif end < len(query):
            if said != ";":
                raise ValueError("one statement only: something follows the semicolon")
        elif said == ";":
            end = token.start()
        elif not first and said != "(":
            first = said
    if first.lower() not in READING:
        found = f"not with {first.upper()}" if first else "this one is empty"
        raise ValueError(f"a query begins with SELECT or WITH, {found}")
    return query[:end]


def _refuse_nested(blank: str) -> None:
    """Databases differ in where a comment inside a comment ends."""
    if blank.startswith("/*") and "/*" in blank[2:]:
        raise ValueError("a comment inside a comment")
