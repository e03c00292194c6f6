"""Commands of outreach: the list, what was done with it, what it brought, and a CSM's own call."""

from __future__ import annotations

import sys
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.faults import InputMissing, UsageFault
from serving.cli.opening import now, opened, published
from serving.cli.options import BookDir, Home, Json

if TYPE_CHECKING:
    from serving.settings import Settings

__all__ = ["call", "outreach"]

Day = Annotated[
    datetime | None,
    typer.Option("--on", formats=["%Y-%m-%d"], help="With --log: the day of the contact."),
]
Until = Annotated[
    datetime | None,
    typer.Option("--until", formats=["%Y-%m-%d"], help="First day on which it holds no more."),
]


def outreach(
    csm: Annotated[str | None, typer.Option("--csm", help="One CSM's list.")] = None,
    capacity: Annotated[
        int | None, typer.Option("--capacity", min=0, help="Places per CSM this week.")
    ] = None,
    as_format: Annotated[
        str | None, typer.Option("--format", help="csv or json instead of a table.")
    ] = None,
    product_qualified: Annotated[
        bool, typer.Option("--qualified", help="Only product-qualified accounts.")
    ] = False,
    disagree: Annotated[
        bool, typer.Option("--disagree", help="Only accounts whose CSM calls them otherwise.")
    ] = False,
    plan_holdout: Annotated[
        bool, typer.Option("--plan-holdout", help="Say how many months a holdout would take.")
    ] = False,
    effect: Annotated[
        bool, typer.Option("--effect", help="Say what each play has brought, treated beside held.")
    ] = False,
    log: Annotated[
        str | None, typer.Option("--log", metavar="ACCOUNT", help="Log a contact; with --play.")
    ] = None,
    play: Annotated[str | None, typer.Option("--play", help="With --log: the play's name.")] = None,
    outcome: Annotated[
        str | None, typer.Option("--outcome", help="With --log: what came of it.")
    ] = None,
    on: Day = None,
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """The ranked list of the published run: whom to contact this week, and why."""
    from serving import terminal  # heavy: rich
    from serving.settings import load

    if as_format not in (None, "csv", "json"):
        raise UsageFault("usage", f"--format {as_format}", "csv or json")
    if (log is None) != (play is None):
        raise UsageFault("usage", "--log and --play go together", "--log ACCOUNT --play NAME")
    if sum([plan_holdout, effect, log is not None]) > 1:
        raise UsageFault("usage", "these options do not go together", "perennial outreach --help")
    settings = load(book, home)
    if log is not None:
        row = _logged(settings, log, str(play), on.date() if on else None, outcome, csm)
        terminal.answer(row, json, terminal.logged)
    elif plan_holdout:
        terminal.answer(_planned(settings), json, terminal.planned)
    elif effect:
        terminal.answer(_effects(settings, json), json, terminal.effects)
    else:
        told = _listed(settings, csm, capacity, product_qualified, disagree)
        narrowed = csm is not None or product_qualified or disagree
        _shown(told, as_format, json, narrowed=narrowed)


def call(
    account: Annotated[str, typer.Argument(help="The account's id.")],
    retention: Annotated[
        str | None, typer.Option("--retention", help="High, Medium or Low.")
    ] = None,
    expansion: Annotated[
        str | None, typer.Option("--expansion", help="High, Medium or Low.")
    ] = None,
    note: Annotated[str | None, typer.Option("--note", help="Why.")] = None,
    until: Until = None,
    csm: Annotated[str | None, typer.Option("--csm", help="Whose call it is.")] = None,
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """A CSM's own call of an account: kept beside the machine's; without a level it is withdrawn."""
    from models.contacts import Call  # heavy: pandas
    from serving import terminal
    from serving.history import record_call
    from serving.settings import load

    store, _ = published(load(book, home))
    row = _known(store, account)
    levels = [level.capitalize() if level else None for level in (retention, expansion)]
    made = Call(levels[0], levels[1], note, csm or row["csm"], until.date() if until else None)
    record_call(store.engine, account, made, now())
    machine = {name: row[name] for name in ("retention_health", "expansion_readiness")}
    told = {"account_id": account, "csm_call": made.told(), "machine": machine}
    terminal.answer(told | {"disagrees": made.disagrees(*machine.values())}, json, terminal.called)


def _listed(
    settings: Settings,
    csm: str | None,
    capacity: int | None,
    product_qualified: bool,
    disagree: bool,
) -> dict[str, Any]:
    """Give the list, filtered."""
    from models.plays import qualified  # heavy: pandas, sqlalchemy
    from serving import terminal
    from serving.history import calls, disagreements
    from serving.queries import Filters

    store, run = published(settings)
    if csm is not None and not store.scores(Filters(csm=csm), limit=1).total:
        terminal.say(f'perennial: run {run.run_id} has no account of a CSM called "{csm}"')
    rows = store.outreach(csm) if capacity is None else _ranked(settings, csm, capacity)
    if product_qualified:
        rows = [row for row in rows if qualified(row | {"expansion_held": _held(row)})]
    if disagree:
        scored = {row["account_id"]: store.account(row["account_id"]) for row in rows}
        held = calls(store.engine, date.fromordinal(now().toordinal() + 1))
        apart = {row["account_id"] for row in disagreements(filter(None, scored.values()), held)}
        rows = [
            row | {"csm_call": held[row["account_id"]].told()}
            for row in rows
            if row["account_id"] in apart
        ]
    return {"run_id": run.run_id, "as_of": str(run.as_of), "items": rows}


def _held(row: dict[str, Any]) -> bool:
    return str(row["guard"] or "").startswith("no expansion play")


def _shown(told: dict[str, Any], as_format: str | None, json: bool, *, narrowed: bool) -> None:
    """Print the list as a table, as CSV or as JSON."""
    from serving import terminal  # heavy: rich, pyarrow
    from serving.exports import csv_text
    from serving.schemas import OUTREACH_TABLE

    if as_format == "csv":
        columns = {one.name: [row[one.name] for row in told["items"]] for one in OUTREACH_TABLE}
        sys.stdout.buffer.write(csv_text(columns, OUTREACH_TABLE))
        return
    day = date.fromisoformat(told["as_of"])
    terminal.answer(
        told,
        json or as_format == "json",
        lambda body: terminal.outreach(body["items"], day, narrowed=narrowed),
    )


def _logged(
    settings: Settings,
    account: str,
    play: str,
    on: date | None,
    outcome: str | None,
    csm: str | None,
) -> dict[str, Any]:
    """Log a contact with an account of the published run."""
    from serving.history import log_action  # heavy: sqlalchemy

    store, _ = published(settings)
    whose = csm or _known(store, account)["csm"]
    moment = now()
    return log_action(store.engine, account, play, on or moment.date(), moment, outcome, whose)


def _planned(settings: Settings) -> dict[str, Any]:
    from serving.trials import planned  # heavy: pandas, scipy

    store, run = published(settings)
    return planned(settings, store, run.as_of)


def _effects(settings: Settings, json: bool) -> dict[str, Any]:
    from serving import terminal  # heavy: duckdb, scipy
    from serving.trials import effects_told

    store, _ = published(settings)
    with terminal.steps(json) as step:
        return effects_told(settings, opened(settings, step), store)


def _known(store: Any, account: str) -> dict[str, Any]:
    """Give the scored row of an account."""
    row: dict[str, Any] | None = store.account(account)
    if row is None:
        raise InputMissing(
            "account.unknown", f"{account}: not in the published run", "see `perennial outreach`"
        )
    return row


def _ranked(settings: Settings, csm: str | None, capacity: int) -> list[dict[str, Any]]:
    from serving.live import list_for  # heavy: duckdb, lightgbm

    return list_for(settings, csm, capacity)
