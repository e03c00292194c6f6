"""Commands that learn: simulate a world, train on a book, and the demo, which does it all.

Of serving, this file and `backtest` alone import training.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serving.cli.opening import Step, asked_day, opened, registry, scored
from serving.cli.options import Accounts, AsOf, BookDir, Engine, Home, Json, Months, Port, Seed
from serving.cli.week import open_server

if TYPE_CHECKING:
    from features.book import Book
    from serving.settings import Settings

__all__ = ["demo", "simulate", "train"]

WorldAccounts = Annotated[
    int | None,
    typer.Option(
        "--accounts", help="Accounts that are ever customers (default: 1500, or SCENARIO's)."
    ),
]
WorldMonths = Annotated[
    int | None,
    typer.Option("--months", help="Length of the book in months (default: 36, or SCENARIO's)."),
]


def demo(
    accounts: Accounts = 1500,
    months: Months = 36,
    seed: Seed = 0,
    serve: Annotated[bool, typer.Option("--serve", help="Then open the dashboard.")] = False,
    port: Port = 8321,
    home: Home = None,
    json: Json = False,
) -> None:
    """Simulate a book in ./demo and run the whole job on it: ingest, train, score, forecast."""
    from serving import terminal  # heavy: rich
    from serving.settings import load
    from training.worlds import simulate as make

    folder = Path("demo")
    with terminal.steps(json) as step:
        step(f"simulate {accounts} accounts over {months} months")
        make(accounts, months, seed).write(folder)
        settings = load(folder, home, folder)
        book = opened(settings, step)
        trained = _trained(settings, book, None, True, seed, step)
        batch = scored(settings, book, None, step)
    if json:
        terminal.emit({"train": trained.to_json(), "score": batch.to_json()})
    else:
        from serving.store import Store

        store = Store.open(settings.home, settings.store)
        terminal.matrix(store.matrix() or {})
        terminal.outreach(store.outreach()[:8], batch.as_of)
        terminal.forecasts(batch.forecast)
        terminal.training(trained.to_json())
    if serve:
        open_server(settings, "127.0.0.1", port)


def simulate(
    directory: Annotated[Path, typer.Argument(help="Where to write the book.")],
    accounts: WorldAccounts = None,
    months: WorldMonths = None,
    seed: Seed = 0,
    scenario: Annotated[
        str, typer.Option("--scenario", help="Which world; several are joined by commas.")
    ] = "default",
    json: Json = False,
) -> None:
    """Write a simulated book, with the truth beside it in DIRECTORY/truth."""
    from serving import terminal  # heavy: rich
    from training.worlds import simulate as make

    with terminal.steps(json) as step:
        step("simulate the book")
        world = make(accounts, months, seed, scenario)
        step("forecast it as an oracle would")
        world.write(directory, oracle=True)
    rows = {name: len(table) for name, table in world.tables.items()}
    terminal.answer({"directory": str(directory), "tables": rows}, json, terminal.simulated)


def train(
    as_of: AsOf = None,
    no_promote: Annotated[
        bool, typer.Option("--no-promote", help="Register, but let the champion serve on.")
    ] = False,
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0, help="Stop after so long (exit code 75).")
    ] = None,
    seed: Seed = 0,
    engine: Engine = "duckdb",
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Learn from the book's past, replay past quarters, register, and promote what passes."""
    from serving import terminal  # heavy: rich
    from serving.settings import load

    settings = load(book, home)
    day = asked_day(as_of)
    with terminal.steps(json) as step:
        found = opened(settings, step, engine)
        trained = _trained(settings, found, day, not no_promote, seed, step, minutes)
    terminal.answer(trained.to_json(), json, terminal.training)


def _trained(
    settings: Settings,
    book: Book,
    as_of: date | None,
    promote: bool,
    seed: int,
    step: Step,
    minutes: float | None = None,
) -> Any:
    from features.asof import first_of_month  # heavy below: lightgbm, sklearn
    from serving.batch import as_of_date
    from serving.model_notes import note_models
    from training.run import train as learn

    day, known = first_of_month(as_of_date(book, as_of)), registry(settings)
    trained = learn(
        book,
        settings.rules.by_account(),
        day,
        known,
        bands=settings.choices.matrix,
        promote=promote,
        seed=seed,
        budget_seconds=None if minutes is None else 60 * minutes,
        progress=lambda what, done, whole: step(f"train: {what} {done + 1} of {whole}"),
    )
    note_models(known, settings.home)
    return trained
