"""Whether the process lives, and whether it can answer."""

from __future__ import annotations

from fastapi import APIRouter

from serving.api.replies import Reply
from serving.api.state import CurrentRun, State
from serving.problems import PROBLEM_RESPONSES, Problem

__all__ = ["router"]

router = APIRouter(tags=["health"], responses=PROBLEM_RESPONSES)


@router.get("/livez")
async def livez() -> Reply:
    """Say that the process lives."""
    return Reply({"status": "alive"})


@router.get("/readyz")
def readyz(run: CurrentRun, state: State) -> Reply:
    """Say that a run is published and a model serves."""
    version = state.model_ready()
    if version is None:
        detail = "no model serves yet: run `perennial train`"
        raise Problem(503, "model_not_loaded", detail, headers={"Retry-After": "60"})
    ready = {"status": "ready", "run_id": run.run_id, "as_of": run.as_of, "model_version": version}
    return Reply(ready)
