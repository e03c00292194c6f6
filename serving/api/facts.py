"""Facts of the whole book: retention figures, and the expansion dashboard."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from serving.api.access import needs
from serving.api.asking import AboutRun, asked_run
from serving.api.examples import shown
from serving.api.kept_answers import kept_answer
from serving.api.replies import ExpansionReply, MetricsReply, Reply
from serving.api.state import State
from serving.api.whole_book import whole_book
from serving.problems import PROBLEM_RESPONSES

__all__ = ["NO_FACTS", "router"]

router = APIRouter(prefix="/v1", tags=["book"], responses=PROBLEM_RESPONSES)
NO_FACTS = (
    "this run carries none: it is of a backfilled week, or was published by an earlier Perennial; "
    "the next `perennial score` writes them"
)


@router.get(
    "/metrics",
    operation_id="metrics",
    dependencies=[needs("read"), whole_book, kept_answer],
    responses=shown("metrics", MetricsReply),
)
def metrics(query: Annotated[AboutRun, Query()], request: Request, state: State) -> Reply:
    """Give NRR, GRR, movements and warnings: trailing twelve months and month by month.

    The figures are those of `perennial metrics --as-of DATE --by segment --json` for the run's
    date and book, to the cent; `series` is cut to 24 month-ends, and `months` stand beside it.
    """
    run = asked_run(query, state, request)
    found: dict[str, Any] | None = state.store.document(run.run_id, "metrics")
    head = {"run_id": run.run_id, "as_of": run.as_of}
    if found is None:
        return Reply(head | {"reason": NO_FACTS, "windows": None})
    return Reply(head | {"reason": None} | found)


@router.get(
    "/dashboard/expansion",
    operation_id="expansion",
    dependencies=[needs("read"), whole_book, kept_answer],
    responses=shown("expansion", ExpansionReply),
)
def expansion(query: Annotated[AboutRun, Query()], request: Request, state: State) -> Reply:
    """Give the eight figures of expansion, each with unit, period, definition and target."""
    run = asked_run(query, state, request)
    found: dict[str, Any] | None = state.store.document(run.run_id, "expansion")
    head = {"run_id": run.run_id, "as_of": run.as_of}
    if found is None:
        return Reply(head | {"currency": None, "figures": None, "reason": NO_FACTS})
    return Reply(head | {name: found[name] for name in ("currency", "figures")} | {"reason": None})
