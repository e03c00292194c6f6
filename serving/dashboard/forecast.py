"""The forecast page: what the book will pay, what drives it, what if, and how past forecasts did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from features.faults import Busy, DataRejected, Fault, InputMissing
from serving.api.access import needs
from serving.api.state import CurrentRun, Serving, State
from serving.api.whole_book import whole_book
from serving.dashboard.downloads import attached
from serving.dashboard.forecast_asked import Asked
from serving.dashboard.forecast_past import Past, past_sheet, past_view
from serving.dashboard.forecast_sheet import forecast_sheet
from serving.dashboard.forecast_view import Answer, currency_of, cut_of, view_of
from serving.dashboard.pages import shown
from serving.problems import Problem
from serving.store import Run

__all__ = ["router"]

router = APIRouter(include_in_schema=False, dependencies=[needs("read"), whole_book])


@router.get("/forecast")
def page(
    request: Request, asked: Annotated[Asked, Query()], run: CurrentRun, state: State
) -> HTMLResponse:
    """Show the forecast, and the same under the assumptions that the address names."""
    found = answered(state, run, asked)
    view = view_of(state.store, run, asked, found, _cuts(state, run))
    reply = shown(request, "forecast.html", status=found.status, **view)
    if found.status == 503:
        reply.headers["Retry-After"] = "1"
    return reply


@router.get("/forecast.csv")
def sheet(asked: Annotated[Asked, Query()], run: CurrentRun, state: State) -> Response:
    """Give the figures of the page as CSV."""
    found = answered(state, run, asked)
    if found.refusal is not None:  # never a file that lacks what was asked for
        later = {"Retry-After": "1"} if found.status == 503 else {}
        code = "busy" if found.status == 503 else "validation"
        raise Problem(found.status, code, found.refusal, headers=later)
    content = forecast_sheet(state.store, asked, run, found, currency_of(state.store, run))
    return attached(content, f"forecast-{run.as_of}-{asked.horizon}m.csv")


@router.get("/forecast/actual")
def past(
    request: Request, asked: Annotated[Past, Query()], run: CurrentRun, state: State
) -> HTMLResponse:
    """Show past forecasts beside what happened, and the forecast told again at past dates."""
    told, refusal = _actual(state)
    view = past_view(state.store, run, asked.horizon, told, refusal)
    return shown(request, "forecast_actual.html", **view)


@router.get("/forecast/actual.csv")
def pastattached(asked: Annotated[Past, Query()], run: CurrentRun, state: State) -> Response:
    """Give past forecasts beside what happened as CSV."""
    told, _ = _actual(state)
    name = f"forecast-against-actual-{run.as_of}-{asked.horizon}m.csv"
    return attached(past_sheet(told, asked.horizon), name)


def answered(state: Serving, run: Run, asked: Asked) -> Answer:
    """Compute what the address asks beyond what is published, or say why it cannot be."""
    body = state.store.forecast(asked.horizon, run=run.run_id)
    parts = body
    try:
        if asked.by not in (None, cut_of(body)):
            parts = state.scenarios.cut(run.run_id, asked.horizon, asked.by or "")
        if not asked.is_asking:
            return Answer(parts)
        told = state.scenarios.answer(
            run.run_id, asked.scenario(), asked.horizon, target=asked.target
        )
        return Answer(parts, told)
    except (Busy, InputMissing, DataRejected) as refused:
        found = refused.message.partition(": ")[2] or refused.message
        status = 503 if isinstance(refused, Busy) else 422
        return Answer(parts, None, f"{found}; {refused.cure}", status)


def _cuts(state: Serving, run: Run) -> list[str]:
    """List the columns that the book can be cut by; none where the run kept no outlook."""
    try:
        return state.scenarios.cuts(run.run_id)
    except (InputMissing, DataRejected):
        return []


def _actual(state: Serving) -> tuple[Mapping[str, Any] | None, str | None]:
    if state.against_actual is None:
        return None, "this server has no book to read what happened from"
    try:
        return state.against_actual(), None
    except Fault as refused:
        return None, refused.cure
