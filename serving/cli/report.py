"""The command `report`: the page for a board, or for a review with a customer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.faults import UsageFault
from serving.cli.opening import Step, opened
from serving.cli.options import BookDir, Home, Json

if TYPE_CHECKING:
    from serving.settings import Settings

__all__ = ["report"]

PAGES = (".html", ".htm")

Board = Annotated[
    bool, typer.Option("--board", help="The board's page: NRR and GRR, their parts, the outlook.")
]
Account = Annotated[
    str | None,
    typer.Option("--account", help="A page for this customer's review: no score, no price."),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="Write it to FILE.html or FILE.pdf instead of standard output."),
]


def report(
    board: Board = False,
    account: Account = None,
    out: Out = None,
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """One self-contained page to hand over: for a board, or for a customer."""
    from serving import terminal  # heavy: rich
    from serving.settings import load

    if board == (account is not None):
        found = "--board beside --account" if board else "neither --board nor --account"
        raise UsageFault("usage", found, "give one of the two")
    printed = _printer(out)
    settings = load(book, home)
    with terminal.steps(json) as step:
        if account is None:
            told, page = _board(settings, step)
        else:
            told, page = _value(settings, account, step)
        step("report: write")
        written = printed(page) if out is not None or not json else b""
    if out is not None:  # first: whoever reads may stop reading
        _write(out, written)
        terminal.say(f"perennial: report written to {out}")
    if json:
        terminal.emit(told)
    elif out is None:
        sys.stdout.buffer.write(written)
        sys.stdout.flush()


def _printer(out: Path | None) -> Callable[[str], bytes]:
    """Choose how a page becomes a file, and refuse what could not be written before any work."""
    kind = ".html" if out is None else out.suffix.lower()
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise UsageFault("report.unwritable", f"--out {out}: no such folder", "make it first")
    if kind in PAGES:
        return lambda page: page.encode()
    if kind != ".pdf":
        raise UsageFault("report.kind", f"--out {out}: not a page", "name the file .html or .pdf")
    from serving.reports import browser, pdf  # heavy: duckdb, jinja

    program = browser()
    return lambda page: pdf(page, program)


def _board(settings: Settings, step: Step) -> tuple[Mapping[str, Any], str]:
    from serving.reports import board, board_page  # heavy: duckdb, jinja
    from serving.store import Store

    found = opened(settings, step)
    step("report: figures")
    store = Store.open(settings.home, settings.store)
    told = board(settings, found, store, store.current())
    return told, board_page(told)


def _value(settings: Settings, account: str, step: Step) -> tuple[Mapping[str, Any], str]:
    from serving.reports import value, value_page  # heavy: duckdb, jinja

    found = opened(settings, step)
    step("report: figures")
    told = value(found, settings.rules.by_account(), account)
    return told, value_page(told)


def _write(out: Path, content: bytes) -> None:
    from features.durable import disk_watched, replace

    with disk_watched(out):
        replace(out, content)
