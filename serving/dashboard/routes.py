"""The addresses of the page and its style sheet."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse

from serving.api.access import everybody, needs
from serving.api.state import State
from serving.dashboard.page import render

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
STYLE = Path(__file__).parent / "static" / "perennial.css"


@router.get("/", dependencies=[needs("read")])
def page(state: State) -> HTMLResponse:
    """Show the book on one page."""
    return HTMLResponse(render(state.store))


@router.get("/static/perennial.css", dependencies=[everybody])
def style() -> FileResponse:
    """Give the style sheet."""
    return FileResponse(STYLE, media_type="text/css", headers={"Cache-Control": "no-cache"})
