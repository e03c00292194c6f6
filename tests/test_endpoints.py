"""The endpoints of CONTRACT section 5: whose accounts, which run, whose call, and what has changed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from serving.api.by_account import address_of
from serving.api.examples import EXAMPLES
from serving.facts import Facts
from serving.history import actions, last_call
from serving.store import Store
from tests import keyed
from tests.example_publication import NOW, example
from tests.keyed import Clock, bearer, client, made

pytestmark = pytest.mark.ci
HEAD = {"content-type": "application/json"}
api, clock, home, published, store = (
    keyed.api, keyed.clock, keyed.home, keyed.published, keyed.store
)  # fmt: skip
DETAIL = {
    "usage": {"events": [1], "users": None},
    "contacts": [{"contact": "Kim Lee", "area": "it", "role": "admin", "left_on": None}],
    "milestones": [{"on": "2025-05-01", "kind": "qbr", "value": None, "contact": "Kim Lee"}],
}


def problem(reply: Any, status: int, code: str) -> dict[str, Any]:
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = reply.json()
    assert body["code"] == code
    return body


def named(*accounts: str, **further: Any) -> Any:
    """Give the example with its first accounts called otherwise."""
    scores = example().scores
    ids = [*accounts, *scores["account_id"].iloc[len(accounts) :]]
    return replace(example(), scores=scores.assign(account_id=ids), **further)


IDS = ("a", "a/history", "a/history/history", "ü /%2F?#", "..a", "a//call", "%2Fcall", "☃/detail")


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    home = tmp_path_factory.mktemp("odd")
    Store.open(home).publish(named(*IDS), now=NOW)
    return client(home, Clock())


@pytest.mark.parametrize("account", IDS)
def test_an_id_may_hold_any_letters_and_stays_unambiguous(odd: TestClient, account: str) -> None:
    at = f"/v1/accounts/{address_of(account)}"
    assert odd.get(at).json()["account_id"] == account
    assert odd.get(f"{at}/history").json()["account_id"] == account
    assert odd.get(f"{at}/detail").json()["account_id"] == account
    told = odd.put(f"{at}/call", json={"retention": "Low", "expansion": None})
    assert told.json()["account_id"] == account
    log = {"play": "priority expansion"}
    assert (
        odd.post(f"/v1/outreach/{address_of(account)}/log", json=log).json()["account_id"]
        == account
    )


def test_a_slash_that_is_sent_as_it_is_belongs_to_the_address(odd: TestClient) -> None:
    assert odd.get("/v1/accounts/a/history").json()["account_id"] == "a"
    assert "items" in odd.get("/v1/accounts/a%2Fhistory/history").json()
    problem(odd.get("/v1/accounts/a/call"), 405, "method_not_allowed")
    problem(odd.get("/v1/accounts/a/nothing"), 404, "unknown_account")


@pytest.mark.fault("S31")
def test_what_was_seen_is_not_sent_again(api: TestClient) -> None:
    for path in ("/v1/accounts", "/v1/accounts/a01", "/v1/matrix", "/v1/outreach", "/v1/runs"):
        first = api.get(path)
        tag = first.headers["etag"]
        assert tag.startswith('"')
        again = api.get(path, headers={"if-none-match": f'"other", {tag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert api.get(path, headers={"if-none-match": '"other"'}).content == first.content
    assert "etag" not in api.get("/v1/accounts/nobody").headers


@pytest.mark.fault("S31")
def test_a_call_is_kept_only_over_what_its_maker_saw(
    api: TestClient, store: Store, clock: Clock
) -> None:
    seen = api.get("/v1/accounts/a01").headers["etag"]
    body = {"retention": "Medium", "expansion": None, "note": "why", "until": "2025-10-01"}
    told = api.put("/v1/accounts/a01/call", json=body, headers={"if-match": seen})
    assert told.status_code == 200, told.text
    call = told.json()["call"]
    assert (call["csm"], call["disagrees"], call["until"]) == ("Ada", True, "2025-10-01")
    after = api.get("/v1/accounts/a01")
    assert (after.headers["etag"], after.json()["call"]) == (told.headers["etag"], call)
    for stale in (seen, f"W/{after.headers['etag']}", '"x"'):
        refused = api.put("/v1/accounts/a01/call", json=body, headers={"if-match": stale})
        problem(refused, 412, "stale")
    clock.on(days=100)  # the call is over
    withdrawn = api.put("/v1/accounts/a01/call", json={"retention": None, "expansion": None})
    assert withdrawn.json()["call"] is None
    assert (last_call(store.engine, "a01") or {})["retention"] is None


@pytest.mark.fault("S03")
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"retention": "high", "expansion": None}, "/retention"),
        ({"retention": "High"}, "/expansion"),
        ({"retention": 1, "expansion": None}, "/retention"),
        ({"retention": "Low", "expansion": None, "until": "2025-02-30"}, "/until"),
        ({"retention": "Low", "expansion": None, "until": 20250930}, "/until"),
        ({"retention": "Low", "expansion": None, "until": "2025-07-01"}, "/until"),
        ({"retention": "Low", "expansion": None, "note": "x" * 2001}, "/note"),
        ({"retention": "Low", "expansion": None, "by": "me"}, "/by"),
    ],
)
def test_a_call_is_read_strictly(api: TestClient, body: dict[str, Any], pointer: str) -> None:
    found = problem(api.put("/v1/accounts/a01/call", json=body), 422, "validation")
    assert [one["pointer"] for one in found["errors"]] == [pointer]


@pytest.mark.fault("S02")
@pytest.mark.fault("S05")
def test_a_contact_is_logged_as_the_command_does(api: TestClient, store: Store) -> None:
    body = {"play": "priority expansion", "on": "2025-06-30", "outcome": "meeting"}
    told = api.post("/v1/outreach/a01/log", json=body).json()
    assert (told["csm"], told["acted_on"], told["outcome"]) == ("Ada", "2025-06-30", "meeting")
    assert actions(store.engine, date(2025, 7, 2)) == [("a01", told["play"], date(2025, 6, 30))]
    for field, value, pointer in (
        ("play", "danse", "/play"),
        ("on", "2025-07-02", "/on"),
        ("on", "2026-02-30", "/on"),
        ("outcome", "x\x00", "/outcome"),
        ("outcome", "x" * 2001, "/outcome"),
    ):
        found = problem(
            api.post("/v1/outreach/a01/log", json=body | {field: value}), 422, "validation"
        )
        assert [one["pointer"] for one in found["errors"]] == [pointer]
    problem(api.post("/v1/outreach/nobody/log", json=body), 404, "unknown_account")
    problem(
        api.put("/v1/accounts/nobody/call", json=EXAMPLES["put_call"].body), 404, "unknown_account"
    )


@pytest.mark.fault("S27")
def test_a_date_that_cannot_be_is_refused_and_the_nearest_is_named(
    api: TestClient, store: Store
) -> None:
    store.publish(replace(example(), as_of=date(2025, 6, 2)), now=NOW)
    for path in ("/v1/accounts", "/v1/matrix", "/v1/outreach", "/v1/accounts/a01"):
        assert api.get(f"{path}?as_of=2025-06-02").json()["as_of"] == "2025-06-02"
        for day in ("2026-02-30", "2025-07-02", "20250601", "1719792000", "2025-06-02T00:00:00"):
            found = problem(api.get(f"{path}?as_of={day}"), 422, "validation")
            assert found["errors"][0]["parameter"] == "as_of"
        found = problem(api.get(f"{path}?as_of=2025-06-10"), 404, "no_such_date")
        assert found["errors"][0]["message"] == "2025-06-02"


@pytest.mark.fault("S33")
def test_a_held_or_superseded_run_is_told_only_when_it_is_named(
    api: TestClient, store: Store
) -> None:
    first = store.current().run_id  # type: ignore[union-attr]
    second = store.publish(replace(example(), snapshot_id="s2"), now=NOW).run_id
    held = store.publish(replace(example(), snapshot_id="s3"), now=NOW, held=["moves"]).run_id
    for path in ("/v1/accounts", "/v1/accounts/a01", "/v1/matrix", "/v1/outreach"):
        assert api.get(path).json()["run_id"] == second
        assert api.get(f"{path}?as_of=2025-07-01").json()["run_id"] == second
        for run in (first, held):
            assert api.get(f"{path}?run={run}").json()["run_id"] == run
        problem(api.get(f"{path}?run=nothing"), 404, "unknown_run")
        problem(api.get(f"{path}?run={first}&as_of=2025-07-01"), 422, "validation")
    assert [row["run_id"] for row in api.get("/v1/accounts/a01/history").json()["items"]] == [
        second
    ]
    assert {row["status"] for row in api.get("/v1/runs").json()["items"]} == {"published", "held"}


@pytest.mark.fault("S32")
@pytest.mark.parametrize("path", ["/v1/accounts", "/v1/accounts/a01", "/v1/runs", "/v1/score"])
def test_whoever_accepts_no_json_is_told_so(api: TestClient, path: str) -> None:
    method = "POST" if path == "/v1/score" else "GET"
    for accept in ("application/xml", "text/html", "application/json;q=0"):
        problem(api.request(method, path, headers={"accept": accept}), 406, "not_acceptable")
    assert api.get("/v1/runs", headers={"accept": "application/*;q=0.5"}).status_code == 200


@pytest.mark.fault("U03")
def test_a_key_of_one_csm_sees_and_does_nothing_of_another(
    api: TestClient, store: Store, clock: Clock
) -> None:
    ada, everybody = bearer(made(store, "cs", csm="Ada")), bearer(made(store, "cs"))
    mine = {"a01", "a02", "a05", "a12"}

    def ids(path: str, key: dict[str, str]) -> set[str]:
        return {row["account_id"] for row in api.get(path, headers=key).json()["items"]}

    assert ids("/v1/accounts", ada) == mine
    assert ids("/v1/accounts?csm=Ben", ada) == ids("/v1/outreach?csm=Ben", ada) == set()
    assert ids("/v1/outreach", ada) < mine
    page = api.get("/v1/accounts?limit=5", headers=everybody).json()["next_cursor"]
    problem(api.get(f"/v1/accounts?limit=5&cursor={page}", headers=ada), 400, "cursor")
    matrix = api.get("/v1/matrix", headers=ada).json()
    assert matrix["accounts"] == 4
    assert api.get("/v1/matrix?csm=Ben", headers=ada).json()["accounts"] == 0
    assert api.get("/v1/accounts/a01", headers=ada).status_code == 200
    for path in ("a03", "a03/history", "a03/detail", "a08"):
        problem(api.get(f"/v1/accounts/{path}", headers=ada), 404, "unknown_account")
    call = {"retention": "Low", "expansion": None}
    problem(api.put("/v1/accounts/a03/call", json=call, headers=ada), 404, "unknown_account")
    log = {"play": "priority expansion"}
    problem(api.post("/v1/outreach/a03/log", json=log, headers=ada), 404, "unknown_account")
    problem(
        api.post("/v1/score", json={"account_ids": ["a03"]}, headers=ada), 404, "unknown_account"
    )
    for path in ("/v1/metrics", "/v1/dashboard/expansion"):
        problem(api.get(path, headers=ada), 403, "scope")
    forced = api.put("/v1/accounts/a01/call", json=call | {"csm": "Ben"}, headers=ada).json()
    assert forced["call"]["csm"] == "Ada"


def test_contacts_are_unnamed_to_finance(api: TestClient, store: Store) -> None:
    facts = Facts({"as_of": "2025-07-02"}, {"currency": "USD", "figures": []}, {"a01": DETAIL})
    store.publish(replace(example(), as_of=date(2025, 7, 2), facts=facts), now=NOW)
    finance, cs = bearer(made(store, "finance")), bearer(made(store, "cs"))
    told = api.get("/v1/accounts/a01/detail", headers=cs).json()["detail"]
    assert told == DETAIL
    reply = api.get("/v1/accounts/a01/detail", headers=finance)
    assert "Kim" not in reply.text
    assert reply.json()["detail"]["contacts"][0]["role"] == "admin"
    assert api.get("/v1/dashboard/expansion", headers=finance).json()["figures"] == []


def test_a_run_without_facts_says_what_to_do(api: TestClient) -> None:
    for path in ("/v1/metrics", "/v1/dashboard/expansion", "/v1/accounts/a01/detail"):
        told = api.get(path)
        assert told.status_code == 200
        assert "perennial score" in told.json()["reason"]


def test_accounts_are_filtered_by_what_pages_ask(api: TestClient) -> None:
    def ids(asked: str) -> list[str]:
        return [row["account_id"] for row in api.get(f"/v1/accounts?{asked}").json()["items"]]

    assert ids("named=ACME") == ["a01"]
    assert ids("renewal_from=2025-08-01&renewal_before=2025-10-01") == ["a01", "a02", "a09"]
    assert ids("play=Seat expansion") == ["a01", "a10"]
    assert ids("play=nothing") == []
    assert api.get("/v1/matrix?segment=smb").json()["accounts"] == 5


def test_sums_of_a_cut_are_as_exact_as_their_parts(tmp_path: Path) -> None:
    scores = example().scores.assign(mrr=0.1, cell="HH", previous_cell="ML")
    Store.open(tmp_path).publish(replace(example(), scores=scores), now=NOW)
    cut = client(tmp_path, Clock()).get("/v1/matrix?csm=Cleo").json()
    assert (cut["accounts"], cut["mrr"]) == (3, 0.3)
    assert cut["flows"][0]["mrr"] == cut["cells"]["HH"]["mrr"] == 0.3


@pytest.mark.fault("S11")
@pytest.mark.parametrize(
    "path",
    [
        "/v1/accounts", "/v1/outreach", "/v1/runs", "/v1/accounts/a01/history",
    ],
)  # fmt: skip
def test_a_limit_that_cannot_be_and_a_parameter_that_is_not_known(
    api: TestClient, path: str
) -> None:
    for limit in ("0", "-1", "1e30", "1001", "x", "1.5", ""):
        found = problem(api.get(f"{path}?limit={limit}"), 422, "validation")
        assert found["errors"][0]["parameter"] == "limit"
    for one in (path, "/v1/metrics", "/v1/dashboard/expansion", "/v1/accounts/a01", "/v1/models"):
        found = problem(api.get(f"{one}?limmit=1"), 422, "validation")
        assert found["errors"][0] == {
            "parameter": "limmit",
            "code": "unknown_parameter",
            "message": "this parameter is not known here",
        }


# -- examples ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    home: Path = tmp_path_factory.mktemp("documented")
    metrics = EXAMPLES["metrics"].answer
    figures = EXAMPLES["expansion"].answer
    facts = Facts(
        {name: metrics[name] for name in metrics if name not in ("run_id", "reason")},
        {name: figures[name] for name in ("currency", "figures")},
        {"a01": EXAMPLES["account_detail"].answer["detail"]},
    )
    cells = {"HH": EXAMPLES["matrix"].answer["cells"]["HH"]}
    matrix = {"accounts": 12, "mrr": 1.0, "cells": cells, "flows": [], "moved": 1, "new": 1}
    Store.open(home).publish(replace(example(), facts=facts, matrix=matrix), now=NOW)
    app = client(home, Clock()).app
    served = app.state.serving  # type: ignore[attr-defined]
    score = lambda names: [served.store.account(name) for name in names]  # noqa: E731
    app.state.serving = replace(served, score_accounts=score)  # type: ignore[attr-defined]
    return TestClient(app, base_url=keyed.HERE)


def _operations(schema: dict[str, Any]) -> dict[str, tuple[str, str, dict[str, Any]]]:
    return {
        told["operationId"]: (method, path, told)
        for path, methods in schema["paths"].items()
        for method, told in methods.items()
        if path.startswith("/v1/") and "forecast" not in path
    }


def test_every_operation_has_its_example(documented: TestClient) -> None:
    told = _operations(documented.get("/openapi.json").json())
    assert set(told) == set(EXAMPLES)
    for method, _, one in told.values():
        answer = one["responses"]["200"]["content"]["application/json"]
        assert {"example", "schema"} <= set(answer)
        assert one["description"].strip()
        for parameter in one.get("parameters", []):
            assert parameter.get("description") or parameter["schema"].get("description"), parameter
        if method in ("put", "post"):
            assert "example" in one["requestBody"]["content"]["application/json"]


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_an_example_is_answered_as_documented(documented: TestClient, name: str) -> None:
    example_, schema = EXAMPLES[name], documented.get("/openapi.json").json()
    method, path, told = _operations(schema)[name]
    at = path.replace("{account_id}", example_.path or "")
    asked: dict[str, Any] = {"params": dict(example_.query)}
    if example_.body is not None:
        asked["content"], asked["headers"] = json.dumps(example_.body), HEAD
    if name == "account":  # a call stands in the answer where one holds
        kept = json.dumps(EXAMPLES["put_call"].body)
        assert documented.put(f"{at}/call", content=kept, headers=HEAD).status_code == 200
    reply = documented.request(method, at, **asked)
    assert reply.status_code == 200, reply.text
    _same_shape(reply.json(), example_.answer, name)
    assert told["responses"]["200"]["content"]["application/json"]["example"] == example_.answer


def _same_shape(found: Any, shown: Any, where: str) -> None:
    """Hold keys and kinds of an answer beside those that are shown; null stands for any kind."""
    if found is None or shown is None:
        return
    if isinstance(shown, dict):
        assert isinstance(found, dict), where
        free = where.endswith((".cells", ".definition"))
        assert free or set(shown) == set(found), (where, set(shown) ^ set(found))
        for key in set(shown) & set(found):
            _same_shape(found[key], shown[key], f"{where}.{key}")
    elif isinstance(shown, list):
        assert isinstance(found, list), where
        for one in found[:1] if shown else []:
            _same_shape(one, shown[0], f"{where}[]")
    else:
        both = (int, float) if isinstance(shown, float) else type(shown)
        assert isinstance(found, both), (where, found, shown)
