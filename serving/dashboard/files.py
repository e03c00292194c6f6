"""The files that pages ask for beside themselves: style sheets, scripts, the mark."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles

from serving.api.access import everybody

__all__ = ["STATIC", "router"]

STATIC = Path(__file__).parent / "static"
_FILES = StaticFiles(directory=STATIC)

router = APIRouter(include_in_schema=False)


@router.api_route("/static/{path:path}", methods=["GET", "HEAD"], dependencies=[everybody])
async def file(path: str, request: Request) -> Response:
    """Give a file whole; a browser that has it asks again by its ETag, and is told it is the same.

    A part of a file is never given, as RFC 9110 allows: the files are small, and a part that there
    is not would be refused in plain text.
    """
    request.scope["headers"] = [one for one in request.scope["headers"] if one[0] != b"range"]
    reply = await _FILES.get_response(path, request.scope)
    reply.headers["Cache-Control"] = "no-cache"
    return reply
