"""Connection: uvicorn's, with patience that ends, sizes that have a limit, and a way to say no.

What it refuses never reaches the application, so that refusing costs little when there is too
much to do.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote_to_bytes

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from serving.operation.duty import ALWAYS, LIGHT, Duty
from serving.operation.refusal import Refusal
from serving.problems import Problem

__all__ = ["HEADERS", "HEADER_BYTES", "URL_BYTES", "Connection"]

HEADERS = 100
HEADER_BYTES = 16 * 1024
URL_BYTES = 8 * 1024
"""What a request's head may hold at most."""

_END = b"\r\n\r\n"
_WISHES = (b"connection:", b"content-length:", b"transfer-encoding:")

_LATER = {"Retry-After": "1"}
OVERLOADED = Refusal(Problem(503, "overload", "more is asked than can be done", headers=_LATER), "")
CROWDED = Refusal(Problem(503, "overload", "too many connections", headers=_LATER), "connections")
SLOW = Refusal(Problem(408, "too_slow", "send the whole request sooner"), "slow")
MALFORMED = Refusal(Problem(400, "malformed_request", "not a request of HTTP/1.1"), "malformed")
BAD_PATH = Refusal(Problem(400, "malformed_request", "this path cannot be"), "malformed")
BAD_HOST = Refusal(Problem(400, "malformed_request", "name one host"), "malformed")
LONG_URL = Refusal(Problem(414, "url_too_long", f"at most {URL_BYTES // 1024} KB"), "too_large")
LARGE_HEAD = Refusal(
    Problem(
        431,
        "headers_too_large",
        f"at most {HEADERS} headers, {HEADER_BYTES // 1024} KB together",
    ),
    "too_large",
)


class _Answered:
    """Stands where a request's cycle would, once the request was refused."""

    response_complete = True
    response_started = True
    keep_alive = True
    message_event = asyncio.Event()


class Connection(HttpToolsProtocol):
    """One client's connection.

    Parameters
    ----------
    duty : Duty
        Limits, and where refusals are counted.
    **given
        What uvicorn hands to every protocol.
    """

    def __init__(self, duty: Duty, **given: Any) -> None:
        super().__init__(**given)
        self.duty = duty
        self.refusal: Refusal | None = None
        self._reading_head = False
        self._head_bytes = 0
        self._raw_bytes = 0
        self._since: float | None = None
        self._clock: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    # What asyncio tells

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request; one connection too many is refused."""
        super().connection_made(transport)
        if len(self.connections) > self.duty.settings.connections:
            self._refuse(CROWDED)
            return
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        for timer in (self._clock, self._stall):
            if timer is not None:
                timer.cancel()
        self._clock = self._stall = self._since = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; a head that is too large is refused before it is complete.

        Where there is too much to do, a whole question is refused without reading it: then the
        time is spent on those that are answered.
        """
        if self.transport.is_closing():
            return
        if self._at_rest() and self.duty.full("GET", len(self.tasks)) and _is_question(data):
            self._unset_keepalive_if_required()
            self._since = None
            self._say_overloaded(head=False, keep=not self.duty.draining)
            return
        super().data_received(data)
        if self._reading_head:
            self._raw_bytes += len(data)
            if self._raw_bytes > HEADER_BYTES + URL_BYTES:
                self._refuse(LARGE_HEAD)

    def pause_writing(self) -> None:
        """Give a client that does not take its answer a limited time."""
        super().pause_writing()
        seconds = self.duty.settings.receive_seconds
        self._stall = self._stall or self.loop.call_later(seconds, self._cut)

    def resume_writing(self) -> None:
        """See that the client takes its answer."""
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    # What the parser tells

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._reading_head, self._head_bytes, self._raw_bytes = True, 0, 0
        self._wait()

    def on_url(self, url: bytes) -> None:
        """Keep the address, up to its limit."""
        super().on_url(url)
        if len(self.url) > URL_BYTES:
            raise self._because(LONG_URL)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, up to their limits."""
        super().on_header(name, value)
        self._head_bytes += len(name) + len(value) + 4
        if len(self.headers) > HEADERS or self._head_bytes > HEADER_BYTES:
            raise self._because(LARGE_HEAD)

    def on_headers_complete(self) -> None:
        """Work at the request, or say no at once."""
        self._reading_head = False
        self._refuse_malformed()
        path = self.url.partition(b"?")[0]
        idle = self.cycle is None or self.cycle.response_complete
        if idle and path not in ALWAYS:
            reason = self.duty.full(self.parser.get_method().decode("ascii"), len(self.tasks))
            if reason is not None:
                self._shed(reason)
                return
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is here."""
        self._since = None
        super().on_message_complete()

    # What is done about it

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser refused."""
        self._refuse(self.refusal or MALFORMED)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if self.duty.draining:
            cycle.keep_alive = False
        computed = cycle.scope["method"] not in LIGHT
        worked: Any = self.duty.counted(app) if computed else app
        super()._start_asgi_task(cycle, worked)

    def _refuse_malformed(self) -> None:
        if self.parser.get_http_version() not in ("1.0", "1.1"):
            raise self._because(MALFORMED)
        if not _is_plain(self.url):
            raise self._because(BAD_PATH)
        if sum(name == b"host" for name, _ in self.headers) > 1:
            raise self._because(BAD_HOST)

    def _because(self, refusal: Refusal) -> Refusal:
        self.refusal = refusal
        return refusal

    def _shed(self, reason: str) -> None:
        """Refuse one request; the connection goes on if nothing more of it is to come."""
        head = self.parser.get_method() == b"HEAD"
        keep = self.parser.should_keep_alive() and not self._has_body() and not self.duty.draining
        self.cycle = _Answered()  # type: ignore[assignment]
        self._say_overloaded(reason, head=head, keep=keep)

    def _say_overloaded(self, reason: str = "overload", *, head: bool, keep: bool) -> None:
        self.duty.measures.rejects.labels(reason).inc()
        self.transport.write(OVERLOADED.answer(close=not keep, head=head))
        if keep:
            self.on_response_complete()
        else:
            self.transport.close()

    def _at_rest(self) -> bool:
        """Whether nothing of a request is here, and none is worked at."""
        return not self._reading_head and (self.cycle is None or self.cycle.response_complete)

    def _has_body(self) -> bool:
        wanted = (b"content-length", b"transfer-encoding")
        return any(name in wanted and value != b"0" for name, value in self.headers)

    def _refuse(self, refusal: Refusal) -> None:
        """Answer, unless an answer has begun already, and close."""
        if self.transport.is_closing():
            return
        self.duty.measures.rejects.labels(refusal.reason).inc()
        begun = self.cycle is not None and self.cycle.response_started
        if not begun or self.cycle.response_complete:
            self.transport.write(refusal.answer())
        self.transport.close()

    def _wait(self) -> None:
        """Count the time until the request is here; one timer runs on for many requests."""
        if self._since is None:
            self._since = self.loop.time()
        if self._clock is None:
            seconds = self.duty.settings.receive_seconds
            self._clock = self.loop.call_later(seconds, self._look)

    def _look(self) -> None:
        self._clock = None
        if self._since is None:
            return
        left = self._since + self.duty.settings.receive_seconds - self.loop.time()
        if left <= 0.001:
            self._refuse(SLOW)
        else:
            self._clock = self.loop.call_later(left, self._look)

    def _cut(self) -> None:
        self.duty.measures.rejects.labels("stalled").inc()
        self.transport.abort()


def _is_question(data: bytes) -> bool:
    """Whether bytes are one whole GET that may be refused unread: no body, no wish, no probe.

    Examples
    --------
    >>> host = b" HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n"
    >>> [_is_question(b"GET " + path + host) for path in (b"/v1/forecast", b"/livez", b"/livez?a")]
    [True, False, False]
    >>> _is_question(b"GET / HTTP/1.1\\r\\nConnection: close\\r\\n\\r\\n"), _is_question(b"GET /")
    (False, False)
    """
    if not data.startswith(b"GET ") or data.find(_END) != len(data) - len(_END):
        return False
    line, _, rest = data.partition(b"\r\n")
    if not line.endswith(b" HTTP/1.1") or line[4:-9].partition(b"?")[0] in ALWAYS:
        return False
    names = rest.lower()
    return not any(one in names for one in _WISHES)


def _is_plain(url: bytes) -> bool:
    """Whether an address is a path of this server: no other host, no step up, no control letter.

    Examples
    --------
    >>> [_is_plain(url) for url in (b"/a%20b?c=..", b"http://x/", b"/a/%2e%2e/b", b"/a%00", b"*")]
    [True, False, False, False, False]
    """
    if not url.startswith(b"/"):
        return False
    path = url.partition(b"?")[0]
    if b"%" not in path and b"/." not in path:
        return True
    path = unquote_to_bytes(path)
    steps = path.replace(b"\\", b"/").split(b"/")
    return b".." not in steps and b"." not in steps and min(path) >= 32 and 127 not in path
