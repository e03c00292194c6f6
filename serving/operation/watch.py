"""Watch: every answer is counted and told, and an exception that nobody foresaw is one answer."""

from __future__ import annotations

import asyncio
import time
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.operation.duty import Duty
from serving.operation.log import Log
from serving.problems import Problem, answer_of
from serving.protection import request_id

__all__ = ["Watch"]

_BUG = Problem(500, "internal", "quote the instance when you report this")
_CUT = Problem(503, "draining", "this server ends", headers={"Connection": "close"})
_FLOORS = Path(__file__).parents[2]


class _Unforeseen:
    """Keeps an exception that nobody foresaw, instead of letting it through."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def __enter__(self) -> _Unforeseen:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self.error = error if isinstance(error, Exception) else None
        return self.error is not None


class Watch:
    """ASGI middleware around all others.

    Parameters
    ----------
    app : ASGI application
    duty : Duty
        Where answers are counted.
    log : Log, optional
        Where they are told; nowhere without it.
    """

    def __init__(self, app: ASGIApp, duty: Duty, log: Log | None = None) -> None:
        self.app, self.duty, self.log = app, duty, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and keep the account of it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        status = 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self.duty.measures.in_flight.inc()
        try:
            with _Unforeseen() as found:
                try:
                    await self.app(scope, receive, noted)
                except asyncio.CancelledError:
                    if not self.duty.draining or status:
                        raise
                    status = 503  # the time to end is over: what is not answered is cut off
                    await answer_of(Request(scope), _CUT)(scope, receive, send)
            error = found.error or scope.get("state", {}).get("unforeseen")
            if error is not None:
                self._report(scope, error)
            if found.error is not None and not status:
                status = 500
                await answer_of(Request(scope), _BUG)(scope, receive, send)
        finally:
            self.duty.measures.in_flight.dec()
            self._tell(scope, status or 499, time.perf_counter() - begun)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        route = _template(scope)
        self.duty.measures.answered(route, scope["method"], status, seconds)
        if self.log is not None:
            self.log.info(
                "request",
                id=request_id(scope),
                route=route or "unmatched",
                method=scope["method"] if route else None,
                status=status,
                ms=round(1e3 * seconds, 1),
                key=scope.get("state", {}).get("key"),
            )

    def _report(self, scope: Scope, error: Exception) -> None:
        """Count a bug, and tell where it is: kinds and places, no message, for it holds values."""
        self.duty.measures.unhandled.inc()
        if self.log is not None:
            kinds = type(error).__name__
            self.log.error("unhandled", id=request_id(scope), error=kinds, at_lines=_places(error))


def _template(scope: Scope) -> str | None:
    """Give the template of the route that was found."""
    route: Any = scope.get("route")
    found: str | None = getattr(route, "path", None)
    return found


def _places(error: Exception) -> list[str]:
    """Name file and line of the frames of an exception, the innermost first.

    Examples
    --------
    >>> _places(ValueError("secret"))
    []
    """
    frames = traceback.extract_tb(error.__traceback__)[-12:]
    return [f"{_short(one.filename)}:{one.lineno} {one.name}" for one in reversed(frames)]


def _short(name: str) -> str:
    path = Path(name)
    if path.is_relative_to(_FLOORS):
        return path.relative_to(_FLOORS).as_posix().rpartition("site-packages/")[2]
    return path.name
