"""Forecast against actual: every kept forecast whose period has closed, beside what happened."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from features.faults import Fault
from serving.api.access import needs
from serving.api.book import Nothing
from serving.api.replies import Reply
from serving.api.state import State
from serving.api.whole_book import whole_book
from serving.problems import PROBLEM_RESPONSES, Problem

__all__ = ["ActualReply", "router"]

router = APIRouter(prefix="/v1", tags=["forecast"], responses=PROBLEM_RESPONSES)


class ActualReply(BaseModel):
    """Settled forecasts by horizon."""

    as_of: str = Field(description="What was known before this day is known.")
    currency: str
    definition: dict[str, Any] = Field(description="Today's revenue rules, by account.")
    reporting_lag_days: int = Field(description="Days after a period's end until it is closed.")
    horizons: dict[str, Any] = Field(
        description="By horizon in months: summary, forecasts, untold, open."
    )


@router.get(
    "/forecast/actual",
    dependencies=[needs("read"), whole_book],
    responses={200: {"model": ActualReply}},
)
def actual(_query: Annotated[Nothing, Query()], state: State) -> Reply:
    """Lay the kept forecasts beside what happened, the error split into its five parts."""
    if state.against_actual is None:
        raise Problem(503, "no_book", "this server has no book to read what happened from")
    try:
        return Reply(state.against_actual())
    except Fault as refused:
        raise Problem(409, "no_actual", refused.cure) from refused
