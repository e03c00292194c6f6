"""Logging a contact: what was done with a place of the outreach list."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from features.faults import UsageFault
from serving.api.access import Caller, Who, needs
from serving.api.asking import Day, Nothing, clock, mine
from serving.api.by_account import ByAccount, Id
from serving.api.examples import body_of, shown
from serving.api.once import once
from serving.api.replies import LoggedReply, Reply
from serving.api.state import CurrentRun, Serving, State
from serving.bodies import read_body
from serving.history import log_action
from serving.problems import PROBLEM_RESPONSES, Problem
from serving.store import Run

__all__ = ["LogRequest", "router"]

router = APIRouter(prefix="/v1", tags=["book"], responses=PROBLEM_RESPONSES, route_class=ByAccount)
_AT = {"play.unknown": "/play", "action.ahead": "/on"}
Short = Annotated[str, Field(min_length=1, max_length=256)]


class LogRequest(BaseModel):
    """A contact with an account."""

    model_config = ConfigDict(extra="forbid")

    play: Short = Field(description="The play, by its name or its key.")
    on: Day | None = Field(None, description="The day of the contact; default: today.")
    outcome: Annotated[str, Field(max_length=2000)] | None = Field(
        None, description="What came of it."
    )
    csm: Short | None = Field(None, description="Who did it; default: the account's CSM.")


@router.post(
    "/outreach/{account_id:path}/log",
    operation_id="log_contact",
    dependencies=[needs("act"), once],
    responses=shown("log_contact", LoggedReply),
    openapi_extra=body_of("log_contact", LogRequest),
)
async def log(
    account_id: Id,
    _query: Annotated[Nothing, Query()],
    request: Request,
    run: CurrentRun,
    state: State,
    who: Caller,
) -> Reply:
    """Log that an account was contacted for a play, as `perennial outreach --log` does.

    The account rests for that play as long as the cool-down lasts.
    """
    asked = await read_body(request, LogRequest)
    return await run_in_threadpool(partial(_logged, account_id, asked, request, run, state, who))


def _logged(
    account_id: str, asked: LogRequest, request: Request, run: Run, state: Serving, who: Who
) -> Reply:
    now = clock(request)
    row = mine(who, state.store.account(account_id, run=run.run_id))
    whose, on = who.csm or asked.csm or row["csm"], asked.on or now.date()
    kept = (state.store.engine, account_id, asked.play, on, now, asked.outcome, whose, who.name)
    try:
        return Reply(log_action(*kept))
    except UsageFault as refused:
        at = {"pointer": _AT.get(refused.code, ""), "code": refused.code, "message": refused.cure}
        raise Problem(422, "validation", "see errors", [at]) from refused
