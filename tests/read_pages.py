"""Reading pages as a person would: the text, the tags, the links of what the server answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from serving.app import create_app
from serving.store import Publication, Store
from tests.example_publication import NOW

__all__ = ["BROWSER", "HERE", "Reader", "read", "visitor"]

HERE = "http://127.0.0.1"
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


class Reader(HTMLParser):
    """Collects the text, the tags and their attributes of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html, self.text, self.tags = html, "", list[tuple[str, dict[str, str | None]]]()
        self.feed(html)
        self.text = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.text += " " if tag in ("td", "th", "tr", "dd", "li") else ""

    def handle_data(self, data: str) -> None:
        self.text += data

    def links(self) -> list[str]:
        """Give where the page's links lead."""
        return [str(found["href"]) for tag, found in self.tags if tag == "a" and "href" in found]


def visitor(
    home: Path,
    publication: Publication | None = None,
    now: Callable[[], datetime] | None = lambda: NOW,
) -> TestClient:
    """Publish into a home, and give somebody with a browser in front of its server."""
    if publication is not None:
        Store.open(home).publish(publication, now=NOW)
    app = create_app(home, now=now)
    return TestClient(app, base_url=HERE, headers=BROWSER, raise_server_exceptions=False)


def read(visiting: TestClient, address: str, status: int = 200, **sent: Any) -> Reader:
    """Open a page, and read it."""
    reply = visiting.get(address, **sent)
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    return Reader(reply.text)
