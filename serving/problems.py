"""Problems: every answer that is not a success, as problem+json (RFC 9457), without internals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from features.faults import Busy, CannotWrite, DependencyDown, Fault
from serving.dashboard.trouble import trouble_page, wants_page
from serving.protection import SAFE_HEADERS, request_id

__all__ = ["PROBLEM_RESPONSES", "Problem", "answer_of", "install"]

_TITLES = {
    400: "The request cannot be read",
    401: "A key is needed",
    403: "Not for this key",
    404: "Not found",
    405: "This method is not offered here",
    406: "No answer of this kind is given",
    408: "The request came too slowly",
    409: "Not now",
    413: "The request is too large",
    414: "The address is too long",
    415: "This content is not accepted",
    422: "A value is not accepted",
    429: "Too many requests",
    431: "The request's head is too large",
    499: "The client has gone",
    500: "Something went wrong on our side",
    503: "Not ready",
}
_LONGEST = 200
_MOST = 20
_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "code", "errors"],
    "properties": {
        "type": {"type": "string", "description": "urn:perennial:problem:<code>"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What helps to mend it."},
        "instance": {"type": "string", "description": "urn:perennial:request:<id>"},
        "code": {"type": "string"},
        "retry_after": {"type": "integer", "description": "Seconds."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer into the body."},
                    "parameter": {"type": "string"},
                    "header": {"type": "string"},
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                },
            },
        },
    },
}
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem.",
        "content": {"application/problem+json": {"schema": _SCHEMA}},
    }
}


class Problem(Exception):
    """An answer that is not a success.

    Parameters
    ----------
    status : int
        HTTP status.
    code : str
        The problem's name, stable for scripts.
    detail : str
        What helps to mend it; never an internal, never somebody else's data.
    errors : list of dict
        Each ``{pointer | parameter | header, code, message}``.
    headers : mapping
        Further headers; ``Retry-After`` is repeated in the body.

    Examples
    --------
    >>> Problem(404, "unknown_account", "no such account").body("r1")["type"]
    'urn:perennial:problem:unknown_account'
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        errors: list[dict[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors or []
        self.headers = dict(headers or {})

    def body(self, request: str) -> dict[str, Any]:
        """Give the members of the problem document."""
        members: dict[str, Any] = {
            "type": f"urn:perennial:problem:{self.code}",
            "title": _TITLES.get(self.status, "The request was refused"),
            "status": self.status,
            "detail": self.detail,
            "instance": f"urn:perennial:request:{request}",
            "code": self.code,
            "errors": self.errors,
        }
        if "Retry-After" in self.headers:
            members["retry_after"] = int(self.headers["Retry-After"])
        return members


def install(app: FastAPI) -> None:
    """Answer every error of an app as a problem."""
    app.add_exception_handler(Problem, _answer)
    app.add_exception_handler(RequestValidationError, _answer)
    app.add_exception_handler(HTTPException, _answer)
    app.add_exception_handler(Fault, _answer)
    app.add_exception_handler(ClientDisconnect, _answer)
    app.add_exception_handler(Exception, _answer)


async def _answer(request: Request, error: Exception) -> Response:
    problem = _as_problem(error)
    if problem.status == 500:
        request.scope.setdefault("state", {})["unforeseen"] = error
    return answer_of(request, problem)


def answer_of(request: Request, problem: Problem) -> Response:
    """Write a problem as the answer to a request: JSON, or a page to a browser."""
    number = request_id(request.scope)
    told = problem.body(number)
    headers = SAFE_HEADERS | problem.headers | {"X-Request-Id": number}
    if wants_page(request):
        page = trouble_page(request, told)
        page.headers.update(headers)
        return page
    body = json.dumps(told).encode("ascii")
    return Response(body, problem.status, headers, media_type="application/problem+json")


def _as_problem(error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case RequestValidationError():
            told = [_parameter(one) for one in error.errors()[:_MOST]]
            return Problem(422, "validation", "see errors", told)
        case HTTPException(status_code=405):
            return Problem(405, "method_not_allowed", "see Allow", headers=error.headers)
        case HTTPException(status_code=404):
            return Problem(404, "not_found", "no such path; see /openapi.json")
        case HTTPException():
            return Problem(error.status_code, "refused", "see the title", headers=error.headers)
        case ClientDisconnect():
            return Problem(499, "client_gone", "nobody is there to read this")
        case Busy() | DependencyDown() | CannotWrite():
            detail = "something this server depends on does not answer"
            return Problem(503, "dependency", detail, headers={"Retry-After": "5"})
    return Problem(500, "internal", "quote the instance when you report this")


def _parameter(error: Mapping[str, Any]) -> dict[str, str]:
    name = str(error["loc"][-1])[:_LONGEST]
    unknown = error["type"] == "extra_forbidden"
    code = "unknown_parameter" if unknown else str(error["type"])
    message = "this parameter is not known here" if unknown else str(error["msg"])[:_LONGEST]
    return {"parameter": name, "code": code, "message": message}
