"""One account: as it is published, its history, its detail, and its CSM's own call."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from features.faults import Busy, UsageFault
from models.contacts import Call
from serving.api.access import Caller, Who, needs
from serving.api.asking import AboutRun, Day, Nothing, asked_run, clock, mine
from serving.api.by_account import ByAccount, Id
from serving.api.examples import body_of, shown
from serving.api.kept_answers import kept_answer
from serving.api.once import once
from serving.api.replies import AccountReply, CalledReply, DetailReply, HistoryReply, Reply
from serving.api.state import CurrentRun, Serving, State, answered
from serving.bodies import read_body
from serving.history import holding, last_call, record_call
from serving.problems import PROBLEM_RESPONSES, Problem
from serving.store import Run
from serving.tags import named_in, tag_of

__all__ = ["CallRequest", "HistoryQuery", "router"]

router = APIRouter(
    prefix="/v1", tags=["accounts"], responses=PROBLEM_RESPONSES, route_class=ByAccount
)
NO_DETAIL = (
    "no detail is kept of this run: it is kept for the newest two dates, and not of backfilled "
    "weeks; the next `perennial score` writes it"
)
Level = Literal["High", "Medium", "Low"]
Line = Annotated[str, Field(max_length=2000)]


class HistoryQuery(BaseModel):
    """Which dates."""

    model_config = ConfigDict(extra="forbid")

    before: Day | None = Field(None, description="Only dates before this one.")
    limit: int = Field(53, ge=1, le=1000, description="How many dates.")


class CallRequest(BaseModel):
    """A CSM's own call; both levels null: the call before it is withdrawn."""

    model_config = ConfigDict(extra="forbid")

    retention: Level | None = Field(description="How the CSM sees Retention Health.")
    expansion: Level | None = Field(description="How the CSM sees Expansion Readiness.")
    note: Line | None = Field(None, description="Why.")
    until: Day | None = Field(None, description="First day on which it holds no more.")
    csm: Annotated[str, Field(min_length=1, max_length=256)] | None = Field(
        None, description="Whose call it is; default: the account's CSM."
    )


@router.get(
    "/accounts/{account_id:path}/history",
    operation_id="account_history",
    dependencies=[needs("read"), kept_answer],
    responses=shown("account_history", HistoryReply),
)
def history(
    account_id: Id,
    query: Annotated[HistoryQuery, Query()],
    run: CurrentRun,
    state: State,
    who: Caller,
) -> Reply:
    """Give what an account was told to be, date by date, the newest first.

    Of each date the newest revision that is not held counts. `next_before` is given as `before`
    for the dates further back.
    """
    row = state.store.account(account_id, run=run.run_id)
    if who.csm is not None:
        mine(who, row)
    rows = state.store.history(account_id, before=query.before, limit=query.limit + 1)
    if row is None and not rows:
        mine(who, None)
    kept = rows[: query.limit]
    following = kept[-1]["as_of"] if len(rows) > query.limit else None
    return Reply({"account_id": account_id, "items": kept, "next_before": following})


@router.get(
    "/accounts/{account_id:path}/detail",
    operation_id="account_detail",
    dependencies=[needs("read"), kept_answer],
    responses=shown("account_detail", DetailReply),
)
def detail(
    account_id: Id,
    query: Annotated[AboutRun, Query()],
    request: Request,
    state: State,
    who: Caller,
) -> Reply:
    """Give usage, tickets, contract lines, renewals, movements, contacts and milestones.

    Read from the book when the run was scored. Contacts' names are left out for keys that may not
    see them.
    """
    run = asked_run(query, state, request)
    mine(who, state.store.account(account_id, run=run.run_id))
    told = state.store.detail(account_id, run=run.run_id)
    if told is not None and not who.contacts:
        told = told | {name: _unnamed(told[name]) for name in ("contacts", "milestones")}
    body = {"run_id": run.run_id, "as_of": run.as_of, "account_id": account_id}
    return Reply(body | {"detail": told, "reason": None if told is not None else NO_DETAIL})


def _unnamed(rows: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    return None if rows is None else [row | {"contact": None} for row in rows]


@router.put(
    "/accounts/{account_id:path}/call",
    operation_id="put_call",
    dependencies=[needs("act"), once],
    responses=shown("put_call", CalledReply),
    openapi_extra=body_of("put_call", CallRequest),
)
async def put_call(
    account_id: Id,
    _query: Annotated[Nothing, Query()],
    request: Request,
    run: CurrentRun,
    state: State,
    who: Caller,
) -> Reply:
    """Keep a CSM's own call beside the machine's, as `perennial call` does.

    With `If-Match` and the tag of `GET /v1/accounts/{account_id}` it is kept only if nobody made
    another call, and no other run was published, since; else 412.
    """
    asked = await read_body(request, CallRequest)
    called = partial(_called, account_id, asked, request, run, state, who)
    return await run_in_threadpool(called)


def _called(
    account_id: str, asked: CallRequest, request: Request, run: Run, state: Serving, who: Who
) -> Reply:
    now, wanted = clock(request), request.headers.get("if-match")
    body, last = _account(account_id, run, state, who, now.date())
    if wanted is not None and not named_in(wanted, tag_of(bytes(Reply(body).body)), strong=True):
        raise _stale()
    call = Call(
        asked.retention,
        asked.expansion,
        asked.note,
        who.csm or asked.csm or body["csm"],
        asked.until,
    )
    try:
        seen = None if wanted is None else last
        record_call(state.store.engine, account_id, call, now, who.name, seen)
    except Busy as busy:
        if busy.code != "call.stale":
            raise
        raise _stale() from busy
    except UsageFault as refused:
        at = {"pointer": "/until", "code": refused.code, "message": refused.cure}
        raise Problem(422, "validation", "see errors", [at]) from refused
    body, _ = _account(account_id, run, state, who, now.date())
    machine = {name: body[name] for name in ("retention_health", "expansion_readiness")}
    told = {"account_id": account_id, "call": body.get("call"), "machine": machine}
    reply = Reply(told)
    reply.headers["ETag"] = tag_of(bytes(Reply(body).body))
    return reply


def _stale() -> Problem:
    at = {"header": "if-match", "code": "stale", "message": "read the account again"}
    return Problem(412, "stale", "the account is not any more what you saw", [at])


@router.get(
    "/accounts/{account_id:path}",
    operation_id="account",
    dependencies=[needs("read"), kept_answer],
    responses=shown("account", AccountReply),
)
async def account(
    account_id: Id,
    query: Annotated[AboutRun, Query()],
    request: Request,
    state: State,
    who: Caller,
) -> Response:
    """Give one account as it is published, and its CSM's own call that holds now.

    An id may hold any letters: write it percent-encoded, a slash in it as `%2F`.
    """
    return await answered(state, partial(_told, account_id, query, request, who))


def _told(account_id: str, query: AboutRun, request: Request, who: Who, state: Serving) -> Reply:
    run = asked_run(query, state, request)
    moment = getattr(request.app.state, "now", None)
    body, _ = _account(account_id, run, state, who, moment().date() if moment else None)
    return Reply(body)


def _account(
    account_id: str, run: Run, state: Serving, who: Who, today: date | None
) -> tuple[dict[str, Any], int]:
    """Give an account with its call where one holds, and the number of the last call."""
    row = mine(who, state.store.account(account_id, run=run.run_id))
    last = last_call(state.store.engine, account_id)
    call = _holding(last, row, today)
    told = row if call is None else row | {"call": call}
    return told, 0 if last is None else last["call_id"]


def _holding(
    last: dict[str, Any] | None, row: dict[str, Any], today: date | None
) -> dict[str, Any] | None:
    """Tell a call that holds; None where there is none, or it was withdrawn or is over."""
    call = holding(last, today)
    if call is None or last is None:
        return None
    kept = {name: last[name] for name in ("retention", "expansion", "note", "csm", "until")}
    disagrees = call.disagrees(row["retention_health"], row["expansion_readiness"])
    return kept | {"made_at": last["made_at"], "disagrees": disagrees}
