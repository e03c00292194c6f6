"""The reports: the board's figures tie to the commands', the customer's page tells nothing of the house."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import stat
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from features.faults import DependencyDown, InputMissing
from features.rules import Rules
from serving import reports
from serving.digest.lines import plain
from serving.reports import board_page, value, value_page
from serving.reports.charts import fan, quarter_lines, waterfall, weekly
from serving.reports.printing import BROWSERS, browser, pdf
from serving.reports.quarters import quarters
from serving.reports.spelling import cents
from serving.reports.value_usage import reached
from serving.terminal.amounts import Amounts
from tests.command_line import copied, made, perennial, workspace
from tests.small_books import AS_OF, ago, line, small_book

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</style></title><script>document.title='run'</script>",
    "{{7*7}} {% raw %}",
    "\u202eevil\u0000\x1b[31m",
    "Ж" * 10_000,
    "W" * 10_000,
    "شركة النور 🌱",
)
POLICY = "default-src 'none'"


class Reader(HTMLParser):
    """Collects the words, tags and addresses of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words, self.tags, self.links = "", [], []
        self.feed(html)
        self.words = re.sub(r"\s+", " ", self.words)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [v for name, v in attributes if name in ("href", "src", "action") and v]
        assert not [name for name, _ in attributes if name == "style" or name.startswith("on")]

    def handle_data(self, data):
        self.words += data


def safe(html: str) -> Reader:
    """Read a page that must need nothing beside itself and run nothing."""
    found = Reader(html)
    assert POLICY in html
    assert not {"script", "img", "iframe", "form", "object", "embed"} & set(found.tags)
    assert all(link.startswith(("#", "data:")) for link in found.links), found.links
    return found


def test_eight_quarters_are_the_latest_ends_of_fiscal_quarters() -> None:
    ends = [f"{year}-{month:02d}-28" for year in (2025, 2024, 2023) for month in range(12, 0, -1)]
    found = quarters([{"to": end, "nrr": 1.0} for end in ends], 1)
    assert [one["to"][:7] for one in found][-2:] == ["2025-09", "2025-12"]
    assert len(found) == 8
    assert all(one["complete"] for one in found)
    open_one = quarters([{"to": end, "nrr": 1.0} for end in ends], 2)
    assert [(one["to"][:7], one["complete"]) for one in open_one][-2:] == [
        ("2025-10", True),
        ("2025-12", False),
    ]
    assert len(open_one) == 9
    assert quarters([], 1) == []


def test_a_window_without_figures_is_no_quarter() -> None:
    told = [{"to": "2025-03-31", "nrr": None}, {"to": "2024-12-31", "nrr": None}]
    assert quarters(told, 1) == []
    assert quarter_lines([], None) is None


def test_charts_of_nothing_are_none() -> None:
    assert waterfall({"opening_mrr": None}, Amounts("USD")) is None
    assert fan({"monthly_path": [{"month": 1, "nrr": None}]}, None) is None
    assert weekly([{"week": "2025-06-02", "people": None}], "people", "people") is None
    assert weekly([], "people", "people") is None


def test_a_waterfall_stands_on_its_axis() -> None:
    flows = {"new": 5.0, "reactivation": 0.0, "expansion": 2.0, "contraction": 1.0, "churned": 3.0}
    window = {f"{k}_mrr": v for k, v in flows.items()} | {"fx_mrr": 0.0, "opening_mrr": 100.0}
    window |= {"closing_mrr": 103.0, "from": "2025-05-31", "to": "2025-06-30"}
    drawn = waterfall(window, Amounts("USD"))
    assert drawn is not None
    assert drawn.cut.startswith("the bars begin at ")  # moves are small beside the levels
    assert [one["said"] for one in drawn.bars] == ["100", "+5", "+2", "−1", "−3", "103"]
    assert all(one["y"] + one["height"] <= drawn.sheet.bottom + 1 for one in drawn.bars)


def review_book(name: str = "Ada Ltd", **more):
    """Account a: people a week 4, then 12; two features; tickets; a note and a contact inside."""
    days = range(1, 7 * 60, 7)
    usage = [
        {"account_id": "a", "occurred_at": ago(day), "feature": feature, "user_id": f"u{who}"}
        for day in days
        for feature in ("search", "api_keys")
        if feature == "search" or day < 100
        for who in range(12 if day < 60 else 4)
    ]
    usage += [{"account_id": "b", "occurred_at": ago(day), "feature": "secret"} for day in days]
    tickets = [
        {"ticket_id": "1", "account_id": "a", "opened_at": ago(40), "closed_at": ago(38)},
        {"ticket_id": "2", "account_id": "a", "opened_at": ago(3)},
        {"ticket_id": "3", "account_id": "b", "opened_at": ago(3), "closed_at": ago(2)},
    ]
    touches = [
        {"account_id": "a", "occurred_at": ago(20), "kind": kind, "contact": "Evelyn Insider"}
        for kind in ("milestone", "qbr", "sponsor_changed", "notice_given", "nps")
    ]
    catalog = [
        {"feature": "search", "tier": "core"},
        {"feature": "api_keys", "tier": "integration"},
    ]
    accounts = [
        {"account_id": "a", "name": name, "csm": "Carl Desk", "segment": "smb"},
        {"account_id": "b", "name": "Rival Corp", "csm": "Carl Desk", "segment": "smb"},
    ]
    tables = {"usage": usage, "tickets": tickets, "touchpoints": touches, "accounts": accounts}
    lines = [line("a", 4321.5), line("b", 777)]
    return small_book(lines, **(tables | {"feature_catalog": catalog} | more))


@pytest.fixture(scope="module")
def review():
    return value(review_book(), Rules(), "a")


def test_the_customers_page_by_hand(review) -> None:
    told = review
    used = told["usage"]
    assert (used["days"], used["of"], len(used["weeks"])) == (7, 13, 26)
    assert used["people"] == pytest.approx((9 * 12 + 4 * 4) / 13)
    assert (used["people_before"], used["people_year_ago"]) == (4.0, None)
    assert [(f["feature"], f["tier"], f["weeks"]) for f in told["adoption"]["features"]] == [
        ("search", "Core", 13),
        ("api keys", "Integrations", 13),
    ]
    assert told["adoption"]["features"][0]["first_used_on"] is None  # usage begins with it
    assert told["tickets"]["months"][-1] == {"month": "2025-06", "opened": 1, "solved": 0}
    assert (told["tickets"]["solved_91d"], told["tickets"]["open"]) == (1, 1)
    assert told["tickets"]["median_days_91d"] == 2.0
    assert [one["what"] for one in told["milestones"]] == [
        "You became a customer",
        "“api keys” used for the first time",
        "10 people active in a week",
        "Milestone reached together",
    ]
    assert told["customer_since"] == "2024-01-01"


def test_the_customers_page_tells_nothing_of_the_house_or_of_others(review) -> None:
    page = value_page(review)
    words = safe(page).words
    for forbidden in (
        *("Rival", "secret", "Carl", "Evelyn", "Insider", "4,321", "4321", "777", "USD", "MRR"),
        *("smb", "sponsor", "notice", "nps", "churn", "renew", "score", "probab", "risk", "upsell"),
    ):
        assert forbidden.lower() not in words.lower(), forbidden
    assert "Ada Ltd" in words
    assert "12 business reviews" not in words
    assert "Together in the last twelve months: 1 business review." in words


@pytest.mark.ci
def test_an_account_without_usage_tickets_or_feeds_has_a_page() -> None:
    quiet = value(review_book(), Rules(), "b")
    assert "rival" in value_page(quiet).lower()
    bare = value(small_book([line("a")]), Rules(), "a")
    assert (bare["usage"], bare["adoption"], bare["tickets"], bare["together"]) == (None,) * 4
    words = safe(value_page(bare)).words
    assert "No usage is recorded" in words
    assert "No support request is recorded" in words
    silent = small_book([line("a"), line("c")], usage=[
        {"account_id": "a", "occurred_at": ago(d), "feature": "search"} for d in (1, 30, 99)
    ])  # fmt: skip
    assert "No usage is recorded" in safe(value_page(value(silent, Rules(), "c"))).words


@pytest.mark.ci
def test_an_account_that_pays_no_more_has_no_date_as_a_customer() -> None:
    book = small_book([line("a"), line("z", ends_on="2024-06-01")])
    told = value(book, Rules(), "z")
    assert told["customer_since"] is None
    assert "You became" not in value_page(told)


@pytest.mark.fault("D01")
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text(name: str, review) -> None:
    page = value_page(review | {"name": plain(name)})
    found = safe(page)
    assert len(page) < 60_000
    assert "\u202e" not in page
    assert "\x00" not in page
    assert "49" not in found.words.partition("Review together")[2][:40]


@pytest.mark.ci
def test_names_are_made_safe_before_they_are_told() -> None:
    for name in HOSTILE[2:4]:
        told = value(
            small_book([line("a")], accounts=[{"account_id": "a", "name": name}]), Rules(), "a"
        )
        assert told["name"] == plain(name)


def test_an_unknown_account_is_told_the_nearest() -> None:
    with pytest.raises(InputMissing) as found:
        value(review_book(), Rules(), "aa")
    assert (found.value.code, found.value.exit_code) == ("account.unknown", 66)
    assert 'did you mean "a"?' in found.value.cure


def test_the_first_week_is_no_milestone() -> None:
    assert reached({"weeks": [{"week": "2025-06-02", "people": 100}]}) == []
    assert reached(None) == []
    jumped = [{"week": "w1", "people": 1}, {"week": "w2", "people": 60}]
    assert reached({"weeks": jumped}) == [{"on": "w2", "what": "50 people active in a week"}]


@pytest.mark.ci
def test_an_account_that_merged_is_told_of_the_one_that_holds_it() -> None:
    accounts = [{"account_id": "a"}, {"account_id": "old"}]
    history = [{"account_id": "old", "valid_from": "2025-01-01", "merged_into": "a"}]
    book = small_book([line("a")], accounts=accounts, account_history=history)
    with pytest.raises(InputMissing) as found:
        value(book, Rules(), "old", AS_OF + timedelta(days=0))
    assert found.value.code == "account.held"


def light(colour: str) -> float:
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return sum(k * s for k, s in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_pair_of_colours_can_be_read(scheme: int) -> None:
    look = (Path(reports.__file__).parent / "report.css").read_text()
    block = re.findall(r":root \{(.*?)\n *\}", look, re.S)[scheme]
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", block))
    pairs = [(ink, ground) for ink in ("ink", "soft") for ground in ("paper", "faint")]
    pairs += [("first", "paper"), ("second", "paper"), ("bad", "paper"), ("note-ink", "note")]
    for ink, ground in [*pairs, ("ink", "note")]:
        dim, bright = sorted((light(colours[ink]), light(colours[ground])))
        assert (bright + 0.05) / (dim + 0.05) >= 4.5, (ink, ground)


# --- printing


def test_without_a_browser_the_cure_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(DependencyDown) as found:
        browser()
    assert (found.value.code, found.value.exit_code) == ("pdf.no_browser", 69)
    assert "chromium" in found.value.cure


def test_the_first_browser_on_the_path_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        shutil, "which", lambda name: f"/opt/{name}" if name == BROWSERS[2] else None
    )
    assert browser() == Path("/opt/google-chrome")


def program(folder: Path, script: str) -> Path:
    path = folder / "chromium"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("exit 1", "it said nothing"),
        ("echo no display >&2; exit 3", "no display"),
        ("sleep 60 & sleep 60", "not done after 0.2 seconds"),
        ('for a; do case $a in --print-to-pdf=*) printf "%%PDF-1.4 cut" > "${a#*=}";; esac; done',
         "wrote no PDF"),
    ],
)  # fmt: skip
def test_a_browser_that_fails_is_a_fault(tmp_path: Path, script: str, found: str) -> None:
    with pytest.raises(DependencyDown) as refused:
        pdf("<p>page</p>", program(tmp_path, script), 0.2 if "sleep" in script else 20)
    assert refused.value.code == "pdf.failed"
    assert found in refused.value.message


def test_a_program_that_cannot_be_run_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(DependencyDown) as refused:
        pdf("<p>page</p>", tmp_path / "none")
    assert refused.value.code == "pdf.failed"


def test_a_browser_sees_one_file_no_network_and_no_environment(tmp_path: Path) -> None:
    told = tmp_path / "told"
    script = f'echo "$@" > {told}; env >> {told}; exit 1'
    with pytest.raises(DependencyDown):
        pdf("<p>page</p>", program(tmp_path, script), 20)
    words = told.read_text()
    assert "--headless=new" in words
    assert "MAP * ~NOTFOUND" in words
    assert "PYTEST" not in words
    folder = re.search(r"--user-data-dir=(\S+)/profile", words)[1]
    assert not Path(folder).exists()


# --- the command


@pytest.mark.ci
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "neither --board nor --account"),
        (("--board", "--account", "a"), 2, "--board beside --account"),
        (("--board", "--out", "x.doc"), 2, "report.kind"),
        (("--board", "--out", "none/x.html"), 2, "report.unwritable"),
        (("--account", "zz"), 66, "account.unknown"),
    ],
)
def test_what_is_refused(tmp_path: Path, words: tuple[str, ...], code: int, said: str) -> None:
    told = perennial(made(tmp_path), "report", *words)
    assert (told.code, said in told.err) == (code, True), told.err


@pytest.mark.ci
def test_a_book_of_a_few_months_without_run_target_or_close(tmp_path: Path) -> None:
    folder = made(tmp_path)
    told = perennial(folder, "report", "--board", "--out", "board.html", "--json")
    assert told.code == 0, told.err
    body = json.loads(told.out)
    assert (body["run"], body["closed"], body["window"]["nrr"]) == (None, None, None)
    words = safe((folder / "board.html").read_text()).words
    for said in (
        *("No target is configured", "No forecast is published yet", "No month has been closed"),
        *("No twelve months can be shown", "perennial score"),
    ):
        assert said in words, said
    assert stat.S_IMODE((folder / "board.html").stat().st_mode) == 0o600


def hostile_board(folder: Path) -> str:
    """The page of a book whose accounts and segments have hostile names."""
    names = [name.replace("\x00", "") for name in HOSTILE]
    out = io.StringIO()
    rows = ((f"a{k}", name, name) for k, name in enumerate(names))
    csv.writer(out).writerows([("account_id", "name", "segment"), *rows, ("gone", "Gone", "smb")])
    lines = "account_id,starts_on,ends_on,mrr,seats\ngone,2023-01-01,2025-01-01,9000.00,1\n"
    lines += "".join(f"a{k},2023-01-01,,{100 * (k + 1)}.00,1\n" for k in range(len(names)))
    toml = '[book]\nas_of = "2025-07-01"\n'
    made(folder, toml, accounts=out.getvalue(), subscriptions=lines, usage=None)
    told = perennial(folder, "report", "--board", "--json")
    assert told.code == 0, told.err
    body = told.body
    assert body["window"]["nrr"] is not None
    assert len(body["segments"]) == len(names) + 1
    largest = [
        {"account_id": "a0", "name": plain(name), "mrr": 1.0, "share": 0.5} for name in names
    ]
    ahead = {"nrr": None, "as_of": "2025-07-01", "reason": names[0], "period_end": "2025-09-30",
             "horizon_months": 3, "cohort_accounts": 0, "opening_mrr": 0.0}  # fmt: skip
    return board_page(
        body
        | {
            "concentration": {
                "accounts": largest,
                "largest_share": 0.5,
                "nrr_without_largest": 1.0,
            },
            "run": {"run_id": "r", "as_of": "2025-07-01", "model_version": "1", "snapshot": "s"},
            "forecasts": {"3": ahead},
        }
    )


@pytest.mark.ci
@pytest.mark.fault("D01")
def test_hostile_names_on_the_boards_page_are_text(tmp_path: Path) -> None:
    page = hostile_board(tmp_path)
    words = safe(page).words
    assert len(page) < 150_000
    assert "\u202e" not in page
    assert "{{7*7}}" in words


@pytest.fixture(scope="module")
def board_told(tmp_path_factory: pytest.TempPathFactory):
    """The board's page and JSON of a scored book with a closed month, beside the commands' own."""
    folder = copied(workspace(tmp_path_factory), tmp_path_factory.mktemp("board") / "book")
    told = perennial(folder, "metrics", "--by", "segment", "--json").body
    month = told["windows"][0]["to"][:7]
    assert perennial(folder, "close", month).code == 0
    made_ = perennial(folder, "report", "--board", "--json", "--out", "board.html")
    assert made_.code == 0, made_.err
    ahead = {
        h: perennial(folder, "forecast", "--horizon", h, "--json").body for h in ("1", "3", "12")
    }
    metrics = perennial(folder, "metrics", "--by", "segment", "--json").body
    page = (folder / "board.html").read_text()
    return folder, json.loads(made_.out), page, metrics, ahead


@pytest.mark.ci
def test_the_boards_figures_are_those_of_metrics_and_forecast(board_told) -> None:
    _, body, _, metrics, ahead = board_told
    assert body["window"] == metrics["windows"][0]
    assert body["segments"] == metrics["windows"][1:]
    assert body["warnings"] == metrics["warnings"]
    assert body["definition"] == metrics["definition"]
    assert body["closed"] == metrics["closed"]
    assert body["forecasts"] == ahead
    series = {one["to"]: one for one in (*metrics["windows"], *metrics["series"]) if not one["cut"]}
    for one in body["quarters"]:
        assert {k: v for k, v in one.items() if k not in ("quarter", "complete")} == series[
            one["to"]
        ]


@pytest.mark.ci
def test_the_page_shows_the_forecast_that_is_published(board_told) -> None:
    _, body, page, metrics, ahead = board_told
    words = safe(page).words.replace("\xa0", " ")
    assert metrics["windows"][0]["nrr"] is None
    assert "No twelve months can be shown" in words
    amounts = [one["mrr"] for one in body["concentration"]["accounts"]]
    assert [cents(amount) for amount in amounts if cents(amount) not in words] == []
    for one in ahead.values():
        ends = f"{100 * one['nrr']['p10']:.1f} % to {100 * one['nrr']['p90']:.1f} %"
        assert f"{100 * one['nrr']['mean']:.1f} %" in words
        assert ends in words
    assert "The closing MRR reads as it was closed." in words


@pytest.mark.ci
def test_the_boards_page_shows_retention_to_the_cent(tmp_path: Path) -> None:
    asked = ("--accounts", "60", "--months", "40", "--json")
    assert perennial(tmp_path, "simulate", str(tmp_path / "old"), *asked).code == 0
    metrics = perennial(tmp_path / "old", "metrics", "--by", "segment", "--json").body
    page = perennial(tmp_path / "old", "report", "--board").out
    words = safe(page).words.replace("\xa0", " ")
    whole = metrics["windows"][0]
    shown = [whole["opening_mrr"], whole["closing_mrr"], whole["cohort"]["closing_mrr"]]
    shown += [one["cohort"]["opening_mrr"] for one in metrics["windows"]]
    shown += [whole[f"{name}_mrr"] for name in ("new", "expansion", "contraction", "churned")]
    assert [cents(amount) for amount in shown if cents(amount) not in words] == []
    for window in metrics["windows"]:
        assert f"{100 * window['nrr']:.1f} %" in words
        assert f"{100 * window['grr']:.1f} %" in words
    assert page.count("<svg") == 2
    assert len(set(re.findall(r"20\d\d-Q[1-4]", words))) >= 8


@pytest.mark.ci
def test_a_target_has_its_chance_or_the_reason_why_not(board_told, tmp_path: Path) -> None:
    folder = copied(board_told[0], tmp_path / "book")
    with (folder / "perennial.toml").open("a") as toml:
        toml.write("\n[forecast]\nnrr_target = 1.05\n")
    unscored = safe(perennial(folder, "report", "--board").out).words
    assert "The target is 105.0 % now, and was none when the run was scored" in unscored
    assert perennial(folder, "score", "--json").code == 0
    told = perennial(folder, "report", "--board", "--json").body["target"]
    assert (told["nrr_target"], told["of_run"]) == (1.05, 1.05)
    assert 0 <= told["year"]["p_target"] <= 1
    words = safe(perennial(folder, "report", "--board").out).words.replace("\xa0", " ")
    assert "Chance of at least 105.0 %" in words


@pytest.mark.ci
def test_the_customers_page_of_a_scored_account_holds_nothing_that_was_scored(board_told) -> None:
    """Grep the page of several accounts for each figure that the house has of them."""
    from serving.store import Store

    folder = board_told[0]
    rows = Store.open(folder / ".perennial").scores(limit=200).rows
    for row in rows[:2]:
        page = perennial(folder, "report", "--account", row["account_id"])
        assert page.code == 0, page.err
        words = re.sub(r"\s+", " ", safe(page.out).words)
        others = [one["name"] for one in rows if one["account_id"] != row["account_id"]]
        phrases = [r["phrase"] for r in (*row["reasons_retention"], *row["reasons_expansion"])]
        secret = [*others, row["csm"], row["action"], row["guard"], *phrases]
        secret += [cents(row["mrr"]), f"{row['mrr']:,.0f}", f"{12 * row['mrr']:,.0f}"]
        secret += [f"{row[key]:.3f}" for key in row if key.startswith("p_") and row[key]]
        found = [one for one in secret if one and len(str(one)) > 3 and str(one) in words]
        assert found == [], row["account_id"]
        assert not re.search(r"\b[HML]{2}\b", words)
        assert not re.search(
            r"(?i)churn|risk|probab|likel|score|upsell|cell|benchmark|segment|MRR", words
        )


# --- as a browser shows it


@pytest.fixture(scope="module")
def chromium() -> Path:
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("no Chromium on this machine: install Debian's package chromium")
    return Path(found)


@pytest.mark.slow
def test_a_pdf_of_a_hostile_page_runs_nothing(chromium: Path, review) -> None:
    for name in HOSTILE:
        content = pdf(value_page(review | {"name": plain(name)}), chromium)
        assert content.startswith(b"%PDF-")
        assert b"/JavaScript" not in content
        assert 1 <= len(re.findall(rb"/Type\s*/Page\b", content)) <= 4


@pytest.mark.slow
def test_the_command_prints_a_pdf(tmp_path: Path, chromium: Path) -> None:
    folder = made(tmp_path)
    told = perennial(folder, "report", "--account", "a", "--out", "review.pdf")
    assert told.code == 0, told.err
    assert (folder / "review.pdf").read_bytes().startswith(b"%PDF-")


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_and_ask_for_nothing(
    review, tmp_path: Path, chromium: Path, width: int, scheme: str
) -> None:
    from playwright.sync_api import sync_playwright

    pages = {"board": hostile_board(tmp_path)}
    for at, name in enumerate(HOSTILE):
        pages[f"value{at}"] = value_page(review | {"name": plain(name)})
    with sync_playwright() as player:
        opened = player.chromium.launch(executable_path=str(chromium), args=["--no-sandbox"])
        for name, html in pages.items():
            (tmp_path / f"{name}.html").write_text(html)
            shown = opened.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            said, asked = [], []
            shown.on("console", lambda message, said=said: said.append(message.text))
            shown.on("request", lambda request, asked=asked: asked.append(request.url))
            shown.goto((tmp_path / f"{name}.html").as_uri())
            across = shown.evaluate("document.documentElement.scrollWidth")
            assert across <= width, (name, across)
            assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
            assert said == [], (name, said)
            assert shown.title() != "run"
            shown.close()
        opened.close()
