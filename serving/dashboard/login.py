"""The page where a key is pasted once: from then on the browser has a session instead."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from serving.admission import Admission, Guessing
from serving.api.access import COOKIE, everybody, own_address, too_many
from serving.dashboard.forms import read_form
from serving.dashboard.pages import shown
from serving.dashboard.sign_in import LOGIN, safe_next
from serving.problems import Problem

__all__ = ["router"]

router = APIRouter(include_in_schema=False, dependencies=[everybody])
_FIELDS = {"key", "next"}


class LoginQuery(BaseModel):
    """Where to go on to."""

    model_config = ConfigDict(extra="forbid")

    next: str | None = Field(None, max_length=4096)


@router.get(LOGIN)
async def login(query: Annotated[LoginQuery, Query()], request: Request) -> Response:
    """Show the page; while no key is needed, the first page instead."""
    if await run_in_threadpool(_admission(request).open):
        return RedirectResponse("/", 303)
    return _asked(request, safe_next(query.next))


@router.post(LOGIN)
async def sign_in(request: Request) -> Response:
    """Begin a session for a key that is good, or exchange the first token for a key."""
    form = await read_form(request)
    if set(form) - _FIELDS:
        raise Problem(422, "validation", "this form has the fields key and next")
    address, text = safe_next(form.get("next")), form.get("key", "")
    admission = _admission(request)
    try:
        key = await run_in_threadpool(admission.by_key, text, own_address(request))
    except Guessing as guessing:
        raise too_many(guessing) from guessing
    if key is not None:
        token = await run_in_threadpool(admission.sign_in, key)
        return _with_session(request, RedirectResponse(address, 303), token)
    made = await run_in_threadpool(admission.exchange, text)
    if made is None:
        return _asked(request, address, wrong=True)
    token = await run_in_threadpool(admission.sign_in, made.key)
    page = shown(request, "login.html", address=address, wrong=False, made=made.text)
    return _with_session(request, page, token)


@router.post("/logout")
async def sign_out(request: Request) -> Response:
    """End the session of this browser."""
    token = request.cookies.get(COOKIE)
    if token is not None:
        await run_in_threadpool(_admission(request).sign_out, token)
    reply = RedirectResponse(LOGIN, 303)
    reply.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=_is_safe(request))
    return reply


def _asked(request: Request, address: str, *, wrong: bool = False) -> Response:
    status = 401 if wrong else 200
    return shown(request, "login.html", status=status, address=address, wrong=wrong, made=None)


def _with_session(request: Request, reply: Response, token: str) -> Response:
    chosen: Any = request.app.state.duty.settings
    reply.set_cookie(
        COOKIE,
        token,
        max_age=int(chosen.session_hours * 3600),
        httponly=True,
        samesite="strict",
        secure=_is_safe(request),
    )
    return reply


def _is_safe(request: Request) -> bool:
    """Say whether the browser's connection is HTTPS; behind a proxy the proxy says so.

    Any may say it, as this server ends no TLS itself: whoever says it wrongly is kept out alone.
    """
    told = request.headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower()
    return request.url.scheme == "https" or told == "https"


def _admission(request: Request) -> Admission:
    admission: Admission = request.app.state.admission
    return admission
