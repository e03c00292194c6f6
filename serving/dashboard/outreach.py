"""The Outreach page: whom to contact this week, why, and what was done about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from features.faults import UsageFault
from models.plays import PLAYS
from serving.api.access import Caller, Who, needs
from serving.api.state import CurrentRun, Serving, State
from serving.contacted import contacted_since
from serving.dashboard.account import Form, Visited
from serving.dashboard.downloads import attached
from serving.dashboard.matrix import address
from serving.dashboard.pages import shown
from serving.exports import csv_text
from serving.history import log_action
from serving.run_cuts import names_of
from serving.schemas import OUTREACH_TABLE
from serving.store import Run, Store

__all__ = ["OutreachAsked", "router"]

router = APIRouter()
Text = Annotated[str | None, Field(max_length=256, pattern=r"^[^\x00]*$")]
DAYS, LONGEST = 31, 500


class OutreachAsked(BaseModel):
    """Whose list, and how many places per CSM: what is left empty is not asked."""

    model_config = ConfigDict(extra="forbid")

    csm: Text = None
    capacity: int | None = Field(None, ge=1, le=10_000)
    limit: int = Field(100, ge=1, le=1000)
    done: Text = None

    @model_validator(mode="before")
    @classmethod
    def _only_what_was_filled_in(cls, fields: Any) -> Any:
        if not isinstance(fields, Mapping):
            return fields
        return {name: value for name, value in fields.items() if value != ""}


Asked = Annotated[OutreachAsked, Query()]


@dataclass(frozen=True)
class Trouble:
    """What is wrong with a form: of which account, the cure, and what was filled in."""

    account: str | None = None
    why: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


@router.get("/outreach", dependencies=[needs("read")])
def outreach(asked: Asked, request: Request, state: State, who: Caller) -> Response:
    """Show the list of the current run."""
    run = state.store.current()
    if run is None:
        return shown(request, "empty.html")
    return _page(request, state, run, who, asked)


@router.get("/outreach.csv", dependencies=[needs("read")])
def outreach_csv(asked: Asked, run: CurrentRun, state: State, who: Caller) -> Response:
    """Give the list as it is on the page, as CSV with all its columns."""
    rows, _ = _listed(state.store, run, asked, who)
    columns = {column.name: [row[column.name] for row in rows] for column in OUTREACH_TABLE}
    whose = who.csm or asked.csm
    name = f"outreach-{run.as_of}{f'-{whose}' if whose else ''}.csv"
    return attached(csv_text(columns, OUTREACH_TABLE), name)


@router.post("/outreach/{account_id:path}/log", dependencies=[needs("act")])
def log(visit: Visited, form: Form, asked: Asked) -> Response:
    """Log a contact, as ``POST /v1/outreach/{account}/log`` does, and go back to the list."""
    account, now = visit.row["account_id"], visit.now
    try:
        day = _day(form.get("acted_on")) or now.date()
        play, outcome = form.get("play", ""), _outcome(form.get("outcome"))
        engine = visit.state.store.engine
        log_action(engine, account, play, day, now, outcome, visit.csm, visit.who.name, once=True)
    except UsageFault as fault:
        trouble = Trouble(account, fault.cure, form)
        return _page(visit.request, visit.state, visit.run, visit.who, asked, trouble)
    told = _kept(asked) | {"done": account}
    return RedirectResponse(f"/outreach?{urlencode(told)}#done", 303)


def _page(
    request: Request,
    state: Serving,
    run: Run,
    who: Who,
    asked: OutreachAsked,
    trouble: Trouble | None = None,
) -> Response:
    """Write the page; with trouble the form as it was filled in, and what is wrong with it."""
    rows, length = _listed(state.store, run, asked, who)
    clock = request.app.state.now
    today: date | None = clock().date() if clock is not None else None
    since = (today or run.as_of) - timedelta(days=DAYS)
    accounts = [row["account_id"] for row in rows]
    kept = _kept(asked)
    return shown(
        request,
        "outreach.html",
        run=run,
        status=422 if trouble else 200,
        asked=asked,
        rows=rows,
        length=length,
        worth=sum(row["expected_value"] or 0.0 for row in rows),
        csms=[] if who.csm else names_of(state.store.engine, run.run_id, "csm"),
        currency=_currency(state.store, run),
        contacted=contacted_since(state.store.engine, accounts, since),
        said=_done(state.store, run, who, asked.done),
        trouble=trouble or Trouble(),
        can_act=who.may("act") and today is not None,
        today=today.isoformat() if today else "",
        plays=sorted({play.name for play in PLAYS.values()}),
        csv=address("/outreach.csv", kept),
        here=address("/outreach", kept),
        query=address("", kept),
        more=address("/outreach", kept | {"limit": 1000}) if length > len(rows) else None,
    )


def _listed(
    store: Store, run: Run, asked: OutreachAsked, who: Who
) -> tuple[list[dict[str, Any]], int]:
    """Give the rows of the page, and how many there would be without its limit."""
    csm = who.csm or asked.csm
    return store.outreach_top(asked.limit, csm, asked.capacity, run=run.run_id)


def _kept(asked: OutreachAsked) -> dict[str, Any]:
    """Give what was asked, as it stands in addresses."""
    told = {"csm": asked.csm, "capacity": asked.capacity}
    told |= {"limit": asked.limit} if asked.limit != 100 else {}
    return {name: value for name, value in told.items() if value is not None}


def _done(store: Store, run: Run, who: Who, account: str | None) -> str | None:
    """Name the account whose contact was logged just now; nobody's that one may not see."""
    row = store.account(account, run=run.run_id) if account else None
    if row is None or (who.csm is not None and row["csm"] != who.csm):
        return None
    return str(row["name"] or row["account_id"])


def _currency(store: Store, run: Run) -> str:
    first = store.scores(run=run.run_id, limit=1).rows
    return str(first[0]["currency"]) if first else ""


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as refused:
        raise UsageFault("form.day", text or "", "write the day as YYYY-MM-DD") from refused


def _outcome(text: str | None) -> str | None:
    if text is not None and len(text) > LONGEST:
        found = f"an outcome of {len(text)} characters"
        raise UsageFault("form.text", found, f"at most {LONGEST} characters")
    return text
