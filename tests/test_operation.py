"""What a serving process says of itself: ready or not, how much, how long, and what went wrong."""

import io
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from http.client import HTTPConnection

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from serving import tables
from serving.api.access import needs
from serving.app import create_app
from serving.database import FILE, reading
from serving.kept import StoreSettings
from serving.model_at_hand import ModelState
from serving.operation.duty import Duty
from serving.operation.log import Bridge, log_of
from serving.operation.settings import ServeSettings
from serving.store import Store
from tests import own_postgres
from tests.example_publication import NOW, example
from tests.keyed import home, published
from tests.running import running

__all__ = ["home", "published"]

HERE = "http://127.0.0.1"
NOON = datetime(2025, 7, 2, 12, tzinfo=UTC)


def client(app):
    return TestClient(app, base_url=HERE, raise_server_exceptions=False)


def problem(reply, status, code):
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["code"] == code
    return reply.json()


def sample(app, name, **labels):
    return app.state.duty.measures.registry.get_sample_value(f"perennial_{name}", labels)


@pytest.mark.fault("S18")
def test_without_a_model_it_lives_and_is_not_ready(home):
    api = client(create_app(home, lambda names: [], lambda: None))
    assert api.get("/livez").status_code == 200
    assert problem(api.get("/readyz"), 503, "model_not_loaded")["retry_after"] == 60
    asked = api.post("/v1/score", json={"account_ids": ["a01"]})
    problem(asked, 503, "model_not_loaded")
    assert api.get("/v1/accounts/a01").status_code == 200


def test_an_empty_set_is_not_ready(tmp_path):
    api = client(create_app(tmp_path))
    problem(api.get("/readyz"), 503, "no_published_run")
    none = example().scores.iloc[:0]
    Store.open(tmp_path).publish(replace(example(), scores=none), now=NOW)
    problem(api.get("/readyz"), 503, "empty_run")
    assert api.get("/livez").status_code == 200


@pytest.mark.ci
@pytest.mark.fault("S19")
def test_a_locked_store_is_a_dependency_that_comes_back(home):
    app = create_app(home, duty=Duty(ServeSettings(query_seconds=0.2)))
    api = client(app)
    assert api.get("/readyz").status_code == 200
    app.state.serving.store.engine.dispose()
    with sqlite3.connect(home / FILE) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        for path in ("/readyz", "/v1/accounts/a01", "/v1/forecast", "/v1/runs"):
            begun = time.monotonic()
            assert problem(api.get(path), 503, "dependency")["retry_after"] == 5
            assert time.monotonic() - begun < 2
        assert api.get("/livez").status_code == 200
        assert "perennial_store_up 0.0" in api.get("/metrics").text
        other.rollback()
    other.close()
    assert api.get("/readyz").status_code == 200
    assert api.get("/v1/accounts/a01").status_code == 200
    assert "perennial_store_up 1.0" in api.get("/metrics").text


@pytest.mark.fault("S20")
def test_a_slow_question_to_the_file_is_given_up(home):
    store = Store.open(home, within=0.1)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    app = create_app(home, duty=Duty(ServeSettings(query_seconds=0.1)))

    @app.get("/slow", dependencies=[needs("read")])
    def slow():
        with reading(app.state.serving.store.engine) as connection:
            return connection.scalar(sa.text(endless))

    begun = time.monotonic()
    problem(client(app).get("/slow"), 503, "dependency")
    assert time.monotonic() - begun < 2
    assert store.current().accounts == 12  # the connection serves on


@pytest.mark.ci
@pytest.mark.fault("S19")
@pytest.mark.fault("S20")
@pytest.mark.skipif(own_postgres.programs() is None, reason="no PostgreSQL here")
def test_a_slow_or_absent_postgresql_is_a_dependency(tmp_path, monkeypatch):
    with own_postgres.server() as url, own_postgres.own_schema(url) as text:
        monkeypatch.setenv("PERENNIAL_STORE_URL", text)
        kept = StoreSettings(url="env:PERENNIAL_STORE_URL")
        Store.open(tmp_path, kept).publish(example(), now=NOW)
        app = create_app(tmp_path, kept=kept, duty=Duty(ServeSettings(query_seconds=0.3)))

        @app.get("/slow", dependencies=[needs("read")])
        def slow():
            with reading(app.state.serving.store.engine) as connection:
                connection.execute(sa.text("SELECT pg_sleep(10)"))

        api = client(app)
        assert api.get("/readyz").status_code == 200
        begun = time.monotonic()
        problem(api.get("/slow"), 503, "dependency")
        assert time.monotonic() - begun < 2
        other = sa.create_engine(app.state.serving.store.engine.url)
        with other.begin() as connection:
            connection.execute(sa.text("LOCK TABLE scores, runs IN ACCESS EXCLUSIVE MODE"))
            problem(api.get("/v1/accounts/a01"), 503, "dependency")
            assert api.get("/livez").status_code == 200
        other.dispose()
        assert api.get("/v1/accounts/a01").status_code == 200
    problem(api.get("/readyz"), 503, "dependency")
    assert api.get("/livez").status_code == 200


@pytest.mark.fault("S28")
def test_an_exception_that_nobody_foresaw_is_one_counted_answer(home):
    out = io.StringIO()
    app = create_app(home, log=log_of(ServeSettings(), lambda: NOON, out))

    @app.get("/broken/{account}", dependencies=[needs("read")])
    async def broken(account: str):
        raise ValueError(f"secret of {account}")

    reply = client(app).get("/broken/Acme?token=hidden")
    body = problem(reply, 500, "internal")
    assert body["instance"] == f"urn:perennial:request:{reply.headers['x-request-id']}"
    assert reply.headers["x-content-type-options"] == "nosniff"
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["unhandled", "request"]
    assert lines[0]["error"] == "ValueError"
    assert lines[0]["at_lines"][0].endswith(" broken")
    assert {line["id"] for line in lines} == {reply.headers["x-request-id"]}
    for word in ("Acme", "secret", "hidden", "Traceback"):
        assert word not in reply.text + out.getvalue()
    assert sample(app, "unhandled_exceptions_total") == 1


@pytest.mark.fault("S29")
def test_answers_are_counted_by_template_and_no_label_is_anybodys(home):
    app = create_app(home)
    api = client(app)
    for path in ("/v1/accounts/a01", "/v1/accounts/a02", "/v1/accounts/none"):
        api.get(path)
    for n in range(50):
        api.get(f"/nowhere/{n}?q={n}")
        api.request(f"BREW{n}", "/v1/matrix")
    text = api.get("/metrics").text
    told = [line for line in text.splitlines() if line.startswith("perennial_http_requests_total")]
    template = 'route="/v1/accounts/{account_id:path}"'
    assert f'perennial_http_requests_total{{method="GET",{template},status="200"}} 2.0' in told
    assert f'perennial_http_requests_total{{method="GET",{template},status="404"}} 1.0' in told
    assert any('method="GET",route="unmatched",status="404"} 50.0' in line for line in told)
    assert len(told) < 8
    assert "BREW" not in text
    assert "a01" not in text


def test_the_metrics_tell_what_is_served(home):
    app = create_app(home, model=lambda: ModelState("3", "m1"), now=lambda: NOON)
    store = app.state.serving.store
    row = {"delivery_id": "d", "run_id": "r", "sink": "s", "kind": "k", "body": {}, "tries": 9}
    with store.engine.begin() as connection:
        dead = row | {"state": "dead", "queued_at": "2025", "due_at": "2025"}
        connection.execute(sa.insert(tables.outbox).values(dead))
    reply = client(app).get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    for line in (
        "perennial_alerts_dead_lettered 1.0",
        'perennial_forecast_documents{horizon="12"} 1.0',
        "perennial_published_as_of_age_seconds 129600.0",
        "perennial_published_accounts 12.0",
        'perennial_model_info{digest="m1",status="ready",version="3"} 1.0',
        "perennial_http_in_flight 1.0",
        "perennial_unhandled_exceptions_total 0.0",
    ):
        assert line in reply.text.splitlines(), line


def test_a_line_names_the_route_and_nobody(home):
    out = io.StringIO()
    app = create_app(home, log=log_of(ServeSettings(), lambda: NOON, out))
    reply = client(app).get("/v1/accounts/a01?x=Ada")
    client(app).get("/v1/accounts?csm=Ada")
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert lines[0]["route"] == "/v1/accounts/{account_id:path}"
    assert lines[0]["id"] == reply.headers["x-request-id"]
    assert lines[0]["ms"] > 0
    assert {"at", "level", "event", "method", "status", "key"} < set(lines[0])
    assert "a01" not in out.getvalue()
    assert "Ada" not in out.getvalue()


def test_words_of_libraries_are_told_without_what_they_hold():
    out = io.StringIO()
    bridge = Bridge(log_of(ServeSettings(), lambda: NOON, out))
    import logging

    logger = logging.Logger("asyncio")
    logger.addHandler(bridge)
    logger.warning("lost %s", "Ada")
    assert json.loads(out.getvalue())["words"] == "lost %s"


@pytest.mark.ci
@pytest.mark.fault("S21")
def test_a_swap_under_load_drops_nothing_and_mixes_nothing(home):
    """Each reply is of one run: its account, its run and its model belong together."""
    duty = Duty()
    app = create_app(home, duty=duty)
    store = Store.open(home)
    stop, seen, wrong = threading.Event(), set(), []
    with running(app, duty) as served:

        def ask():
            wire = HTTPConnection("127.0.0.1", served.port)
            while not stop.is_set():
                wire.request("GET", "/v1/accounts/a01")
                reply = wire.getresponse()
                body = json.loads(reply.read())
                if reply.status != 200 or body["mrr"] != 9200.0 + int(body["model_version"]):
                    wrong.append((reply.status, body))
                seen.add(body.get("model_version"))

        first = _of_model(1)
        store.publish(first, now=NOW)
        asking = [threading.Thread(target=ask) for _ in range(3)]
        for one in asking:
            one.start()
        for version in range(2, 8):
            store.publish(_of_model(version), now=NOW)
            time.sleep(0.1)
        stop.set()
        for one in asking:
            one.join()
    assert wrong == []
    assert len(seen) >= 5


def _of_model(version):
    scores = example().scores.assign(model_version=str(version))
    scores.loc[0, "mrr"] = 9200.0 + version
    digest = f"swapped{version}"
    return replace(example(), scores=scores, model_version=str(version), model_digest=digest)


STALLED = """
import sys, asyncio, threading
sys.path[:0] = {paths!r}
from pathlib import Path
from serving.app import create_app
from serving.api.access import needs
from serving.operation.duty import Duty
from serving.operation.server import serve_on
from serving.operation.settings import ServeSettings
from serving.door import listening
from serving.cli.stopping import stoppable, Stopped
duty = Duty(ServeSettings(drain_seconds=0.5, stop_seconds={stop}))
app = create_app(Path(sys.argv[1]), duty=duty)
@app.get("/wait/{{seconds}}", dependencies=[needs("read")])
async def wait(seconds: float): await asyncio.sleep(seconds)
@app.get("/stuck", dependencies=[needs("read")])
def stuck(): threading.Event().wait()
try:
    with stoppable(), listening("127.0.0.1", 0) as door:
        print(door.getsockname()[1], flush=True)
        serve_on(door, app, duty, {first})
except Stopped:
    pass
"""


@pytest.mark.ci
@pytest.mark.fault("S17")
@pytest.mark.parametrize("stuck", [False, True])
def test_asked_to_end_it_says_so_then_finishes_then_cuts(home, stuck):
    """Not ready first; what is asked still answered; a stalled request cut; exit code 0."""
    paths = [path for path in sys.path if path]
    first = "threading.Event().wait" if stuck else "None"  # it still begins
    code = STALLED.format(paths=paths, stop=2.6, first=first)
    command = [sys.executable, "-c", code, str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:  # fmt: skip
        port = int(child.stdout.readline())
        ask = lambda path: _asked(port, path)  # noqa: E731
        good = ask("/wait/0.9")
        lost = ask("/stuck" if stuck else "/wait/60")
        slow = socket.create_connection(("127.0.0.1", port))
        slow.sendall(b"GET /livez HTTP/1.1\r\n")
        time.sleep(0.3)
        begun = time.monotonic()
        os.kill(child.pid, signal.SIGTERM)
        time.sleep(0.15)
        early = ask("/readyz").getresponse()
        assert (early.status, json.loads(early.read())["code"]) == (503, "draining")
        assert ask("/v1/runs").getresponse().status == 200
        assert good.getresponse().status == 200
        out, err = child.communicate(timeout=20)
        spent = time.monotonic() - begun
        slow.close()
    assert (child.returncode, out) == (0, "")
    assert 0.5 < spent < 9
    assert "Traceback" not in err
    if not stuck:
        assert json.loads(lost.getresponse().read())["code"] == "draining"
    else:
        assert lost.getresponse().status == 503


def _asked(port, path):
    wire = HTTPConnection("127.0.0.1", port, timeout=20)
    wire.request("GET", path, headers={"Host": "127.0.0.1"})
    return wire
