"""The serving process: store, scorer, API and page put together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI

from serving.api import (
    account,
    accounts,
    actual,
    book,
    facts,
    forecast,
    health,
    models,
    operation,
    outreach,
    scoring,
)
from serving.api.acceptance import json_wanted
from serving.api.access import no_key_in_address, refuse_undeclared
from serving.api.described import Described
from serving.api.entrance import admission_of, from_here, trusted_host
from serving.api.kept_answers import Kept, KeptAnswers, Shelf, given_again
from serving.api.once import Once, Replayed, replay
from serving.api.state import Serving, asked_once
from serving.cursors import secret
from serving.dashboard import routes
from serving.head import Head
from serving.kept import StoreSettings
from serving.model_at_hand import ModelState
from serving.operation.duty import Duty
from serving.operation.log import Log
from serving.operation.watch import Watch
from serving.problems import install
from serving.protection import Protection
from serving.repeats import Repeats
from serving.scenarios import Scenarios
from serving.store import Store
from serving.tags import Tags

__all__ = ["create_app"]

_ALWAYS = (trusted_host, from_here, no_key_in_address, asked_once, json_wanted)


def create_app(
    home: Path,
    score_accounts: Callable[[list[str]], list[dict[str, Any]]] | None = None,
    model: Callable[[], ModelState | None] | None = None,
    against_actual: Callable[[], dict[str, Any]] | None = None,
    kept: StoreSettings | None = None,
    now: Callable[[], datetime] | None = None,
    duty: Duty | None = None,
    log: Log | None = None,
) -> FastAPI:
    """Put the serving process together.

    Parameters
    ----------
    home : Path
        The folder of state; its store is created if it is not there.
    score_accounts : callable, optional
        Gives one CONTRACT section 3 row per account that it knows; without it
        ``POST /v1/score`` answers 503.
    model : callable, optional
        Gives the state of the model that serves, or None when there is none; without it
        the model of the published run counts.
    against_actual : callable, optional
        Lays the kept forecasts beside what happened; without it ``GET /v1/forecast/actual``
        answers 503.
    kept : StoreSettings, optional
        Where published runs are kept; a file under the home unless it says otherwise.
    now : callable, optional
        Gives the time, so that pages can say how old their figures are; without it they do not.
    duty : Duty, optional
        Limits and counts of the process.
    log : Log, optional
        Where every answer is told; nowhere without it.

    Examples
    --------
    >>> import tempfile
    >>> app = create_app(Path(tempfile.mkdtemp()))
    >>> app.title
    'Perennial'
    """
    duty = duty or Duty()
    store = Store.open(home, kept, duty.settings.query_seconds)
    app = Described(
        title="Perennial",
        summary="Which customers will renew, which will grow, and what NRR will be.",
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(one) for one in _ALWAYS],
    )
    app.state.serving = Serving(
        store,
        secret(home),
        score_accounts,
        model or (lambda: _published_model(store)),
        Scenarios(store),
        against_actual,
    )
    app.state.now = now
    app.state.duty = duty
    app.state.admission = admission_of(store, app.state.duty.settings, now)
    app.state.repeats = Repeats(store.engine)
    install(app)
    app.state.shelf = Shelf(store.engine)
    app.add_exception_handler(Kept, given_again)
    app.add_middleware(KeptAnswers, shelf=app.state.shelf)
    app.add_middleware(Tags)
    app.add_exception_handler(Replayed, replay)
    app.add_middleware(Once, repeats=app.state.repeats)
    app.add_middleware(Protection)
    app.add_middleware(Head)
    app.add_middleware(Watch, duty=duty, log=log)
    answers = (accounts, account, actual, book, facts, forecast, models, outreach, scoring)
    for part in (*answers, health, operation, routes):
        app.include_router(part.router)
    refuse_undeclared(app)
    return app


def _published_model(store: Store) -> ModelState | None:
    run = store.current()
    return None if run is None else ModelState(run.model_version, run.model_digest)
