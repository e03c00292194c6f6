"""The command that says whether what was published still holds."""

from __future__ import annotations

from typing import Annotated

import typer

from serving.cli.opening import published
from serving.cli.options import BookDir, Home, Json

__all__ = ["monitor"]


def monitor(
    again: Annotated[
        bool,
        typer.Option("--again", help="Count every closed month again: the past was corrected."),
    ] = False,
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Whether what was published still holds: feeds, missing signals, drift, foretold and observed."""
    from features.book import open_book  # heavy, all of these: duckdb, rich
    from serving import terminal
    from serving.monitoring import watch
    from serving.monitoring.outcomes import tell_outcomes
    from serving.settings import load
    from serving.terminal.monitoring import monitoring

    settings = load(book, home)
    store, _ = published(settings)
    known = open_book(settings.home, settings=settings.engine)
    counted = tell_outcomes(store, known, settings.rules.by_account(), again=again)
    seen = watch(store)
    if seen is not None:
        terminal.answer(seen.to_json() | {"counted": counted}, json, monitoring)
