"""A small book, served on a port of its own, and Debian's Chromium looking at its pages.

A test module takes what it needs: ``from tests.served import browser, looking, served`` (fixtures),
and marks itself ``pytest.mark.slow``. ``looking`` opens pages and notes what must not happen: words
on the console, and requests to anybody else. Where there is no Chromium, the test skips and says so.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from fastapi import FastAPI

from serving.app import create_app
from serving.door import listening
from serving.store import Publication, Store
from tests.example_publication import NOW, example

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDE, NARROW = 1440, 390


@contextmanager
def open_server(app: FastAPI) -> Iterator[str]:
    """Serve an app on a free port of this machine, and give its address."""
    with listening("127.0.0.1", 0) as door:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{door.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=10)


@contextmanager
def serving(home: Path, publication: Publication | None = None, **further: Any) -> Iterator[str]:
    """Publish into a home (the example unless another is given), serve it, and give the address."""
    Store.open(home).publish(publication or example(), now=NOW)
    with open_server(create_app(home, now=lambda: NOW, **further)) as address:
        yield address


@dataclass
class Look:
    """One opened page, and what was noted on the way.

    Attributes
    ----------
    page : playwright.sync_api.Page
    console : list of str
        Warnings, errors and uncaught exceptions.
    abroad : list of str
        Requests to another host than the server.
    """

    page: Page
    console: list[str] = field(default_factory=list)
    abroad: list[str] = field(default_factory=list)

    def overflow(self) -> int:
        """Give by how many pixels the page is wider than its window."""
        asked = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(self.page.evaluate(asked))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give Chromium, headless; skip where there is none. One at a time may run in a process."""
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("no Chromium on this machine: install Debian's package chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as player:
        opened = player.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the example, and give its address."""
    with serving(tmp_path_factory.mktemp("served")) as address:
        yield address


@pytest.fixture
def looking(browser: Browser) -> Iterator[Callable[..., Look]]:
    """Give a function that opens an address: ``looking(address, width=390, dark=True)``."""
    with ExitStack() as stack:

        def look(address: str, *, width: int = WIDE, dark: bool = False, **context: Any) -> Look:
            seen = browser.new_context(
                viewport={"width": width, "height": 900},
                color_scheme="dark" if dark else "light",
                **context,
            )
            stack.callback(seen.close)
            found = Look(seen.new_page())
            home = "/".join(address.split("/")[:3])
            found.page.on(
                "console",
                lambda said: (
                    found.console.append(said.text) if said.type in ("error", "warning") else None
                ),
            )
            found.page.on("pageerror", lambda error: found.console.append(str(error)))
            found.page.on(
                "request",
                lambda asked: (
                    None
                    if asked.url.startswith((home, "data:", "blob:"))
                    else found.abroad.append(asked.url)
                ),
            )
            found.page.goto(address, wait_until="networkidle")
            return found

        yield look
