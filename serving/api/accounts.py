"""The scored accounts: a filtered, sorted, paged listing."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import Field

from serving.api.access import Caller, needs
from serving.api.asking import AboutRun, Day, asked_run, own
from serving.api.examples import shown
from serving.api.kept_answers import kept_answer
from serving.api.replies import AccountsReply, Reply
from serving.api.state import Serving, State
from serving.cursors import Cursor, as_sort_value, opened_cursor, sealed
from serving.paging import SORTS, Page
from serving.problems import PROBLEM_RESPONSES, Problem
from serving.queries import Filters
from serving.schemas import CELLS
from serving.store import Run

__all__ = ["AccountsQuery", "resume", "router"]

router = APIRouter(prefix="/v1", tags=["accounts"], responses=PROBLEM_RESPONSES)

Text = Annotated[str | None, Field(max_length=256, pattern=r"^[^\x00]*$")]
_BOTH_WAYS = tuple(way + name for name in SORTS for way in ("", "-"))


class AccountsQuery(AboutRun):
    """Which accounts, in which order."""

    cell: Literal[CELLS] | None = Field(  # type: ignore[valid-type]
        None, description="Retention, then expansion: H, M or L each."
    )
    csm: Text = Field(None, description="The CSM in charge.")
    segment: Text = Field(None, description="A segment.")
    min_mrr: float | None = Field(
        None, allow_inf_nan=False, description="MRR of at least so much, in the currency's units."
    )
    moved: bool | None = Field(
        None, description="Whether the cell is another than in the run before."
    )
    trigger: Text = Field(None, description="A trigger that fires.")
    named: Text = Field(None, description="A part of the name or of the id.")
    renewal_from: Day | None = Field(None, description="Next decision on this day or later.")
    renewal_before: Day | None = Field(None, description="Next decision before this day.")
    play: Text = Field(None, description="On the run's outreach list with this play.")
    sort: Literal[_BOTH_WAYS] = Field(  # type: ignore[valid-type]
        "account_id", description="A column; with - before it: downwards."
    )
    limit: int = Field(100, ge=1, le=1000, description="Accounts of one page.")
    cursor: str | None = Field(
        None, max_length=2048, description="`next_cursor` of the page before."
    )

    @property
    def filters(self) -> Filters:
        """Give the filters alone."""
        return Filters(**{name: getattr(self, name) for name in Filters.__dataclass_fields__})

    @property
    def question(self) -> str:
        """Digest of filters and order, whatever the page."""
        content = orjson.dumps([asdict(self.filters), self.sort, self.run, self.as_of])
        return hashlib.sha256(content).hexdigest()[:16]


@router.get(
    "/accounts",
    operation_id="accounts",
    dependencies=[needs("read"), kept_answer],
    responses=shown("accounts", AccountsReply),
)
def accounts(
    query: Annotated[AccountsQuery, Query()], request: Request, state: State, who: Caller
) -> Reply:
    """List scored accounts: filtered, sorted, and page by page.

    A page goes on in the run of the page before, though another run may have been published
    since. Nulls come last in either order.
    """
    csm, any_of_them = own(who, query.csm)
    asked = query.model_copy(update={"csm": csm})
    listed, after = _listed(asked, request, state)
    store = state.store
    page = (
        store.scores(
            asked.filters, run=listed.run_id, sort=asked.sort, limit=asked.limit, after=after
        )
        if any_of_them
        else Page(listed.run_id, [], 0, None)
    )
    following = None
    if page.after is not None:
        cursor = Cursor(listed.run_id, asked.question, *page.after)
        following = sealed(cursor, state.key)
    return Reply(
        {
            "run_id": listed.run_id,
            "as_of": listed.as_of,
            "total": page.total,
            "items": page.rows,
            "next_cursor": following,
        }
    )


def _listed(
    query: AccountsQuery, request: Request, state: Serving
) -> tuple[Run, tuple[object, str] | None]:
    """Give the run that is listed, and where its page starts."""
    if query.cursor is None:
        return asked_run(query, state, request), None
    return resume(query, state)


def resume(query: AccountsQuery, state: Serving) -> tuple[Run, tuple[object, str]]:
    """Give the run that a cursor lists, and where its page starts."""
    cursor = opened_cursor(query.cursor or "", state.key)
    run = state.store.run(cursor.run_id) if cursor is not None else None
    if cursor is None or run is None or cursor.question != query.question:
        at = {"parameter": "cursor", "code": "cursor", "message": "not a cursor of this listing"}
        raise Problem(400, "cursor", "start again from the first page", [at])
    is_date = query.sort.lstrip("-") == "next_renewal_on"
    return run, (as_sort_value(cursor.value, is_date=is_date), cursor.account_id)
