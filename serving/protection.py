"""What every answer carries, whoever asks: safe headers and a request id; and who may ask."""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Collection, Mapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from features.faults import ConfigurationRefused

__all__ = [
    "SAFE_HEADERS",
    "Protection",
    "host_of",
    "is_forwarded",
    "is_loopback",
    "is_foreign",
    "refuse_open_bind",
    "request_id",
]

SAFE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        "object-src 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_PASSED_ON = (
    "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-server",
    "x-forwarded-user", "forwarded", "x-real-ip", "x-client-ip", "cf-connecting-ip", "via",
)  # fmt: skip
_READS = ("GET", "HEAD", "OPTIONS")


def is_loopback(host: str) -> bool:
    """Say whether a host name or address is this machine and nothing else.

    Examples
    --------
    >>> [is_loopback(h) for h in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "crm.example")]
    [True, True, True, False, False]
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def host_of(header: str) -> str:
    """Give the host that a Host header names, without its port.

    Examples
    --------
    >>> [host_of(h) for h in ("127.0.0.1:8000", "localhost", "[::1]:80", "[::1]")]
    ['127.0.0.1', 'localhost', '::1', '::1']
    """
    host = header.rpartition(":")[0] if ":" in header and not header.endswith("]") else header
    return host.strip("[]").lower()


def is_forwarded(headers: Mapping[str, str]) -> bool:
    """Say whether a proxy passed a request on: it may be anybody's.

    Examples
    --------
    >>> is_forwarded({"x-forwarded-for": "1.2.3.4"}), is_forwarded({"accept": "*/*"})
    (True, False)
    """
    return any(name in headers for name in _PASSED_ON)


def is_foreign(method: str, headers: Mapping[str, str], hosts: Collection[str]) -> bool:
    """Say whether the page of another site sent a request that changes or computes something.

    A browser says where a request comes from in ``Sec-Fetch-Site``, or at least in ``Origin``;
    a program that is no browser says neither, and has a key.

    Examples
    --------
    >>> is_foreign("POST", {"sec-fetch-site": "cross-site"}, ())
    True
    >>> is_foreign("POST", {"origin": "http://evil.example", "host": "127.0.0.1:8321"}, ())
    True
    >>> is_foreign("POST", {"origin": "http://127.0.0.1:8321", "host": "127.0.0.1:8321"}, ())
    False
    >>> is_foreign("GET", {"sec-fetch-site": "cross-site"}, ()), is_foreign("POST", {}, ())
    (False, False)
    """
    if method in _READS:
        return False
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    if origin is None:
        return False
    place = origin.partition("://")[2].lower()
    return place != headers.get("host", "").lower() and host_of(place) not in hosts


def refuse_open_bind(host: str, *, keyed: bool = False) -> None:
    """Refuse to listen beyond this machine while no key has been made.

    Raises
    ------
    ConfigurationRefused
        ``serve.open`` (exit code 78).

    Examples
    --------
    >>> refuse_open_bind("127.0.0.1")
    >>> refuse_open_bind("0.0.0.0")
    Traceback (most recent call last):
    ...
    features.faults.ConfigurationRefused: 0.0.0.0: serve.open: no key made yet, so the server runs open and listens on 127.0.0.1 only
    """
    if not keyed and not is_loopback(host):
        cure = "no key made yet, so the server runs open and listens on 127.0.0.1 only"
        raise ConfigurationRefused("serve.open", host, cure)


def request_id(scope: Scope) -> str:
    """Give the id of a request, made on first asking."""
    state: dict[str, Any] = scope.setdefault("state", {})
    made: str = state.setdefault("request_id", uuid.uuid4().hex)
    return made


class Protection:
    """ASGI middleware: safe headers and a request id on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and complete its answer's headers."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        number = request_id(scope)

        async def completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SAFE_HEADERS.items():
                    headers.setdefault(name, value)
                headers["X-Request-Id"] = number
            await send(message)

        await self.app(scope, receive, completed)
