"""The Book page: what the published run says of the whole book."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from models.outcomes import HORIZONS
from serving.api.access import needs
from serving.api.state import State
from serving.dashboard.figures import Range, percent, ranges
from serving.dashboard.pages import shown
from serving.store import Run, Store

__all__ = ["LISTED", "router"]

router = APIRouter()

LISTED = 15
_SPANS = {1: "1 month", 3: "3 months", 12: "12 months"}
_BANDS = (("H", "High"), ("M", "Medium"), ("L", "Low"))


@dataclass(frozen=True)
class Cell:
    """One of the nine cells as shown."""

    code: str
    retention: str
    expansion: str
    accounts: int
    mrr: float
    share: float
    action: str


@dataclass(frozen=True)
class Outcome:
    """One horizon of the forecast as shown."""

    span: str
    body: Mapping[str, Any]
    nrr: Range | None
    grr: Range | None
    baselines: list[tuple[str, float]]


@router.get("/", dependencies=[needs("read")])
def book(request: Request, state: State) -> HTMLResponse:
    """Show the book, or the next step when nothing was published yet."""
    run = state.store.current()
    if run is None:
        return shown(request, "empty.html")
    return shown(request, "book.html", run=run, **_view(state.store, run))


def _view(store: Store, run: Run) -> dict[str, Any]:
    first = store.scores(run=run.run_id, limit=1).rows
    listed, length = store.outreach_top(LISTED, run=run.run_id)
    rows, accounts, opening = _cells(store, run)
    outcomes = _outcomes(store, run)
    return {
        "currency": first[0]["currency"] if first else "",
        "horizon": first[0]["horizon_months"] if first else 3,
        "rows": rows,
        "accounts": accounts,
        "opening": opening,
        "listed": listed,
        "list_length": length,
        "outcomes": outcomes,
        "baselines": any(outcome.baselines for outcome in outcomes),
        "thin": _thin(outcomes),
        "combined": _combined(outcomes),
    }


def _cells(store: Store, run: Run) -> tuple[list[tuple[str, list[Cell]]], int, float]:
    found = store.cells(run=run.run_id)
    actions = _actions(store.matrix(run=run.run_id) or {})
    accounts = sum(count for count, _ in found.values())
    opening = sum(mrr for _, mrr in found.values())
    rows = []
    for retention, down in _BANDS:
        row = []
        for expansion, across in _BANDS:
            code = retention + expansion
            count, mrr = found.get(code, (0, 0.0))
            share = mrr / opening if opening else 0.0
            row.append(Cell(code, down, across, count, mrr, share, actions.get(code, "")))
        rows.append((down, row))
    return rows, accounts, opening


def _actions(matrix: Mapping[str, Any]) -> dict[str, str]:
    cells = matrix.get("cells", [])
    if isinstance(cells, Mapping):
        return {code: cell.get("action", "") for code, cell in cells.items()}
    return {cell["cell"]: cell.get("action", "") for cell in cells}


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
