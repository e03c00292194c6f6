"""The pages of the frame in Chromium: both schemes, two widths, keyboard, print, no JavaScript."""

from __future__ import annotations

import re

import pytest

from tests.example_metrics import facts
from tests.example_publication import example
from tests.served import NARROW, WIDE, browser, looking, serving

__all__ = ["browser", "looking"]

pytestmark = pytest.mark.slow
PAGES = ("/", "/matrix", "/outreach", "/accounts", "/nowhere")
BOTH = [(width, dark) for width in (WIDE, NARROW, 360) for dark in (False, True)]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    hostile = example(facts=facts())
    hostile.outreach["name"] = ["x" * 10_000, "<img src=x onerror=alert(1)>", "شركة النور" * 40,
                                "🌱" * 300, "e\u0301" * 400, "{{7*7}}</script>", "W" * 60]  # fmt: skip
    hostile.scores.loc[:6, "name"] = list(hostile.outreach["name"])
    told = example(facts=facts(), outreach=hostile.outreach, scores=hostile.scores)
    with serving(tmp_path_factory.mktemp("home"), told) as found:
        yield found


@pytest.mark.fault("D01")
@pytest.mark.fault("D05")
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(("width", "dark"), BOTH)
def test_a_page_fits_its_window_asks_nobody_and_says_nothing_on_the_console(
    looking, address, page, width, dark
):
    seen = looking(address + page, width=width, dark=dark)
    assert seen.overflow() <= 0
    assert seen.abroad == []
    expected = 1 if page == "/nowhere" else 0  # the browser itself tells of the 404
    assert len(seen.console) == expected, seen.console


def test_charts_are_drawn_and_their_figures_stand_beside_them(looking, address):
    seen = looking(address + "/")
    assert seen.page.locator("figure.chart canvas").count() == 2
    assert seen.page.locator(".steps tbody tr").count() >= 6
    colour = "getComputedStyle(document.body).color"
    light = seen.page.evaluate(colour)
    seen.page.emulate_media(color_scheme="dark")
    assert seen.page.evaluate(colour) != light
    assert seen.page.locator("figure.chart canvas").count() == 2
    assert seen.console == []


def test_from_a_cell_to_its_accounts_to_one_and_back_to_the_same_list(looking, address):
    page = looking(address + "/matrix").page
    page.get_by_role("link", name=re.compile("^LL: ")).click()
    assert page.url == f"{address}/accounts?cell=LL"
    page.locator(".accounts tbody th a").first.click()
    assert "/accounts/a02?back=" in page.url
    page.get_by_role("link", name="Accounts in LL").first.click()
    assert page.url == f"{address}/accounts?cell=LL"


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_contact_is_logged_and_the_list_stays(looking, address, script):
    page = looking(address + "/outreach?csm=Ada", java_script_enabled=script).page
    row = page.locator("#a02")
    row.get_by_text("Log a contact").click()
    row.get_by_label("Outcome").fill("spoke to <b>Ada</b>")
    row.get_by_role("button", name="Log").click()
    assert page.url.startswith(f"{address}/outreach?csm=Ada&done=a02")
    assert "Logged:" in page.locator(".done").inner_text()
    assert "spoke to <b>Ada</b>" in page.locator("#a02 .contacted").inner_text()


def test_everything_is_reached_by_the_keyboard(looking, address):
    page = looking(address + "/matrix").page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    reached = []
    for _ in range(24):
        page.keyboard.press("Tab")
        asked = "[document.activeElement.className, getComputedStyle(document.activeElement).outlineStyle]"
        reached.append(page.evaluate(asked)[0])
    assert reached.count("open") == 9


def test_the_file_that_is_exported_has_the_list_s_name(looking, address):
    page = looking(address + "/outreach?csm=Ada").page
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Export CSV").click()
    assert waiting.value.suggested_filename == "outreach-2025-07-01-Ada.csv"


def test_printed_pages_leave_out_what_cannot_be_pressed(looking, address):
    seen = looking(address + "/outreach")
    seen.page.emulate_media(media="print")
    assert not seen.page.locator("nav").first.is_visible()
    assert not seen.page.locator(".filters").is_visible()
    assert seen.page.locator(".list tbody tr").first.is_visible()


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(("width", "dark"), [(WIDE, False), (NARROW, True)])
def test_axe_finds_nothing_serious(looking, address, page, width, dark):
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(looking(address + page, width=width, dark=dark, bypass_csp=True).page)
    grave = [
        one for one in found.response["violations"] if one["impact"] in ("serious", "critical")
    ]
    assert not grave, [(one["id"], one["nodes"][0]["html"]) for one in grave]
