"""The Account page: why one account stands where it stands, what to do, and what was done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from features.faults import UsageFault
from models.contacts import Call
from serving.api.access import Caller, Who, needs
from serving.api.state import CurrentRun, Serving, State
from serving.dashboard.account_view import LEVELS, account_view, allowed
from serving.dashboard.back import Back, way_back
from serving.dashboard.forms import read_form
from serving.dashboard.pages import shown
from serving.history import log_action, record_call
from serving.problems import Problem
from serving.queries import Run

__all__ = ["router"]

router = APIRouter()

LONGEST = 500
DONE = {
    "call": "Your call is kept. It stands beside the model's; lists know it from the next run on.",
    "withdrawn": "Your call is withdrawn.",
    "action": "The contact is logged. The account rests for this play from the next run on.",
}
Asked = Annotated[str | None, Query(max_length=512)]
Form = Annotated[dict[str, str], Depends(read_form)]


@dataclass(frozen=True)
class Trouble:
    """What is wrong with a form: which form, the cure, and what was filled in."""

    form: str | None = None
    why: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


NONE = Trouble()


@dataclass(frozen=True)
class Visit:
    """Somebody at an account's page: who, at which account of which run, and whence."""

    request: Request
    state: Serving
    run: Run
    row: dict[str, Any]
    who: Who
    back: Back

    @property
    def clock(self) -> Callable[[], datetime] | None:
        """The clock that the server was given."""
        clock: Callable[[], datetime] | None = self.request.app.state.now
        return clock

    @property
    def now(self) -> datetime:
        """The time; without a clock nothing can be kept."""
        if self.clock is None:
            raise Problem(503, "no_clock", "this server was started without a clock")
        return self.clock()

    @property
    def csm(self) -> str | None:
        """Whose call or contact it is."""
        return self.who.csm or self.row["csm"]


def _visit(
    request: Request,
    account_id: str,
    run: CurrentRun,
    state: State,
    who: Caller,
    back: Asked = None,
) -> Visit:
    """Open the account; 404 where there is none, or it is another CSM's."""
    row = state.store.account(account_id, run=run.run_id)
    if row is None or not allowed(row, who):
        raise Problem(404, "unknown_account", "the current run has no such account")
    return Visit(request, state, run, row, who, way_back(back))


Visited = Annotated[Visit, Depends(_visit)]


@router.get("/accounts/{account_id:path}", dependencies=[needs("read")])
def account(visit: Visited, done: Asked = None) -> HTMLResponse:
    """Show one account."""
    return _page(visit, said=DONE.get(done or ""))


@router.post("/accounts/{account_id:path}/call", dependencies=[needs("act")])
def call(visit: Visited, form: Form) -> Response:
    """Keep or withdraw a CSM's own call, as ``PUT /v1/accounts/{id}/call`` does."""
    engine, name = visit.state.store.engine, visit.row["account_id"]
    try:
        made = _called(form, visit.csm)
        record_call(engine, name, made, visit.now, visit.who.name)
    except UsageFault as fault:
        return _page(visit, trouble=Trouble("call", fault.cure, form))
    return _again(visit, "call" if made.retention or made.expansion else "withdrawn")


@router.post("/accounts/{account_id:path}/actions", dependencies=[needs("act")])
def action(visit: Visited, form: Form) -> Response:
    """Log a contact, as ``POST /v1/outreach/{account}/log`` does."""
    engine, name, now = visit.state.store.engine, visit.row["account_id"], visit.now
    try:
        day = _day(form.get("acted_on")) or now.date()
        outcome, play = _text(form, "outcome"), form.get("play", "")
        log_action(engine, name, play, day, now, outcome, visit.csm, visit.who.name, once=True)
    except UsageFault as fault:
        return _page(visit, trouble=Trouble("action", fault.cure, form))
    return _again(visit, "action")


def _page(visit: Visit, said: str | None = None, trouble: Trouble = NONE) -> HTMLResponse:
    """Write the page; with trouble the form as it was filled in, and what is wrong with it."""
    clock = visit.clock
    today = clock().date() if clock is not None else None
    return shown(
        visit.request,
        "account.html",
        run=visit.run,
        status=422 if trouble.form else 200,
        back=visit.back,
        address=_address(visit),
        query="?" + urlencode({"back": visit.back.address}),
        levels=LEVELS,
        said=said,
        trouble=trouble,
        can_act=visit.who.may("act") and clock is not None,
        **account_view(visit.state.store, visit.run, visit.row, visit.who, today),
    )


def _address(visit: Visit) -> str:
    return f"/accounts/{quote(visit.row['account_id'], safe='')}"


def _again(visit: Visit, done: str) -> RedirectResponse:
    """Send back to the page, so that a reload asks for nothing twice."""
    asked = urlencode({"back": visit.back.address, "done": done})
    return RedirectResponse(f"{_address(visit)}?{asked}#done", status_code=303)


def _called(form: Mapping[str, str], csm: str | None) -> Call:
    """Read a call from its form; ``withdraw`` takes it back whatever else is filled in."""
    if "withdraw" in form:
        return Call(csm=csm)
    levels = [form.get(name) for name in ("retention", "expansion")]
    if not any(levels):
        raise UsageFault("call.empty", "no level", "choose a level for Retention or Expansion")
    return Call(levels[0], levels[1], _text(form, "note"), csm, _day(form.get("until")))


def _text(form: Mapping[str, str], name: str) -> str | None:
    text = form.get(name)
    if text is not None and len(text) > LONGEST:
        cure = f"at most {LONGEST} characters"
        raise UsageFault("form.text", f"{name} of {len(text)} characters", cure)
    return text


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as refused:
        raise UsageFault("form.day", text[:40], "write the day as YYYY-MM-DD") from refused
