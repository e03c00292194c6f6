"""The benchmark of the server tells what was missed, and its client measures from when it was due."""

import asyncio

from benchmarks.serving_load import LIMITS, missed
from benchmarks.serving_load_client import Stream, ran


def _told(p99, asked=100, answers=100, **more):
    said = {"200": {"answers": answers, "p99_ms": p99, "per_second": 1.0}}
    return {"asked": asked, "unanswered": 0, "by_status": said | more}


def _outcome(**changes):
    good = {name: _told(1.0) for name in ("echo", "account", "forecast", "score")}
    refused = {"503": {"answers": 9, "p99_ms": 2.0}}
    over = {"account": _told(9.0, **refused), "livez": _told(2.0), "goodput": 0.9}
    return good | {"help_s": 0.2, "ready_s": 2.0, "overload": over} | changes


def test_what_is_slow_lost_or_refused_late_is_named():
    assert missed(_outcome()) == []
    assert missed(_outcome(help_s=0.31, score=_told(251.0))) == ["score p99_ms", "help_s"]
    assert missed(_outcome(account=_told(1.0, answers=99))) == ["account not all answered"]
    late = {"account": _told(9.0, **{"503": {"p99_ms": 51.0}}), "livez": _told(101.0)}
    wrong = missed(_outcome(overload=late | {"goodput": 0.7}))
    assert wrong == ["refused p99_ms", "livez p99_ms", "goodput"]
    assert len(LIMITS) == 7


def test_a_client_counts_the_time_that_it_had_to_wait():
    """One connection, 50 ms an answer: of five requests at once the last one takes 250 ms."""

    async def slow(reader, writer):
        while await reader.readuntil(b"\r\n\r\n"):
            await asyncio.sleep(0.05)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async def measured():
        server = await asyncio.start_server(slow, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        stream = Stream("one", 5000.0, [b"GET / HTTP/1.1\r\n\r\n"])
        told = await ran(port, [stream], 0.001, most=1)
        server.close()
        return told["one"]

    told = asyncio.run(measured())
    found = told["by_status"]["200"]
    assert told["unanswered"] == 0
    assert found["answers"] == told["asked"]
    assert found["p100_ms"] >= 50 * told["asked"]
