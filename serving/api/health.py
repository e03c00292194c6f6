"""Whether the process lives, and whether it can answer."""

from __future__ import annotations

from fastapi import APIRouter

from serving.api.access import everybody
from serving.api.models import told_of
from serving.api.replies import Reply
from serving.api.state import CurrentRun, State
from serving.problems import PROBLEM_RESPONSES, Problem

__all__ = ["router"]

router = APIRouter(tags=["health"], responses=PROBLEM_RESPONSES)


@router.get("/livez", dependencies=[everybody])
async def livez() -> Reply:
    """Say that the process lives."""
    return Reply({"status": "alive"})


@router.get("/readyz", dependencies=[everybody])
def readyz(run: CurrentRun, state: State) -> Reply:
    """Say that a run is published and a model serves: ``ready``, or ``degraded`` and why.

    It is degraded where the model's files were damaged and the last good model serves.
    """
    model = state.model()
    if model is None:
        detail = "no sound model serves: run `perennial train`, then `perennial score`"
        raise Problem(503, "model_not_loaded", detail, headers={"Retry-After": "60"})
    told = {"run_id": run.run_id, "as_of": run.as_of} | told_of(model)
    return Reply({"status": model.status, **told})
