"""The book as a whole: matrix, outreach list, and the runs they came from."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from serving.api.access import needs
from serving.api.replies import OutreachReply, Reply, RunsReply
from serving.api.state import CurrentRun, State
from serving.problems import PROBLEM_RESPONSES

__all__ = ["Nothing", "OutreachQuery", "RunsQuery", "router"]

router = APIRouter(prefix="/v1", tags=["book"], responses=PROBLEM_RESPONSES)


class Nothing(BaseModel):
    """No parameter is known."""

    model_config = ConfigDict(extra="forbid")


class OutreachQuery(BaseModel):
    """Whose list, and how long."""

    model_config = ConfigDict(extra="forbid")

    csm: str | None = Field(None, max_length=256, pattern=r"^[^\x00]*$")
    capacity: int | None = Field(None, ge=1, le=10_000, description="Accounts per CSM.")
    limit: int = Field(100, ge=1, le=1000)


class RunsQuery(BaseModel):
    """How many runs."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(100, ge=1, le=1000)


@router.get("/matrix", dependencies=[needs("read")], responses={200: {"model": dict[str, Any]}})
def matrix(_query: Annotated[Nothing, Query()], run: CurrentRun, state: State) -> Reply:
    """Give the nine cells with counts and MRR, and the flows since the run before."""
    body = state.store.matrix(run=run.run_id) or {}
    return Reply({"run_id": run.run_id, "as_of": run.as_of} | body)


@router.get("/outreach", dependencies=[needs("read")], responses={200: {"model": OutreachReply}})
def outreach(query: Annotated[OutreachQuery, Query()], run: CurrentRun, state: State) -> Reply:
    """Give the ranked list, for one CSM if asked."""
    top = state.store.outreach_top
    rows, total = top(query.limit, query.csm, query.capacity, run=run.run_id)
    return Reply({"run_id": run.run_id, "as_of": run.as_of, "total": total, "items": rows})


@router.get("/runs", dependencies=[needs("runs")], responses={200: {"model": RunsReply}})
def runs(query: Annotated[RunsQuery, Query()], state: State) -> Reply:
    """List the published runs, newest date first."""
    current = state.store.current()
    listed = [asdict(run) for run in state.store.runs(query.limit, held=True)]
    return Reply({"current": current.run_id if current else None, "items": listed})
