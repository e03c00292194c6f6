"""Accessible: every page, wide and narrow, light and dark, by rule, by keyboard, without a stray request.

The rules are axe-core's; a finding that is serious or critical fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from serving.app import create_app
from serving.store import Store
from tests.canary_book import CANARIES, against_actual, published, scored
from tests.example_publication import NOW
from tests.keyed import made
from tests.served import NARROW, WIDE, Look, browser, looking, open_server

pytestmark = pytest.mark.slow
__all__ = ["browser", "looking"]

Looking = Callable[..., Look]
NARROWEST = 360
ACCOUNT = CANARIES["a02"].account_id
REFUSED = ("/nowhere", "/accounts?limit=none")
"""Addresses that are answered with a page of trouble; the browser itself notes their status."""
NOTED = "Failed to load resource: the server responded with a status of"
PAGES = (
    "/", "/matrix", "/outreach", "/accounts", "/accounts?cell=HH", f"/accounts/{ACCOUNT}",
    "/forecast?horizon=3", "/forecast?horizon=12&churn=-20&segment=smb", "/forecast/actual",
    "/expansion", "/model", *REFUSED,
)  # fmt: skip
GRAVE = ("serious", "critical")
TABS = 40
SETTLING = 30
FOCUSED = """() => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const box = one.getBoundingClientRect();
  const ring = [null, "::after"].some((part) => {
    const seen = getComputedStyle(one, part);
    return seen.outlineStyle !== "none" && parseFloat(seen.outlineWidth) > 0;
  });
  return {
    name: one.outerHTML.slice(0, 160),
    ring: ring,
    inside: box.width > 0 && box.height > 0,
  };
}"""


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Serve a book, nothing yet, and a book that needs a key."""
    homes = {name: tmp_path_factory.mktemp(name) for name in ("full", "empty", "keyed")}
    published(homes["full"])
    made(published(homes["keyed"]))
    Store.open(homes["empty"])
    with (
        open_server(_app(homes["full"])) as full,
        open_server(_app(homes["empty"])) as empty,
        open_server(_app(homes["keyed"])) as keyed,
    ):
        yield {"full": full, "empty": empty, "keyed": keyed}


def _app(home: Path) -> Any:
    later = NOW + timedelta(days=10)  # old enough for the banner that says so
    return create_app(home, scored, against_actual=against_actual, now=lambda: later)


def _addresses(places: dict[str, str]) -> list[str]:
    shown = [places["full"] + page for page in PAGES]
    return [
        *shown,
        places["empty"] + "/",
        places["empty"] + "/forecast",
        places["keyed"] + "/login",
    ]


def grave(look: Look) -> list[str]:
    """Name what axe-core finds that is serious or critical: rule, place, and what is wrong."""
    found = Axe().run(look.page).response["violations"]
    return [
        f"{look.page.url}: {one['id']}: {node['html'][:200]}: {node['failureSummary'][:300]}"
        for one in found
        if one["impact"] in GRAVE
        for node in one["nodes"]
    ]


def trouble(look: Look, width: int, *, refused: bool = False) -> list[str]:
    """Tell what is wrong with a page, with everything opened that it folds away."""
    look.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    told = grave(look)
    said = [one for one in look.console if not (refused and one.startswith(NOTED))]
    told += [f"{look.page.url}: console: {one}" for one in said]
    told += [f"{look.page.url}: asks {url}" for url in look.abroad]
    if width == NARROW:
        for narrow in (NARROW, NARROWEST):
            look.page.set_viewport_size({"width": narrow, "height": 900})
            over = _settled(look)
            told += [f"{look.page.url}: {over} px too wide at {narrow}"] if over > 0 else []
    return told


def _settled(look: Look) -> int:
    """Give by how many pixels a page is too wide, once its charts had time to follow its window."""
    for _ in range(SETTLING):
        if look.overflow() <= 0:
            break
        look.page.wait_for_timeout(100)
    return look.overflow()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_every_page_can_be_read_by_everybody(
    places: dict[str, str], looking: Looking, width: int, dark: bool
) -> None:
    found = []
    for address in _addresses(places):
        look = looking(address, width=width, dark=dark)
        refused = address.endswith(REFUSED) or address == places["empty"] + "/forecast"
        found += trouble(look, width, refused=refused)
        look.page.close()
    assert found == []


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_every_page_can_be_walked_through_by_keyboard(
    places: dict[str, str], looking: Looking, width: int
) -> None:
    for address in _addresses(places):
        look = looking(address, width=width)
        visited = _walked(look)
        assert visited, address
        if not address.startswith(places["keyed"]):
            assert "#main" in visited[0]["name"], (address, visited[0])  # to what the page is about
        for one in visited:
            assert one["ring"], (address, one["name"])
            assert one["inside"], (address, one["name"])
        look.page.close()


def _walked(look: Look) -> list[dict[str, Any]]:
    """Press Tab until it leads around; give what had the focus, in order."""
    visited: list[dict[str, Any]] = []
    for _ in range(TABS):
        look.page.keyboard.press("Tab")
        focused = look.page.evaluate(FOCUSED)
        if focused is None:
            break
        visited.append(focused)
    return visited


def test_the_first_link_leads_past_the_navigation(places: dict[str, str], looking: Looking) -> None:
    look = looking(places["full"] + "/outreach")
    look.page.keyboard.press("Tab")
    look.page.keyboard.press("Enter")
    assert look.page.url.endswith("#main")
    look.page.keyboard.press("Tab")
    inside = look.page.evaluate("document.querySelector('#main').contains(document.activeElement)")
    assert inside
