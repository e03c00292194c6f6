import re
from datetime import date, timedelta

import pyarrow as pa
import pytest

from features.closed_store import write_period
from serving.dashboard.files import STATIC
from serving.dashboard.pages import NAV
from serving.queries import Filters
from serving.run_cuts import matrix_cut
from serving.store import Store
from tests.example_metrics import METRICS, facts
from tests.example_publication import NOW, example
from tests.read_pages import read, visitor

STYLE = STATIC / "perennial.css"
PAGES = ("/", "/matrix", "/outreach", "/accounts")
NAMES = ["<img src=x onerror=alert(1)>", "</script>", "{{7*7}}", "{% raw %}", "\"' onload=x",
         "javascript:x", "&lt;b&gt;"]  # fmt: skip


@pytest.fixture(scope="module")
def visiting(tmp_path_factory):
    return visitor(tmp_path_factory.mktemp("home"), example(facts=facts()))


@pytest.fixture(scope="module")
def shown(visiting):
    return read(visiting, "/")


def hostile(names):
    publication = example(facts=facts())
    outreach, scores = publication.outreach, publication.scores
    outreach["name"] = names
    scores.loc[: len(names) - 1, "name"] = names
    return example(facts=facts(), outreach=outreach, scores=scores)


def test_the_head_figures_carry_their_period_and_what_they_were_a_year_before(shown):
    assert "Trailing twelve months, 30 Jun 2024 to 30 Jun 2025, of the 10 accounts" in shown.text
    assert "NRR 105.0 % +2.4 points in a year" in shown.text
    assert "GRR 91.0 % 0.0 points in a year" in shown.text
    assert "Rules: preset default." in shown.text


def test_eight_quarters_of_history_stand_in_a_table_beside_the_chart(shown):
    rows = ["30 Jun 2025", "31 Mar 2025", "31 Dec 2024", "31 Dec 2023"]
    for day in rows:
        assert f" {day} " in shown.text
    drawn = [found["data-option"] for tag, found in shown.tags if tag == "figure"]
    assert len(drawn) == 2
    assert '"Jun 2025"' in drawn[0]


@pytest.mark.parametrize(
    ("span", "said"),
    [
        ("month", "added up over Jun 2025; net"),
        ("quarter", "added up over Apr 2025 to Jun 2025; net"),
        ("year", "added up over Jul 2024 to Jun 2025; net"),
    ],
)
def test_movements_add_up_over_the_months_that_are_asked_for(visiting, span, said):
    months = {"month": 1, "quarter": 3, "year": 12}[span]
    text = read(visiting, f"/?window={span}").text
    assert said in text
    assert f"Expansion +{500.25 * months:,.0f}" in text
    assert f"Churned −{250 * months:,}" in text
    assert "Opening 36,000" in text


def test_what_the_nrr_compounds_to_stands_beside_the_benchmarks_with_their_source(shown):
    assert "This book 105.0 % 475k 523k 577k its trailing 12 months" in shown.text
    assert "ARR below 1M, median 85 to 95 % 384k to 429k" in shown.text
    assert "This mix of contracts, typical" in shown.text
    assert "S001: Net Revenue Retention: benchmarks by ARR stage" in shown.text


def test_warnings_are_text_and_come_before_notes(shown):
    first, second = "Warning The blend hides <b>smb</b>.", "Note The cohort of 2023-Q1 is at 88 %."
    assert shown.text.index(first) < shown.text.index(second)


@pytest.mark.ci
def test_closed_figures_stand_beside_restated_ones(tmp_path):
    visiting = visitor(tmp_path, example(facts=facts()))
    ledger = pa.table({"account_id": ["a01"]})
    for day, nrr in ((date(2025, 6, 30), 1.06), (date(2020, 1, 31), 0.9)):
        windows = {"ttm": {"nrr": nrr, "grr": 0.912}}
        write_period(tmp_path, day, ledger, {"month": f"{day:%Y-%m}", "windows": windows})
    text = read(visiting, "/").text
    assert "30 Jun 2025 106.0 % 105.0 % 91.2 % 91.0 %" in text
    assert "31 Jan 2020 90.0 % – 91.2 % –" in text
    (tmp_path / "closed" / "2025-06" / "manifest.json").write_text("{}")
    assert "30 Jun 2025 " in read(visiting, "/").text
    assert "106.0 %" not in read(visiting, "/").text


@pytest.mark.ci
def test_the_page_says_what_a_forecast_is_combined_with(tmp_path, shown):
    weights = {"forecast": 0.6, "ETS by segment": 0.3, "Theta by segment": 0.1}
    forecast = {name: dict(one) for name, one in example().forecast.items()}
    forecast["12"]["combined"] = {"weights": weights, "nrr": {"forecast": 1.0}}
    text = read(visitor(tmp_path, example(forecast=forecast)), "/").text
    said = "12 months: combined with ETS by segment (30 %), Theta by segment (10 %), which"
    assert said in text
    assert "3 months: combined" not in text
    assert "combined with" not in shown.text


def test_the_page_shows_the_forecast_with_intervals_and_simpler_rules(shown):
    for said in ("1 month to 31 Jul 2025", "3 months to 30 Sep 2025", "12 months to 30 Jun 2026"):
        assert said in shown.text
    assert "100.9 % 98.7 % to 103.1 %" in shown.text
    assert "same as last year 101.0 %" in shown.text
    assert "Thin data at 1 month, 3 months, 12 months. 12 accounts" in shown.text


@pytest.mark.ci
def test_forecasts_of_models_forecast_s_shape_are_understood(tmp_path):
    body = {**example().forecast["3"], "confidence_reasons": ["few", "lumpy"], "n_eff": 1.0}
    text = read(visitor(tmp_path, example(forecast={"3": body})), "/").text
    assert "Thin data at 3 months. few; lumpy (prior-driven width)." in text


@pytest.mark.ci
def test_a_run_without_facts_forecast_list_or_opening_still_shows(tmp_path):
    figures = dict.fromkeys(["nrr", "grr"])
    bare = {**example().forecast["3"], **figures, "baselines": None, "confidence": "normal"}
    empty = example(outreach=example().outreach.iloc[:0], forecast={"3": bare})
    text = read(visitor(tmp_path, empty), "/").text
    assert "no opening MRR to take a ratio of" in text
    assert "The list of this run is empty" in text
    assert "This run carries no figures of the past" in text
    older = example(as_of=date(2025, 7, 8), forecast={}, matrix={})
    assert "This run carries no forecast" in read(visitor(tmp_path, older), "/").text


@pytest.mark.ci
def test_figures_that_cannot_be_told_are_dashes_and_never_zero(tmp_path):
    windows = [METRICS["windows"][0] | {"nrr": None, "grr": None}]
    told = facts(windows=windows, compounding=None, benchmarks=[], months=[], warnings=[])
    text = read(visitor(tmp_path, example(facts=told)), "/").text
    assert "NRR – GRR – Organic NRR 103.0 %" in text
    assert "What moved" not in text
    assert "compounds" not in text


def test_every_page_names_its_run_and_leads_to_the_others(visiting):
    for address in PAGES:
        page = read(visiting, address)
        assert "Run 2025-07-01-r1-" in page.text
        assert "As of 1 Jul 2025" in page.text
        assert {href for _, href in NAV} <= set(page.links())
        here = [a["href"] for tag, a in page.tags if a.get("aria-current") == "page"]
        assert here == [address]


@pytest.mark.ci
@pytest.mark.fault("D01")
@pytest.mark.parametrize("address", PAGES)
def test_names_are_text_whatever_they_say(tmp_path, address):
    page = read(visitor(tmp_path, hostile(NAMES)), address)
    assert not {tag for tag, _ in page.tags} & {"img", "iframe", "object", "b"}
    scripts = [found for tag, found in page.tags if tag == "script"]
    assert all(str(found["src"]).startswith("/static/") for found in scripts)
    assert "<img src=x onerror=alert(1)>" in page.text or address == "/matrix"
    assert "49" not in re.sub(r"[^{}\d*]", " ", page.html).split()


@pytest.mark.fault("D01")
@pytest.mark.parametrize("address", [*PAGES, "/nowhere"])
def test_no_page_needs_inline_script_inline_style_or_anybody_else(visiting, address):
    page = read(visiting, address, 404 if address == "/nowhere" else 200)
    for tag, attributes in page.tags:
        assert tag != "style"
        assert tag != "script" or "src" in attributes
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
        for name in ("href", "src", "action"):
            assert not str(attributes.get(name, "")).startswith(("http", "//", "javascript"))


@pytest.mark.fault("D01")
def test_no_file_of_ours_asks_anybody_else_for_anything():
    for file in STATIC.glob("*.css"):
        assert "url(" not in file.read_text()
        assert "@import" not in file.read_text()
    for file in STATIC.glob("*.js"):
        assert not re.search(r"https?://(?!www\.w3\.org/)", file.read_text())
        assert "innerHTML" not in file.read_text()


@pytest.mark.ci
@pytest.mark.fault("D05")
def test_strange_names_do_not_break_the_page(tmp_path):
    names = ["شركة النور", "x" * 10_000, "🌱", "e\u0301" * 50, "\u202ereversed", None, ""]
    visiting = visitor(tmp_path, hostile(names))
    for address in ("/", "/outreach", "/accounts"):
        page = read(visiting, address)
        assert len([tag for tag, _ in page.tags if tag == "bdi"]) >= 5
        assert "x" * 10_000 in page.html
    listed = read(visiting, "/outreach").text
    assert example().outreach["account_id"].iloc[5] in listed  # no name: the id stands for it


@pytest.mark.ci
@pytest.mark.fault("D06")
@pytest.mark.parametrize(
    ("days", "tone"), [(8, None), (9, "banner watch"), (15, "banner watch"), (16, "banner bad")]
)
def test_old_figures_say_how_old_they_are(tmp_path, days, tone):
    visiting = visitor(tmp_path, example(), now=lambda: NOW + timedelta(days=days))
    for address in PAGES:
        page = read(visiting, address)
        banners = [a["class"] for _, a in page.tags if "banner" in str(a.get("class"))]
        assert banners == ([tone] if tone else [])
        assert (f"Published {days} days ago." in page.text) == (tone is not None)
    assert visiting.get("/readyz").status_code == 200


@pytest.mark.fault("D07")
@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("/nowhere", 404, "There is no such page"),
        ("/accounts/none", 404, "There is no such page"),
        ("/accounts?cell=XX", 422, "A part of the address is not accepted"),
        ("/outreach?capacity=0", 422, "A part of the address is not accepted"),
        ("/?window=week", 422, "A part of the address is not accepted"),
    ],
)
def test_an_error_is_a_page_that_names_the_request(visiting, address, status, said):
    reply = visiting.get(address)
    assert reply.status_code == status
    assert said in reply.text
    assert reply.headers["x-request-id"] in reply.text
    assert "Back to the book" in reply.text


@pytest.mark.ci
@pytest.mark.fault("D07")
def test_what_breaks_inside_is_a_page_too_and_data_stays_data(tmp_path, monkeypatch):
    visiting = visitor(tmp_path, example())
    monkeypatch.setattr(Store, "document", lambda *_: 1 / 0)
    reply = visiting.get("/")
    assert reply.status_code == 500
    assert "Something went wrong on our side" in reply.text
    assert reply.headers["x-request-id"] in reply.text
    assert "ZeroDivision" not in reply.text
    asked = visiting.get("/v1/accounts?cell=XX", headers={"accept": "text/html, */*"})
    assert asked.headers["content-type"] == "application/problem+json"


@pytest.mark.fault("D08")
def test_pages_are_neither_framed_nor_sniffed_nor_kept_and_files_are_asked_for_by_their_tag(
    visiting,
):
    for address in (*PAGES, "/outreach.csv", "/accounts.csv", "/nowhere"):
        headers = visiting.get(address).headers
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'self'" in headers["content-security-policy"]
    style = visiting.get("/static/perennial.css")
    assert style.headers["cache-control"] == "no-cache"
    again = visiting.get("/static/perennial.css", headers={"if-none-match": style.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert visiting.get("/static/../page.py").status_code == 404


@pytest.mark.ci
@pytest.mark.fault("D13")
@pytest.mark.parametrize("address", PAGES)
def test_an_empty_store_says_the_next_step(tmp_path, address):
    page = read(visitor(tmp_path), address)
    assert "Nothing has been published yet" in page.text
    assert "perennial score" in page.text
    assert "perennial demo" in page.text


def test_tables_are_tables_to_those_who_hear_them(visiting):
    for address in PAGES:
        tags = read(visiting, address).tags
        assert {a.get("scope") for tag, a in tags if tag == "th"} == {"row", "col"}
        assert ("html", {"lang": "en"}) in tags
        regions = {a["aria-labelledby"] for tag, a in tags if tag == "section"}
        assert regions <= {a.get("id") for tag, a in tags if tag == "h2"}
        assert len([tag for tag, _ in tags if tag == "h1"]) == 1


def test_the_vendored_script_is_whole_and_its_licence_lies_beside_it():
    vendor = STATIC / "vendor" / "echarts"
    assert "Apache License" in (vendor / "LICENSE").read_text()
    assert "Apache Software Foundation" in (vendor / "echarts.common.min.js").read_text()[:200]


def test_the_style_sheet_is_served(visiting):
    reply = visiting.get("/static/perennial.css")
    assert reply.headers["content-type"].startswith("text/css")
    assert STYLE.read_text() == reply.text


PAIRS = [
    ("ink", "sheet"), ("soft", "sheet"), ("soft", "paper"), ("accent", "sheet"), ("ink", "paper"),
    ("watch-ink", "sheet"), ("good-ink", "sheet"), ("bad-ink", "sheet"), ("warn-ink", "sheet"),
    ("on-accent", "accent"),
] + [
    (ink, name)
    for name in ("good", "fair", "watch", "warn", "bad")
    for ink in (f"{name}-ink", "ink")
]  # fmt: skip


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


@pytest.mark.ci
def test_what_the_pages_ask_the_store_is_what_the_run_says(tmp_path):
    store = Store.open(tmp_path)
    run = store.publish(example(), now=NOW).run_id
    cut = matrix_cut(store.engine, run, Filters())
    whole = store.cells(run=run)
    assert {cell: told["accounts"] for cell, told in cut["cells"].items()} == {
        cell: whole.get(cell, (0, 0.0))[0] for cell in cut["cells"]
    }
    assert cut["mrr"] == pytest.approx(sum(mrr for _, mrr in whole.values()))
