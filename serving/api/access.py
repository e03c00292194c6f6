"""Access: every route says which scope it needs, and every request who asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.routing import iter_route_contexts
from starlette.concurrency import run_in_threadpool

from features.faults import ConfigurationRefused
from serving.admission import Admission, Guessing
from serving.keys import PATTERN
from serving.problems import Problem
from serving.protection import is_forwarded
from serving.roles import ROLES, SCOPES, THIS_MACHINE, Who

if TYPE_CHECKING:
    from serving.api.kept_answers import Shelf

__all__ = [
    "COOKIE",
    "ROLES",
    "SCOPES",
    "Caller",
    "Who",
    "everybody",
    "needs",
    "no_key_in_address",
    "own_address",
    "refuse_undeclared",
    "scopes_of",
    "stranger",
    "too_many",
]

COOKIE = "perennial_session"
"""The cookie of a browser's session."""

_OPEN_PATHS = ("/openapi.json",)
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="perennial"'}


def stranger() -> Problem:
    """Give the one answer to no key, a wrong one, an expired one and a revoked one."""
    return Problem(
        401, "no_key", "give a key that is good: Authorization: Bearer per_…", [], _CHALLENGE
    )


def own_address(request: Request) -> str:
    """Give the address that asks; behind the trusted proxy the one that the proxy tells of."""
    peer = request.client.host if request.client else ""
    proxy = request.app.state.duty.settings.trusted_proxy
    return proxy.client(peer, request.headers) if proxy else peer


async def _caller(request: Request) -> Who:
    admission: Admission = request.app.state.admission
    who = await _admitted(admission, request)
    if who is None:
        raise stranger()
    if who is not THIS_MACHINE:
        request.scope["state"] |= {"who": who, "key": who.key or who.name}
        request.app.state.duty.take(who.key or who.name)
    return who


async def _admitted(admission: Admission, request: Request) -> Who | None:
    """Give who asks: by key, by session, by the proxy's word, or as nobody needs a key yet."""
    if admission.open_still or (not admission.closed and await run_in_threadpool(admission.open)):
        return None if is_forwarded(request.headers) else THIS_MACHINE
    given = request.headers.get("authorization")
    if given is not None:
        return await _by_key(admission, request, given)
    token = request.cookies.get(COOKIE)
    if token is not None:
        state = _state_of(request)
        known = admission.known_session(token, state)
        known = known or await run_in_threadpool(admission.by_session, token, state)
        if known is not None:
            return known
    proxy = request.app.state.duty.settings.trusted_proxy
    peer = request.client.host if request.client else ""
    return proxy.who(peer, request.headers) if proxy else None


def _state_of(request: Request) -> int | None:
    """Give the number of the store's state, which changes with every write; None if unknown."""
    shelf: Shelf = request.app.state.shelf
    return shelf.seen if shelf.current() else None


async def _by_key(admission: Admission, request: Request, given: str) -> Who | None:
    scheme, _, text = given.partition(" ")
    text = text.strip() if scheme.lower() == "bearer" else ""
    known = admission.known(text)
    if known is not None:
        return known
    try:
        key = await run_in_threadpool(admission.by_key, text, own_address(request))
    except Guessing as guessing:
        raise too_many(guessing) from guessing
    return key.who if key is not None else None


def too_many(guessing: Guessing) -> Problem:
    """Give the answer to whoever guesses at keys."""
    wait = {"Retry-After": str(guessing.seconds)}
    return Problem(429, "guessing", "too many keys that are not good came from here", [], wait)


Caller = Annotated[Who, Depends(_caller)]


@dataclass(frozen=True)
class _Needs:
    """A dependency that lets a scope's holders through."""

    scope: str

    async def __call__(self, who: Caller) -> None:
        """Refuse who has not the scope."""
        if not who.may(self.scope):
            message = f'needs the scope "{self.scope}"'
            at = {"header": "authorization", "code": "scope", "message": message}
            detail = f'this needs the scope "{self.scope}", which the role {who.role} has not'
            raise Problem(403, "scope", detail, [at])


@dataclass(frozen=True)
class _Everybody:
    """A dependency that lets everybody through, and says so."""

    async def __call__(self) -> None:
        """Let everybody through."""


def needs(scope: str) -> Any:
    """Give the dependency that a route declares its scope with.

    Examples
    --------
    >>> needs("read").dependency
    _Needs(scope='read')
    """
    if scope not in SCOPES:
        raise ConfigurationRefused("serve.scope", scope, f"one of {', '.join(SCOPES)}")
    return Depends(_Needs(scope))


everybody: Any = Depends(_Everybody())
"""The dependency of a route that is open to all."""


async def no_key_in_address(request: Request) -> None:
    """Refuse an address that a key stands in, for addresses are written down; flag the key."""
    query = (part for pair in request.query_params.multi_items() for part in pair)
    for text in (request.url.path, *query):
        found = PATTERN.search(text)
        if found is not None:
            await run_in_threadpool(request.app.state.admission.exposed, found[0])
            detail = "addresses are written down: rotate this key, and give it as a header"
            at = {"header": "authorization", "code": "key_in_address", "message": "Bearer per_…"}
            raise Problem(400, "key_in_address", detail, [at])


def scopes_of(app: FastAPI) -> dict[tuple[str, str], str | None]:
    """Give the scope of each route by its address and method; None where it is open to all.

    Examples
    --------
    >>> app = FastAPI(docs_url=None, redoc_url=None)
    >>> _ = app.get("/v1/book", dependencies=[needs("read")])(lambda: "figures")
    >>> scopes_of(app)
    {('/v1/book', 'get'): 'read'}
    """
    found: dict[tuple[str, str], str | None] = {}
    for route in iter_route_contexts(app.routes):
        for one in _declared(route):
            scope = one.scope if isinstance(one, _Needs) else None
            for method in route.methods or ():
                found[str(route.path_format), method.lower()] = scope
    return found


def refuse_undeclared(app: FastAPI) -> None:
    """Refuse an app that has a route without a declared scope.

    Raises
    ------
    ConfigurationRefused
        ``serve.scope`` naming the routes (exit code 78).

    Examples
    --------
    >>> app = FastAPI(docs_url=None, redoc_url=None)
    >>> refuse_undeclared(app)
    >>> _ = app.get("/forgotten")(lambda: "no scope")
    >>> refuse_undeclared(app)
    Traceback (most recent call last):
    ...
    features.faults.ConfigurationRefused: /forgotten: serve.scope: declare its scope: dependencies=[needs("read")]
    """
    forgotten = sorted(set(_undeclared(app)))
    if forgotten:
        cure = 'declare its scope: dependencies=[needs("read")]'
        raise ConfigurationRefused("serve.scope", ", ".join(forgotten), cure)


def _undeclared(app: FastAPI) -> Iterator[str]:
    for route in iter_route_contexts(app.routes):
        by_hand = getattr(route, "dependant", None) is None
        if not _declared(route) and not (by_hand and str(route.path) in _OPEN_PATHS):
            yield str(route.path)


def _declared(route: Any) -> list[_Needs | _Everybody]:
    dependant = getattr(route, "dependant", None)
    calls = [one.call for one in dependant.dependencies] if dependant else []
    return [one for one in calls if isinstance(one, _Needs | _Everybody)]
