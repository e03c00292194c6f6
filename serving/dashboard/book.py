"""The Book page: how the book's revenue was kept, where it goes, and what that compounds to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ConfigDict

from models.outcomes import HORIZONS
from serving.acv_mix import acv_mix
from serving.api.access import Caller, needs
from serving.api.state import State
from serving.dashboard.closed import closed_rows
from serving.dashboard.compounded import SOURCES, compounded, fitting
from serving.dashboard.drawn import retention_chart, waterfall_chart
from serving.dashboard.figures import Range, percent, ranges
from serving.dashboard.pages import shown
from serving.dashboard.retention import headlines, history, movements, quarters
from serving.store import Filters, Run, Store

__all__ = ["BookQuery", "Outcome", "router"]

router = APIRouter()
LISTED = 5
_SPANS = {1: "1 month", 3: "3 months", 12: "12 months"}


class BookQuery(BaseModel):
    """Which window the movements are of."""

    model_config = ConfigDict(extra="forbid")

    window: Literal["month", "quarter", "year"] = "quarter"


@dataclass(frozen=True)
class Outcome:
    """One horizon of the forecast as shown.

    Attributes
    ----------
    span : str
        How far ahead, in words.
    body : mapping
        The run's forecast (CONTRACT section 4).
    nrr, grr : Range or None
        The intervals, drawn on one scale; None without an opening MRR.
    baselines : list of tuple
        Simpler rules and the NRR that they give.
    """

    span: str
    body: Mapping[str, Any]
    nrr: Range | None
    grr: Range | None
    baselines: list[tuple[str, float]]


@router.get("/", dependencies=[needs("read")])
def book(
    query: Annotated[BookQuery, Query()], request: Request, state: State, who: Caller
) -> Response:
    """Show the book, or the next step when nothing was published yet."""
    run = state.store.current()
    if run is None:
        return shown(request, "empty.html")
    if who.csm is not None:  # its figures are of every account: one CSM starts from the list
        return RedirectResponse("/outreach", 303)
    metrics = state.store.document(run.run_id, "metrics") or {}
    values = (
        _kept(state.store, metrics, query.window)
        | _ahead(state.store, run)
        | _compounds(state.store, run, metrics)
        | _week(state.store, run)
    )
    return shown(request, "book.html", run=run, metrics=metrics, **values)


def _kept(store: Store, metrics: Mapping[str, Any], span: str) -> dict[str, Any]:
    """Give what was kept: ratios, their history, movements, warnings, closed months."""
    told = history(metrics)
    period, steps = movements(metrics, span)
    return {
        "headlines": headlines(told),
        "last": told[-1] if told else None,
        "quarters": quarters(told),
        "history_chart": retention_chart(told) if len(told) > 1 else None,
        "span": span,
        "period": period,
        "steps": steps,
        "steps_chart": waterfall_chart(steps) if steps else None,
        "warnings": metrics.get("warnings", ()),
        "closed": closed_rows(store.home, told),
    }


def _ahead(store: Store, run: Run) -> dict[str, Any]:
    outcomes = _outcomes(store, run)
    return {
        "outcomes": outcomes,
        "baselines": any(outcome.baselines for outcome in outcomes),
        "thin": _thin(outcomes),
        "combined": _combined(outcomes),
    }


def _compounds(store: Store, run: Run, metrics: Mapping[str, Any]) -> dict[str, Any]:
    mix = acv_mix(store.engine, run.run_id)
    return {
        "compounded": compounded(metrics, mix),
        "mix": ", ".join(f"{name} {percent(share, 0)}" for name, share in mix.items()),
        "fitting": fitting(metrics),
        "sources": SOURCES,
    }


def _week(store: Store, run: Run) -> dict[str, Any]:
    """Give what asks for work: the head of the list, and how many accounts moved."""
    first = store.scores(run=run.run_id, limit=1).rows
    listed, length = store.outreach_top(LISTED, run=run.run_id)
    cells = store.cells(run=run.run_id).values()
    return {
        "currency": first[0]["currency"] if first else "",
        "accounts": sum(count for count, _ in cells),
        "opening": _opening(store, run),
        "listed": listed,
        "list_length": length,
        "moved": store.scores(Filters(moved=True), run=run.run_id, limit=1).total,
    }


def _opening(store: Store, run: Run) -> float:
    """Give the book's MRR as the forecast opens with it; without one the accounts' own, added up."""
    forecast = store.forecast(HORIZONS[0], run=run.run_id)
    if forecast is not None:
        return float(forecast["opening_mrr"])
    return sum(mrr for _, mrr in store.cells(run=run.run_id).values())


def _outcomes(store: Store, run: Run) -> list[Outcome]:
    bodies = {h: store.forecast(h, run=run.run_id) for h in HORIZONS}
    present = {h: body for h, body in bodies.items() if body is not None}
    nrr = ranges([body["nrr"] for body in present.values()])
    grr = ranges([body["grr"] for body in present.values()])
    return [
        Outcome(_SPANS[h], body, one, other, _baselines(body.get("baselines") or {}))
        for (h, body), one, other in zip(present.items(), nrr, grr, strict=True)
    ]


def _baselines(baselines: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Give the NRR that simpler rules would say, in words."""
    found = []
    for name, said in baselines.items():
        value = said.get("nrr") if isinstance(said, Mapping) else said
        if isinstance(value, Mapping):
            value = value.get("mean")
        if isinstance(value, (int, float)):
            found.append((name.replace("_", " "), float(value)))
    return found


def _thin(outcomes: list[Outcome]) -> list[tuple[str, str]]:
    """Say why forecasts are thin, horizons of one reason together."""
    spans: dict[str, list[str]] = {}
    for outcome in outcomes:
        body = outcome.body
        if body.get("confidence") == "thin":
            said = body.get("confidence_reasons") or body.get("confidence_reason") or "few data"
            reason = said if isinstance(said, str) else "; ".join(said)
            spans.setdefault(f"{reason} ({body.get('interval_note', 'wide')})", []).append(
                outcome.span
            )
    return [(", ".join(found), reason) for reason, found in spans.items()]


def _combined(outcomes: list[Outcome]) -> list[tuple[str, str]]:
    """Name the rules that a horizon's mean is combined with, each with its weight."""
    found = []
    for outcome in outcomes:
        weights = (outcome.body.get("combined") or {}).get("weights", {})
        weights = {name: one for name, one in weights.items() if name != "forecast"}
        others = [f"{name} ({percent(one, 0)})" for name, one in weights.items()]
        if others:
            found.append((outcome.span, ", ".join(others)))
    return found
