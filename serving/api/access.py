"""Access: who asks, and what they may ask; every route says which scope it needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from fastapi.routing import iter_route_contexts

from features.faults import ConfigurationRefused
from serving.problems import Problem

__all__ = ["ROLES", "SCOPES", "Caller", "Who", "everybody", "needs", "refuse_undeclared"]

SCOPES = ("read", "act", "score", "runs")
ROLES: dict[str, frozenset[str]] = {
    "admin": frozenset(SCOPES),
    "cs": frozenset({"read", "act", "score", "runs"}),
    "finance": frozenset({"read", "runs"}),
    "batch": frozenset({"score", "runs"}),
}
_OPEN_PATHS = ("/openapi.json", "/static")


@dataclass(frozen=True)
class Who:
    """Who asks.

    Attributes
    ----------
    role : str
        admin, cs, finance or batch.
    csm : str or None
        The one CSM whose accounts are shown; None for all accounts.
    contacts : bool
        Whether contacts' names are shown.
    name : str
        What the key is called, for the audit.

    Examples
    --------
    >>> Who("finance", None, False, "cfo").may("act")
    False
    """

    role: str
    csm: str | None
    contacts: bool
    name: str

    def may(self, scope: str) -> bool:
        """Say whether a scope is among those of the role."""
        return scope in ROLES[self.role]


async def _caller() -> Who:
    return Who("admin", None, True, "this machine")


Caller = Annotated[Who, Depends(_caller)]


@dataclass(frozen=True)
class _Needs:
    """A dependency that lets a scope's holders through."""

    scope: str

    async def __call__(self, who: Caller) -> None:
        """Refuse who has not the scope."""
        if not who.may(self.scope):
            at = {"parameter": "scope", "code": "scope", "message": self.scope}
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
        dependant = getattr(route, "dependant", None)
        declared = [one.call for one in dependant.dependencies] if dependant else []
        open_path = dependant is None and str(route.path) in _OPEN_PATHS
        if not open_path and not any(isinstance(one, _Needs | _Everybody) for one in declared):
            yield str(route.path)
