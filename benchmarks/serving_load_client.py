"""A client that asks at its own pace: requests are sent when they are due, whatever came back.

It is a process of its own, so that the server's work and the client's do not wait for one another.
It reads what it is to do, one JSON object, from standard input, and writes what it measured to
standard output. A request's time runs from the moment at which it was *due*, not from when there
was a free connection for it: a server that makes clients wait cannot hide it. The connections are
opened before the first request is due.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import uvloop

__all__ = ["Stream", "main", "ran"]

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
SHARES = (0.5, 0.9, 0.99, 1.0)


@dataclass
class Stream:
    """Requests of one kind, at one rate.

    Attributes
    ----------
    name : str
    rate : float
        Requests a second, on average; they come at random as if from many people.
    requests : sequence of bytes
        What is sent, in turn.
    seconds : dict of int to list of float
        By status, the time of every answer.
    """

    name: str
    rate: float
    requests: Sequence[bytes]
    seconds: dict[int, list[float]] = field(default_factory=dict)

    def told(self, span: float) -> dict[str, Any]:
        """Tell quantiles of the time, in milliseconds, by status."""
        return {
            str(status): {
                "answers": len(found),
                "per_second": round(len(found) / span, 1),
                **{
                    f"p{share * 100:g}_ms": round(1e3 * float(np.quantile(found, share)), 2)
                    for share in SHARES
                },
            }
            for status, found in sorted(self.seconds.items())
        }


class Wire(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, free: Callable[[Wire], None], gone: Callable[[Wire], None]) -> None:
        self.free, self.gone = free, gone
        self.buffer = bytearray()
        self.asked: tuple[Stream, float] | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready to ask."""
        self.transport = cast(asyncio.Transport, transport)

    def ask(self, stream: Stream, due: float, content: bytes) -> None:
        """Send a request."""
        assert self.transport is not None
        self.asked = (stream, due)
        self.transport.write(content)

    def data_received(self, data: bytes) -> None:
        """Read on, until the answer is whole."""
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self.buffer[:end])
        length = LENGTH.search(head)
        if len(self.buffer) < end + 4 + int(length[1] if length else 0):
            return
        self.buffer.clear()
        self._answered(int(head[9:12]))
        if CLOSE.search(head) and self.transport is not None:
            self.transport.close()
        else:
            self.free(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count a request that got no answer as status 0."""
        self._answered(0)
        self.gone(self)

    def _answered(self, status: int) -> None:
        if self.asked is not None:
            stream, due = self.asked
            now = asyncio.get_running_loop().time()
            stream.seconds.setdefault(status, []).append(now - due)
            self.asked = None


class Crowd:
    """Connections: free ones are used again, closed ones are opened anew, requests wait for them."""

    def __init__(self, port: int, most: int) -> None:
        self.port, self.most, self.open = port, most, 0
        self.idle: list[Wire] = []
        self.waiting: deque[tuple[Stream, float, bytes]] = deque()
        self.tasks: set[asyncio.Task[None]] = set()

    def ask(self, stream: Stream, due: float, content: bytes) -> None:
        """Send a request over a free connection, or let it wait for one."""
        if self.idle:
            self.idle.pop().ask(stream, due, content)
            return
        self.waiting.append((stream, due, content))
        if self.open < self.most:
            self.open += 1
            task = asyncio.get_running_loop().create_task(self._opened())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def ready(self) -> None:
        """Open all connections, so that the clock begins with clients that are there."""
        self.open = self.most
        await asyncio.gather(*(self._opened() for _ in range(self.most)))

    async def _opened(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, wire = await loop.create_connection(
                lambda: Wire(self._free, self._gone), "127.0.0.1", self.port
            )
        except OSError:
            self.open -= 1
            return
        self._free(wire)

    def _free(self, wire: Wire) -> None:
        if self.waiting:
            wire.ask(*self.waiting.popleft())
        else:
            self.idle.append(wire)

    def _gone(self, wire: Wire) -> None:
        self.open -= 1
        if wire in self.idle:
            self.idle.remove(wire)


async def ran(
    port: int, streams: Sequence[Stream], seconds: float, most: int, seed: int = 7
) -> dict[str, Any]:
    """Ask for some time, and tell what came back.

    Parameters
    ----------
    port : int
        Where the server listens.
    streams : sequence of Stream
        What is asked, all at the same time.
    seconds : float
        For how long.
    most : int
        Connections that are opened first.
    seed : int
        Of the random moments.
    """
    loop, crowd = asyncio.get_running_loop(), Crowd(port, most)
    due = _moments(streams, seconds, seed)
    await crowd.ready()
    begun = loop.time() + 0.05
    for place, (moment, which) in enumerate(due):
        wait = begun + moment - loop.time()
        if wait > 0:
            await asyncio.sleep(wait)
        elif place % 64 == 0:
            await asyncio.sleep(0)
        stream = streams[which]
        crowd.ask(stream, begun + moment, stream.requests[place % len(stream.requests)])
    sent = Counter(streams[which].name for _, which in due)
    patience = loop.time() + 3.0
    while crowd.open > len(crowd.idle) and loop.time() < patience:
        await asyncio.sleep(0.02)
    return {
        stream.name: {
            "asked": sent[stream.name],
            "unanswered": sent[stream.name] - sum(map(len, stream.seconds.values())),
            "by_status": stream.told(seconds),
        }
        for stream in streams
    }


def _moments(streams: Sequence[Stream], seconds: float, seed: int) -> list[tuple[float, int]]:
    rng = np.random.default_rng(seed)
    found = []
    for which, stream in enumerate(streams):
        gaps = rng.exponential(1 / stream.rate, int(stream.rate * seconds * 1.5) + 20)
        found += [(float(at), which) for at in np.cumsum(gaps) if at < seconds]
    return sorted(found)


def main() -> None:
    """Do what standard input says, and write what was measured."""
    asked = json.load(sys.stdin)
    streams = [
        Stream(one["name"], one["rate"], [text.encode("latin-1") for text in one["requests"]])
        for one in asked["streams"]
    ]
    work = ran(asked["port"], streams, asked["seconds"], asked["connections"])
    json.dump(uvloop.run(work), sys.stdout)


if __name__ == "__main__":
    main()
