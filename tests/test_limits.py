import asyncio
import resource
import socket
import threading
import time

import pytest

from serving.app import create_app
from serving.operation.connection import Connection
from serving.operation.duty import Duty
from serving.operation.settings import ServeSettings
from serving.operation.watch import Watch
from serving.store import Store
from tests.example_publication import NOW, example
from tests.running import get, running, told

SLOW = ServeSettings(receive_seconds=0.4, at_once=2, heavy_at_once=1, connections=40)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The real application behind the real door."""
    home = tmp_path_factory.mktemp("home")
    Store.open(home).publish(example(), now=NOW)
    duty = Duty(ServeSettings(receive_seconds=0.4))
    with running(create_app(home, duty=duty), duty) as served:
        yield served


async def waits(scope, receive, send):
    """Answer after the seconds that the path names; /large answers much."""
    assert scope["type"] == "http"
    path = scope["path"].strip("/")
    if path.replace(".", "").isdigit():
        await asyncio.sleep(float(path))
    if scope["method"] == "POST":
        while (await receive()).get("more_body"):
            pass
    content = b"x" * 20_000_000 if path == "large" else b"{}"
    length = (b"content-length", str(len(content)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": content})


@pytest.fixture(scope="module")
def plain():
    """An application that does nothing, behind the real door."""
    duty = Duty(SLOW)
    with running(Watch(waits, duty), duty) as served:
        yield served


def refused(answer, status, code):
    assert answer.status == status, answer
    assert "content-type: application/problem+json" in answer.head
    body = answer.body
    assert (body["status"], body["code"]) == (status, code)
    assert body["instance"].rpartition(":")[2] in answer.head
    return body


def count(served, reason):
    name, labels = "perennial_http_rejects_total", {"reason": reason}
    return served.duty.measures.registry.get_sample_value(name, labels) or 0.0


@pytest.mark.fault("S23")
@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (get("/v1/accounts/%2e%2e/%2e%2e/etc/passwd"), 400, "malformed_request"),
        (get("/v1/accounts/../matrix"), 400, "malformed_request"),
        (get("/v1/accounts/a%00b"), 400, "malformed_request"),
        (get("/v1/accounts/a%0d%0ab"), 400, "malformed_request"),
        (get("/v1/accounts?cursor=" + "x" * 9000), 414, "url_too_long"),
        (get("/livez", *(f"X-{n}: 1" for n in range(101))), 431, "headers_too_large"),
        (get("/livez", "X-Large: " + "x" * 32_000), 431, "headers_too_large"),
    ],
    ids=["dots", "plain-dots", "nul", "newline", "long-url", "101-headers", "32-KB-header"],
)
def test_a_head_that_cannot_be_is_refused(real, request_, status, code):
    answer = real.ask(request_)
    refused(answer, status, code)
    assert "connection: close" in answer.head
    assert real.get("/livez").status == 200


@pytest.mark.fault("S24")
@pytest.mark.parametrize(
    "request_",
    [
        b"POST /v1/score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n"
        b"Content-Length: 6\r\n\r\nabcdef",
        b"POST /v1/score HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"GET /livez\r\n\r\n",
        b"GET http://127.0.0.1/livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /livez HTTP/2.7\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nA : 1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["cl-te", "cl-cl", "chunk", "0.9", "absolute", "2.7", "hosts", "space", "tls"],
)
def test_what_is_not_http_is_refused_and_closed(real, request_):
    refused(real.ask(request_), 400, "malformed_request")


@pytest.mark.fault("S25")
def test_another_host_is_refused_and_forwarded_headers_are_not_believed(real):
    asked = b"GET /v1/runs HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    refused(real.ask(asked), 400, "untrusted_host")
    spoofed = get("/v1/runs", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-Host: 127.0.0.1")
    refused(real.ask(spoofed.replace(b"Host: 127.0.0.1\r", b"Host: evil.example\r", 1)), 400, "untrusted_host")  # fmt: skip
    honest = real.ask(get("/v1/runs", "X-Forwarded-Host: evil.example", "Forwarded: host=evil"))
    refused(honest, 401, "no_key")  # it came through a proxy: it is nobody of this machine
    assert real.get("/v1/runs").status == 200


@pytest.mark.fault("S26")
def test_a_foreign_preflight_is_allowed_nothing(real):
    asked = (
        b"OPTIONS /v1/score HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: https://evil.example\r\n"
        b"Access-Control-Request-Method: POST\r\nConnection: close\r\n\r\n"
    )
    answer = real.ask(asked)
    assert answer.status in (403, 405)
    assert "access-control" not in answer.head


@pytest.mark.ci
@pytest.mark.fault("S15")
@pytest.mark.parametrize(
    ("first", "then"),
    [
        (b"", b""),
        (b"GET /0 HTTP/1.1\r\n", b"X: 1\r\n"),
        (b"POST /0 HTTP/1.1\r\nContent-Length: 1000\r\n\r\n", b"x"),
        (b"POST /0 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids=["silent", "head", "body", "chunks"],
)
def test_a_slow_client_is_closed_and_a_good_one_is_not_hurt(plain, first, then):
    """The limit is 10 s, 0.4 s here; a byte now and then does not extend it."""
    before, begun = count(plain, "slow"), time.monotonic()
    with plain.connect() as wire:
        wire.sendall(first)
        stop = threading.Event()
        drip = threading.Thread(target=_drip, args=(wire, then, stop))
        drip.start()
        asked = time.monotonic()
        assert plain.get("/0").status == 200
        assert time.monotonic() - asked < 0.2
        answer = told(wire)
        stop.set()
        drip.join()
    assert time.monotonic() - begun < 1.0
    refused(answer, 408, "too_slow")
    assert count(plain, "slow") == before + 1


def _drip(wire, content, stop):
    while content and not stop.wait(0.05):
        try:
            wire.sendall(content)
        except OSError:
            return


@pytest.mark.ci
@pytest.mark.fault("S15")
def test_a_kept_connection_is_not_slow_while_it_waits_for_its_answer(plain):
    with plain.connect() as wire:
        wire.sendall(get("/0.6", close=False))
        assert wire.recv(4096).startswith(b"HTTP/1.1 200")
        wire.sendall(get("/0"))
        assert told(wire).status == 200


@pytest.mark.ci
@pytest.mark.fault("S15")
@pytest.mark.fault("S16")
def test_a_client_that_takes_nothing_is_cut_and_its_place_is_free(plain):
    before = count(plain, "stalled")
    with plain.connect() as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.sendall(get("/large"))
        _until(lambda: count(plain, "stalled") == before + 1)
    _until(lambda: not plain.server.server_state.tasks)


@pytest.mark.ci
@pytest.mark.fault("S16")
def test_a_client_that_goes_leaves_no_trace(plain, caplog):
    answered = _answers(plain)
    before = plain.duty.measures.registry.get_sample_value("perennial_unhandled_exceptions_total")
    for path, sent in (("/0.1", b""), ("/large", b""), ("/0", b"")):
        with plain.connect() as wire:
            wire.sendall(get(path) + sent)
            time.sleep(0.03)  # it is read before the client goes
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    _until(lambda: _answers(plain) == answered + 3)
    after = plain.duty.measures.registry.get_sample_value("perennial_unhandled_exceptions_total")
    assert (after, caplog.records) == (before, [])


@pytest.mark.fault("S16")
def test_a_client_that_goes_while_it_sends_is_no_bug(real):
    sent = b"POST /v1/score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    with real.connect() as wire:
        wire.sendall(sent + b"Content-Length: 900\r\n\r\n{")
        time.sleep(0.05)
    _until(lambda: not real.server.server_state.tasks)
    name = "perennial_unhandled_exceptions_total"
    assert real.duty.measures.registry.get_sample_value(name) == 0


@pytest.mark.ci
@pytest.mark.fault("S14")
def test_too_much_is_refused_at_once_and_health_is_not(plain):
    before = count(plain, "overload")
    with plain.connect() as one, plain.connect() as two:
        for wire in (one, two):
            wire.sendall(get("/0.6"))
        _until(lambda: len(plain.server.server_state.tasks) == 2)
        begun = time.monotonic()
        answer = plain.get("/0")
        spent = time.monotonic() - begun
        body = refused(answer, 503, "overload")
        assert body["retry_after"] == 1
        assert "retry-after: 1" in answer.head
        assert spent < 0.05
        for path in ("/livez", "/readyz", "/metrics"):
            assert plain.get(path).status == 200
        with plain.connect() as kept:
            kept.sendall(get("/0", close=False))
            assert kept.recv(4096).startswith(b"HTTP/1.1 503")
            assert [told(wire).status for wire in (one, two)] == [200, 200]
            kept.sendall(get("/0"))
            assert told(kept).status == 200  # a refused connection serves on
    assert count(plain, "overload") == before + 2


@pytest.mark.ci
@pytest.mark.fault("S14")
def test_what_is_computed_has_a_limit_of_its_own(plain):
    post = (
        b"POST /0.3 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    with plain.connect() as first:
        first.sendall(post)
        _until(lambda: plain.duty.heavy == 1)
        refused(plain.ask(post), 503, "overload")
        assert plain.get("/0").status == 200
        assert told(first).status == 200
    assert plain.duty.heavy == 0


@pytest.mark.fault("S14")
def test_a_crowd_of_connections_is_told_to_come_later(plain):
    crowd = [plain.connect() for _ in range(SLOW.connections)]
    try:
        _until(lambda: len(plain.server.server_state.connections) == len(crowd))
        refused(plain.ask(b""), 503, "overload")
    finally:
        for wire in crowd:
            wire.close()
    _until(lambda: not plain.server.server_state.connections)
    assert plain.get("/0").status == 200


@pytest.mark.ci
@pytest.mark.fault("S30")
def test_without_free_files_it_waits_and_comes_back(plain):
    """No connection can be accepted for a second: the process lives, and serves again."""
    spare = [socket.socket() for _ in range(60)]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    waiting = [spare.pop() for _ in range(4)]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        for wire in waiting:
            wire.settimeout(5)
            wire.connect(("127.0.0.1", plain.port))
        time.sleep(0.3)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for wire in [*spare, *waiting]:
            wire.close()
    time.sleep(1.2)
    assert plain.get("/0").status == 200


def test_uvicorn_is_still_what_our_connection_stands_on():
    """What it overrides is there: another uvicorn must be looked at."""
    parent = Connection.__mro__[1]
    for name in ("on_message_begin", "_start_asgi_task", "send_400_response", "pause_writing"):
        assert name in vars(parent)


def _answers(served):
    families = served.duty.measures.registry.collect()
    found = [one.samples for one in families if one.name == "perennial_http_requests"]
    return sum(s.value for samples in found for s in samples if s.name.endswith("_total"))


def _until(done, seconds=5.0):
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)
