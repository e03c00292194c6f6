"""The command of the first day: write a ``perennial.toml`` for the exports that a company has."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from features.faults import CannotWrite, InputMissing
from serving.cli.opening import now
from serving.cli.options import BookDir, Home, Json

__all__ = ["init"]

CONFIG = "perennial.toml"
From = Annotated[
    list[str] | None,
    typer.Option("--from", help="A system whose export is mapped, e.g. stripe; repeatable."),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Write over a perennial.toml; the old one is kept beside it."),
]


def init(
    systems: From = None,
    book: BookDir = None,
    force: Force = False,
    home: Home = None,
    json: Json = False,
) -> None:
    """Write perennial.toml: for known systems, or for what the headers in --book DIR say.

    With neither it lists the systems in a file of defaults. State is not touched: --home is taken
    as every command takes it.
    """
    from features.durable import replace  # heavy below: duckdb, pyarrow
    from serving import terminal

    target = Path(CONFIG)
    if book is not None and not book.is_dir():
        raise InputMissing("feed.missing", f"{book}: no such folder", "mend --book")
    if target.exists() and not force:
        cure = "write it anew with --force (the old one is kept), or begin in another folder"
        raise CannotWrite("init.exists", f"{target}: there is one already", cure)
    text, told = _written(systems or [], book)
    if target.exists():
        replace(target.with_name(f"{CONFIG}.old"), target.read_bytes())
    replace(target, text.encode())
    terminal.answer({"path": str(target), **told}, json, terminal.initiated)


def _written(names: list[str], book: Path | None) -> tuple[str, dict[str, Any]]:
    """Give the file's text, and what is said of it."""
    path = os.path.relpath(book).replace(os.sep, "/") if book is not None else "."
    if names or book is None:
        return _composed(names, path)
    from features.proposing import propose  # heavy: duckdb, pyarrow

    found = propose(book, now(), path)
    return found.text, {"systems": [], **found.to_json()}


def _composed(names: list[str], path: str) -> tuple[str, dict[str, Any]]:
    from features.composing import compose, listed  # heavy: pydantic
    from features.systems import system

    once = [system(name) for name in dict.fromkeys(names)]
    made = compose(once, path)
    tables = {
        table: {"file": _source(once, name, table), "ground": f"--from {name}"}
        for table, name in made.tables.items()
    }
    unplaced = {
        table: f"{', '.join(others)}: {made.tables.get(table, 'another form of revenue')} gives it"
        for table, others in made.left_out.items()
    }
    text = made.text if once else made.text + listed()
    told = {"systems": [each.name for each in once], "tables": tables}
    return text, {**told, "open": [], "unplaced": unplaced}


def _source(systems: list[Any], name: str, table: str) -> str:
    """Say where a table of a system is read from; a query is of its database."""
    found = next(each.tables[table].source for each in systems if each.name == name)
    return found if isinstance(found, str) else str(getattr(found, "url", table))
