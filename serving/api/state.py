"""What the routes ask: the store, the scorer, and the run that serves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request

from serving.model_at_hand import ModelState
from serving.problems import Problem
from serving.scenarios import Scenarios
from serving.store import Run, Store

__all__ = ["CurrentRun", "Serving", "State", "asked_once", "current"]

LONGEST = 100
"""How much of a parameter's name an answer repeats."""


@dataclass(frozen=True)
class Serving:
    """What one serving process stands on.

    Attributes
    ----------
    store : Store
        The published runs.
    key : bytes
        Signs cursors.
    score_accounts : callable or None
        Scores named accounts now; leaves out those that it does not know.
    model : callable
        The state of the model that serves, or None when there is none.
    scenarios : Scenarios
        Forecasts under other assumptions.
    against_actual : callable or None
        Lays the kept forecasts beside what happened.
    """

    store: Store
    key: bytes
    score_accounts: Callable[[list[str]], list[dict[str, Any]]] | None
    model: Callable[[], ModelState | None]
    scenarios: Scenarios
    against_actual: Callable[[], dict[str, Any]] | None = None


async def _serving(request: Request) -> Serving:
    serving: Serving = request.app.state.serving
    return serving


def _current(serving: Annotated[Serving, Depends(_serving)]) -> Run:
    return current(serving.store.current())


def current(run: Run | None) -> Run:
    """Give the run that serves, or say that there is none."""
    if run is None:
        detail = "nothing has been published yet: run `perennial score`"
        raise Problem(503, "no_published_run", detail, headers={"Retry-After": "60"})
    return run


async def asked_once(request: Request) -> None:
    """Refuse a query that gives a parameter twice: which of the two was meant cannot be told."""
    counts = Counter(name for name, _ in request.query_params.multi_items())
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise Problem(422, "validation", "see errors", [_twice(name) for name in twice])


def _twice(name: str) -> dict[str, str]:
    return {"parameter": name[:LONGEST], "code": "duplicate_parameter", "message": "given twice"}


State = Annotated[Serving, Depends(_serving)]
CurrentRun = Annotated[Run, Depends(_current)]
