"""The command that packs old runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serving.cli.opening import published
from serving.cli.options import BookDir, Home, Json

if TYPE_CHECKING:
    from serving.store import Store

__all__ = ["compact"]


def compact(
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="So many runs, the oldest first.")
    ] = None,
    shrink: Annotated[
        bool,
        typer.Option("--shrink", help="Give the room back to the disk: it needs as much again."),
    ] = False,
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Pack the runs of older dates than `[store] whole_dates`: a fifth of the room, same answers.

    `perennial score` packs a few each week by itself. This packs all at once where a store of an
    earlier version is there. Stopped at any moment, a run is either whole or packed.
    """
    from serving import terminal  # heavy: rich
    from serving.compaction import due
    from serving.database import reading
    from serving.settings import load

    store, _ = published(load(book, home))
    packed = store.compact(limit)
    freed = _shrunk(store) if shrink else None
    with reading(store.engine) as connection:
        waiting = len(due(connection, store.settings.whole_dates))
    told = {"packed": packed, "waiting": waiting, "freed": freed}
    terminal.answer(told, json, terminal.compacted)


def _shrunk(store: Store) -> int | None:
    """Write the store anew without the room that is free; how many bytes less, of a file."""
    from serving.privacy.scouring import scoured

    name = store.engine.url.database
    file = Path(name) if store.settings.url is None and name else None
    before = file.stat().st_size if file else 0
    scoured(store.engine, store.settings.wait_seconds)
    return before - file.stat().st_size if file else None
