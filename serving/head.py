"""HEAD: every address that answers a GET answers a HEAD as well, with everything but the body."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Head"]


class Head:
    """ASGI middleware: ask as for a GET, and leave the body out (RFC 9110, section 9.3.2).

    Examples
    --------
    >>> from fastapi import FastAPI
    >>> from fastapi.testclient import TestClient
    >>> app = FastAPI()
    >>> app.add_middleware(Head)
    >>> _ = app.get("/told")(lambda: {"as": "usual"})
    >>> with TestClient(app) as client:
    ...     reply = client.head("/told")
    >>> reply.status_code, reply.headers["content-length"], reply.content
    (200, '14', b'')
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; of a HEAD, as a GET."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def bodiless(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self.app({**scope, "method": "GET"}, receive, bodiless)
