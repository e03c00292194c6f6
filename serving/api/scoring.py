"""Scoring named accounts now, from the current snapshot, with the serving model."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from serving.api.access import Caller, needs
from serving.api.asking import Nothing
from serving.api.examples import body_of, shown
from serving.api.once import once
from serving.api.replies import Reply, ScoreReply
from serving.api.state import State
from serving.bodies import read_body
from serving.columns import plain
from serving.problems import PROBLEM_RESPONSES, Problem

__all__ = ["MOST", "ScoreRequest", "router"]

MOST = 1000
router = APIRouter(prefix="/v1", tags=["score"], responses=PROBLEM_RESPONSES)

AccountId = Annotated[str, Field(min_length=1, max_length=256)]


class ScoreRequest(BaseModel):
    """The accounts to score."""

    model_config = ConfigDict(extra="forbid")

    account_ids: list[AccountId] = Field(min_length=1, description="At most 1,000.")


@router.post(
    "/score",
    dependencies=[needs("score"), once],
    operation_id="score",
    responses=shown("score", ScoreReply),
    openapi_extra=body_of("score", ScoreRequest),
)
async def score(
    _query: Annotated[Nothing, Query()], request: Request, state: State, who: Caller
) -> Reply:
    """Score the named accounts now.

    From the snapshot of the run that serves, by the door and the model of the weekly job: the
    same bytes in give the same numbers out. Nothing is published.
    """
    asked = await read_body(request, ScoreRequest)
    names = list(dict.fromkeys(asked.account_ids))
    if len(asked.account_ids) > MOST:
        at = {"pointer": "/account_ids", "code": "too_many", "message": f"at most {MOST}"}
        raise Problem(413, "too_many", "ask in parts", [at])
    if state.score_accounts is None or await run_in_threadpool(state.model) is None:
        raise Problem(503, "model_not_loaded", "no model serves yet: run `perennial train`")
    rows = await run_in_threadpool(state.score_accounts, names)
    own = [row for row in rows if who.csm is None or row.get("csm") == who.csm]
    return Reply({"items": _in_order(asked.account_ids, own)})


def _in_order(asked: list[str], rows: list[dict[str, Any]]) -> list[Any]:
    found = {row["account_id"]: plain(row) for row in rows}
    errors = [
        {"pointer": f"/account_ids/{place}", "code": "unknown_account", "message": "not known"}
        for place, name in enumerate(asked)
        if name not in found
    ]
    if errors:
        raise Problem(404, "unknown_account", "the current snapshot has not all of them", errors)
    return [found[name] for name in dict.fromkeys(asked)]
