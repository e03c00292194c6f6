"""Forms: the fields of a page's form as they were sent, each once and of bounded length."""

from __future__ import annotations

from urllib.parse import parse_qsl

from fastapi import Request

from serving.problems import Problem

__all__ = ["LARGEST", "read_form"]

LARGEST = 16 * 1024
_MOST = 30


async def read_form(request: Request) -> dict[str, str]:
    """Read a form; fields that were left empty are left out.

    Raises
    ------
    Problem
        415 for another kind of content, 413 when too large, 422 for text that is not clean or a
        field given twice.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Problem(415, "content", "send the form as the page has it")
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > LARGEST:
            detail = f"at most {LARGEST // 1024} KB"
            raise Problem(413, "body_too_large", detail, headers={"Connection": "close"})
    return fields_of(bytes(content))


def fields_of(content: bytes) -> dict[str, str]:
    """Read the fields of a form's content.

    Examples
    --------
    >>> fields_of(b"play=Renewal+brief&outcome=&note=caf%C3%A9")
    {'play': 'Renewal brief', 'note': 'café'}
    >>> fields_of(b"play=a&play=b")
    Traceback (most recent call last):
    ...
    serving.problems.Problem: validation
    """
    try:
        pairs = parse_qsl(
            content.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST
        )
    except ValueError as refused:
        raise _refused("not a form in UTF-8") from refused
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise _refused("a field is given twice")
    if any("\x00" in text for pair in pairs for text in pair):
        raise _refused("NUL in a field")
    return {name: value.strip() for name, value in pairs if value.strip()}


def _refused(detail: str) -> Problem:
    return Problem(422, "validation", detail)
