"""The models that published runs, and the one that serves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query

from serving.api.access import needs
from serving.api.asking import Nothing
from serving.api.examples import shown
from serving.api.replies import ModelsReply, Reply
from serving.api.state import State
from serving.model_at_hand import ModelState
from serving.problems import PROBLEM_RESPONSES
from serving.store import Run

__all__ = ["router", "told_of"]

router = APIRouter(prefix="/v1", tags=["models"], responses=PROBLEM_RESPONSES)


def told_of(model: ModelState) -> dict[str, Any]:
    """Tell which model serves, and what was refused: by code and cure, without paths.

    Examples
    --------
    >>> told_of(ModelState("3", "ab12"))
    {'model_version': '3', 'model_digest': 'ab12', 'troubles': []}
    """
    troubles = [{"code": one.code, "cure": one.cure} for one in model.troubles]
    named = {"model_version": model.version, "model_digest": model.digest}
    return {**named, "troubles": troubles}


@router.get(
    "/models",
    operation_id="models",
    dependencies=[needs("runs")],
    responses=shown("models", ModelsReply),
)
def models(_query: Annotated[Nothing, Query()], state: State) -> Reply:
    """List the models that published runs, the latest first, and tell which one serves."""
    serving = state.model()
    items = _published(state.store.runs(1000))
    told = None if serving is None else {"status": serving.status} | told_of(serving)
    digest = None if serving is None else serving.digest
    return Reply({"serving": told, "items": [_item(one, digest) for one in items]})


def _published(runs: Sequence[Run]) -> list[list[Run]]:
    """Gather runs by their model; models and runs the latest first."""
    by_model: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda one: one.published_at, reverse=True):
        by_model.setdefault(run.model_digest, []).append(run)
    return list(by_model.values())


def _item(runs: list[Run], serving: str | None) -> dict[str, Any]:
    return {
        "version": runs[0].model_version,
        "digest": runs[0].model_digest,
        "serves": runs[0].model_digest == serving,
        "runs": len(runs),
        "first_as_of": min(run.as_of for run in runs),
        "last_as_of": max(run.as_of for run in runs),
    }
