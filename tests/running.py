"""A server as it runs, on a port of its own, in a thread of the test; and raw bytes to ask it with."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp

from serving.door import listening
from serving.operation.duty import Duty
from serving.operation.server import Server, configured


@dataclass(frozen=True)
class Running:
    """A running server."""

    port: int
    duty: Duty
    server: Server

    def connect(self, seconds: float = 15.0) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), seconds)

    def ask(self, content: bytes) -> Told:
        """Send bytes, and read until the server closes."""
        with self.connect() as wire:
            wire.sendall(content)
            return told(wire)

    def get(self, path: str) -> Told:
        return self.ask(get(path))


@dataclass(frozen=True)
class Told:
    """An answer."""

    status: int
    head: str
    content: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.content)


def get(path: str, *headers: str, close: bool = True) -> bytes:
    """Write a request."""
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *headers]
    lines += ["Connection: close"] if close else []
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def told(wire: socket.socket) -> Told:
    """Read until the server closes."""
    found = b""
    while part := wire.recv(65536):
        found += part
    head, _, content = found.partition(b"\r\n\r\n")
    status = int(head.split(b" ")[1]) if head else 0
    return Told(status, head.decode("latin-1").lower(), content)


@contextmanager
def running(app: ASGIApp, duty: Duty) -> Iterator[Running]:
    """Serve an application in a thread."""
    with listening("127.0.0.1", 0) as door:
        server = Server(configured(app, duty), duty)
        port = door.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.005)
        try:
            yield Running(port, duty, server)
        finally:
            server.should_exit = True
            thread.join(10)
