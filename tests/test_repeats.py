"""S13: a request that is sent again under its Idempotency-Key."""

import threading
import time

import pytest
import sqlalchemy as sa
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient

from serving import tables
from serving.api.once import once
from serving.app import create_app
from serving.kept import StoreSettings
from serving.operation.duty import LIGHT
from serving.repeats import KEPT_SECONDS, LEASE_SECONDS, Answer, Claim, Differs, Repeats, Waits
from serving.store import Store
from tests import own_postgres
from tests.example_publication import NOW, example

HERE = "http://127.0.0.1"
ASKED = {"account_ids": ["a01"]}


class Scorer:
    """Scores, counts how often, and can be made to wait or to fail."""

    def __init__(self):
        self.asked, self.error, self.gate = 0, None, None

    def __call__(self, names):
        self.asked += 1
        if self.gate is not None:
            assert self.gate.wait(10)
        if self.error is not None:
            raise self.error
        return [{"account_id": name, "p_churn": self.asked} for name in names if name != "zz"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    Store.open(home).publish(example(), now=NOW)
    return home


@pytest.fixture
def scorer():
    return Scorer()


@pytest.fixture
def api(home, scorer):
    app = create_app(home, scorer)
    with app.state.serving.store.engine.begin() as connection:
        connection.execute(sa.delete(tables.repeats))
    return TestClient(app, base_url=HERE, raise_server_exceptions=False)


def score(api, key, body=ASKED, path="/v1/score"):
    return api.post(path, json=body, headers={"Idempotency-Key": key})


def refused(reply, status, code):
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["errors"][0]["code"] == code


@pytest.mark.fault("S13")
def test_the_same_again_is_given_again(api, scorer):
    first, again, without = score(api, "k1"), score(api, "k1"), api.post("/v1/score", json=ASKED)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content
    assert again.headers["content-type"] == first.headers["content-type"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert (without.json()["items"][0]["p_churn"], scorer.asked) == (2, 2)
    assert "perennial_idempotent_replays_total 1.0" in api.get("/metrics").text


@pytest.mark.fault("S13")
def test_another_request_under_the_key_is_refused(api, scorer):
    assert score(api, "k2").status_code == 200
    refused(score(api, "k2", {"account_ids": ["a02"]}), 422, "idempotency_key_reused")
    refused(score(api, "k2", {}, "/v1/forecast/scenario"), 422, "idempotency_key_reused")
    assert scorer.asked == 1


@pytest.mark.ci
@pytest.mark.fault("S13")
@pytest.mark.parametrize("key", ["x" * 256, "", "a b", "\t"])
def test_a_key_that_cannot_be_is_refused(api, scorer, key):
    refused(score(api, key), 400, "idempotency_key")
    assert scorer.asked == 0
    assert score(api, "y" * 255).status_code == 200


@pytest.mark.ci
@pytest.mark.fault("S13")
def test_a_refusal_is_kept_too(api):
    first, again = score(api, "k3", {"account_ids": ["zz"]}), score(api, "k3", {"account_ids": ["zz"]})  # fmt: skip
    assert (first.status_code, again.status_code) == (404, 404)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["content-type"] == "application/problem+json"


@pytest.mark.ci
@pytest.mark.fault("S13")
@pytest.mark.parametrize("kind", [ValueError, "busy"])
def test_what_went_wrong_here_is_never_kept(api, scorer, kind):
    from features.faults import Busy

    scorer.error = Busy("busy", "x") if kind == "busy" else kind("x")
    assert score(api, "k4").status_code in (500, 503)
    scorer.error = None
    reply = score(api, "k4")
    assert (reply.status_code, scorer.asked) == (200, 2)
    assert "idempotency-replayed" not in reply.headers


@pytest.mark.ci
@pytest.mark.fault("S13")
def test_too_many_is_never_kept(api, home):
    repeats = api.app.state.repeats
    from serving.api.once import Once

    claim = repeats.claim("n", "q")
    Once(api.app, repeats)._settle(claim, Answer(429, "application/problem+json", b"{}"))
    assert isinstance(repeats.claim("n", "q"), Claim)


@pytest.mark.ci
@pytest.mark.fault("S13")
def test_while_it_is_worked_at_another_waits(api, scorer):
    scorer.gate = threading.Event()
    first = []
    asking = threading.Thread(target=lambda: first.append(score(api, "k5")))
    asking.start()
    end = time.monotonic() + 5
    while not scorer.asked:
        assert time.monotonic() < end
        time.sleep(0.005)
    waits = score(api, "k5")
    refused(waits, 409, "in_flight")
    assert 1 <= int(waits.headers["retry-after"]) <= LEASE_SECONDS
    scorer.gate.set()
    asking.join()
    assert first[0].status_code == 200
    assert score(api, "k5").headers["idempotency-replayed"] == "true"
    assert scorer.asked == 1


def _laws(repeats):
    """What holds in every store."""
    claim = repeats.claim("n", "q")
    with pytest.raises(Waits):
        repeats.claim("n", "q")
    _age(repeats, LEASE_SECONDS + 1)  # its worker was killed: nobody frees it
    second = repeats.claim("n", "q")
    assert isinstance(second, Claim)
    repeats.keep(claim, Answer(200, "text/plain", b"too late"))
    repeats.free(claim)
    answer = Answer(200, "application/json", b"\x00\xff{}")
    repeats.keep(second, answer)
    assert repeats.claim("n", "q") == answer
    with pytest.raises(Differs):
        repeats.claim("n", "another")
    _age(repeats, KEPT_SECONDS - 60)
    assert repeats.claim("n", "q") == answer
    _age(repeats, 120)
    assert isinstance(repeats.claim("n", "q"), Claim)


def _age(repeats, seconds):
    column = tables.repeats.c.until
    with repeats.engine.begin() as connection:
        connection.execute(sa.update(tables.repeats).values(until=column - seconds))


@pytest.mark.fault("S13")
def test_a_killed_worker_frees_the_place_after_a_minute_and_answers_stay_a_day(tmp_path):
    _laws(Repeats(Store.open(tmp_path).engine))


@pytest.mark.ci
@pytest.mark.fault("S13")
@pytest.mark.skipif(own_postgres.programs() is None, reason="no PostgreSQL here")
def test_the_same_laws_hold_in_postgresql(tmp_path, monkeypatch):
    with own_postgres.server() as url, own_postgres.own_schema(url) as text:
        monkeypatch.setenv("PERENNIAL_STORE_URL", text)
        store = Store.open(tmp_path, StoreSettings(url="env:PERENNIAL_STORE_URL"))
        _laws(Repeats(store.engine))
        store.engine.dispose()


@pytest.mark.fault("S13")
def test_every_route_that_changes_or_computes_honours_it(home):
    routes = [one for one in iter_route_contexts(create_app(home).routes) if one.path.startswith("/v1")]  # fmt: skip
    computed = [one for one in routes if set(one.methods or ()) - LIGHT]
    assert len(computed) >= 2
    for one in computed:
        asked = [each.call for each in one.dependant.dependencies]
        assert once.dependency in asked, one.path
        scope = next(place for place, each in enumerate(asked) if type(each).__name__ == "_Needs")
        assert asked.index(once.dependency) > scope, one.path
