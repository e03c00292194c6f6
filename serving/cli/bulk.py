"""The command that scores a book of millions of accounts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from serving.cli.opening import asked_day, opened, registry
from serving.cli.options import AsOf, BookDir, Engine, Home, Json

__all__ = ["bulk"]


def bulk(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder of the scores, one per as-of date.")
    ],
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="env:NAME", help="Also into this PostgreSQL: its URL's name."),
    ] = None,
    on: Annotated[
        Literal["processes", "spark"] | None,
        typer.Option("--on", help="What judges: processes here, or Spark's workers (as --engine)."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Processes here (default: one a core).")
    ] = None,
    rows: Annotated[
        int, typer.Option("--rows", min=1, help="Accounts in a part: what a worker holds at once.")
    ] = 50_000,
    as_of: AsOf = None,
    engine: Engine = "duckdb",
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Score a book too large for one process: every account's row, no lists, no forecast.

    The same signals, model, cells and reasons as the weekly job's. `--on spark` judges on the
    workers of a Spark session, `--engine spark` also sums the signals there. See docs/bulk.md.
    """
    from features.configuration import read_section  # heavy: pydantic
    from serving import terminal
    from serving.batch import as_of_date, champion
    from serving.bulk.job import bulk as run
    from serving.kept import StoreSettings
    from serving.settings import load
    from serving.stages import Stages

    settings, day = load(book, home), asked_day(as_of)
    if to is not None:
        read_section(StoreSettings, {"url": to}, "--to").address()  # before hours of work
    with terminal.steps(json) as step:
        stages = Stages(step)
        stages("open the book")
        found = opened(settings, stages, engine, asking=True)
        stages("open the model")
        model = champion(registry(settings), settings.home)
        for warning in model.warnings:
            terminal.say(f"perennial: degraded: {warning}")
        took = stages.ended()
        date, many = as_of_date(found, day), workers or os.cpu_count() or 1
        afar = (on or engine) == "spark"
        told = run(
            settings,
            found,
            model,
            date,
            out.absolute(),
            on_workers_of_spark=afar,
            workers=many,
            rows=rows,
            step=step,
        )
        if to is not None:
            from serving.bulk.target import published  # heavy: psycopg

            stages("publish to PostgreSQL")
            done = published(to, told.parts, told.summary)
    body = dict(told.summary) | {"folder": str(told.folder), "made": told.made}
    if to is not None:
        body["published"] = done
    terminal.answer(
        body | {"stages": {**took, **told.stages, **stages.ended()}}, json, terminal.in_bulk
    )
