"""Whether the process lives, and whether it can answer."""

from __future__ import annotations

from fastapi import APIRouter, Request

from serving.api.access import everybody
from serving.api.models import told_of
from serving.api.replies import Reply
from serving.api.state import State, current
from serving.problems import PROBLEM_RESPONSES, Problem

__all__ = ["router"]

router = APIRouter(tags=["health"], responses=PROBLEM_RESPONSES)


@router.get("/livez", dependencies=[everybody])
async def livez() -> Reply:
    """Say that the process lives."""
    return Reply({"status": "alive"})


@router.get("/readyz", dependencies=[everybody])
def readyz(request: Request, state: State) -> Reply:
    """Say that a run is published and a model serves: ``ready``, or ``degraded`` and why.

    It is degraded where the model's files were damaged and the last good model serves. Not ready:
    a server that is asked to end, a store that does not answer, no published run or one without
    an account, no sound model.
    """
    if request.app.state.duty.draining:
        raise Problem(503, "draining", "this server ends", headers={"Retry-After": "5"})
    run = current(state.store.current())
    if not run.accounts:
        detail = "the published run has no account: see `perennial check`"
        raise Problem(503, "empty_run", detail, headers={"Retry-After": "60"})
    model = state.model()
    if model is None:
        detail = "no sound model serves: run `perennial train`, then `perennial score`"
        raise Problem(503, "model_not_loaded", detail, headers={"Retry-After": "60"})
    told = {"run_id": run.run_id, "as_of": run.as_of} | told_of(model)
    return Reply({"status": model.status, **told})
