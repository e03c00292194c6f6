"""The command that holds what is kept beside the ledger."""

from __future__ import annotations

from typing import Annotated, Any

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
    """Hold published runs beside the ledger, row by row, and the audit beside its chain."""
    from serving import terminal  # heavy: rich
    from serving.audit import verify_chain
    from serving.settings import load

    store, _ = published(load(book, home))
    runs = store.verify(run)
    audit = verify_chain(store.engine)._asdict()
    terminal.answer({"runs": runs, "verified": len(runs), "audit": audit}, json, _told)


def _told(body: dict[str, Any]) -> None:
    from serving.terminal.paper import write  # heavy: rich

    write(f"{body['verified']} runs agree with the ledger")
    audit = body["audit"]
    last = f"; its last link is {audit['link']}" if audit["entries"] else ""
    write(f"the audit holds: {audit['entries']} entries{last}")
