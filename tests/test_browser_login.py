"""Signing in and out in Chromium: the cookie, links of other sites, forms of other sites."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from serving.keyring import MadeKey
from serving.store import Store
from tests.keyed import made
from tests.served import Look, browser, looking, serving

__all__ = ["browser", "looking"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, MadeKey]]:
    """Serve the example behind keys; give its address and a key."""
    home = tmp_path_factory.mktemp("keyed")
    key = made(Store.open(home), "cs", name="Ada Byron")
    with serving(home) as address:
        yield address, key


@pytest.fixture
def elsewhere() -> Iterator[Callable[[str], str]]:
    """Serve a page on another site of this machine: the name localhost is not 127.0.0.1."""
    page = b""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("localhost", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def put(html: str) -> str:
        nonlocal page
        page = html.encode()
        return f"http://localhost:{server.server_port}/"

    yield put
    server.shutdown()


def sign_in(look: Look, key: MadeKey) -> None:
    look.page.fill("#key", key.text)
    look.page.click("button[type=submit]")
    look.page.wait_for_load_state("networkidle")


@pytest.mark.fault("D02")
@pytest.mark.fault("D10")
@pytest.mark.parametrize("width", [1440, 390])
def test_a_key_is_pasted_once(
    keyed: tuple[str, MadeKey],
    looking: Callable[..., Look],
    elsewhere: Callable[[str], str],
    width: int,
) -> None:
    address, key = keyed
    look = looking(f"{address}/?x=1", width=width)
    page = look.page
    assert page.url == f"{address}/login?next=/%3Fx%3D1"
    assert look.overflow() == 0
    page.fill("#key", "per_wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=alert]")
    page.goto(f"{address}/login?next=/outreach")
    sign_in(look, key)
    assert page.url == f"{address}/outreach"
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert page.evaluate("document.cookie") == ""
    assert "Signed in as Ada Byron" in page.inner_text("body")

    page.goto(elsewhere(f'<a href="{address}/?from=mail">the book</a>'))
    page.click("a")
    page.wait_for_url(f"{address}/?from=mail")
    page.wait_for_selector("text=Sign out")

    form = f'<form method="post" action="{address}/logout"><button>Win</button></form>'
    page.goto(elsewhere(form))
    page.click("button")
    page.wait_for_load_state("networkidle")
    assert page.url == f"{address}/logout"
    page.goto(f"{address}/")
    assert page.url == f"{address}/"

    page.click("text=Sign out")
    page.wait_for_url(f"{address}/login")
    page.context.add_cookies([cookie])
    page.goto(f"{address}/")
    assert page.url == f"{address}/login?next=/"
    assert look.abroad == [elsewhere("")] * 2
