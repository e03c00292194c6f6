"""Commands of the week: the list, an account's reasons, the server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.faults import InputMissing, UsageFault
from serving.cli.opening import published
from serving.cli.options import BookDir, Home, Json
from serving.cli.stopping import Stopped

if TYPE_CHECKING:
    from serving.settings import Settings

__all__ = ["explain", "open_server", "outreach", "serve"]


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
    store, run = published(settings)
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


def explain(
    account: Annotated[str, typer.Argument(help="The account's id.")],
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Why an account stands where it stands, and what moved since the last run."""
    from serving import terminal  # heavy: rich
    from serving.settings import load

    store, run = published(load(book, home))
    row = store.account(account)
    if row is None:
        raise InputMissing(
            "account.unknown", f"{account}: not in run {run.run_id}", "see `perennial outreach`"
        )
    terminal.answer(row, json, terminal.account)


def serve(
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Port to listen on.")] = 8321,
    book: BookDir = None,
    home: Home = None,
) -> None:
    """Serve the API and the dashboard from the published run."""
    from serving.settings import load  # heavy: pydantic models of every floor

    open_server(load(book, home), host, port)


def open_server(settings: Settings, host: str, port: int) -> None:
    """Serve until Ctrl-C."""
    import uvicorn  # heavy: the server

    from serving import terminal
    from serving.app import create_app
    from serving.door import listening
    from serving.live import live_scorer, model_at_hand
    from serving.protection import refuse_open_bind
    from serving.settled import SettledAtHand

    refuse_open_bind(host)
    hand = model_at_hand(settings, terminal.say)
    hand.state()  # verified before the first question
    actual = SettledAtHand(settings)
    served = create_app(
        settings.home, live_scorer(settings, hand), hand.state, actual, settings.store
    )
    config = uvicorn.Config(served, log_level="warning", server_header=False)
    with listening(host, port) as door, _quiet():
        terminal.say(f"perennial: open on http://{host}:{port} (no key yet: this machine only)")
        uvicorn.Server(config).run(sockets=[door])


@contextmanager
def _quiet() -> Iterator[None]:
    """Let Ctrl-C or SIGTERM end the server, its answers given, as a thing done."""
    try:
        yield
    except (KeyboardInterrupt, Stopped):
        return


def _ranked(settings: Settings, csm: str | None, capacity: int) -> list[dict[str, Any]]:
    from serving.live import list_for  # heavy: duckdb, lightgbm

    return list_for(settings, csm, capacity)
