import re
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from serving.dashboard.files import STATIC
from models.census import summary
from serving.app import create_app
from serving.store import Store
from tests.example_publication import ACCOUNTS, ACTIONS, NOW, example

HERE = "http://127.0.0.1"
STYLE = STATIC / "perennial.css"


class Reader(HTMLParser):
    """Collects text, tags and attributes of a page."""

    def __init__(self):
        super().__init__()
        self.text, self.tags = "", []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


def page(home, publication=None):
    if publication is not None:
        Store.open(home).publish(publication, now=NOW)
    reply = TestClient(create_app(home), base_url=HERE).get("/")
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    reader = Reader()
    reader.feed(reply.text)
    reader.text = re.sub(r"\s+", " ", reader.text)
    return reply.text, reader


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    return page(tmp_path_factory.mktemp("home"), example())


def test_the_page_shows_the_nine_cells_with_counts_mrr_and_actions(shown):
    _html, reader = shown
    for action in ACTIONS.values():
        assert action in reader.text
    assert "2 accounts USD 11,950 32 % of MRR" in reader.text
    assert "1 account USD 15,250 40 % of MRR" in reader.text


def test_the_page_says_what_a_forecast_is_combined_with(tmp_path, shown):
    weights = {"forecast": 0.6, "ETS by segment": 0.3, "Theta by segment": 0.1}
    forecast = {name: dict(one) for name, one in example().forecast.items()}
    forecast["12"]["combined"] = {"weights": weights, "nrr": {"forecast": 1.0}}
    _html, reader = page(tmp_path, example(forecast=forecast))
    said = "12 months: combined with ETS by segment (30 %), Theta by segment (10 %), which"
    assert said in reader.text
    assert "3 months: combined" not in reader.text
    assert "combined with" not in shown[1].text


def test_the_page_shows_the_list_with_its_reasons(shown):
    _html, reader = shown
    assert "All 7 places" in reader.text
    assert "usage fell 42 % in 90 days" in reader.text
    assert "no expansion play: Retention comes first" in reader.text


def test_the_page_shows_the_forecast_with_intervals_and_simpler_rules(shown):
    _html, reader = shown
    for said in ("1 month to 31 Jul 2025", "3 months to 30 Sep 2025", "12 months to 30 Jun 2026"):
        assert said in reader.text
    assert "100.9 % 98.7 % to 103.1 %" in reader.text
    assert "same as last year 101.0 %" in reader.text
    assert "Thin data at 1 month, 3 months, 12 months. 12 accounts" in reader.text


def test_the_page_names_its_run_and_defines_its_figures(shown):
    _html, reader = shown
    for said in ("2025-07-01-r1-", "1 Jul 2025", "version 3", "Definitions", "USD per month"):
        assert said in reader.text
    for term in ("NRR", "GRR", "80 % interval", "Retention health", "Expansion readiness"):
        assert ("dt", {}) in reader.tags
        assert term in reader.text


@pytest.mark.fault("D01")
def test_names_are_text_whatever_they_say(tmp_path):
    outreach = example().outreach
    outreach["name"] = ["<img src=x onerror=alert(1)>", "</script>", "{{7*7}}", "{% raw %}",
                        "\"' onload=x", "javascript:x", "&lt;b&gt;"]  # fmt: skip
    html, reader = page(tmp_path, example(outreach=outreach))
    tags = {tag for tag, _ in reader.tags}
    assert not tags & {"img", "script", "iframe", "object"}
    for said in ("<img src=x onerror=alert(1)>", "</script>", "{{7*7}}", "{% raw %}", "&lt;b&gt;"):
        assert said in reader.text
    assert "49" not in re.sub(r"[^{}\d*]", " ", html).split()


@pytest.mark.fault("D01")
def test_the_page_needs_no_script_no_inline_style_and_nobody_else(shown):
    _html, reader = shown
    for tag, attributes in reader.tags:
        assert tag not in {"script", "style"}
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
        for name in ("href", "src"):
            assert not attributes.get(name, "").startswith(("http", "//", "javascript"))
    assert "url(" not in STYLE.read_text()
    assert "@import" not in STYLE.read_text()


@pytest.mark.fault("D05")
def test_strange_names_do_not_break_the_page(tmp_path):
    outreach = example().outreach
    outreach["name"] = [
        "شركة النور",
        "x" * 10_000,
        "🌱",
        "e\u0301" * 50,
        "\u202ereversed",
        None,
        "",
    ]
    html, reader = page(tmp_path, example(outreach=outreach))
    assert len([tag for tag, _ in reader.tags if tag == "bdi"]) >= 14
    assert "x" * 10_000 in html
    assert outreach["account_id"].iloc[5] in reader.text  # no name: the id stands for it


@pytest.mark.fault("D13")
def test_an_empty_store_says_the_next_step(tmp_path):
    _html, reader = page(tmp_path)
    assert "Nothing has been published yet" in reader.text
    assert "perennial score" in reader.text
    assert "perennial demo" in reader.text


def test_a_run_without_forecast_list_or_opening_still_shows(tmp_path):
    figures = dict.fromkeys(["nrr", "grr"])
    bare = {**example().forecast["3"], **figures, "baselines": None, "confidence": "normal"}
    empty = example(outreach=example().outreach.iloc[:0], forecast={"3": bare})
    _html, reader = page(tmp_path, empty)
    assert "no opening MRR to take a ratio of" in reader.text
    assert "The list of this run is empty" in reader.text
    older = example(as_of=date(2025, 7, 8), forecast={}, matrix={})
    _html, reader = page(tmp_path, older)
    assert "This run carries no forecast" in reader.text


def test_forecasts_of_models_forecast_s_shape_are_understood(tmp_path):
    body = {**example().forecast["3"], "confidence_reasons": ["few", "lumpy"], "n_eff": 1.0}
    _html, reader = page(tmp_path, example(forecast={"3": body}))
    assert "Thin data at 3 months. few; lumpy (prior-driven width)." in reader.text


def test_tables_are_tables_to_those_who_hear_them(shown):
    _html, reader = shown
    scopes = [a["scope"] for tag, a in reader.tags if tag == "th"]
    assert len(scopes) == len([tag for tag, _ in reader.tags if tag == "th"])
    assert set(scopes) == {"row", "col"}
    assert ("html", {"lang": "en"}) in reader.tags
    regions = {a["aria-labelledby"] for tag, a in reader.tags if tag == "section"}
    assert regions <= {a.get("id") for tag, a in reader.tags if tag == "h2"}


def test_every_account_of_the_example_has_a_place_in_the_matrix(shown):
    html, _reader = shown
    counts = re.findall(r'class="count">(\d+)', html)
    assert sum(map(int, counts)) == len(ACCOUNTS)


def test_the_style_sheet_is_served(tmp_path):
    reply = TestClient(create_app(tmp_path), base_url=HERE).get("/static/perennial.css")
    assert reply.headers["content-type"].startswith("text/css")
    assert STYLE.read_text() == reply.text


PAIRS = [("ink", "sheet"), ("soft", "sheet"), ("accent", "sheet"), ("watch-ink", "sheet")] + [
    (ink, name)
    for name in ("good", "fair", "watch", "warn", "bad")
    for ink in (f"{name}-ink", "ink")
]


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), PAIRS)
def test_every_text_stands_out_from_its_ground(mode, ink, ground):
    blocks = re.findall(r":root \{(.*?)\}", STYLE.read_text(), flags=re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", blocks[mode]))
    light, dark = sorted((_luminance(colours[ink]), _luminance(colours[ground])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def _luminance(colour):
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_matrix_of_models_matrix_is_understood(tmp_path):
    told = summary(example().scores)
    _html, reader = page(tmp_path, example(matrix=told))
    for action in ACTIONS.values():
        assert action in reader.text
