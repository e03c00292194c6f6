"""A request's JSON body, read strictly: what a careless reader would let through is refused."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from serving.problems import Problem

__all__ = ["LARGEST", "parse", "read_body", "read_content"]

LARGEST = 256 * 1024
_DEEPEST = 64
_LONGEST_NUMBER = 100

M = TypeVar("M", bound=BaseModel)


class _Object(dict[str, Any]):
    """A JSON object that remembers which of its keys came twice."""

    repeated: tuple[str, ...] = ()


async def read_body(request: Request, model: type[M]) -> M:
    """Read a body of at most 256 KB as strict JSON of a declared shape.

    Raises
    ------
    Problem
        415 for another content type or a compressed body; 413 when too large; 400
        ``malformed_json`` or ``duplicate_key``; 422 ``validation`` with a pointer per error.
    """
    _accept(request)
    value = parse(await read_content(request))
    try:
        return model.model_validate(value, strict=True)
    except ValidationError as refused:
        found = refused.errors(include_url=False, include_context=False, include_input=False)
        errors = [_error(_pointer(e["loc"]), e["type"], e["msg"]) for e in found[:20]]
        raise Problem(422, "validation", "see errors", errors) from refused


def parse(content: bytes) -> Any:
    """Read JSON text: duplicate keys, NaN, lone surrogates and NUL are refused.

    Examples
    --------
    >>> parse(b'{"account_ids": ["a"]}')
    {'account_ids': ['a']}
    >>> parse(b'{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ...
    serving.problems.Problem: duplicate_key
    """
    try:
        value = json.loads(content.decode("utf-8"), object_pairs_hook=_object, parse_int=_integer)
    except (ValueError, RecursionError) as refused:
        raise _malformed("not JSON in UTF-8") from refused
    errors: list[dict[str, str]] = []
    _walk(value, (), errors)
    if errors:
        raise Problem(422, "validation", "see errors", errors[:20])
    return value


def _accept(request: Request) -> None:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise _header("content-encoding", "send the body uncompressed")
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if kind.strip().lower() != "application/json" or charset not in {"", "charset=utf-8"}:
        raise _header("content-type", "send application/json")


async def read_content(request: Request) -> bytes:
    """Read a body of at most 256 KB, once: whoever asks again gets the same.

    Raises
    ------
    Problem
        413 when too large.
    """
    state: dict[str, Any] = request.scope.setdefault("state", {})
    if "content" not in state:
        state["content"] = await _read(request)
    content: bytes = state["content"]
    return content


async def _read(request: Request) -> bytes:
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > LARGEST:
        raise _too_large()
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > LARGEST:
            raise _too_large()
    return bytes(content)


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    made = _Object(pairs)
    if len(made) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        made.repeated = tuple(name for name, count in counts.items() if count > 1)
    return made


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError("too many digits")
    return int(digits)


def _walk(value: Any, path: tuple[str | int, ...], errors: list[dict[str, str]]) -> None:
    if len(path) > _DEEPEST:
        raise _malformed("nested too deeply")
    match value:
        case _Object():
            if value.repeated:
                at = _error(_pointer((*path, value.repeated[0])), "duplicate_key", "given twice")
                raise Problem(400, "duplicate_key", "a key is given twice", [at])
            for name, item in value.items():
                _walk(name, (*path, name), errors)
                _walk(item, (*path, name), errors)
        case list():
            for place, item in enumerate(value):
                _walk(item, (*path, place), errors)
        case float() if not math.isfinite(value):
            errors.append(_error(_pointer(path), "not_finite", "must be a finite number"))
        case str() if _unclean(value):
            errors.append(_error(_pointer(path), "text", "must be text without NUL or surrogates"))


def _unclean(text: str) -> bool:
    return "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text)


def _pointer(path: tuple[str | int, ...]) -> str:
    steps = (str(step)[:100].replace("~", "~0").replace("/", "~1") for step in path)
    return "".join(f"/{step}" for step in steps)


def _error(pointer: str, code: str, message: str) -> dict[str, str]:
    return {"pointer": pointer, "code": code, "message": message}


def _malformed(detail: str) -> Problem:
    return Problem(400, "malformed_json", detail)


def _header(name: str, message: str) -> Problem:
    return Problem(
        415, "content", message, [{"header": name, "code": "content", "message": message}]
    )


def _too_large() -> Problem:
    detail = f"at most {LARGEST // 1024} KB"
    return Problem(413, "body_too_large", detail, headers={"Connection": "close"})
