"""Commands of the weekly job: score, backfill, what ran, and letting a held run through."""

from __future__ import annotations

import getpass
import os
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.faults import Busy, InputMissing, UsageFault
from serving.cli.opening import asked_day, now, opened, scored
from serving.cli.options import AsOf, BookDir, Engine, Home, Json
from serving.cli.privacy import purged

if TYPE_CHECKING:
    from features.book import Book
    from serving.batch import Batch
    from serving.settings import Settings
    from serving.stages import Stages
    from serving.store import Store

__all__ = ["approve", "runs", "score"]

HELD = 65


def score(
    as_of: AsOf = None,
    backfill: Annotated[
        str | None,
        typer.Option("--backfill", metavar="FROM:TO", help="Score past weeks that have no run."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --backfill: only list the weeks.")
    ] = False,
    accept_volume: Annotated[
        bool, typer.Option("--accept-volume", help="Take tables of an unusual size as they are.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a book of which any row was set aside.")
    ] = False,
    engine: Engine = "duckdb",
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """The weekly job: signals, probabilities, matrix, list, forecast, published at once."""
    from serving import terminal  # heavy: rich
    from serving.settings import load
    from serving.stages import Stages

    if backfill is None and dry_run:
        raise UsageFault("usage", "--dry-run", "it goes with --backfill FROM:TO")
    if backfill is not None and as_of is not None:
        raise UsageFault("usage", "--as-of with --backfill", "name one of them")
    settings, day = load(book, home), asked_day(as_of)
    with terminal.steps(json) as step:
        stages = Stages(step)
        stages("open the book")
        found = opened(settings, stages, engine, asking=True, strict=strict)
        if backfill is not None:
            told = _backfilled(settings, found, backfill, dry_run, stages, accept_volume)
        else:
            told = scored(settings, found, day, stages, accept_volume).to_json()
    took = {name.removeprefix("score: "): spent for name, spent in stages.ended().items()}
    with suppress(Busy):  # an ingest is at work: what is past its time goes the next time
        purged(settings)
    page = terminal.scored if backfill is None else terminal.backfilled
    terminal.answer(told | {"stages": took}, json, page)
    if told["held"]:
        raise typer.Exit(HELD)


def _backfilled(
    settings: Settings,
    book: Book,
    asked: str,
    dry_run: bool,
    stages: Stages,
    accept_volume: bool,
) -> dict[str, Any]:
    """Score the past weeks that have no run, oldest first, or only list them."""
    from serving.backfill import backfilled, planned, summary, weeks_asked  # heavy: sqlalchemy
    from serving.batch import as_of_date, champion
    from serving.batch import score as run
    from serving.cli.opening import registry
    from serving.store import Store

    days = [as_of_date(book, day) for day in weeks_asked(asked)]
    store = Store.open(settings.home, settings.store)
    weeks = planned(store, days, min(book.facts.as_of, now().date()))
    if not dry_run and any(week.state == "to do" for week in weeks):
        stages("open the model")
        model = champion(registry(settings), settings.home)

        def one(day: date) -> Batch:
            return run(
                settings, book, model, day, now(), accept_volume=accept_volume, backfill=True
            )

        weeks = backfilled(weeks, one, stages)
    return {
        "backfill": asked,
        "dry_run": dry_run,
        "weeks": [week.to_json() for week in weeks],
        "states": dict(summary(weeks)),
        "held": [week.run_id for week in weeks if week.state == "held" and not dry_run],
    }


def approve(
    run: Annotated[str, typer.Argument(help="The run that a gate holds: `perennial runs`.")],
    by: Annotated[
        str | None, typer.Option("--by", help="Who lets it through (default: who is logged in).")
    ] = None,
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Let a run through that a gate holds: it serves from now on; who and when is kept."""
    from serving import terminal  # heavy: rich
    from serving.digest import keep
    from serving.settings import load

    store = _store(load(book, home))
    let = store.approve(run, now=now(), by=by or _who())
    keep(store, let)  # its digest said that it is held
    current = store.current()
    told = {
        "run_id": let.run_id,
        "as_of": let.as_of.isoformat(),
        "status": let.status,
        "held_because": let.held_because or [],
        "approved_at": let.approved_at,
        "approved_by": let.approved_by,
        "current": current is not None and current.run_id == let.run_id,
    }
    terminal.answer(told, json, terminal.approved)


def runs(
    limit: Annotated[int, typer.Option("--limit", min=1, help="So many, newest first.")] = 52,
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """List the runs with their revisions: what was published, held or approved, and what changed."""
    from serving import terminal  # heavy: rich
    from serving.backfill import EVERY, missed_weeks
    from serving.settings import load

    store = _store(load(book, home))
    every = store.runs(EVERY, held=True)
    current = store.current()
    told = {
        "current": current.run_id if current else None,
        "runs": [_told(store, run) for run in every[:limit]],
        "missed_weeks": [str(day) for day in missed_weeks(r.as_of for r in every if not r.held)],
    }
    terminal.answer(told, json, terminal.ran)


def _told(store: Store, run: Any) -> dict[str, Any]:
    """Give a run as JSON, with what its gates found."""
    gates = store.document(run.run_id, "gates") or {}
    named = ("cause", "moves", "unscorable", "restates")
    return (
        vars(run)
        | {"as_of": run.as_of.isoformat(), "held_because": run.held_because or []}
        | {name: gates.get(name) for name in named}
    )


def _store(settings: Settings) -> Store:
    from serving.store import Store  # heavy: sqlalchemy

    if not settings.home.is_dir():
        raise InputMissing("run.none", "nothing is published yet", "run `perennial score`")
    return Store.open(settings.home, settings.store)


def _who() -> str:
    """Name who is logged in, or the number of the user where the machine knows no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
