"""The book as a whole: matrix, outreach list, and the runs they came from."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from models.matrix import ACTIONS
from serving.api.access import Caller, needs
from serving.api.asking import AboutRun, Nothing, asked_run, own
from serving.api.examples import shown
from serving.api.kept_answers import kept_answer
from serving.api.replies import MatrixReply, OutreachReply, Reply, RunsReply
from serving.api.state import State
from serving.problems import PROBLEM_RESPONSES
from serving.queries import Filters
from serving.run_cuts import matrix_cut

__all__ = ["MatrixQuery", "Nothing", "OutreachQuery", "RunsQuery", "router"]

router = APIRouter(prefix="/v1", tags=["book"], responses=PROBLEM_RESPONSES)
NO_RUN = ""
"""A run that there is not: whoever asks for another's accounts is told of none."""
WORDS = {"H": "High", "M": "Medium", "L": "Low"}


Text = Annotated[str | None, Field(max_length=256, pattern=r"^[^\x00]*$")]


class MatrixQuery(AboutRun):
    """Whose accounts."""

    csm: Text = Field(None, description="The CSM in charge.")
    segment: Text = Field(None, description="A segment.")


class OutreachQuery(AboutRun):
    """Whose list, and how long."""

    csm: Text = Field(None, description="The CSM in charge.")
    capacity: int | None = Field(None, ge=1, le=10_000, description="Places per CSM.")
    limit: int = Field(100, ge=1, le=1000, description="Places that are given.")


class RunsQuery(BaseModel):
    """How many runs."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(100, ge=1, le=1000, description="How many.")


@router.get(
    "/matrix",
    operation_id="matrix",
    dependencies=[needs("read"), kept_answer],
    responses=shown("matrix", MatrixReply),
)
def matrix(
    query: Annotated[MatrixQuery, Query()], request: Request, state: State, who: Caller
) -> Reply:
    """Give the nine cells with counts and MRR, and the flows since the run before."""
    run = asked_run(query, state, request)
    csm, any_of_them = own(who, query.csm)
    head = {"run_id": run.run_id, "as_of": run.as_of}
    if csm is None and query.segment is None:
        return Reply(head | (state.store.matrix(run=run.run_id) or {}))
    chosen = Filters(csm=csm, segment=query.segment)
    cut = matrix_cut(state.store.engine, run.run_id if any_of_them else NO_RUN, chosen)
    for cell, entry in cut["cells"].items():
        entry |= {"retention_health": WORDS[cell[0]], "expansion_readiness": WORDS[cell[1]]}
        entry |= {"action": ACTIONS[cell]}
    return Reply(head | cut)


@router.get(
    "/outreach",
    operation_id="outreach",
    dependencies=[needs("read")],
    responses=shown("outreach", OutreachReply),
)
def outreach(
    query: Annotated[OutreachQuery, Query()], request: Request, state: State, who: Caller
) -> Reply:
    """Give the ranked list, for one CSM if asked.

    `capacity` cuts the published list to so many places per CSM; a longer one than was published
    is made by `perennial outreach --capacity`.
    """
    run = asked_run(query, state, request)
    csm, any_of_them = own(who, query.csm)
    name = run.run_id if any_of_them else NO_RUN
    rows, total = state.store.outreach_top(query.limit, csm, query.capacity, run=name)
    return Reply({"run_id": run.run_id, "as_of": run.as_of, "total": total, "items": rows})


@router.get(
    "/runs",
    operation_id="runs",
    dependencies=[needs("runs")],
    responses=shown("runs", RunsReply),
)
def runs(query: Annotated[RunsQuery, Query()], state: State) -> Reply:
    """List the runs, newest date and revision first; held ones say why."""
    current = state.store.current()
    listed = [asdict(run) for run in state.store.runs(query.limit, held=True)]
    return Reply({"current": current.run_id if current else None, "items": listed})
