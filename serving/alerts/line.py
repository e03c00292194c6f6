"""A line to a web server: one request, to an address that was checked, with an end in time and size.

The connection goes to the address that was checked, so a name cannot change its meaning in
between. No redirect is followed, no proxy is used, certificates are always verified.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import urlsplit

from serving.alerts.addresses import Resolve, resolved

__all__ = ["FAILURES", "MOST_BYTES", "Answer", "post"]

MOST_BYTES = 65_536
FAILURES = (OSError, http.client.HTTPException)
"""What a sending may fail with; a deadline that has passed is a ``TimeoutError``."""


@dataclass(frozen=True)
class Answer:
    """What a server answered.

    Attributes
    ----------
    status : int
    headers : dict of str to str
        Names in lower case.
    body : bytes
        With the headers at most ``MOST_BYTES`` are read; empty where it was cut off.
    whole : bool
        Whether the body came whole, in time and size.
    """

    status: int
    headers: dict[str, str]
    body: bytes = b""
    whole: bool = True


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    allow: Sequence[str] = (),
    seconds: float = 10.0,
    trust: ssl.SSLContext | None = None,
    resolve: Resolve | None = None,
) -> Answer:
    """Post once.

    Parameters
    ----------
    url : str
        ``https://…`` (``http`` where the caller lets it be).
    body : bytes
    headers : mapping
    allow : sequence of str
        Hosts and networks of one's own that are allowed.
    seconds : float
        Longest time in all: asking for the address, connecting, sending, reading.
    trust : SSLContext, optional
        Whose certificates are trusted; the system's authorities unless given.
    resolve : callable, optional
        Gives the addresses of a host; the system's resolver unless given.

    Raises
    ------
    Refused, Unresolved
        Before anything is sent.
    OSError, http.client.HTTPException
        It failed on the way; ``TimeoutError`` when the time was up.
    """
    parts, end = urlsplit(url), time.monotonic() + seconds
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    found = resolved(host, port, allow, seconds, resolve)
    context = (trust or ssl.create_default_context()) if secure else None
    connection = _Connection(host, port, found, end, context)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", target, body, dict(headers) | {"Connection": "close"})
        answer = connection.getresponse()
        told = {name.lower(): value for name, value in answer.getheaders()}
        try:
            return Answer(answer.status, told, answer.read())
        except FAILURES:  # the status was said: what is cut off changes nothing of it
            return Answer(answer.status, told, whole=False)
    finally:
        connection.hang_up()


class _Full(OSError):
    """More was sent than is read."""


class _Connection(http.client.HTTPConnection):
    """A connection to addresses that were checked, all of it before ``end``."""

    def __init__(
        self, host: str, port: int, found: list[str], end: float, trust: ssl.SSLContext | None
    ) -> None:
        super().__init__(host, port)
        self.default_port = 443 if trust else 80
        self._found, self._end, self._trust = found, end, trust
        self._safe: socket.socket | None = None

    def connect(self) -> None:
        """Connect to the first of the addresses that answers."""
        plain = self._open()
        plain.settimeout(_left(self._end))
        with ExitStack() as unless_safe:
            unless_safe.callback(plain.close)
            known = self.host.strip("[]")
            safe = self._trust.wrap_socket(plain, server_hostname=known) if self._trust else plain
            unless_safe.pop_all()
        self._safe = safe
        self.sock = _Wire(safe, self._end)

    def hang_up(self) -> None:
        """Close the socket itself: ``http.client`` lets go of it before the answer is read."""
        self.close()
        if self._safe is not None:
            self._safe.close()

    def _open(self) -> socket.socket:
        failed: OSError = OSError("no address")
        for one in self._found:
            try:
                return socket.create_connection((one, self.port), timeout=_left(self._end))
            except OSError as error:
                failed = error
        raise failed


class _Wire:
    """A socket as ``http.client`` uses it, with a deadline over all that it sends and reads."""

    def __init__(self, wire: socket.socket, end: float) -> None:
        self._wire, self._end = wire, end

    def sendall(self, data: bytes) -> None:
        self._wire.settimeout(_left(self._end))
        self._wire.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reading(self._wire, self._end))

    def close(self) -> None:
        """Do nothing yet: the answer may still be read."""


class _Reading(io.RawIOBase):
    """The reading side: each piece before the deadline, all of it below the limit."""

    def __init__(self, wire: socket.socket, end: float) -> None:
        super().__init__()
        self._wire, self._end, self._room = wire, end, MOST_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if self._room <= 0:
            raise _Full("more was sent than is read")
        self._wire.settimeout(_left(self._end))
        got = self._wire.recv_into(memoryview(buffer)[: self._room])
        self._room -= got
        return got


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time is up")
    return left
