"""The forecast of the run that serves, and the same forecast under other assumptions."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from features.faults import Busy, DataRejected, InputMissing
from models.change import Name
from models.outcomes import HORIZONS
from models.scenario import Scenario
from serving.api.access import needs
from serving.api.book import Nothing
from serving.api.foretold import FORECAST, SCENARIO, ForecastReply, ScenarioReply
from serving.api.kept_answers import kept_answer
from serving.api.once import once
from serving.api.replies import Reply
from serving.api.schema import whole
from serving.api.state import CurrentRun, State
from serving.api.whole_book import whole_book
from serving.bodies import read_body
from serving.problems import PROBLEM_RESPONSES, Problem

__all__ = ["EXAMPLE", "ForecastQuery", "ScenarioRequest", "router"]

router = APIRouter(prefix="/v1", tags=["forecast"], responses=PROBLEM_RESPONSES)


def _published(horizon: int) -> int:
    if horizon not in HORIZONS:
        raise ValueError("must be 1, 3 or 12 months")
    return horizon


Horizon = Annotated[int, AfterValidator(_published)]


class ForecastQuery(BaseModel):
    """Which horizon."""

    model_config = ConfigDict(extra="forbid")

    horizon: Horizon = Field(3, description="1, 3 or 12 months.")


class ScenarioRequest(Scenario):
    """What is assumed, and of which forecast."""

    horizon: Horizon = Field(3, description="1, 3 or 12 months.")
    by: Name | None = Field(None, description="Another column of accounts to cut both by.")
    reach: float | None = Field(None, gt=0.0, le=10.0, description="NRR to reach, e.g. 1.1.")


EXAMPLE: dict[str, Any] = {
    "horizon": 3,
    "changes": [
        {"where": {"segment": "smb"}, "churn": {"multiply": 0.8}},
        {"all": True, "price_at_renewal": {"rise": 0.05, "churn_multiply": 1.1}},
    ],
}


def _shown(example: dict[str, Any]) -> dict[str, Any]:
    """Show an example of an answer."""
    return {"content": {"application/json": {"example": example}}}


_CONTENT = {"schema": whole(ScenarioRequest), "example": EXAMPLE}
_BODY = {"requestBody": {"required": True, "content": {"application/json": _CONTENT}}}


@router.get(
    "/forecast",
    dependencies=[needs("read"), whole_book, kept_answer],
    responses={200: {"model": ForecastReply, **_shown(FORECAST)}},
)
def forecast(query: Annotated[ForecastQuery, Query()], run: CurrentRun, state: State) -> Reply:
    """Give the forecast for a horizon (CONTRACT section 4)."""
    body = state.store.forecast(query.horizon, run=run.run_id)
    if body is None:
        raise Problem(404, "no_forecast", "the current run carries no forecast of this horizon")
    return Reply(body)


@router.post(
    "/forecast/scenario",
    dependencies=[needs("read"), whole_book, once],
    responses={200: {"model": ScenarioReply, **_shown(SCENARIO)}},
    openapi_extra=_BODY,
)
async def scenario(
    _query: Annotated[Nothing, Query()], request: Request, run: CurrentRun, state: State
) -> Reply:
    """Compare the published forecast with one under other assumptions."""
    asked = await read_body(request, ScenarioRequest)
    try:
        answer = partial(state.scenarios.answer, by=asked.by, target=asked.reach)
        told = await run_in_threadpool(answer, run.run_id, asked, asked.horizon)
    except Busy as refused:
        raise Problem(503, "busy", refused.cure, headers={"Retry-After": "1"}) from refused
    except InputMissing as refused:
        raise Problem(409, "no_outlook", refused.cure) from refused
    except DataRejected as refused:
        raise _refusal(refused) from refused
    return Reply({"run_id": run.run_id} | told)


def _refusal(refused: DataRejected) -> Problem:
    """Say where the body asks for what the book does not have."""
    if not refused.code.startswith("scenario."):
        return Problem(409, "outlook_damaged", refused.cure)
    pointer, _, found = refused.message.partition(": ")
    code = refused.code.removeprefix("scenario.")
    message = f"{found}; {refused.cure}"
    at = {"pointer": pointer, "code": code, "message": message}
    return Problem(422, "validation", "see errors", [at])
