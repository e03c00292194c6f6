"""The Accounts page: every account of the run, filtered, sorted, page by page, and as CSV."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import model_validator

from serving.api.access import Caller, Who, needs
from serving.api.accounts import AccountsQuery, resume
from serving.api.asking import asked_run, own
from serving.api.state import Serving, State
from serving.cursors import Cursor, sealed
from serving.dashboard.downloads import refuse_above, streamed
from serving.dashboard.matrix import address
from serving.dashboard.pages import shown
from serving.listing import listing_csv
from serving.problems import Problem
from serving.run_cuts import names_of, triggers_of
from serving.schemas import CELLS
from serving.store import Page, Run

__all__ = ["AccountsAsked", "router"]

router = APIRouter()
_HEADS = (
    ("name", "Account", False),
    ("mrr", "MRR", True),
    ("next_renewal_on", "Renewal", False),
    ("p_renew", "Renews", False),
    ("p_expand", "Expands", True),
    ("expected_loss_mrr", "Expected loss", True),
    ("expected_expansion_mrr", "Expected expansion", True),
)
_SORTS = tuple((f"-{name}" if down else name, label) for name, label, down in _HEADS)
_FILTERS = (
    "cell", "csm", "segment", "min_mrr", "moved", "trigger", "named",
    "renewal_from", "renewal_before", "play", "run", "as_of",
)  # fmt: skip
_FURTHER = (
    ("renewal_from", "Renewal from"),
    ("renewal_before", "Renewal before"),
    ("play", "Play"),
    ("as_of", "As of"),
    ("run", "Run"),
)


class AccountsAsked(AccountsQuery):
    """Which accounts, as the page's form asks: what is left empty is not asked."""

    @model_validator(mode="before")
    @classmethod
    def _only_what_was_filled_in(cls, fields: Any) -> Any:
        if not isinstance(fields, Mapping):
            return fields
        return {"sort": "-mrr", "limit": 50} | {
            name: value for name, value in fields.items() if value != ""
        }


Asked = Annotated[AccountsAsked, Query()]


@router.get("/accounts", dependencies=[needs("read")])
def accounts(asked: Asked, request: Request, state: State, who: Caller) -> Response:
    """Show one page of the accounts."""
    if state.store.current() is None:
        return shown(request, "empty.html")
    query = _own(asked, who)
    listed, after = (
        (asked_run(query, state, request), None) if query.cursor is None else resume(query, state)
    )
    page = state.store.scores(
        query.filters, run=listed.run_id, sort=query.sort, limit=query.limit, after=after
    )
    return shown(
        request,
        "accounts.html",
        run=listed,
        page=page,
        back=_back(request),
        **_links(query, listed, page, state),
        **_choices(state, listed, who),
    )


@router.get("/accounts.csv", dependencies=[needs("read")])
def accounts_csv(asked: Asked, request: Request, state: State, who: Caller) -> Response:
    """Give all accounts that the filters let through, in the page's order, as CSV."""
    query = _own(asked, who)
    run = asked_run(query, state, request)
    total = state.store.scores(query.filters, run=run.run_id, limit=1).total
    refuse_above(total)
    parts = listing_csv(state.store.engine, run.run_id, query.filters, query.sort)
    cut = "-".join(filter(None, (query.cell, query.segment, query.csm)))
    return streamed(parts, f"accounts-{run.as_of}{'-' if cut else ''}{cut}.csv")


def _own(asked: AccountsAsked, who: Who) -> AccountsAsked:
    """Keep whoever sees one CSM's accounts to them; 404 for another's list."""
    csm, any_of_them = own(who, asked.csm)
    if not any_of_them:
        raise Problem(404, "unknown_csm", "this key sees the accounts of one CSM, and of no other")
    return asked.model_copy(update={"csm": csm})


def _back(request: Request) -> str:
    """Write the way back to this very page."""
    return f"/accounts?{request.url.query}" if request.url.query else "/accounts"


def _links(query: AccountsAsked, run: Run, page: Page, state: Serving) -> dict[str, Any]:
    """Give the filters as asked, and the addresses that go on from here with them."""
    kept = {name: _text(getattr(query, name)) for name in _FILTERS}
    here = kept | {"sort": query.sort}
    cursor = None
    if page.after is not None:
        cursor = sealed(Cursor(run.run_id, query.question, *page.after), state.key)
    limit = None if query.limit == 50 else query.limit
    return {
        "asked": kept,
        "sort": query.sort,
        "heads": [_head(head, query.sort, kept) for head in _HEADS],
        "sorts": _SORTS,
        "further": _FURTHER,
        "csv": address("/accounts.csv", here),
        "next": None
        if cursor is None
        else address("/accounts", here | {"limit": limit, "cursor": cursor}),
        "first": address("/accounts", here | {"limit": limit}) if query.cursor else None,
        "filtered": any(kept.values()),
    }


def _head(head: tuple[str, str, bool], sort: str, kept: Mapping[str, Any]) -> dict[str, Any]:
    """Give a column's head: its name, how it is sorted now, and the link that sorts by it."""
    name, label, down = head
    now = {name: "ascending", f"-{name}": "descending"}.get(sort)
    if now is None:
        turned = f"-{name}" if down else name
    else:
        turned = f"-{name}" if now == "ascending" else name
    return {
        "key": name,
        "label": label,
        "sorted": now,
        "address": address("/accounts", {**kept, "sort": turned}),
    }


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, date):
        return value.isoformat()
    return str(value).lower() if isinstance(value, bool) else repr(float(value)).removesuffix(".0")


def _choices(state: Serving, run: Run, who: Who) -> dict[str, Any]:
    """Give what the filters may choose from."""
    engine = state.store.engine
    first = state.store.scores(run=run.run_id, limit=1).rows
    return {
        "cells": CELLS,
        "csms": [] if who.csm else names_of(engine, run.run_id, "csm"),
        "segments": names_of(engine, run.run_id, "segment", who.csm),
        "triggers": triggers_of(engine, run.run_id),
        "currency": first[0]["currency"] if first else "",
        "horizon": first[0]["horizon_months"] if first else 3,
    }
