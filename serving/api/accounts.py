"""The scored accounts: a filtered, sorted, paged listing, and one account."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from serving.api.access import needs
from serving.api.replies import AccountsReply, Reply, ScoredAccount
from serving.api.state import CurrentRun, Serving, State
from serving.cursors import Cursor, as_sort_value, opened_cursor, sealed
from serving.paging import SORTS
from serving.problems import PROBLEM_RESPONSES, Problem
from serving.queries import Filters
from serving.schemas import CELLS
from serving.store import Run

__all__ = ["AccountsQuery", "router"]

router = APIRouter(prefix="/v1", tags=["accounts"], responses=PROBLEM_RESPONSES)

Text = Annotated[str | None, Field(max_length=256, pattern=r"^[^\x00]*$")]
_BOTH_WAYS = tuple(way + name for name in SORTS for way in ("", "-"))


class AccountsQuery(BaseModel):
    """Which accounts, in which order."""

    model_config = ConfigDict(extra="forbid")

    cell: Literal[CELLS] | None = None  # type: ignore[valid-type]
    csm: Text = None
    segment: Text = None
    min_mrr: float | None = Field(None, allow_inf_nan=False)
    moved: bool | None = None
    trigger: Text = None
    named: Text = Field(None, description="A part of the name or of the id.")
    sort: Literal[_BOTH_WAYS] = "account_id"  # type: ignore[valid-type]
    limit: int = Field(100, ge=1, le=1000)
    cursor: str | None = Field(None, max_length=2048)

    @property
    def filters(self) -> Filters:
        """Give the filters alone."""
        return Filters(**{name: getattr(self, name) for name in Filters.__dataclass_fields__})

    @property
    def question(self) -> str:
        """Digest of filters and order, whatever the page."""
        content = orjson.dumps([asdict(self.filters), self.sort])
        return hashlib.sha256(content).hexdigest()[:16]


@router.get("/accounts", dependencies=[needs("read")], responses={200: {"model": AccountsReply}})
def accounts(query: Annotated[AccountsQuery, Query()], run: CurrentRun, state: State) -> Reply:
    """List scored accounts."""
    listed, after = run, None
    if query.cursor is not None:
        listed, after = _resume(query, state)
    page = state.store.scores(
        query.filters, run=listed.run_id, sort=query.sort, limit=query.limit, after=after
    )
    following = None
    if page.after is not None:
        cursor = Cursor(listed.run_id, query.question, *page.after)
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


@router.get(
    "/accounts/{account_id:path}",
    dependencies=[needs("read")],
    responses={200: {"model": ScoredAccount}},
)
def account(account_id: str, run: CurrentRun, state: State) -> Reply:
    """Give one account of the current run."""
    row = state.store.account(account_id, run=run.run_id)
    if row is None:
        raise Problem(404, "unknown_account", "the current run has no such account")
    return Reply(row)


def _resume(query: AccountsQuery, state: Serving) -> tuple[Run, tuple[object, str]]:
    cursor = opened_cursor(query.cursor or "", state.key)
    run = state.store.run(cursor.run_id) if cursor is not None else None
    if cursor is None or run is None or cursor.question != query.question:
        at = {"parameter": "cursor", "code": "cursor", "message": "not a cursor of this listing"}
        raise Problem(400, "cursor", "start again from the first page", [at])
    is_date = query.sort.lstrip("-") == "next_renewal_on"
    return run, (as_sort_value(cursor.value, is_date=is_date), cursor.account_id)
