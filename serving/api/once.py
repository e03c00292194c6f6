"""Once: a request that changes or computes something, sent again under its Idempotency-Key."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from fastapi import Depends, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from features.faults import Fault
from serving.bodies import read_content
from serving.operation.duty import LIGHT, Duty
from serving.problems import Problem
from serving.repeats import Answer, Claim, Differs, Repeats, Waits

__all__ = ["KEY", "Once", "Replayed", "once", "replay"]

KEY = "idempotency-key"
_GOOD = re.compile(r"[\x21-\x7e]{1,255}")


class Replayed(Exception):
    """The request has its answer already.

    Parameters
    ----------
    answer : Answer
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


async def replay(request: Request, error: Exception) -> Response:
    """Give an answer again, and say that it is one."""
    assert isinstance(error, Replayed)
    duty: Duty = request.app.state.duty
    duty.measures.replays.inc()
    said, marked = error.answer, {"Idempotency-Replayed": "true"}
    return Response(said.body, said.status, marked, media_type=said.kind)


async def _once(request: Request) -> None:
    """Take the place of a request that carries a key; whoever may not ask never comes here."""
    given = request.headers.getlist(KEY)
    if not given:
        return
    if len(given) > 1 or not _GOOD.fullmatch(given[0]):
        raise _refused(400, "idempotency_key", "1 to 255 visible ASCII letters", {})
    repeats: Repeats = request.app.state.repeats
    question = await _question(request)
    try:
        found = await run_in_threadpool(repeats.claim, _name(request, given[0]), question)
    except Differs:
        raise _refused(422, "idempotency_key_reused", "used for another request", {}) from None
    except Waits as waits:
        later = {"Retry-After": str(waits.seconds)}
        raise _refused(409, "in_flight", "this request is being worked at", later) from None
    if isinstance(found, Answer):
        raise Replayed(found)
    request.scope["state"]["claim"] = found


once: Any = Depends(_once)
"""The dependency of a route that honours Idempotency-Key; it stands after the scope's."""


class Once:
    """ASGI middleware: keeps what a claimed request was answered.

    Parameters
    ----------
    app : ASGI application
    repeats : Repeats
        Where answers are kept.
    """

    def __init__(self, app: ASGIApp, repeats: Repeats) -> None:
        self.app, self.repeats = app, repeats

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold an answer back until it is kept, where the request carries a key."""
        if scope["type"] != "http" or scope["method"] in LIGHT or KEY not in Headers(scope=scope):
            await self.app(scope, receive, send)
            return
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)

        state = scope.setdefault("state", {})
        answered = False
        try:
            await self.app(scope, receive, hold)
            answered = True
        finally:
            claim = state.pop("claim", None)
            if claim is not None:
                await run_in_threadpool(self._settle, claim, _answer(held) if answered else None)
        for message in held:
            await send(message)

    def _settle(self, claim: Claim, answer: Answer | None) -> None:
        """Keep an answer; what may go better another time is not kept."""
        try:
            if answer is None or answer.status >= 500 or answer.status == 429:
                self.repeats.free(claim)
            else:
                self.repeats.keep(claim, answer)
        except Fault:
            return  # the store is away: the place is free when its lease is over


def _answer(held: list[Message]) -> Answer | None:
    if not held:
        return None
    kind = Headers(raw=held[0]["headers"]).get("content-type", "application/json")
    return Answer(held[0]["status"], kind, b"".join(m.get("body", b"") for m in held[1:]))


async def _question(request: Request) -> str:
    """Digest what is asked: method, address and body."""
    place = f"{request.method} {request.url.path}?{request.url.query}\n"
    return hashlib.sha256(place.encode() + await read_content(request)).hexdigest()


def _name(request: Request, key: str) -> str:
    """Digest who asks, and the key: one caller's keys are nobody else's."""
    caller = str(request.scope["state"].get("key", ""))
    return hashlib.sha256(f"{len(caller)}:{caller}:{key}".encode()).hexdigest()


def _refused(status: int, code: str, message: str, headers: dict[str, str]) -> Problem:
    at = {"header": KEY, "code": code, "message": message}
    return Problem(status, code, "see errors", [at], headers)
