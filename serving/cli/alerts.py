"""Commands of what leaves the house: the messages of the outbox, and files for a CRM."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from features.faults import CannotWrite, ConfigurationRefused, InputMissing, UsageFault
from serving.cli.opening import now, published
from serving.cli.options import BookDir, Home, Json

if TYPE_CHECKING:
    from serving.alerts.sending import Post
    from serving.settings import Settings
    from serving.store import Store

__all__ = ["alerts", "export"]

Action = Annotated[
    Literal["send", "retry", "list", "test"],
    typer.Argument(
        help="send what is due; retry: let what was given up wait again; list the outbox; "
        "test: one message to every sink."
    ),
]
Ids = Annotated[list[str] | None, typer.Argument(help="Messages to retry (default: all).")]
Wait = Annotated[
    float, typer.Option("--wait", min=0, help="Seconds to wait for a receiver that asks for it.")
]
FAILED = 69


def alerts(
    action: Action,
    ids: Ids = None,
    wait: Wait = 60.0,
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """The outbox of alerts: send what is due, list it, try what was given up again."""
    from serving import terminal  # heavy: rich
    from serving.settings import load

    if ids and action != "retry":
        raise UsageFault("usage", f"alerts {action} takes no message", "perennial alerts retry ID…")
    settings = load(book, home)
    told = _tested(settings) if action == "test" else _asked(settings, action, ids or [], wait)
    terminal.answer(told, json, terminal.alerts)
    if told.get("failed"):
        raise typer.Exit(FAILED)


def export(
    what: Annotated[Literal["crm"], typer.Argument(help="crm: every account of the run.")],
    target: Annotated[
        Literal["salesforce", "hubspot"], typer.Option("--for", help="Whose column names.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The CSV file to write.")],
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Write the published run as a file that a CRM imports, found again by the account's id."""
    from features.durable import replace  # heavy below: sqlalchemy
    from serving import terminal
    from serving.crm import crm_csv
    from serving.settings import load

    store, run = published(load(book, home))
    rows = _rows(store, run.run_id)
    text, left_out = crm_csv(rows, target)
    if not out.parent.is_dir():
        raise CannotWrite("cannot_write", f"{out.parent}: no such folder", "make it first")
    replace(out, text)
    told = {"run_id": run.run_id, "as_of": str(run.as_of), "what": what, "for": target}
    told |= {"path": str(out), "accounts": len(rows) - len(left_out), "left_out": left_out}
    terminal.answer(told, json, terminal.crm_export)


def _asked(settings: Settings, action: str, ids: list[str], wait: float) -> dict[str, Any]:
    from serving import claiming, outbox  # heavy: sqlalchemy
    from serving.alerts.draining import drain, outlined
    from serving.database import reading, writing

    store = _store(settings)
    if action == "send":
        drained = drain(
            store.engine, _post(settings, store), clock=now, pause=time.sleep, patience=wait
        )
        return {"action": action, "failed": drained.failed} | drained.to_json()
    again = 0
    if action == "retry":
        with writing(store.engine) as connection:
            again = claiming.retry(connection, now(), ids)
    with reading(store.engine) as connection:
        counts = outbox.counts(connection)
        open_ones = outbox.listed(connection, ("waiting", "sending", "dead", "held"))
    told = {"action": action, "outbox": counts, "deliveries": [outlined(o) for o in open_ones]}
    return told | ({"retried": again} if action == "retry" else {})


def _tested(settings: Settings) -> dict[str, Any]:
    """Send one message to every sink, past the outbox."""
    from serving.alerts.draining import outlined  # heavy: sqlalchemy
    from serving.alerts.trial import trial

    if not settings.alerts.sinks:
        found = "perennial.toml names no sink"
        raise ConfigurationRefused("alerts.no_sink", found, "add [[alerts.sinks]]: docs/alerts.md")
    post = _post(settings, None)
    done = [trial(post, sink, now()) for sink in settings.alerts.sinks]
    failed = any(one.state != "sent" for one in done)
    return {"action": "test", "failed": failed, "outbox": {}, "deliveries": [*map(outlined, done)]}


def _store(settings: Settings) -> Store:
    from serving.store import Store  # heavy: sqlalchemy

    if not settings.home.is_dir():
        raise InputMissing("run.none", "nothing is published yet", "run `perennial score`")
    return Store.open(settings.home, settings.store)


def _post(settings: Settings, store: Store | None) -> Post:
    from serving.alerts.sending import Post  # heavy: orjson, ssl
    from serving.crm import records

    def drawn(accounts: Any) -> Any:
        run = store.current() if store is not None else None
        if store is None or run is None:
            return []
        found = (store.account(account, run=run.run_id) for account in accounts)
        return records(row for row in found if row is not None)

    return Post(settings.alerts, settings.workspace.directory, drawn)


def _rows(store: Any, run: str) -> list[dict[str, Any]]:
    """Give every account of a run, in order of its id."""
    rows: list[dict[str, Any]] = []
    after = None
    while True:
        page = store.scores(run=run, limit=1000, after=after)
        rows += page.rows
        after = page.after
        if after is None:
            return rows
