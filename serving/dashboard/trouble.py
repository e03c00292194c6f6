"""Trouble: what a browser is shown instead of a page, with the number of the request."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import Response

from serving.dashboard.pages import shown
from serving.dashboard.sign_in import to_sign_in

__all__ = ["trouble_page", "wants_page"]

_DATA = ("/v1/", "/livez", "/readyz", "/metrics", "/openapi.json", "/static/")
_WORDS = {
    401: "This page needs a key",
    403: "Your key does not open this page",
    404: "There is no such page",
    422: "A part of the address is not accepted",
    429: "Too many requests at once",
    500: "Something went wrong on our side",
    503: "This is not ready yet",
}


def wants_page(request: Request) -> bool:
    """Say whether whoever asks is a person in front of a browser: only they are shown a page."""
    if request.url.path.startswith(_DATA) or request.url.path.endswith(".csv"):
        return False
    return "text/html" in request.headers.get("accept", "")


def trouble_page(request: Request, problem: dict[str, Any]) -> Response:
    """Write the page of a problem; who has no key is sent to where one is asked for.

    Parameters
    ----------
    request : Request
    problem : dict
        The members of the problem document (RFC 9457).
    """
    status = int(problem["status"])
    if status == 401:
        return to_sign_in(request)
    number = str(problem["instance"]).rpartition(":")[2]
    title = _WORDS.get(status, str(problem["title"]))
    return shown(
        request, "trouble.html", status=status, title=title, problem=problem, number=number
    )
