"""Tags: a strong ETag on every JSON answer of the API, so that what was seen is not sent again.

A tag is a digest of the answer's bytes. They hold the run and the account, and differ as soon as
anything that is told does.
"""

from __future__ import annotations

import hashlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Tags", "named_in", "tag_of"]

_JSON = "application/json"


def tag_of(body: bytes) -> str:
    """Give the tag of an answer.

    Examples
    --------
    >>> tag_of(b"{}")
    '"44136fa355b3678a1146ad16f7e8649e"'
    """
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def named_in(header: str, tag: str, *, strong: bool = False) -> bool:
    """Say whether a tag is among those of an If-None-Match header, or (``strong``) of If-Match.

    Examples
    --------
    >>> [named_in(one, '"a"') for one in ('"a"', '"b", W/"a"', "*", '"b"', "")]
    [True, True, True, False, False]
    """
    weak = "" if strong else "W/"
    named = [one.strip().removeprefix(weak) for one in header.split(",")]
    return "*" in named or tag in named


class Tags:
    """Middleware that tags the API's answers to GET, and answers 304 to whoever has them."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and tag what comes back."""
        if scope["type"] != "http" or scope["method"] != "GET" or not _is_api(scope):
            await self.app(scope, receive, send)
            return
        await self.app(scope, receive, _Tagging(send, Headers(scope=scope)).send)


def _is_api(scope: Scope) -> bool:
    path: str = scope["path"]
    return path.startswith("/v1/")


class _Tagging:
    """Holds the head of an answer back until its body is there."""

    def __init__(self, send: Send, asked: Headers) -> None:
        self._send, self._seen = send, asked.get("if-none-match")
        self._head: Message | None = None

    async def send(self, message: Message) -> None:
        """Send a message on."""
        if message["type"] == "http.response.start" and _is_answer(message):
            self._head = message
            return
        if self._head is None or message["type"] != "http.response.body":
            await self._send(message)
            return
        head, self._head = self._head, None
        if not message.get("more_body"):
            message = self._tagged(head, message)
        await self._send(head)
        await self._send(message)

    def _tagged(self, head: Message, message: Message) -> Message:
        headers = MutableHeaders(scope=head)
        tag = tag_of(message.get("body", b""))
        headers["etag"] = tag
        if self._seen is None or not named_in(self._seen, tag):
            return message
        head["status"] = 304
        for name in ("content-length", "content-type"):
            del headers[name]
        return {"type": "http.response.body", "body": b""}


def _is_answer(message: Message) -> bool:
    kind = Headers(raw=message["headers"]).get("content-type", "")
    return message["status"] == 200 and kind.partition(";")[0] == _JSON
