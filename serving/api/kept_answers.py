"""Kept answers: what the store told once is told again from memory, as long as nothing in it changed.

A published run does not change, and most questions are asked again and again. So the bytes of an
answer are kept, by address and by what the caller may see, until anything at all is written to the
store: SQLite tells that at once, whichever process wrote. A PostgreSQL cannot tell it without being
asked, so there nothing is kept.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from typing import Any

import sqlalchemy as sa
from fastapi import Depends, Request
from fastapi.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.api.access import Caller

__all__ = ["Kept", "KeptAnswers", "Shelf", "given_again", "kept_answer"]

BYTES = 64 * 1024 * 1024
"""How much is kept at most."""

_LARGEST = 1024 * 1024
_AROUND = 512
_JSON = b"application/json"


class Kept(Exception):
    """The answer is known already.

    Parameters
    ----------
    body : bytes
    """

    def __init__(self, body: bytes) -> None:
        super().__init__(len(body))
        self.body = body


class Shelf:
    """Answers of one serving process, all of one state of its store.

    It is asked by one thread, the event loop's.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        The store's.

    Examples
    --------
    >>> shelf = Shelf(sa.create_engine("postgresql+psycopg://db.example/perennial"))
    >>> shelf.current()
    False
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._path = engine.url.database if engine.dialect.name == "sqlite" else None
        self._watch: sqlite3.Connection | None = None
        self._seen: int | None = None
        self._bodies: OrderedDict[tuple[object, ...], bytes] = OrderedDict()
        self._bytes = 0

    def current(self) -> bool:
        """Whether anything may be kept; what was told before the last write is forgotten."""
        seen = self._version()
        if seen is None or seen != self._seen:
            self._bodies.clear()
            self._bytes, self._seen = 0, seen
        return seen is not None

    def get(self, key: tuple[object, ...]) -> bytes | None:
        """Give a kept answer."""
        body = self._bodies.get(key)
        if body is not None:
            self._bodies.move_to_end(key)
        return body

    def put(self, key: tuple[object, ...], since: int | None, body: bytes) -> None:
        """Keep an answer, unless the store changed while it was made."""
        if since is None or len(body) > _LARGEST or self._version() != since or key in self._bodies:
            return
        self._bodies[key] = body
        self._bytes += _size(key, body)
        while self._bytes > BYTES:
            self._bytes -= _size(*self._bodies.popitem(last=False))

    @property
    def seen(self) -> int | None:
        """The state of the store that the kept answers tell of."""
        return self._seen

    def _version(self) -> int | None:
        """Ask SQLite for a number that changes with every write of anybody else."""
        if self._path is None:
            return None
        try:
            if self._watch is None:
                self._watch = sqlite3.connect(self._path, timeout=0, check_same_thread=False)
            found: int = self._watch.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error:
            return None
        return found


def _size(key: tuple[object, ...], body: bytes) -> int:
    """Count what a kept answer takes: an address may be longer than what it is answered.

    Examples
    --------
    >>> _size((b"/v1/accounts", b"csm=Ada", "cs", None), b"{}")
    535
    """
    return _AROUND + len(body) + sum(len(one) for one in key if isinstance(one, bytes | str))


async def _kept_answer(request: Request, who: Caller) -> None:
    """Give an answer that is kept; whoever may not ask never comes here."""
    shelf: Shelf = request.app.state.shelf
    if not shelf.current():
        return
    scope = request.scope
    clock = request.app.state.now
    today = clock().date() if clock else None  # what holds until a day is over by itself
    sees = (who.role, who.csm, who.contacts)
    key = (scope["raw_path"], scope["query_string"], *sees, today)
    body = shelf.get(key)
    if body is not None:
        raise Kept(body)
    scope["state"]["keep"] = (key, shelf.seen)


kept_answer: Any = Depends(_kept_answer)
"""The dependency of a route whose answer follows from the store alone; it stands after the scope's."""


async def given_again(_request: Request, error: Exception) -> Response:
    """Give a kept answer."""
    assert isinstance(error, Kept)
    return Response(error.body, media_type="application/json")


class KeptAnswers:
    """ASGI middleware that keeps the answers of routes which ask for it.

    Parameters
    ----------
    app : ASGI application
    shelf : Shelf
    """

    def __init__(self, app: ASGIApp, shelf: Shelf) -> None:
        self.app, self.shelf = app, shelf

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and keep what is answered."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        state: dict[str, Any] = scope.setdefault("state", {})
        whole = False

        async def noted(message: Message) -> None:
            nonlocal whole
            if message["type"] == "http.response.start":
                kinds = [value for name, value in message["headers"] if name == b"content-type"]
                whole = message["status"] == 200 and kinds == [_JSON]
            elif whole and "keep" in state and not message.get("more_body"):
                key, since = state.pop("keep")
                self.shelf.put(key, since, message.get("body", b""))
            await send(message)

        await self.app(scope, receive, noted)
