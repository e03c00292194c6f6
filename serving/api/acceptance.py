"""What the caller accepts: the API answers in JSON, and says so to those who want something else."""

from __future__ import annotations

from fastapi import Request

from serving.problems import Problem

__all__ = ["accepts_json", "json_wanted"]


async def json_wanted(request: Request) -> None:
    """Refuse a request to the API that accepts no JSON (406)."""
    accept = request.headers.get("accept", "")
    if request.url.path.startswith("/v1/") and not accepts_json(accept):
        at = {"header": "accept", "code": "not_acceptable", "message": "application/json"}
        raise Problem(406, "not_acceptable", "this API answers in application/json", [at])


def accepts_json(accept: str) -> bool:
    """Say whether an Accept header lets JSON through; an empty one does.

    Examples
    --------
    >>> [accepts_json(one) for one in ("", "*/*", "application/json", "text/html, */*;q=0.1")]
    [True, True, True, True]
    >>> [accepts_json(one) for one in ("application/xml", "application/json;q=0", "text/csv")]
    [False, False, False]
    """
    if not accept.strip():
        return True
    weights = {}
    for part in accept.split(","):
        kind, *parameters = (one.strip().lower() for one in part.split(";"))
        weights[kind] = not any(_is_nothing(one) for one in parameters)
    for kind in ("application/json", "application/*", "*/*"):
        if kind in weights:
            return weights[kind]
    return False


def _is_nothing(parameter: str) -> bool:
    """Say whether a parameter is a weight of zero."""
    name, _, value = parameter.partition("=")
    return name.strip() == "q" and value.strip(" 0") in ("", ".")
