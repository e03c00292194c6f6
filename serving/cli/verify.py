"""The command that holds what is kept beside the ledger."""

from __future__ import annotations

from typing import Annotated

import typer

from serving.cli.opening import published
from serving.cli.options import BookDir, Home, Json

__all__ = ["verify"]


def verify(
    run: Annotated[str | None, typer.Argument(help="A run; all of them unless named.")] = None,
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Count and hash the rows of published runs again, and hold them beside the ledger."""
    from serving import terminal  # heavy: rich
    from serving.settings import load

    store, _ = published(load(book, home))
    runs = store.verify(run)
    terminal.answer({"runs": runs, "verified": len(runs)}, json, _told)


def _told(body: dict[str, object]) -> None:
    from serving.terminal.paper import write  # heavy: rich

    write(f"{body['verified']} runs agree with the ledger")
