"""The command line: the one place where everything is put together, and where the clock is read.

Heavy libraries are imported inside the commands that need them, so that ``--help`` stays fast.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.faults import CannotWrite, Fault, NotPermitted, UsageFault

if TYPE_CHECKING:
    from features.book import Book
    from models.registry import Registry
    from serving.settings import Settings

__all__ = ["app", "main"]

app = typer.Typer(
    name="perennial",
    help="Which customers will renew, which will grow, and what NRR will be next period.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Home = Annotated[Path | None, typer.Option("--home", help="Folder of state (default: .perennial).")]
BookDir = Annotated[
    Path | None, typer.Option("--book", help="Folder of tables (default: as perennial.toml says).")
]
AsOf = Annotated[
    datetime | None,
    typer.Option("--as-of", formats=["%Y-%m-%d"], help="See the book as known before this date."),
]
Strict = Annotated[bool, typer.Option("--strict", help="Exit 65 if any row is quarantined.")]
Empty = Annotated[bool, typer.Option("--allow-empty", help="Accept required tables with no row.")]
Seed = Annotated[int, typer.Option("--seed", help="Same seed, same result.")]
Accounts = Annotated[int, typer.Option("--accounts", help="Accounts that are ever customers.")]
Months = Annotated[int, typer.Option("--months", help="Length of the book in months.")]


def main() -> None:
    """Run the command line; faults become one line on standard error and an exit code."""
    with _Guard():
        app()


class _Guard:
    """Turns a fault into its line and exit code, and anything unforeseen into exit code 70."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        fault = _of_the_machine(error) if isinstance(error, OSError) else error
        if isinstance(fault, Fault):
            _tell_fault(fault)
            raise SystemExit(fault.exit_code)
        if error is not None and isinstance(error, Exception):
            sys.excepthook(type(error), error, trace)
            print("perennial: internal: this is a bug; please report it", file=sys.stderr)  # noqa: T201
            raise SystemExit(70)


def _of_the_machine(error: OSError) -> Exception:
    """Tell what the machine refused from a bug."""
    message = f"{error.filename or 'disk'}: {error.strerror}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return NotPermitted("not_permitted", message, "allow it, or use another folder")
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EEXIST, errno.ENOTDIR):
        return CannotWrite("cannot_write", message, "make room, or use another folder")
    return error


def _tell_fault(fault: Fault) -> None:
    from serving import terminal  # heavy: rich

    if "--json" in sys.argv:
        error = {"code": fault.code, "message": fault.message, "cure": fault.cure}
        terminal.emit({"error": error | {"exit_code": fault.exit_code}})
    terminal.say(f"perennial: {fault}")


@app.command()
def demo(
    accounts: Accounts = 1500,
    months: Months = 36,
    seed: Seed = 0,
    serve: Annotated[bool, typer.Option("--serve", help="Then open the dashboard.")] = False,
    port: Annotated[int, typer.Option("--port", help="Port of the dashboard.")] = 8321,
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
        book = _opened(settings, step)
        trained = _train(settings, book, None, True, seed, step)
        batch = _score(settings, book, None, step)
    if json:
        terminal.emit({"train": trained.to_json(), "score": batch.to_json()})
    else:
        from serving.store import Store

        store = Store.open(settings.home)
        terminal.matrix(store.matrix() or {})
        terminal.outreach(store.outreach()[:8], batch.as_of)
        terminal.forecasts(batch.forecast)
        terminal.training(trained.to_json())
    if serve:
        _serve(settings, "127.0.0.1", port)


@app.command()
def simulate(
    directory: Annotated[Path, typer.Argument(help="Where to write the book.")],
    accounts: Accounts = 1500,
    months: Months = 36,
    seed: Seed = 0,
    scenario: Annotated[str, typer.Option("--scenario", help="Which world.")] = "default",
    json: Json = False,
) -> None:
    """Write a simulated book, with the truth beside it in DIRECTORY/truth."""
    from serving import terminal  # heavy: rich
    from training.worlds import simulate as make

    world = make(accounts, months, seed, scenario)
    world.write(directory)
    rows = {name: len(table) for name, table in world.tables.items()}
    terminal.answer({"directory": str(directory), "tables": rows}, json, terminal.simulated)


@app.command()
def check(book: BookDir = None, home: Home = None, json: Json = False) -> None:
    """Read the book and report coverage and every breach; change nothing."""
    from features.ingest import check as examine  # heavy: pyarrow
    from serving import terminal
    from serving.settings import load

    report = examine(load(book, home).workspace, _now())
    terminal.answer(report.to_json(), json, terminal.ingested)
    _exit(report.refusals)


@app.command()
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
            _now(),
            strict=strict,
            allow_empty=allow_empty,
            progress=lambda table: step(f"read {table}"),
        )
    terminal.answer(report.to_json(), json, terminal.ingested)
    _exit(report.refusals)


@app.command()
def metrics(
    window: Annotated[
        str, typer.Option("--window", help="ttm, quarter, month, or FROM:TO in months.")
    ] = "ttm",
    by: Annotated[
        list[str] | None, typer.Option("--by", help="Cut by a column of accounts; repeatable.")
    ] = None,
    as_of: AsOf = None,
    preset: Annotated[
        str | None, typer.Option("--preset", help="Named set of revenue choices.")
    ] = None,
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """NRR, GRR, logo churn and movements, exact to the cent, stamped with their rules."""
    from features.configuration import read_section  # heavy: duckdb
    from features.faults import ConfigurationRefused
    from features.retention import metrics as measure
    from features.rules import Rules
    from serving import terminal
    from serving.settings import load

    settings = load(book, home)
    rules = settings.rules
    if preset is not None:
        chosen = rules.model_dump(exclude_unset=True) | {"preset": preset}
        try:
            rules = read_section(Rules, chosen, "--preset")
        except ConfigurationRefused as refused:
            raise UsageFault("usage", f"--preset {preset}", refused.cure) from refused
    with terminal.steps(json) as step:
        opened = _opened(settings, step)
    told = measure(opened, rules, window, list(by or []), _day(as_of))
    terminal.answer(told, json, terminal.metrics)


@app.command()
def train(
    as_of: AsOf = None,
    no_promote: Annotated[
        bool, typer.Option("--no-promote", help="Register, but let the champion serve on.")
    ] = False,
    seed: Seed = 0,
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Learn from the book's past, replay past quarters, register, and promote what passes."""
    from serving import terminal  # heavy: rich
    from serving.settings import load

    settings = load(book, home)
    with terminal.steps(json) as step:
        trained = _train(settings, _opened(settings, step), _day(as_of), not no_promote, seed, step)
    terminal.answer(trained.to_json(), json, terminal.training)


@app.command()
def score(as_of: AsOf = None, book: BookDir = None, home: Home = None, json: Json = False) -> None:
    """The weekly job: signals, probabilities, matrix, list, forecast, published at once."""
    from serving import terminal  # heavy: rich
    from serving.settings import load

    settings = load(book, home)
    with terminal.steps(json) as step:
        batch = _score(settings, _opened(settings, step), _day(as_of), step)
    terminal.answer(batch.to_json(), json, terminal.scored)


@app.command()
def outreach(
    csm: Annotated[str | None, typer.Option("--csm", help="One CSM's list.")] = None,
    capacity: Annotated[
        int | None, typer.Option("--capacity", min=0, help="Places per CSM this week.")
    ] = None,
    as_format: Annotated[
        str | None, typer.Option("--format", help="csv or json instead of a table.")
    ] = None,
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """The ranked list of the published run: whom to contact this week, and why."""
    from serving import terminal  # heavy: rich
    from serving.exports import csv_text
    from serving.queries import Filters
    from serving.schemas import OUTREACH_TABLE
    from serving.settings import load

    if as_format not in (None, "csv", "json"):
        raise UsageFault("usage", f"--format {as_format}", "csv or json")
    settings = load(book, home)
    store, run = _published(settings)
    if csm is not None and not store.scores(Filters(csm=csm), limit=1).total:
        terminal.say(f'perennial: run {run.run_id} has no account of a CSM called "{csm}"')
    rows = store.outreach(csm) if capacity is None else _ranked(settings, csm, capacity)
    if as_format == "csv":
        columns = {one.name: [row[one.name] for row in rows] for one in OUTREACH_TABLE}
        sys.stdout.buffer.write(csv_text(columns, OUTREACH_TABLE))
        return
    told = {"run_id": run.run_id, "as_of": str(run.as_of), "items": rows}
    terminal.answer(
        told, json or as_format == "json", lambda body: terminal.outreach(body["items"], run.as_of)
    )


@app.command()
def forecast(
    horizon: Annotated[int, typer.Option("--horizon", help="1, 3 or 12 months.")] = 3,
    by: Annotated[str | None, typer.Option("--by", help="Cut by a column of accounts.")] = None,
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """NRR, GRR and their flows at the published run's horizon, with intervals."""
    from serving import terminal  # heavy: rich
    from serving.settings import load

    if horizon not in (1, 3, 12):
        raise UsageFault("usage", f"--horizon {horizon}", "1, 3 or 12 months")
    settings = load(book, home)
    store, _ = _published(settings)
    told = store.forecast(horizon) or {}
    if by is not None:
        told = _cut(settings, horizon, by)
    terminal.answer(told, json, lambda body: terminal.forecasts({str(horizon): body}))


@app.command()
def explain(
    account: Annotated[str, typer.Argument(help="The account's id.")],
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Why an account stands where it stands, and what moved since the last run."""
    from features.faults import InputMissing  # heavy below: rich
    from serving import terminal
    from serving.settings import load

    store, run = _published(load(book, home))
    row = store.account(account)
    if row is None:
        raise InputMissing(
            "account.unknown", f"{account}: not in run {run.run_id}", "see `perennial outreach`"
        )
    terminal.answer(row, json, terminal.account)


@app.command()
def serve(
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Port to listen on.")] = 8321,
    book: BookDir = None,
    home: Home = None,
) -> None:
    """Serve the API and the dashboard from the published run."""
    from serving.settings import load  # heavy: pydantic models of every floor

    _serve(load(book, home), host, port)


def _now() -> datetime:
    return datetime.now(UTC)


def _day(asked: datetime | None) -> date | None:
    if asked is not None and asked.date() > _now().date():
        raise UsageFault("as_of.future", f"--as-of {asked:%Y-%m-%d}", "name a day that has passed")
    return asked.date() if asked else None


def _exit(refusals: tuple[Fault, ...]) -> None:
    if refusals:
        from serving import terminal  # heavy: rich

        for fault in refusals:
            terminal.say(f"perennial: {fault}")
        raise typer.Exit(refusals[0].exit_code)


def _opened(settings: Settings, step: Any) -> Book:
    """Open the latest snapshot, after ingesting the book if it has changed since."""
    from features.book import open_book  # heavy: duckdb
    from features.ingest import ingest as publish
    from features.ingest import is_current
    from serving import terminal

    if not is_current(settings.workspace, settings.home):
        step("ingest")
        report = publish(settings.workspace, settings.home, _now())
        terminal.say(f"perennial: the book has changed: ingested as snapshot {report.snapshot}")
        for warning in report.warnings:
            terminal.say(f"perennial: ingest: {warning}")
    return open_book(settings.home)


def _registry(settings: Settings) -> Registry:
    from models.registry import Registry as Registered  # heavy: mlflow, when first asked

    return Registered(settings.workspace.directory, settings.mlflow.tracking_uri)


def _train(
    settings: Settings, book: Book, as_of: date | None, promote: bool, seed: int, step: Any
) -> Any:
    from features.asof import first_of_month  # heavy below: lightgbm, sklearn
    from serving.batch import as_of_date
    from training.run import train as learn

    day = first_of_month(as_of_date(book, as_of))
    return learn(
        book,
        settings.rules,
        day,
        _registry(settings),
        bands=settings.choices.matrix,
        promote=promote,
        seed=seed,
        progress=lambda what, done, whole: step(f"train: {what} {done + 1} of {whole}"),
    )


def _score(settings: Settings, book: Book, as_of: date | None, step: Any) -> Any:
    from serving.batch import as_of_date, champion  # heavy: lightgbm
    from serving.batch import score as run

    step("score: open the model")
    model = champion(_registry(settings), settings.home)
    day = as_of_date(book, as_of)
    return run(settings, book, model, day, _now(), lambda what: step(f"score: {what}"))


def _published(settings: Settings) -> tuple[Any, Any]:
    """Open the store and its current run."""
    from features.faults import InputMissing  # heavy below: sqlalchemy
    from serving.store import Store

    store = Store.open(settings.home) if settings.home.is_dir() else None
    run = store.current() if store else None
    if run is None:
        raise InputMissing("run.none", "nothing is published yet", "run `perennial score`")
    return store, run


def _cut(settings: Settings, horizon: int, by: str) -> dict[str, Any]:
    from serving.live import forecast_by  # heavy: duckdb, lightgbm

    return forecast_by(settings, horizon, by)


def _ranked(settings: Settings, csm: str | None, capacity: int) -> list[dict[str, Any]]:
    from serving.live import list_for  # heavy: duckdb, lightgbm

    return list_for(settings, csm, capacity)


def _serve(settings: Settings, host: str, port: int) -> None:
    import uvicorn  # heavy: the server

    from serving import terminal
    from serving.app import create_app
    from serving.door import listening
    from serving.live import live_scorer
    from serving.protection import refuse_open_bind

    refuse_open_bind(host)
    served = create_app(settings.home, live_scorer(settings))
    config = uvicorn.Config(served, log_level="warning", server_header=False)
    with listening(host, port) as door, _quiet():
        terminal.say(f"perennial: open on http://{host}:{port} (no key yet: this machine only)")
        uvicorn.Server(config).run(sockets=[door])


@contextmanager
def _quiet() -> Iterator[None]:
    """Let Ctrl-C end the server without a traceback."""
    try:
        yield
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
