"""What a key of one CSM, and a key of finance, are shown: asked of every route that there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient

from serving import audit
from serving.facts import Facts
from serving.store import Store
from tests.example_publication import ACCOUNTS, NOW, example
from tests.keyed import Clock, bearer, client, made
from tests.test_account_page import DETAIL

pytestmark = pytest.mark.ci

OWN, FOREIGN = "a01", "a06"
FOREIGN_NAMES = ("Cobalt Labs", "Dune Foods", "Fjord Energy", "Grove Health", "Harbor Ltd")
OWN_CONTACT, FOREIGN_CONTACT = "Mona Lind", "Zed Quux"
QUESTIONS = (
    "", "csm=Cleo", "csm=Ben", "named=Fjord", "sort=-mrr", "cell=MH", "segment=enterprise",
    "run={run}", "as_of=2025-07-01", "limit=1", "capacity=5", "cursor={cursor}", "horizon=12",
)  # fmt: skip
WRITES: dict[str, Any] = {
    "POST /v1/score": {"account_ids": [OWN, FOREIGN]},
    "POST /v1/forecast/scenario": {"changes": [{"all": True, "churn": {"multiply": 0.8}}]},
    "PUT /v1/accounts/{account_id:path}/call": {"retention": "Low", "expansion": None},
    "POST /v1/outreach/{account_id:path}/log": {"play": "Renewal brief"},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("limited")
    other = [row | {"contact": FOREIGN_CONTACT} for row in DETAIL["contacts"]]
    details = {OWN: DETAIL, FOREIGN: DETAIL | {"contacts": other, "milestones": []}}
    Store.open(home).publish(example(facts=Facts({"as_of": "x"}, {}, details)), now=NOW)
    return home


@pytest.fixture(scope="module")
def store(home: Path) -> Store:
    return Store.open(home)


@pytest.fixture(scope="module")
def keys(store: Store) -> dict[str, dict[str, str]]:
    """Give the header of a key of each kind."""
    return {
        "admin": bearer(made(store)),
        "Ada": bearer(made(store, "cs", csm="Ada")),
        "finance": bearer(made(store, "finance")),
    }


@pytest.fixture(scope="module")
def api(home: Path, keys: dict[str, dict[str, str]]) -> TestClient:
    def scored(names: list[str]) -> list[dict[str, Any]]:
        return [{"account_id": row[0], "name": row[1], "csm": row[3]} for row in ACCOUNTS if row[0] in names]  # fmt: skip

    found = client(home, Clock())
    state = found.app.state
    object.__setattr__(state.serving, "score_accounts", scored)
    return found


def routes(api: TestClient, method: str) -> list[str]:
    """List the paths that take a method, files left out."""
    found = {
        str(one.path)
        for one in iter_route_contexts(api.app.routes)
        if method in (one.methods or ()) and not str(one.path).startswith("/static")
    }
    return sorted(found)


def filled(path: str, account: str) -> str:
    return re.sub(r"\{[^}]*\}", account, path)


def reads(
    api: TestClient,
    headers: dict[str, str],
    questions: tuple[str, ...] = QUESTIONS,
    cursor: str = "",
) -> dict[str, str]:
    """Ask every route every question; give the text of each answer by its address."""
    run = api.app.state.serving.store.current().run_id
    told = {}
    for path in routes(api, "GET"):
        accounts = (OWN, FOREIGN) if "{" in path else ("",)
        for address in {filled(path, account) for account in accounts}:
            accept = {"accept": "*/*" if address.startswith("/v1") else "text/html"}
            for question in questions:
                asked = question.format(run=run, cursor=cursor)
                reply = api.get(f"{address}?{asked}", headers=headers | accept)
                assert reply.status_code < 500 or reply.status_code == 503, address
                told[f"{address}?{asked}"] = reply.text
    return told


def holders(told: dict[str, str], words: tuple[str, ...]) -> set[str]:
    return {address for address, text in told.items() if any(word in text for word in words)}


def cursor_of(api: TestClient, headers: dict[str, str]) -> str:
    return str(api.get("/v1/accounts?limit=1&sort=-mrr", headers=headers).json()["next_cursor"])


@pytest.mark.fault("U03")
@pytest.mark.fault("D12")
def test_a_key_of_one_csm_is_shown_nobody_else_s_account(
    api: TestClient, keys: dict[str, dict[str, str]]
) -> None:
    cursor = cursor_of(api, keys["admin"])
    everybody = reads(api, keys["admin"], ("",))
    limited = reads(api, keys["Ada"], cursor=cursor)
    canaries = (*FOREIGN_NAMES, FOREIGN_CONTACT)
    places = {one.partition("?")[0] for one in holders(everybody, canaries)}
    assert {"/v1/accounts", "/v1/outreach", f"/v1/accounts/{FOREIGN}"} <= places
    assert f"/accounts/{FOREIGN}" in places
    assert holders(limited, canaries) == set()
    assert {one.partition("?")[0] for one in holders(limited, ("Acme Rail",))} >= {"/v1/accounts"}
    for part in ("", "/history", "/detail"):
        mine = api.get(f"/v1/accounts/{OWN}{part}", headers=keys["Ada"])
        other = api.get(f"/v1/accounts/{FOREIGN}{part}", headers=keys["Ada"])
        nobody = api.get(f"/v1/accounts/nobody{part}", headers=keys["Ada"])
        assert (mine.status_code, other.status_code, nobody.status_code) == (200, 404, 404)
        assert other.json()["detail"] == nobody.json()["detail"]
    forged = api.get(f"/v1/accounts?limit=1&sort=-mrr&cursor={cursor}", headers=keys["Ada"])
    assert (forged.status_code, forged.json()["code"]) == (400, "cursor")


@pytest.mark.fault("U03")
def test_counts_of_a_limited_key_are_of_its_own_accounts(
    api: TestClient, keys: dict[str, dict[str, str]]
) -> None:
    own = [row for row in ACCOUNTS if row[3] == "Ada"]
    matrix = api.get("/v1/matrix", headers=keys["Ada"]).json()
    assert sum(cell["accounts"] for cell in matrix["cells"].values()) == len(own)
    assert api.get("/v1/accounts", headers=keys["Ada"]).json()["total"] == len(own)
    assert api.get("/v1/accounts?csm=Ben", headers=keys["Ada"]).json()["total"] == 0
    assert api.get("/v1/outreach?csm=Ben", headers=keys["Ada"]).json()["total"] == 0
    assert api.get("/v1/forecast", headers=keys["Ada"]).status_code == 403


@pytest.mark.fault("U03")
@pytest.mark.fault("D12")
def test_a_limited_key_changes_nobody_else_s_account(
    api: TestClient, keys: dict[str, dict[str, str]], store: Store
) -> None:
    before = audit.verify_chain(store.engine)
    for asked, body in WRITES.items():
        method, path = asked.split(" ")
        reply = api.request(method, filled(path, FOREIGN), json=body, headers=keys["Ada"])
        assert reply.status_code in (403, 404), (asked, reply.text)
        assert not any(name in reply.text for name in FOREIGN_NAMES)
    form = {"play": "Renewal brief", "retention": "Low", "expansion": "Low"}
    for path in routes(api, "POST"):
        if not path.startswith(("/v1", "/login", "/logout")):
            reply = api.post(filled(path, FOREIGN), data=form, headers=keys["Ada"])
            assert reply.status_code in (403, 404, 405), (path, reply.text)
    assert audit.verify_chain(store.engine) == before


@pytest.mark.fault("D12")
def test_finance_is_shown_no_contact_s_name(
    api: TestClient, keys: dict[str, dict[str, str]]
) -> None:
    contacts = (OWN_CONTACT, FOREIGN_CONTACT)
    places = {one.partition("?")[0] for one in holders(reads(api, keys["admin"], ("",)), contacts)}
    assert {f"/v1/accounts/{OWN}/detail", f"/accounts/{OWN}"} <= places
    assert holders(reads(api, keys["finance"], ("", "capacity=5")), contacts) == set()
    told = api.get(f"/v1/accounts/{OWN}/detail", headers=keys["finance"]).json()["detail"]
    assert [one["contact"] for one in told["contacts"]] == [None]


def test_every_route_that_changes_something_is_tried(api: TestClient) -> None:
    tried = {one.split(" ")[1] for one in WRITES}
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        of_api = {path for path in routes(api, method) if path.startswith("/v1")}
        assert of_api <= tried


def test_the_description_names_the_scope_of_every_route_of_the_api(
    api: TestClient, keys: dict[str, dict[str, str]]
) -> None:
    told = api.get("/openapi.json").json()
    assert told["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    scopes = {
        f"{method} {path}": one.get("x-scope")
        for path, methods in told["paths"].items()
        for method, one in methods.items()
    }
    free = {address for address, scope in scopes.items() if scope is None}
    assert free == {"get /livez", "get /readyz", "get /metrics"}
    assert scopes["put /v1/accounts/{account_id}/call"] == "act"
    assert scopes["post /v1/outreach/{account_id}/log"] == "act"
    assert scopes["post /v1/score"] == "score"
    for address, scope in scopes.items():
        method, path = address.split(" ")
        reply = api.request(method, filled(path, OWN))
        assert (reply.status_code == 401) is (scope is not None), address
