"""Signing in: where a browser without a session is sent, and where it may go on from there."""

from __future__ import annotations

from html import escape
from urllib.parse import quote, urlsplit

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

__all__ = ["LOGIN", "safe_next", "to_sign_in"]

LOGIN = "/login"
_AGAIN = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Perennial</title>
<meta http-equiv="refresh" content="0;url={address}"></head>
<body><p><a href="{address}">Continue</a></p></body>
</html>
"""


def safe_next(address: str | None) -> str:
    """Give the address to go on to if it is one of ours, else the first page.

    Examples
    --------
    >>> safe_next("/outreach?csm=Ada%20B")
    '/outreach?csm=Ada%20B'
    >>> [safe_next(a) for a in ("//evil", "/\\\\evil", "https://evil", "/\\t/evil", "", None)]
    ['/', '/', '/', '/', '/', '/']
    """
    if not address or not address.startswith("/") or address.startswith("//"):
        return "/"
    if "\\" in address or any(not "!" <= one <= "~" for one in address):
        return "/"
    parts = urlsplit(address)
    ours = not parts.scheme and not parts.netloc and parts.path != LOGIN
    return address if ours else "/"


def to_sign_in(request: Request) -> Response:
    """Send a browser without a session to the page where one begins.

    Browsers keep our cookie back when a link of another site is followed; such a request is first
    sent again from here.
    """
    asked = request.method in ("GET", "HEAD")
    query = f"?{request.url.query}" if request.url.query else ""
    address = safe_next(quote(request.url.path) + query) if asked else "/"
    if asked and request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        return HTMLResponse(_AGAIN.format(address=escape(address)))
    return RedirectResponse(f"{LOGIN}?next={quote(address, safe='/')}", 303)
