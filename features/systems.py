"""Systems: billing, CRM, support and event tools whose exports have a mapping ready.

A mapping is a TOML file in ``features/mappings``: its first line says what it reads, the rest is
what a ``perennial.toml`` says of those tables.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from importlib.resources import files

from features.configuration import nearest, read_section
from features.faults import UsageFault
from features.mapping import TableSettings
from features.selecting import SqlSource

__all__ = ["System", "system", "system_names"]

TABLE = re.compile(r"\[tables\.(\w+)")


@dataclass(frozen=True)
class System:
    """A system whose exports are known.

    Attributes
    ----------
    name : str
        As ``perennial init --from`` takes it.
    about : str
        What is read, in a line.
    preface : str
        What the file says before its first table, as comments.
    blocks : dict of str to str
        Table → its lines, comments included.
    tables : dict of str to TableSettings
        The same, read.
    """

    name: str
    about: str
    preface: str
    blocks: dict[str, str]
    tables: dict[str, TableSettings]

    @property
    def databases(self) -> bool:
        """Whether any of its tables is asked of a database."""
        return any(isinstance(each.source, SqlSource) for each in self.tables.values())


def system_names() -> list[str]:
    """List the systems.

    Examples
    --------
    >>> {"stripe", "spreadsheet"} <= set(system_names())
    True
    """
    found = (files("features") / "mappings").iterdir()
    return sorted(each.name.removesuffix(".toml") for each in found if each.name.endswith(".toml"))


def system(name: str) -> System:
    """Read a system's mapping.

    Raises
    ------
    UsageFault
        ``init.system`` for a system that has none.

    Examples
    --------
    >>> stripe = system("stripe")
    >>> stripe.about
    'Stripe, exports of the dashboard (CSV): subscriptions and invoices'
    >>> list(stripe.tables), stripe.tables["accounts"].columns["account_id"], stripe.databases
    (['accounts', 'subscriptions', 'payments'], 'Customer ID', False)
    """
    if name not in system_names():
        raise UsageFault("init.system", f"--from {name}", nearest(name, system_names()))
    text = (files("features") / "mappings" / f"{name}.toml").read_text(encoding="utf-8")
    blocks = _blocks(text.splitlines())
    preface = blocks.pop("").strip("\n")
    tables = {
        table: _settings(table, each) for table, each in tomllib.loads(text)["tables"].items()
    }
    about = preface.splitlines()[0].removeprefix("# ")
    return System(name, about, preface, {t: b.strip("\n") for t, b in blocks.items()}, tables)


def _settings(table: str, values: dict[str, object]) -> TableSettings:
    source = values.get("source")
    if isinstance(source, dict):
        values = values | {"source": read_section(SqlSource, source, f"[tables.{table}] source")}
    return read_section(TableSettings, values, f"[tables.{table}]")


def _blocks(lines: list[str]) -> dict[str, str]:
    """Cut a file where another table begins; comments right above it are its own."""
    blocks: dict[str, list[str]] = {"": []}
    here = ""
    for line in lines:
        found = TABLE.match(line)
        if found and found[1] != here:
            above = _comments(blocks[here]) if here else []
            here = found[1]
            blocks[here] = above
        blocks[here].append(line)
    return {table: "\n".join(each) for table, each in blocks.items()}


def _comments(lines: list[str]) -> list[str]:
    """Take the comments at the end of some lines away from them."""
    taken: list[str] = []
    while lines and lines[-1].startswith("#"):
        taken.insert(0, lines.pop())
    return taken
