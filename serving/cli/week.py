"""Commands of the week: an account's reasons, and the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from features.faults import Fault, InputMissing
from serving.cli.opening import now, published
from serving.cli.options import BookDir, Home, Json
from serving.cli.stopping import Stopped

if TYPE_CHECKING:
    from serving.settings import Settings

__all__ = ["explain", "open_server", "serve"]


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
    """Serve until Ctrl-C or SIGTERM."""
    from serving import terminal  # heavy, all of these: the server and what it stands on
    from serving.app import create_app
    from serving.door import listening
    from serving.floors import refuse_too_old, too_old
    from serving.live import live_scorer, model_at_hand
    from serving.operation.duty import Duty
    from serving.operation.log import log_of, told_by
    from serving.operation.server import serve_on
    from serving.production import refuse_unsafe
    from serving.protection import refuse_open_bind
    from serving.settled import SettledAtHand

    refuse_unsafe(settings)
    hand = model_at_hand(settings, terminal.say)
    actual = SettledAtHand(settings)
    duty, log = Duty(settings.serve), log_of(settings.serve, now)
    scorer = live_scorer(settings, hand)
    served = create_app(settings.home, scorer, hand.state, actual, settings.store, now, duty, log)
    keyed = served.state.admission.closed
    refuse_open_bind(host, keyed=keyed)
    old = too_old()
    if keyed:
        refuse_too_old(old)
    hand.state()  # verified before the first question
    with listening(host, port) as door, _quiet():
        open_to = "with a key" if keyed else "no key yet: this machine only"
        terminal.say(f"perennial: open on http://{host}:{port} ({open_to})")
        for one in old:
            terminal.say(f"perennial: {one}: refused once there is a key")
        with told_by(log):
            serve_on(door, served, duty, partial(_warmed, scorer))


def _warmed(scorer: Callable[[list[str]], object]) -> None:
    """Score the book once, so that nobody waits for it; what hinders that is told when asked."""
    with suppress(Fault):
        scorer([])


@contextmanager
def _quiet() -> Iterator[None]:
    """Let Ctrl-C or SIGTERM end the server, its answers given, as a thing done."""
    try:
        yield
    except (KeyboardInterrupt, Stopped):
        return
