"""The Model page: which model serves, how far to trust it, and what came before it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from serving.api.access import needs
from serving.api.state import State
from serving.dashboard.model_view import model_view
from serving.dashboard.pages import shown

__all__ = ["router"]

router = APIRouter()


@router.get("/model", dependencies=[needs("read")])
def model(request: Request, state: State) -> HTMLResponse:
    """Show the model that serves, or the next step when nothing was published yet."""
    run = state.store.current()
    if run is None:
        return shown(request, "empty.html")
    return shown(request, "model.html", run=run, **model_view(state.store, run, state.model()))
