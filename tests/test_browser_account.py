"""The Account, Expansion and Model pages in Chromium: from a cell to a logged contact and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.facts import Facts
from tests.example_publication import example
from tests.served import Look, browser, looking, serving  # noqa: F401
from tests.test_account_page import DETAIL

pytestmark = pytest.mark.slow

Looking = Callable[..., Look]
MONTHS = [{"to": f"2025-0{n}-28", "value": 1.0 + n / 100} for n in range(1, 6)]
RATIO: dict[str, Any] = {
    "figure": "nrr_ttm", "name": "NRR, trailing 12 months", "value": 1.05,
    "unit": "share of opening MRR", "period": {"from": "2024-06-30", "to": "2025-06-30"},
    "definition": "As defined.", "target": 1.1, "series": MONTHS, "reason": None,
    "beside": {"accounts": 12, "opening_mrr": 100.0, "closing_mrr": 105.0},
}  # fmt: skip
EMPTY: dict[str, Any] = {
    "figure": "pipeline", "name": "Expansion pipeline", "value": None, "unit": "USD of MRR",
    "period": {"from": None, "to": "2025-07-01"}, "definition": "Open deals.", "target": None,
    "series": None, "reason": "the book has no table opportunities",
    "beside": {"stages": None, "total": None, "win_rate": None, "won": None},
}  # fmt: skip


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home: Path = tmp_path_factory.mktemp("served")
    figures = {"as_of": "2025-07-01", "currency": "USD", "figures": [RATIO, EMPTY]}
    with serving(home, example(facts=Facts({"as_of": "x"}, figures, {"a01": DETAIL}))) as found:
        yield found


def quiet(look: Look) -> None:
    """Hold that nothing was said on the console, nobody else was asked, and nothing sticks out."""
    assert look.console == []
    assert look.abroad == []
    assert look.overflow() <= 0


def test_from_a_cell_to_a_logged_contact_and_back(looking: Looking, address: str) -> None:  # noqa: F811
    look = looking(f"{address}/matrix")
    look.page.locator("a[href*='cell=HH']").first.click()
    look.page.wait_for_url("**/accounts?*cell=HH*")
    look.page.get_by_role("link", name="Acme Rail").click()
    look.page.wait_for_url("**/accounts/a01?*")
    assert look.page.locator("h1").inner_text() == "Acme Rail"
    form = look.page.locator("#log")
    form.locator("select").select_option(index=1)
    form.locator("input[name=outcome]").fill("reached; <b>met</b> the sponsor")
    form.get_by_role("button").click()
    look.page.wait_for_url("**done=action*")
    assert "The contact is logged" in look.page.locator("#done").inner_text()
    assert "reached; <b>met</b> the sponsor" in look.page.locator("#main").inner_text()
    look.page.locator("#done a").click()
    look.page.wait_for_url("**/accounts?*cell=HH*")
    quiet(look)


def test_a_call_is_kept_and_withdrawn_on_a_narrow_screen(looking: Looking, address: str) -> None:  # noqa: F811
    look = looking(f"{address}/accounts/a05", width=390, dark=True)
    form = look.page.locator("#call")
    form.locator("select[name=retention]").select_option("Low")
    form.get_by_role("button", name="Keep the call").click()
    look.page.wait_for_url("**done=call*")
    assert "disagrees" in look.page.locator("#main").inner_text()
    look.page.locator("#call").get_by_role("button", name="Withdraw it").click()
    look.page.wait_for_url("**done=withdrawn*")
    assert "disagrees" not in look.page.locator("#main").inner_text()
    quiet(look)


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("path", ["/accounts/a01", "/accounts/a10", "/expansion", "/model"])
def test_pages_are_quiet_and_fit(
    looking: Looking,  # noqa: F811
    address: str,
    path: str,
    width: int,
    dark: bool,
) -> None:
    look = looking(address + path, width=width, dark=dark)
    quiet(look)
    drawn = look.page.locator("figure.chart[data-option]").count()
    assert look.page.locator("figure.chart canvas").count() == drawn


def test_everything_can_be_read_without_scripts(looking: Looking, address: str) -> None:  # noqa: F811
    look = looking(f"{address}/accounts/a01", java_script_enabled=False)
    look.page.locator("summary", has_text="As a table").first.click()
    text = look.page.locator("#main").inner_text()
    assert "12-month term" in text
    assert "29 Jun 2025" in text
    other = looking(f"{address}/expansion", java_script_enabled=False)
    said = other.page.locator("#main").inner_text()
    assert "105.0\xa0%" in said
    assert "the book has no table opportunities" in said
    assert "target 110.0\xa0%" in said


def test_an_unknown_account_has_a_page(looking: Looking, address: str) -> None:  # noqa: F811
    look = looking(f"{address}/accounts/nobody")
    assert (
        "There is no such page" in look.page.content() or "no such account" in look.page.content()
    )
