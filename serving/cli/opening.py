"""What a command opens before it works: the clock, the book, the registry, the published run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import typer

from features.faults import DataRejected, Fault, UsageFault

if TYPE_CHECKING:
    from features.book import Book
    from models.registry import Registry
    from serving.settings import Settings

__all__ = ["Step", "asked_day", "leave", "now", "opened", "published", "registry", "scored"]

Step = Callable[[str], None]


def now() -> datetime:
    """Read the clock: the only place of the program that does."""
    return datetime.now(UTC)


def asked_day(asked: datetime | None) -> date | None:
    """Read ``--as-of``; a day to come is refused (``as_of.future``)."""
    if asked is not None and asked.date() > now().date():
        raise UsageFault("as_of.future", f"--as-of {asked:%Y-%m-%d}", "name a day that has passed")
    return asked.date() if asked else None


def leave(refusals: tuple[Fault, ...]) -> None:
    """Say every refusal of an ingest and leave with the exit code of the first, if there is one."""
    if refusals:
        from serving import terminal  # heavy: rich

        for fault in refusals:
            terminal.say(f"perennial: {fault}")
        raise typer.Exit(refusals[0].exit_code)


def opened(
    settings: Settings,
    step: Step,
    engine: str = "duckdb",
    *,
    asking: bool = False,
    strict: bool = False,
) -> Book:
    """Open the latest snapshot on an engine, after ingesting the book if it has changed since.

    A database is asked again only where ``asking`` (the weekly job), or if nothing was ingested
    yet. What the figures lack is said each time: by the ingest, later by the rows it set aside;
    where ``strict``, a book of which a row was set aside is refused (``feed.strict``).
    """
    from features.book import open_book  # heavy: duckdb
    from features.ingest import ingest as publish
    from features.ingest import is_current
    from serving import terminal

    if not is_current(settings.workspace, settings.home, asking=asking):
        step("ingest")
        report = publish(settings.workspace, settings.home, now(), strict=strict)
        terminal.say(f"perennial: the book has changed: ingested as snapshot {report.snapshot}")
        for warning in report.warnings:
            terminal.say(f"perennial: ingest: {warning}")
        return open_book(settings.home, engine=engine, settings=settings.engine)
    book = open_book(settings.home, engine=engine, settings=settings.engine)
    if settings.workspace.queries():
        terminal.say(
            f"perennial: tables of a database are those of snapshot {book.snapshot_id}: "
            "`perennial ingest` asks again"
        )
    aside = settings.home / "quarantine" / book.snapshot_id / "errors.jsonl"
    if aside.is_file():
        if strict:
            raise DataRejected(
                "feed.strict", f"rows set aside: {aside}", "mend them, or drop --strict"
            )
        terminal.say(f"perennial: rows were set aside, the figures lack them: {aside}")
    return book


def registry(settings: Settings) -> Registry:
    """Open the registry of models of a workspace; in production nothing unsafe does."""
    from models.registry import Registry as Registered  # heavy: mlflow, when first asked
    from serving.production import refuse_unsafe, refuse_unsafe_registry

    refuse_unsafe(settings)
    refuse_unsafe_registry(settings)
    signer = settings.models.signer()
    return Registered(settings.workspace.directory, settings.mlflow.tracking_uri, signer)


def published(settings: Settings) -> tuple[Any, Any]:
    """Open the store and its current run."""
    from features.faults import InputMissing  # heavy below: sqlalchemy
    from serving.store import Store

    elsewhere = settings.store.url is not None
    there = settings.home.is_dir() or elsewhere
    store = Store.open(settings.home, settings.store) if there else None
    run = store.current() if store else None
    if run is None:
        raise InputMissing("run.none", "nothing is published yet", "run `perennial score`")
    return store, run


def scored(
    settings: Settings, book: Book, as_of: date | None, step: Step, accept_volume: bool = False
) -> Any:
    """Score the book with the champion and publish the run."""
    from serving import terminal  # heavy below: rich, lightgbm
    from serving.batch import as_of_date, champion
    from serving.batch import score as run
    from serving.model_notes import note_models

    step("score: open the model")
    known = registry(settings)
    model = champion(known, settings.home)
    note_models(known, settings.home)
    for warning in model.warnings:
        terminal.say(f"perennial: degraded: {warning}")
    day = as_of_date(book, as_of)

    def told(what: str) -> None:
        step(f"score: {what}")

    return run(settings, book, model, day, now(), told, accept_volume=accept_volume)
