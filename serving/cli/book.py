"""Commands of the book: check it, ingest it."""

from __future__ import annotations

from typing import Annotated

import typer

from serving.cli.opening import leave, now
from serving.cli.options import BookDir, Home, Json

__all__ = ["check", "ingest"]

Strict = Annotated[bool, typer.Option("--strict", help="Exit 65 if any row is quarantined.")]
Empty = Annotated[bool, typer.Option("--allow-empty", help="Accept required tables with no row.")]


def check(book: BookDir = None, home: Home = None, json: Json = False) -> None:
    """Read the book and report coverage and every breach; change nothing."""
    from features.ingest import check as examine  # heavy: pyarrow
    from serving import terminal
    from serving.settings import load

    report = examine(load(book, home).workspace, now())
    terminal.answer(report.to_json(), json, terminal.ingested)
    leave(report.refusals)


def ingest(
    book: BookDir = None,
    home: Home = None,
    strict: Strict = False,
    allow_empty: Empty = False,
    json: Json = False,
) -> None:
    """Check the book, then publish an immutable snapshot and set bad rows aside."""
    from features.ingest import attempt  # heavy: pyarrow
    from serving import terminal
    from serving.settings import load

    settings = load(book, home)
    with terminal.steps(json) as step:
        report = attempt(
            settings.workspace,
            settings.home,
            now(),
            strict=strict,
            allow_empty=allow_empty,
            progress=lambda table: step(f"read {table}"),
        )
    terminal.answer(report.to_json(), json, terminal.ingested)
    leave(report.refusals)
