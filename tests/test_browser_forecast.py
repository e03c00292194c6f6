"""The Forecast page in Chromium: sliders answer, the address keeps them, parts lead to accounts."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from models.outcomes import HORIZONS
from serving.outlooks import packed
from tests.example_publication import example
from tests.served import Look, browser, looking, serving
from tests.test_scenario import BASIS, BOOK

pytestmark = pytest.mark.slow
__all__ = ["browser", "looking"]

Looking = Callable[..., Look]
ANSWER = "**/v1/forecast/scenario"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a run that kept its outlook, forecast at every horizon."""
    kept: dict[str, Any] = {"outlook": packed(BOOK, BOOK.accounts), "basis": BASIS.to_json()}
    told = {str(horizon): BASIS.told(BOOK, horizon) for horizon in HORIZONS}
    with serving(tmp_path_factory.mktemp("forecast"), example(forecast=told, **kept)) as address:
        yield address


def slide(look: Look, name: str, value: int) -> None:
    """Move a slider, and wait for the answer."""
    with look.page.expect_response(ANSWER):
        look.page.locator(f"#s-{name}").fill(str(value))
    look.page.wait_for_selector(".answer:not([aria-busy])")


def cell(look: Look, path: str) -> str:
    return look.page.locator(f'[data-path="{path}"]').first.inner_text().strip()


def quiet(look: Look) -> None:
    assert look.console == []
    assert look.abroad == []


def test_sliders_answer_and_the_address_brings_them_back(served: str, looking: Looking) -> None:
    look = looking(f"{served}/forecast?horizon=3")
    assert cell(look, "difference.nrr.mean") == "0"
    slide(look, "churn", -50)
    slide(look, "macro", 1)
    look.page.locator("#segment").select_option("smb")
    look.page.wait_for_url("**/forecast?*segment=smb*")
    look.page.wait_for_selector(".answer:not([aria-busy])")
    paths = ("scenario.nrr.mean", "difference.nrr.mean", "difference.closing_mrr.mean")
    shown = [cell(look, path) for path in paths]
    assert "0" not in shown
    assert look.page.locator(".other-middle").get_attribute("points")
    again = looking(look.page.url)
    assert again.page.locator("#s-churn").input_value() == "-50"
    assert [cell(again, path) for path in paths] == shown  # as the server writes them
    with again.page.expect_response(ANSWER):
        again.page.locator("#reset").click()
    again.page.wait_for_url("**/forecast?horizon=3")
    again.page.wait_for_selector(".answer:not([aria-busy])")
    assert cell(again, "difference.nrr.mean") == "0"
    quiet(look)
    quiet(again)


def test_script_and_server_draw_the_same(served: str, looking: Looking) -> None:
    look = looking(f"{served}/forecast?horizon=12")
    slide(look, "churn", 150)
    drawn = "[...document.querySelectorAll('.fan .scale text')].map(one => one.textContent)"
    mine = look.page.evaluate(drawn)
    other = look.page.locator(".other-middle").get_attribute("points")
    again = looking(look.page.url)
    assert again.page.evaluate(drawn) == mine
    assert again.page.locator(".other-middle").get_attribute("points") == other


def test_only_the_last_of_many_moves_is_shown(served: str, looking: Looking) -> None:
    look = looking(f"{served}/forecast?horizon=3")
    for value in range(-5, -60, -5):
        look.page.locator("#s-churn").fill(str(value))
    look.page.locator("#state", has_text="computed").wait_for()
    look.page.wait_for_selector(".answer:not([aria-busy])")
    shown = cell(look, "scenario.churned_mrr.mean")
    again = looking(f"{served}/forecast?horizon=3&churn=-55")
    assert cell(again, "scenario.churned_mrr.mean") == shown


def test_a_refusal_is_shown_with_its_request(served: str, looking: Looking) -> None:
    look = looking(f"{served}/forecast?horizon=3")
    with look.page.expect_response(ANSWER) as refused:
        look.page.locator("#saved").fill("nobody")
    number = refused.value.headers["x-request-id"]
    look.page.wait_for_selector("#trouble:not([hidden])")
    said = look.page.locator("#trouble").inner_text()
    assert "this account pays nothing" in said
    assert number in said
    with look.page.expect_response(ANSWER):
        look.page.locator("#saved").fill("a0030")
    look.page.wait_for_selector("#trouble", state="hidden")


def test_a_goal_is_sought(served: str, looking: Looking) -> None:
    look = looking(f"{served}/forecast?horizon=12")
    assert not look.page.locator("#goal").is_visible()
    with look.page.expect_response(ANSWER):
        look.page.locator("#reach").fill("104")
    look.page.wait_for_selector("#goal:not([hidden])")
    assert "104.0" in look.page.locator("#goal-head").inner_text()
    assert re.fullmatch(r"[\d,]+", cell(look, "reach.expansion.mean.expansion_mrr"))


def test_a_part_leads_to_its_accounts(served: str, looking: Looking) -> None:
    look = looking(f"{served}/forecast?horizon=12")
    link = look.page.locator(".parts tbody th a").first
    segment = link.inner_text()
    link.click()
    look.page.wait_for_url(f"**/accounts?segment={segment}")
    look.page.wait_for_load_state("networkidle")
    assert look.page.locator("main tbody tr").count() >= 1
    quiet(look)


def test_the_export_is_of_what_is_shown(served: str, looking: Looking) -> None:
    look = looking(f"{served}/forecast?horizon=3")
    slide(look, "expansion", 40)
    with look.page.expect_download() as downloading:
        look.page.locator("#export").click()
    path = Path(downloading.value.path())
    rows = list(csv.DictReader(path.open(encoding="utf-8", newline="")))
    told = {row["forecast"]: row for row in rows if row["figure"] == "nrr" and not row["cut"]
            and row["horizon_months"] == "3"}  # fmt: skip
    assert f"{100 * float(told['scenario']['mean']):.1f}" in cell(look, "scenario.nrr.mean")


def test_without_javascript_a_form_does_the_same(served: str, looking: Looking) -> None:
    look = looking(f"{served}/forecast?horizon=3", java_script_enabled=False)
    look.page.locator("#s-churn").fill("-50")
    look.page.locator("#assume button[type=submit]").click()
    assert "churn=-50" in look.page.url
    assert cell(look, "difference.nrr.mean").startswith("+")
    quiet(look)


@pytest.mark.parametrize("width", [1440, 390, 360])
@pytest.mark.parametrize("page", ["forecast?horizon=12&churn=-30&reach=110", "forecast/actual"])
def test_nothing_is_wider_than_the_window(
    served: str, looking: Looking, page: str, width: int
) -> None:
    look = looking(f"{served}/{page}", width=width, dark=width == 390)
    assert look.overflow() <= 0
    quiet(look)
