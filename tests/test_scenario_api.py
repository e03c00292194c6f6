"""`GET /v1/forecast` and `POST /v1/forecast/scenario`: published numbers, strict bodies, one outlook."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest
from fastapi.testclient import TestClient

from features.faults import Busy, DataRejected, InputMissing
from models.scenario import Scenario
from serving.api.forecast import EXAMPLE
from serving.api.foretold import FORECAST, ForecastReply, ScenarioReply
from serving.app import create_app
from serving.columns import plain
from serving.operation.server import THREADS
from serving.outlooks import kept_outlook, packed, unpacked
from serving.scenarios import AT_ONCE, IN_LINE, Scenarios
from serving.settings import load
from serving.store import Store
from tests.command_line import workspace
from tests.example_publication import NOW, example
from tests.test_scenario import BASIS, BOOK, numbers

HERE = "http://127.0.0.1"
JSON = {"content-type": "application/json"}


def publish(home: Path, **more: Any) -> str:
    fields = {"outlook": packed(BOOK, BOOK.accounts), "basis": BASIS.to_json()} | more
    return Store.open(home).publish(example(**fields), now=NOW).run_id


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    publish(home)
    return home


@pytest.fixture(scope="module")
def api(home: Path) -> TestClient:
    return TestClient(create_app(home), base_url=HERE, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """A server of a run whose published forecast is that of its outlook."""
    home = tmp_path_factory.mktemp("real")
    publish(home, forecast={"3": BASIS.told(BOOK, 3)})
    return TestClient(create_app(home), base_url=HERE)


def ask(api: TestClient, body: Any = None, **more: Any) -> Any:
    return api.post("/v1/forecast/scenario", json=body, **more)


def problem(reply: Any, status: int, code: str) -> Any:
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["code"] == code
    return reply.json()


def test_an_outlook_is_kept_bit_for_bit() -> None:
    people = pd.DataFrame(
        {"account_id": BOOK.accounts["account_id"][::-1], "industry": "steel", "name": "Acme",
         "employees": 5, "segment": "other"}
    )  # fmt: skip
    back = unpacked(packed(BOOK, people))
    for name in ("p_churn", "p_contract", "p_expand", "up_moments", "down_moments", "booked_churn",
                 "booked_mrr_micros", "drift_up", "drift_down"):  # fmt: skip
        one, other = getattr(BOOK, name), getattr(back, name)
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        assert np.ascontiguousarray(one).tobytes() == other.tobytes(), name
    assert set(back.accounts["industry"]) == {"steel"}
    assert (back.accounts["segment"] == BOOK.accounts["segment"]).all()
    assert not {"name", "employees"} & set(back.accounts.columns)
    assert packed(BOOK, people) == packed(BOOK, people)


def test_a_null_scenario_gives_the_published_forecast(api: TestClient) -> None:
    stored = api.get("/v1/forecast?horizon=12").json()
    for changes in ([], [{"all": True, "churn": {"multiply": 1}}]):
        told = ask(api, {"horizon": 12, "changes": changes}).json()
        assert told["baseline"] == told["scenario"] == stored
        figures = {
            k: v for k, v in told["difference"].items() if k not in ("by_cut", "monthly_path")
        }
        assert set(numbers(figures)) == {0.0}


@pytest.mark.ci
def test_the_example_of_the_description_works(real: TestClient) -> None:
    told = ask(real, EXAMPLE).json()
    assert told["baseline"] == real.get("/v1/forecast").json()
    assert [one["accounts"] for one in told["changes"]] == [
        (BOOK.accounts.segment == "smb").sum(),
        60,
    ]
    assert told["scenario"]["as_of"] == told["baseline"]["as_of"]
    for body in (told["baseline"], told["scenario"]):  # the shape told is the shape given
        assert set(body) <= set(ForecastReply.model_fields) & set(FORECAST)
    ScenarioReply.model_validate(told)
    described = real.get("/openapi.json").json()["paths"]["/v1/forecast/scenario"]["post"]
    content = described["requestBody"]["content"]["application/json"]
    assert content["example"] == EXAMPLE
    assert "$ref" not in str(content["schema"])


@pytest.mark.ci
def test_a_target_is_answered_under_the_scenario(real: TestClient) -> None:
    told = ask(real, {"changes": [], "reach": 1.1}).json()
    assert told["reach"]["target"] == 1.1
    told = ask(real, {"changes": [], "by": "region"}).json()
    assert [one["cut"] for one in told["scenario"]["by_cut"]] == [
        {"region": "emea"}, {"region": "unknown"}]  # fmt: skip


@pytest.mark.fault("S01")
@pytest.mark.fault("S03")
@pytest.mark.fault("S27")
@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"changes": [{"all": True, "chrun": {"multiply": 1}}]}, "/changes/0/chrun", "unknown_key"),
        ({"horizon": 0}, "/horizon", "value_error"),
        ({"horizon": -1}, "/horizon", "value_error"),
        ({"horizon": 121}, "/horizon", "value_error"),
        ({"horizon": 3.0}, "/horizon", "int_type"),
        ({"horizon": "3"}, "/horizon", "int_type"),
        ({"horizon": True}, "/horizon", "int_type"),
        ({"changes": None}, "/changes", "list_type"),
        ({"changes": [None]}, "/changes/0", "model_type"),
        ({"changes": [{"all": True, "churn": {"multiply": 1e300}}]}, "/changes/0/churn/multiply", "less_than_equal"),
        ({"changes": [{"all": True, "churn": {"multiply": "5"}}]}, "/changes/0/churn/multiply", "float_type"),
        ({"changes": [{"all": True, "churn": {"multiply": -1}}]}, "/changes/0/churn/multiply", "greater_than_equal"),
        ({"changes": [{"all": True, "churn": {"replace": 1.5}}]}, "/changes/0/churn/replace", "less_than_equal"),
        ({"changes": [{"where": {"sgment": "smb"}, "saved": True}]}, "/changes/0/where", "unknown_cut"),
        ({"changes": [{"where": {"segment": "x"}, "saved": True}]}, "/changes/0/where", "nobody"),
        ({"changes": [{"accounts": ["a0001", "b"], "saved": True}]}, "/changes/0/accounts/1", "unknown_account"),
        ({"changes": [{"accounts": [""], "saved": True}]}, "/changes/0/accounts/0", "string_too_short"),
        ({"by": "colour"}, "/by", "unknown_cut"),
        ({"reach": 0}, "/reach", "greater_than"),
        ({"changes": [{"all": True, "saved": True}] * 101}, "/changes", "too_long"),
        ([], "", "model_type"),
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_is_refused(
    api: TestClient, body: Any, pointer: str, code: str
) -> None:
    told = problem(ask(api, body), 422, "validation")
    assert (told["errors"][0]["pointer"], told["errors"][0]["code"]) == (pointer, code)


@pytest.mark.fault("S05")
def test_an_unknown_account_names_no_other(api: TestClient) -> None:
    body = {"changes": [{"accounts": ["a000"], "saved": True}]}
    errors = problem(ask(api, body), 422, "validation")["errors"]
    assert "a0000" not in str(errors)


@pytest.mark.fault("S02")
@pytest.mark.fault("S06")
@pytest.mark.fault("S07")
@pytest.mark.fault("S09")
@pytest.mark.fault("S10")
@pytest.mark.fault("S11")
def test_hostile_bodies_are_refused(api: TestClient) -> None:
    def raw(content: bytes, **headers: str) -> Any:
        return api.post("/v1/forecast/scenario", content=content, headers=JSON | headers)

    problem(raw(b'{"macro": {"fixed": NaN}}'), 422, "validation")
    problem(raw(b'{"changes": [], "changes": []}'), 400, "duplicate_key")
    problem(raw(b"{"), 400, "malformed_json")
    problem(raw(b"[" * 10_000), 400, "malformed_json")
    problem(raw(b'{"by": "\\ud800"}'), 422, "validation")
    problem(raw(b"{}", **{"content-encoding": "gzip"}), 415, "content")
    problem(raw(b"{}", **{"content-type": "text/plain"}), 415, "content")
    problem(raw(b" " * 300_000), 413, "body_too_large")
    problem(api.post("/v1/forecast/scenario?x=1", json={}), 422, "validation")
    problem(api.get("/v1/forecast/scenario"), 405, "method_not_allowed")
    problem(api.get("/v1/forecast?horizon=2"), 422, "validation")


def test_a_run_without_an_outlook_says_so(tmp_path: Path) -> None:
    api = TestClient(create_app(tmp_path), base_url=HERE)
    problem(ask(api, {}), 503, "no_published_run")
    run = publish(tmp_path, outlook=b"")
    problem(ask(api, {}), 409, "no_outlook")
    with pytest.raises(InputMissing, match=r"outlook\.none"):
        kept_outlook(Store.open(tmp_path), run)


@pytest.mark.ci
def test_a_damaged_outlook_is_refused(tmp_path: Path) -> None:
    run = publish(tmp_path)
    (kept,) = (tmp_path / "exports" / run).glob("outlook-*.parquet")
    content = bytearray(kept.read_bytes())
    content[100] ^= 1
    kept.write_bytes(content)
    with pytest.raises(DataRejected, match=r"outlook\.damaged"):
        kept_outlook(Store.open(tmp_path), run)
    kept.unlink()
    api = TestClient(create_app(tmp_path), base_url=HERE)
    problem(ask(api, {}), 409, "outlook_damaged")


@pytest.mark.ci
def test_another_run_replaces_the_outlook_that_is_held(tmp_path: Path) -> None:
    scenarios, first = Scenarios(Store.open(tmp_path)), publish(tmp_path)
    scenarios.answer(first, Scenario(), 3)
    assert scenarios.run_id == first
    second = publish(tmp_path, snapshot_id="s2")
    scenarios.answer(second, Scenario(), 3)
    assert scenarios.run_id == second != first


@pytest.mark.fault("S14", partly=True)
def test_beyond_the_line_the_next_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert IN_LINE <= THREADS // 2  # whoever waits in line holds a thread that others need
    app = create_app(home)
    scenarios, open_ = app.state.serving.scenarios, threading.Event()
    at_work = threading.Semaphore(0)

    def slow(*_: Any, **__: Any) -> dict[str, Any]:
        at_work.release()
        open_.wait(10)
        return {}

    monkeypatch.setattr("serving.scenarios.compare", slow)
    run = Store.open(home).current().run_id
    asked = [
        threading.Thread(target=scenarios.answer, args=(run, Scenario(), 3)) for _ in range(IN_LINE)
    ]
    for one in asked:
        one.start()
    for _ in range(AT_ONCE):
        assert at_work.acquire(timeout=10)
    for _ in range(1000):
        if scenarios._line._value == 0:
            break
        threading.Event().wait(0.005)
    assert not at_work.acquire(timeout=0.05)
    with pytest.raises(Busy, match=r"scenario\.busy"):
        scenarios.answer(run, Scenario(), 3)
    reply = ask(TestClient(app, base_url=HERE), {})
    told = problem(reply, 503, "busy")
    assert reply.headers["retry-after"] == "1"
    assert told["retry_after"] == 1
    open_.set()
    for one in asked:
        one.join(10)
    assert scenarios._line._value == IN_LINE


@pytest.mark.ci
def test_what_a_run_kept_tells_its_published_forecast_again(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    settings = load(here=workspace(tmp_path_factory))
    store = Store.open(settings.home)
    run = store.current().run_id
    kept = kept_outlook(store, run)
    for horizon in (1, 3, 12):
        published = store.forecast(horizon, run=run)
        again = plain(kept.basis.told(kept.outlook, horizon))
        assert again == {name: published[name] for name in again}
    null = Scenarios(store).answer(run, Scenario(), 3)
    assert null["baseline"] == null["scenario"] == store.forecast(3, run=run)
    prices = [{"all": True, "price_at_renewal": {"rise": 0.05}}]
    told = Scenarios(store).answer(run, Scenario.model_validate({"changes": prices}), 12, by="csm")
    assert told["difference"]["nrr"]["mean"] > 0.0
    assert orjson.dumps(told)
    for side in ("baseline", "scenario"):
        whole = told[side]["closing_mrr"]["mean"]
        parts = sum(one["closing_mrr"]["mean"] for one in told[side]["by_cut"])
        assert parts == pytest.approx(whole, rel=1e-9)
