"""What the routes ask: the store, the scorer, and the run that serves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from features.faults import Fault
from serving.model_at_hand import ModelState
from serving.problems import Problem
from serving.scenarios import Scenarios
from serving.store import Run, Store

__all__ = ["CurrentRun", "Serving", "State", "answered", "asked_once", "current"]

AT_ONCE_SECONDS = 0.02
"""How long the event loop may wait for the store; whoever needs longer asks in a thread."""

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

    @cached_property
    def at_hand(self) -> Serving | None:
        """The same on a store that answers at once or says that it is busy; None for a server's."""
        store = self.store.at_hand(AT_ONCE_SECONDS)
        return None if store is None else replace(self, store=store)


async def answered(state: Serving, tell: Callable[[Serving], Response]) -> Response:
    """Answer a quick question: here where the store is at hand, else in a thread beside the loop.

    Looking up one row takes less time than handing the question to a thread and back, and a thread
    that computes keeps the event loop waiting.

    Parameters
    ----------
    state : Serving
    tell : callable
        Answers from the serving state that it is given.
    """
    if state.at_hand is not None:
        try:
            return tell(state.at_hand)
        except Fault:
            pass  # the store is busy or away: a thread may wait for it
    return await run_in_threadpool(tell, state)


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
