import gzip
import json
import subprocess
import sys
from datetime import date

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from features.faults import ConfigurationRefused, DependencyDown
from serving.api.foretold import FORECAST, SCENARIO, ForecastReply, ScenarioReply
from serving.app import create_app
from serving.bodies import LARGEST, parse
from serving.problems import Problem
from serving.protection import refuse_open_bind
from serving.schemas import SCORE_COLUMNS
from serving.store import Store
from tests.example_publication import ACCOUNTS, NOW, example

HERE = "http://127.0.0.1"


def _score(names):
    known = {row[0]: row for row in ACCOUNTS}
    return [{"account_id": n, "p_churn": known[n][6]} for n in names if n in known]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    Store.open(home).publish(example(), now=NOW)
    return home


@pytest.fixture(scope="module")
def api(home):
    return TestClient(create_app(home, _score), base_url=HERE, raise_server_exceptions=False)


def problem(reply, status, code):
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    body = reply.json()
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"] == f"urn:perennial:problem:{code}"
    assert body["instance"] == f"urn:perennial:request:{reply.headers['x-request-id']}"
    assert "Traceback" not in reply.text
    return body


def post(api, content, **headers):
    return api.post("/v1/score", content=content, headers=JSON | headers)


JSON = {"content-type": "application/json"}


def test_accounts_are_listed_as_published(api):
    body = api.get("/v1/accounts").json()
    assert (body["as_of"], body["total"], body["next_cursor"]) == ("2025-07-01", 12, None)
    assert list(body["items"][0]) == list(SCORE_COLUMNS)
    acme = body["items"][0]
    assert (acme["account_id"], acme["mrr"], acme["p_churn"]) == ("a01", 9200.0, 0.02)
    assert acme["next_renewal_on"] == "2025-09-30"


def test_filters_and_order(api):
    def ids(question):
        return [row["account_id"] for row in api.get(f"/v1/accounts?{question}").json()["items"]]

    assert ids("cell=HH") == ["a01", "a10"]
    assert ids("csm=Ada&moved=true") == ["a01", "a02"]
    assert ids("segment=smb&min_mrr=300") == ["a03", "a08"]
    assert ids("trigger=seat_limit&sort=-mrr") == ["a06", "a01", "a10", "a08"]


def test_pages_follow_their_cursor_and_stay_in_their_run(tmp_path):
    store = Store.open(tmp_path)
    store.publish(example(), now=NOW)
    api = TestClient(create_app(tmp_path), base_url=HERE)
    first = api.get("/v1/accounts?sort=-next_renewal_on&limit=7").json()
    store.publish(example(snapshot_id="s2"), now=NOW)
    again = {"sort": "-next_renewal_on", "limit": 7, "cursor": first["next_cursor"]}
    second = api.get("/v1/accounts", params=again).json()
    assert second["run_id"] == first["run_id"]
    assert second["next_cursor"] is None
    seen = [row["account_id"] for row in first["items"] + second["items"]]
    assert sorted(seen) == [row[0] for row in ACCOUNTS]


@pytest.mark.fault("S12")
def test_a_forged_or_borrowed_cursor_is_refused(api):
    real = api.get("/v1/accounts?limit=5").json()["next_cursor"]
    forged = real[:-2] + ("AA" if real[-2:] != "AA" else "BB")
    for cursor in (forged, "x", "", "AAAA", "é"):
        problem(api.get("/v1/accounts", params={"cursor": cursor}), 400, "cursor")
    problem(api.get("/v1/accounts", params={"cursor": real, "csm": "Ada"}), 400, "cursor")


def test_one_account(api):
    assert api.get("/v1/accounts/a02").json()["cell"] == "LL"


@pytest.mark.fault("S05")
@pytest.mark.parametrize("name", ["a", "a0", "A01", "%2e%2e/%2e%2e", "%00", "x" * 3000, ""])
def test_an_unknown_account_names_no_other(api, name):
    reply = api.get(f"/v1/accounts/{name}")
    problem(reply, 404, "unknown_account")
    told = reply.json() | {"instance": "a random id, which may hold anything"}
    assert "a01" not in str(told)


def test_matrix_outreach_forecast_runs(api):
    matrix = api.get("/v1/matrix").json()
    assert {c["cell"]: c["accounts"] for c in matrix["cells"]}["HH"] == 2
    listed = api.get("/v1/outreach?csm=Ada&capacity=1").json()
    assert [row["account_id"] for row in listed["items"]] == ["a01"]
    assert api.get("/v1/outreach?limit=2").json()["total"] == 7
    assert api.get("/v1/forecast").json() == example().forecast["3"]
    assert api.get("/v1/forecast?horizon=12").json()["period_end"] == "2026-06-30"
    runs = api.get("/v1/runs").json()
    assert runs["current"] == runs["items"][0]["run_id"]


@pytest.mark.fault("S11")
@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/v1/accounts?limit=0", "limit"),
        ("/v1/accounts?limit=-1", "limit"),
        ("/v1/accounts?limit=1e30", "limit"),
        ("/v1/accounts?limit=1001", "limit"),
        ("/v1/accounts?colour=red", "colour"),
        ("/v1/accounts?cell=XX", "cell"),
        ("/v1/accounts?sort=name%20desc", "sort"),
        ("/v1/accounts?min_mrr=nan", "min_mrr"),
        ("/v1/accounts?min_mrr=inf", "min_mrr"),
        ("/v1/accounts?moved=perhaps", "moved"),
        ("/v1/accounts?csm=%00", "csm"),
        ("/v1/matrix?x=1", "x"),
        ("/v1/outreach?capacity=0", "capacity"),
        ("/v1/runs?limit=0", "limit"),
    ],
)
def test_a_parameter_that_cannot_be_is_named(api, path, parameter):
    body = problem(api.get(path), 422, "validation")
    assert [error["parameter"] for error in body["errors"]] == [parameter]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/forecast?horizon=3&horizon=12",
        "/v1/forecast?horizon=3&horizon=3",
        "/v1/accounts?cell=HH&cell=HH",
        "/v1/runs?limit=1&limit=2",
        "/v1/forecast?horizon=3&hor%69zon=3",
    ],
)
def test_a_parameter_that_is_given_twice_is_named(api, path):
    (error,) = problem(api.get(path), 422, "validation")["errors"]
    assert error["code"] == "duplicate_parameter"
    assert error["parameter"] == path.partition("?")[2].partition("=")[0]


def test_many_parameters_cost_little_and_a_few_are_named(api):
    """Some 2,600 names fit an address: they are counted in one go, before anybody is asked for."""
    names = "&".join(f"{one:03x}" for one in range(2000))
    reply = api.get(f"/v1/accounts?{names}")
    assert len(problem(reply, 422, "validation")["errors"]) == 20


@pytest.mark.parametrize("path", ["/v1/forecast", "/v1/accounts", "/v1/forecast/actual"])
def test_an_unknown_parameter_is_named(api, path):
    (error,) = problem(api.get(f"{path}?horizons=3"), 422, "validation")["errors"]
    assert error["parameter"] == "horizons"


@pytest.mark.fault("S27")
@pytest.mark.parametrize("horizon", ["0", "-1", "2", "121", "x", "3.5", "1e999", ""])
def test_a_horizon_other_than_the_published_is_refused(api, horizon):
    problem(api.get(f"/v1/forecast?horizon={horizon}"), 422, "validation")


def test_named_accounts_are_scored_now_in_the_order_asked(api):
    reply = post(api, b'{"account_ids": ["a04", "a01", "a04"]}')
    assert reply.json() == {
        "items": [{"account_id": "a04", "p_churn": 0.10}, {"account_id": "a01", "p_churn": 0.02}]
    }


@pytest.mark.fault("S05")
def test_scoring_an_unknown_account_points_at_it_without_echo(api):
    reply = post(api, b'{"account_ids": ["a01", "zzz"]}')
    body = problem(reply, 404, "unknown_account")
    assert [error["pointer"] for error in body["errors"]] == ["/account_ids/1"]
    assert "zzz" not in reply.text


@pytest.mark.fault("S01")
@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_numbers_that_are_not_finite_are_refused(api, value):
    reply = post(api, b'{"account_ids": ["a01", %s]}' % value)
    body = problem(reply, 422, "validation")
    assert body["errors"][0]["pointer"] == "/account_ids/1"
    assert value.decode() not in reply.text


@pytest.mark.fault("S02")
@pytest.mark.parametrize(
    "text", [rb'"\ud800"', rb'"\udfff x"', rb'"a\u0000b"', b'"' + b"x" * 257 + b'"', b'""']
)
def test_texts_that_cannot_be_names_are_refused(api, text):
    body = problem(post(api, b'{"account_ids": [%s]}' % text), 422, "validation")
    assert body["errors"][0]["pointer"] == "/account_ids/0"


@pytest.mark.fault("S03")
@pytest.mark.parametrize("value", [b"true", b"5", b"5.0", b"null", b"[]", b"{}"])
def test_kinds_are_strict(api, value):
    body = problem(post(api, b'{"account_ids": [%s]}' % value), 422, "validation")
    assert body["errors"][0]["pointer"] == "/account_ids/0"


@pytest.mark.fault("S04")
@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b"null", b'"a01"', b'{"account_ids": []}', b'{"account_ids": "a01"}',
             b'{"account_ids": ["a01"], "more": 1}']
)  # fmt: skip
def test_bodies_of_another_shape_are_refused(api, body):
    problem(post(api, body), 422, "validation")


@pytest.mark.fault("S04")
def test_more_than_a_thousand_accounts_are_too_many(api):
    body = json.dumps({"account_ids": [f"a{n}" for n in range(1001)]}).encode()
    problem(post(api, body), 413, "too_many")


@pytest.mark.fault("S06")
def test_a_large_body_is_refused_with_and_without_its_length(api):
    large = b'{"account_ids": ["' + b"x" * LARGEST + b'"]}'
    reply = post(api, large)
    problem(reply, 413, "body_too_large")
    assert reply.headers["connection"] == "close"
    chunked = (large[n : n + 65536] for n in range(0, len(large), 65536))
    problem(api.post("/v1/score", content=chunked, headers=JSON), 413, "body_too_large")


@pytest.mark.fault("S07")
@pytest.mark.parametrize("coding", ["gzip", "br", "gzip, identity"])
def test_a_compressed_body_is_refused(api, coding):
    content = gzip.compress(b'{"account_ids": ["a01"]}')
    body = problem(post(api, content, **{"content-encoding": coding}), 415, "content")
    assert body["errors"][0]["header"] == "content-encoding"


@pytest.mark.fault("S08")
@pytest.mark.parametrize(
    "content",
    [
        b"[" * 10_000 + b"]" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b"[" * 80 + b"]" * 80,
        b'{"account_ids": [' + b"9" * 5000 + b"]}",
        b'{"account_ids": ["\xff"]}',
        '{"account_ids": ["a01"]}'.encode("utf-16"),
        b"\xef\xbb\xbf{}",
        b"",
        b"{",
        b'{"account_ids": ["a01"]} x',
        b"{'account_ids': []}",
    ],
    ids=lambda content: content[:12].hex(),
)
def test_what_is_not_json_is_malformed(api, content):
    problem(post(api, content), 400, "malformed_json")


@pytest.mark.fault("S09")
def test_a_key_given_twice_is_pointed_at(api):
    reply = post(api, b'{"account_ids": ["a01"], "account_ids": ["a02"]}')
    assert problem(reply, 400, "duplicate_key")["errors"][0]["pointer"] == "/account_ids"
    nested = post(api, b'{"a": [{"b/c": 1, "b/c": 2}]}')
    assert problem(nested, 400, "duplicate_key")["errors"][0]["pointer"] == "/a/0/b~1c"


@pytest.mark.fault("S10")
@pytest.mark.parametrize("kind", ["text/plain", "", "application/json; charset=utf-16", "json"])
def test_another_content_type_is_refused(api, kind):
    reply = api.post("/v1/score", content=b"{}", headers={"content-type": kind})
    assert problem(reply, 415, "content")["errors"][0]["header"] == "content-type"
    assert post(api, b'{"account_ids": ["a01"]}', **{"content-type": UTF8}).status_code == 200


UTF8 = 'Application/JSON; charset="UTF-8"'


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=40).map(str.encode))
def test_whatever_comes_is_read_or_refused_as_a_problem(content):
    try:
        value = parse(content)
    except Problem as refused:
        status = refused.status
    else:
        status = 200
        assert json.loads(content) == value
    assert status in {200, 400, 422}


@pytest.mark.fault("S18")
def test_without_a_run_or_a_model_it_lives_but_is_not_ready(tmp_path):
    api = TestClient(create_app(tmp_path), base_url=HERE)
    assert api.get("/livez").json() == {"status": "alive"}
    for path in ("/readyz", "/v1/accounts", "/v1/accounts/a01", "/v1/matrix", "/v1/forecast"):
        reply = api.get(path)
        assert problem(reply, 503, "no_published_run")["retry_after"] == 60
    problem(post(api, b'{"account_ids": ["a01"]}'), 503, "model_not_loaded")
    assert api.get("/v1/runs").json() == {"current": None, "items": []}
    Store.open(tmp_path).publish(example(), now=NOW)
    assert api.get("/readyz").json()["model_version"] == "3"


@pytest.mark.fault("S18")
def test_a_model_that_does_not_load_is_not_ready(home):
    api = TestClient(create_app(home, _score, lambda: None), base_url=HERE)
    problem(api.get("/readyz"), 503, "model_not_loaded")
    problem(post(api, b'{"account_ids": ["a01"]}'), 503, "model_not_loaded")


@pytest.mark.fault("S22")
def test_unknown_paths_and_methods(api):
    problem(api.get("/v2/accounts"), 404, "not_found")
    problem(api.get("/v1/accounts/"), 404, "unknown_account")
    for method, path, allow in (
        ("DELETE", "/v1/accounts", "GET"),
        ("GET", "/v1/score", "POST"),
        ("POST", "/", "GET"),
    ):
        reply = api.request(method, path)
        problem(reply, 405, "method_not_allowed")
        assert reply.headers["allow"] == allow


@pytest.mark.fault("S25")
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "10.0.0.5:80"])
def test_a_foreign_host_is_refused(api, host):
    problem(api.get("/v1/accounts", headers={"host": host}), 400, "untrusted_host")
    assert api.get("/livez", headers={"host": "[::1]:8000"}).status_code == 200


@pytest.mark.fault("S26")
def test_a_foreign_origin_gets_no_leave(api):
    asks = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    reply = api.options("/v1/score", headers=asks)
    assert reply.status_code == 405
    assert "access-control-allow-origin" not in reply.headers


@pytest.mark.fault("S28")
def test_a_bug_tells_nothing(home):
    def broken(names):
        raise RuntimeError(f"secret {names}")

    app = create_app(home, broken)
    api = TestClient(app, base_url=HERE, raise_server_exceptions=False)
    reply = post(api, b'{"account_ids": ["a01"]}')
    body = reply.json()
    assert (reply.status_code, body["code"]) == (500, "internal")
    assert body["instance"].startswith("urn:perennial:request:")
    assert "secret" not in reply.text
    assert "RuntimeError" not in reply.text
    assert reply.headers["x-frame-options"] == "DENY"


@pytest.mark.fault("S19")
def test_a_dependency_that_is_down_is_said_to_be(home):
    def down(_names):
        raise DependencyDown("store", "/a/secret/path: locked")

    api = TestClient(create_app(home, down), base_url=HERE)
    reply = post(api, b'{"account_ids": ["a01"]}')
    assert problem(reply, 503, "dependency")["retry_after"] == 5
    assert "secret" not in reply.text


@pytest.mark.fault("D08")
@pytest.mark.parametrize("path", ["/", "/v1/accounts", "/v1/nothing", "/openapi.json"])
def test_every_answer_forbids_framing_sniffing_and_keeping(api, path):
    headers = api.get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'self'")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_open_api_tells_of_every_route_and_column(api):
    schema = api.get("/openapi.json").json()
    assert {"/v1/accounts", "/v1/accounts/{account_id}", "/v1/accounts/{account_id}/history",
            "/v1/accounts/{account_id}/detail", "/v1/accounts/{account_id}/call", "/v1/metrics",
            "/v1/dashboard/expansion", "/v1/outreach/{account_id}/log", "/v1/matrix", "/v1/outreach",
            "/v1/forecast", "/v1/forecast/actual", "/v1/forecast/scenario", "/v1/score", "/v1/runs", "/v1/models", "/livez", "/readyz", "/metrics"} == set(schema["paths"])  # fmt: skip
    account = schema["components"]["schemas"]["ScoredAccount"]["properties"]
    assert list(account) == list(SCORE_COLUMNS)
    assert all(column["description"] for column in account.values())
    for path in schema["paths"].values():
        for route in path.values():
            assert "application/problem+json" in route["responses"]["default"]["content"]


def _told(value):
    """Leave out what is null, as OpenAPI does."""
    if isinstance(value, list):
        return [_told(one) for one in value]
    if isinstance(value, dict):
        return {name: _told(one) for name, one in value.items() if one is not None}
    return value


def test_examples_of_a_forecast_keep_its_laws_and_their_shape(api):
    paths = api.get("/openapi.json").json()["paths"]
    shown = {
        (path, method): paths[path][method]["responses"]["200"]["content"]["application/json"]
        for path, method in (("/v1/forecast", "get"), ("/v1/forecast/scenario", "post"))
    }
    assert all("schema" in content for content in shown.values())
    one, other = (content["example"] for content in shown.values())
    assert (one, other) == (_told(FORECAST), _told(SCENARIO))
    ForecastReply.model_validate(one)
    ScenarioReply.model_validate(other)
    for told in (one, other["scenario"], *one["by_cut"]):
        mean = {name: told[name]["mean"] for name in ("nrr", "grr", "closing_mrr")}
        lost = told["contraction_mrr"]["mean"] + told["churned_mrr"]["mean"]
        closing = told["opening_mrr"] + told["expansion_mrr"]["mean"] - lost
        assert mean["closing_mrr"] == pytest.approx(closing)
        assert mean["nrr"] == pytest.approx(closing / told["opening_mrr"])
    for told in (one, other["scenario"]):
        bridge = told["bridge"]
        booked = sum(v for k, v in bridge["booked"].items() if k.endswith("_mrr"))
        assert bridge["after_booked_mrr"] == bridge["opening_mrr"] + booked
        walked = bridge["after_booked_mrr"] + sum(bridge["modelled"].values())
        assert bridge["closing_mrr"] == walked == told["closing_mrr"]["mean"]
    assert sum(one["expansion_by_lever"].values()) == one["expansion_mrr"]["mean"]
    assert other["difference"]["closing_mrr"]["mean"] == 200.0


def test_an_open_server_listens_on_this_machine_alone():
    refuse_open_bind("127.0.0.1")
    for host in ("0.0.0.0", "::", "10.1.2.3", "crm.example"):
        with pytest.raises(ConfigurationRefused) as refused:
            refuse_open_bind(host)
        assert refused.value.exit_code == 78


def test_an_account_whose_id_has_a_slash_can_be_asked_for(tmp_path):
    scores = example().scores
    scores["account_id"] = ["eu/" + name for name in scores["account_id"]]
    Store.open(tmp_path).publish(example(scores=scores), now=NOW)
    api = TestClient(create_app(tmp_path), base_url=HERE)
    assert api.get("/v1/accounts/eu%2Fa01").json()["name"] == "Acme Rail"


def test_rows_scored_now_may_carry_what_json_cannot(home):
    rows = [{"account_id": "a01", "p_churn": float("nan"), "as_of": date(2025, 7, 1)}]
    api = TestClient(create_app(home, lambda _names: rows), base_url=HERE)
    reply = post(api, b'{"account_ids": ["a01"]}')
    assert reply.json()["items"][0] == {"account_id": "a01", "p_churn": None, "as_of": "2025-07-01"}


def test_the_server_starts_without_the_heavy_libraries():
    heavy = "{'mlflow', 'lightgbm', 'sklearn', 'scipy', 'alembic', 'duckdb', 'matplotlib'}"
    code = f"import sys, serving.app; print(sorted({heavy} & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
