"""The Matrix page: nine cells, what each asks for, and who came from where since the run before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from serving.api.access import Caller, Who, needs
from serving.api.state import State
from serving.dashboard.pages import shown
from serving.queries import Filters
from serving.run_cuts import matrix_cut, names_of
from serving.store import Run, Store

__all__ = ["Cell", "MatrixQuery", "address", "router"]

router = APIRouter()
Text = Annotated[str | None, Field(max_length=256, pattern=r"^[^\x00]*$")]
_BANDS = (("H", "High"), ("M", "Medium"), ("L", "Low"))


class MatrixQuery(BaseModel):
    """Whose accounts."""

    model_config = ConfigDict(extra="forbid")

    csm: Text = None
    segment: Text = None


@dataclass(frozen=True)
class Cell:
    """One of the nine cells as shown.

    Attributes
    ----------
    code, action : str
        Retention, then expansion; what it asks for.
    accounts : int
    mrr, share : float
        Its MRR, and its share of the MRR of all nine.
    came, went : list of str
        What entered it and left it since the run before, in words.
    address : str
        The list of its accounts.
    """

    code: str
    action: str
    accounts: int
    mrr: float
    share: float
    came: list[str]
    went: list[str]
    address: str


@router.get("/matrix", dependencies=[needs("read")])
def matrix(
    query: Annotated[MatrixQuery, Query()], request: Request, state: State, who: Caller
) -> HTMLResponse:
    """Show the matrix, of one CSM's or one segment's accounts if asked."""
    store, run = state.store, state.store.current()
    if run is None:
        return shown(request, "empty.html")
    return shown(request, "matrix.html", run=run, **_view(store, run, query, who))


def _view(store: Store, run: Run, query: MatrixQuery, who: Who) -> dict[str, Any]:
    asked = {"csm": who.csm or query.csm or None, "segment": query.segment or None}
    told = matrix_cut(store.engine, run.run_id, Filters(csm=asked["csm"], segment=asked["segment"]))
    first = store.scores(run=run.run_id, limit=1).rows
    before = [one for one in store.runs(2) if one.as_of < run.as_of]
    actions = _actions(store.matrix(run=run.run_id) or {})
    kept = {name: value for name, value in asked.items() if value is not None}
    return {
        "asked": asked,
        "csms": [] if who.csm else names_of(store.engine, run.run_id, "csm"),
        "segments": names_of(store.engine, run.run_id, "segment", who.csm),
        "told": told,
        "rows": _rows(told, actions, kept),
        "expansion": [name for _, name in _BANDS],
        "currency": first[0]["currency"] if first else "",
        "horizon": first[0]["horizon_months"] if first else 3,
        "before": before[0].as_of if before else None,
        "moved_address": address("/accounts", {"moved": "true", **kept}),
        "flows": [flow | {"address": _moved_to(flow, kept)} for flow in told["flows"]],
    }


def _rows(
    told: Mapping[str, Any], actions: Mapping[str, str], kept: Mapping[str, str]
) -> list[tuple[str, list[Cell]]]:
    return [
        (name, [_cell(down + across, told, actions, kept) for across, _ in _BANDS])
        for down, name in _BANDS
    ]


def _cell(
    code: str, told: Mapping[str, Any], actions: Mapping[str, str], kept: Mapping[str, str]
) -> Cell:
    found = told["cells"][code]
    flows = told["flows"]
    return Cell(
        code,
        actions.get(code, ""),
        found["accounts"],
        found["mrr"],
        found["mrr"] / told["mrr"] if told["mrr"] else 0.0,
        [f"{flow['accounts']} from {flow['from']}" for flow in flows if flow["to"] == code],
        [f"{flow['accounts']} to {flow['to']}" for flow in flows if flow["from"] == code],
        address("/accounts", {"cell": code, **kept}),
    )


def _moved_to(flow: Mapping[str, Any], kept: Mapping[str, str]) -> str:
    return address("/accounts", {"cell": flow["to"], "moved": "true", **kept})


def address(path: str, query: Mapping[str, Any]) -> str:
    """Write an address with its query; what is None or empty is left out.

    Examples
    --------
    >>> address("/accounts", {"cell": "HL", "csm": "Ana & Bo", "segment": None})
    '/accounts?cell=HL&csm=Ana+%26+Bo'
    """
    told = urlencode({name: value for name, value in query.items() if value not in (None, "")})
    return f"{path}?{told}" if told else path


def _actions(matrix: Mapping[str, Any]) -> dict[str, str]:
    cells = matrix.get("cells", [])
    if isinstance(cells, Mapping):
        return {code: cell.get("action", "") for code, cell in cells.items()}
    return {cell["cell"]: cell.get("action", "") for cell in cells}
