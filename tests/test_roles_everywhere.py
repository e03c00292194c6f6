"""Roles everywhere: every route there is, asked with every kind of key; who is let in, who is shown what.

The routes, and the scope that each declares, are read from the app. What each asker must be
answered follows from that alone, so that a new route is held to it on the day it is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2 as httpx
import pytest
from fastapi import APIRouter
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient

from features.faults import ConfigurationRefused
from models.plays import PLAYS
from serving import app as composed
from serving import keyring
from serving.api.access import COOKIE, ROLES
from serving.api.whole_book import whole_book
from serving.store import Store
from tests.canary_book import CANARIES, against_actual, of_csm, published, scored
from tests.keyed import BY, Clock, bearer, client, made

pytestmark = pytest.mark.ci

MINE, THEIRS, NOBODYS = CANARIES["a02"], CANARIES["a03"], CANARIES["a08"]
STRANGERS = ("none", "garbage", "expired", "revoked")
KINDS = {"batch": "batch", "finance": "finance", "cs": "cs", "ada": "cs", "admin": "admin"}
"""Kind of key: its role; ``ada`` is limited to one CSM's accounts."""
PLAY = next(iter(PLAYS.values())).name
BODIES: dict[str, Any] = {
    "call": {"retention": "Low", "expansion": None, "note": "they are leaving"},
    "log": {"play": PLAY, "outcome": "reached"},
    "score": {"account_ids": [MINE.account_id]},
    "scenario": {"changes": [{"all": True, "churn": {"multiply": 0.8}}]},
}
FORMS: dict[str, dict[str, str]] = {
    "call": {"retention": "Low"},
    "actions": {"play": PLAY, "outcome": "reached"},
    "log": {"play": PLAY, "outcome": "reached"},
}
QUESTIONS = (
    "csm={csm}", "csm=", "named={name}", "segment=smb", "cell=HM", "sort=-mrr", "min_mrr=1",
    "run={run}", "run={old}", "as_of=2025-06-24", "limit=1000", "capacity=5", "cursor={cursor}",
    "moved=true", "play={play}", "horizon=12", "window=year", "done={account}", "back=/accounts",
    "before=2025-07-01", "trigger=seat_limit", "limit=1&sort=-mrr",
)  # fmt: skip


@dataclass(frozen=True)
class Route:
    """A route as the app declares it: how it is asked, and who may."""

    method: str
    path: str
    scope: str | None
    whole: bool

    @property
    def is_api(self) -> bool:
        """Whether programs ask it."""
        return self.path.startswith("/v1/")

    def address(self, account: str) -> str:
        """Give its address, about an account where it is about one."""
        return re.sub(r"\{account_id[^}]*\}", quote(account, safe=""), self.path)

    def body(self, account: str) -> dict[str, Any]:
        """Give what is sent with it."""
        part = self.path.rpartition("/")[2]
        if self.method == "GET":
            return {}
        if not self.is_api:
            return {"data": FORMS[part]}
        told = {"account_ids": [account]} if part == "score" else BODIES[part]
        return {"json": told}


def routes(app: Any) -> list[Route]:
    """Read every route that declares a scope."""
    found = []
    for one in iter_route_contexts(app.routes):
        declared = getattr(one, "dependant", None)
        calls = [each.call for each in declared.dependencies] if declared else []
        scope = next((each.scope for each in calls if hasattr(each, "scope")), None)
        if scope is not None:
            whole = whole_book.dependency in calls
            found += [Route(name, str(one.path), scope, whole) for name in one.methods or ()]
    return sorted(found, key=lambda one: (one.path, one.method))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return published(tmp_path_factory.mktemp("roles"))


@pytest.fixture(scope="module")
def keys(store: Store) -> dict[str, dict[str, str]]:
    """Give the header of every kind of key."""
    clock = Clock()
    ended, revoked = made(store, expires_at=clock.now + timedelta(hours=1)), made(store)
    keyring.revoke(store.engine, revoked.key.key_id, now=clock.now, by=BY)
    good = {
        name: made(store, role, csm="Ada" if name == "ada" else None)
        for name, role in KINDS.items()
    }
    wrong = "per_" + "a" * 8 + "_" + "b" * 40
    bad = {
        "none": {},
        "garbage": bearer(wrong),
        "expired": bearer(ended),
        "revoked": bearer(revoked),
    }
    return bad | {name: bearer(key) for name, key in good.items()}


@pytest.fixture(scope="module")
def api(store: Store, keys: dict[str, dict[str, str]]) -> TestClient:
    """Give a client of the server, a day after the keys were made; it forgives all guessing."""
    clock = Clock()
    clock.on(days=1)
    found = client(store.home, clock)
    state = found.app.state  # type: ignore[attr-defined]
    object.__setattr__(state.serving, "score_accounts", scored)
    object.__setattr__(state.serving, "against_actual", against_actual)
    state.admission.attempts.failed = lambda *_: None
    return found


def ask(
    api: TestClient, route: Route, headers: dict[str, str], account: str, question: str = ""
) -> httpx.Response:
    """Ask a route; a page as a browser does."""
    accept = {} if route.is_api else {"accept": "text/html"}
    address = route.address(account) + (f"?{question}" if question else "")
    return api.request(route.method, address, headers=headers | accept, **route.body(account))


def expected(route: Route, kind: str) -> set[int]:
    """Give the statuses with which a route may answer, asked of an account that is one's own."""
    if kind in STRANGERS:
        return {401} if route.is_api or route.path.endswith(".csv") else {303}
    if route.scope not in ROLES[KINDS[kind]]:
        return {403}
    if kind == "ada" and route.whole:
        return {403}
    return {200} if route.method == "GET" and kind != "ada" else {200, 303}


@pytest.mark.fault("U02")
@pytest.mark.parametrize("kind", [*STRANGERS, *KINDS])
def test_every_route_answers_every_kind_of_key_as_it_declares(
    api: TestClient, keys: dict[str, dict[str, str]], kind: str
) -> None:
    found = routes(api.app)
    assert len(found) >= 30
    for route in found:
        reply = ask(api, route, keys[kind], MINE.account_id)
        where = (kind, route, reply.status_code, reply.text[:300])
        assert reply.status_code in expected(route, kind), where
        if kind in STRANGERS:
            to = reply.headers.get("location", "/login?")
            assert to.startswith("/login?"), where
            assert marks_in(reply, CANARIES.values()) <= {MINE.account_id}, where  # as it was asked
        if reply.status_code == 403 and route.is_api:
            told = reply.json()
            assert told["code"] == "scope", where
            assert route.scope in told["detail"] or route.whole, where


def marks_in(reply: httpx.Response, accounts: Any) -> set[str]:
    """Find what speaks of some accounts in all that came back: head, address and body."""
    head = " ".join(f"{name}: {value}" for name, value in reply.headers.items())
    text = head + reply.content.decode("utf-8")
    return {mark for one in accounts for mark in one.marks if mark in text}


def questions(api: TestClient, keys: dict[str, dict[str, str]]) -> Iterator[str]:
    """Give every question, among them with a cursor that somebody else was given."""
    runs = api.get("/v1/runs", headers=keys["admin"]).json()
    cursor = api.get("/v1/accounts?limit=2&sort=-mrr", headers=keys["admin"]).json()["next_cursor"]
    told = {
        "csm": "Ben", "name": "Zwick03", "account": quote(THEIRS.account_id), "play": quote(PLAY),
        "run": runs["current"], "old": runs["items"][-1]["run_id"], "cursor": cursor,
    }  # fmt: skip
    yield ""
    yield f"limit=2&sort=-mrr&cursor={cursor}"
    for question in QUESTIONS:
        yield question.format(**told)


@pytest.mark.fault("U03")
@pytest.mark.fault("D12")
def test_a_key_of_one_csm_is_shown_no_mark_of_another_s_account(
    api: TestClient, keys: dict[str, dict[str, str]]
) -> None:
    others = [one for one in CANARIES.values() if one.csm != "Ada"]
    reads = [one for one in routes(api.app) if one.method == "GET"]
    shown: set[str] = set()
    for question in questions(api, keys):
        for route in reads:
            for account in (MINE, THEIRS) if "{" in route.path else (MINE,):
                reply = ask(api, route, keys["ada"], account.account_id, question)
                where = (route, question, reply.status_code)
                sent = question + account.account_id  # what one asked for may be repeated
                leaked = {mark for mark in marks_in(reply, others) if mark not in sent}
                assert leaked == set(), (where, leaked)
                shown |= marks_in(reply, of_csm("Ada"))
    assert {mark for one in of_csm("Ada") for mark in one.marks[:2]} <= shown


@pytest.mark.fault("U03")
@pytest.mark.parametrize("foreign", [THEIRS, NOBODYS], ids=["Ben's", "nobody's"])
def test_another_s_account_is_answered_as_one_that_there_is_not(
    api: TestClient, keys: dict[str, dict[str, str]], foreign: Any
) -> None:
    for route in routes(api.app):
        if "{account_id" in route.path or route.path == "/v1/score":
            theirs = ask(api, route, keys["ada"], foreign.account_id)
            nothing = ask(api, route, keys["ada"], "no-such-account")
            assert theirs.status_code == nothing.status_code == 404, route
            if route.is_api:
                assert theirs.json()["detail"] == nothing.json()["detail"], route


@pytest.mark.fault("D12")
def test_finance_is_told_no_contact_s_name(
    api: TestClient, keys: dict[str, dict[str, str]]
) -> None:
    names = [one.contact.split(" ")[1] for one in CANARIES.values()]
    places = set()
    for route in (one for one in routes(api.app) if one.method == "GET"):
        for kind in ("admin", "finance"):
            found = ask(api, route, keys[kind], MINE.account_id).content.decode("utf-8")
            told = any(name in found for name in names)
            assert not (told and kind == "finance"), route
            places |= {route.path} if told else set()
    assert {"/accounts/{account_id:path}", "/v1/accounts/{account_id:path}/detail"} <= places


@pytest.mark.fault("U03")
def test_a_browser_s_session_sees_what_its_key_sees(
    api: TestClient, store: Store, keys: dict[str, dict[str, str]]
) -> None:
    others = [one for one in CANARIES.values() if one.csm != "Ada"]
    text = keys["ada"]["authorization"].split(" ")[1]
    reply = api.post("/login", data={"key": text})
    cookie = {"cookie": f"{COOKIE}={reply.cookies[COOKIE]}"}
    api.cookies.clear()
    for route in (one for one in routes(api.app) if one.method == "GET"):
        by_key, by_session = (
            ask(api, route, headers, MINE.account_id) for headers in (keys["ada"], cookie)
        )
        assert by_session.status_code == by_key.status_code, route
        assert marks_in(by_session, others) == set(), route


@pytest.mark.fault("U09")
def test_a_server_with_a_route_without_a_scope_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Forgotten:
        router = APIRouter()

    Forgotten.router.get("/v1/forgotten")(lambda: "everybody's")
    monkeypatch.setattr(composed, "routes", Forgotten)
    with pytest.raises(ConfigurationRefused, match=r"/v1/forgotten: serve\.scope") as refused:
        composed.create_app(tmp_path)
    assert refused.value.exit_code == 78
