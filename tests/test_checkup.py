"""A check-up: what a book can answer and why not, how fresh it is, what its breaches cost."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.book import Book, BookFacts
from features.breaches import Breach
from features.catalog import CATALOG
from features.holdings import FeedHeld, Holdings, holdings_of
from features.mapping import BookSettings, TableSettings, Workspace
from features.questions import LEAST_LEFT, QUESTIONS, answers
from features.report import IngestReport, TableReport
from features.toll import toll
from serving import terminal
from serving.checkup import _aged, _old
from serving.reports.check_page import check_page
from training.report import LEAST_EVENTS

from .command_line import LINES, made, perennial

DAY = date(2025, 7, 1)
COLUMNS = {
    "accounts": frozenset({"account_id", "segment", "region", "csm"}),
    "subscriptions": frozenset(
        {"seats", "product", "plan", "term_months", "canceled_on", "recorded_at"}
    ),
    "usage": frozenset({"user_id"}),
} | dict.fromkeys(
    ("feature_catalog", "limits", "events", "tickets", "touchpoints", "payments", "growth",
     "outreach_log"), frozenset[str]()
) | {"payments": frozenset({"paid_on"})}  # fmt: skip
FEEDS = dict.fromkeys(
    ("usage", "limits", "events", "tickets", "touchpoints", "growth"), FeedHeld(400)
)
WHOLE = Holdings(
    DAY, COLUMNS, 36, (), 100, 40, 0.7, 1.0, FEEDS,
    {"segment": 1.0, "region": 1.0, "csm": 1.0},
)  # fmt: skip
OLD = "no line has ended: no churn"


def without(*tables: str) -> dict[str, frozenset[str]]:
    return {name: given for name, given in COLUMNS.items() if name not in tables}


def told(held: Holdings, slug: str) -> tuple[str, str]:
    found = next(each for each in answers(held) if each["question"] == slug)
    assert (found["answer"] == "yes") == (not found["why"]) == (not found["cures"])
    return found["answer"], "; ".join(found["why"])


def test_a_whole_book_answers_everything() -> None:
    assert {each["answer"] for each in answers(WHOLE)} == {"yes"}
    assert len({each.slug for each in QUESTIONS}) == len(QUESTIONS)


@pytest.mark.parametrize(
    ("slug", "lacking", "answer", "why"),
    [
        ("retention_year", {"months": 12}, "no", "12 month-ends of revenue; it needs 13"),
        ("retention_quarter", {"months": 12}, "yes", ""),
        ("retention_quarter", {"months": 1}, "no", "1 month-end of revenue; it needs 4"),
        ("retention_year", {"doubts": (OLD,)}, "partly", OLD),
        ("churn", {"doubts": (OLD,)}, "no", OLD),
        ("churn", {"months": 1}, "no", "1 month-end"),
        ("levers", {"provided": COLUMNS | {"subscriptions": frozenset({"seats"})}}, "partly",
         "subscriptions came without product, plan"),
        ("levers", {"provided": COLUMNS | {"subscriptions": frozenset()}}, "partly",
         "every move is called a price"),
        ("cuts", {"filled": {}}, "no", "accounts came without segment, region, csm"),
        ("cuts", {"filled": {"segment": 0.5, "region": 1.0, "csm": 1.0}}, "partly",
         "segment is filled in for 50% of paying accounts"),
        ("renewals", {"provided": without("subscriptions") | {"mrr_by_month": frozenset()}}, "no",
         "mrr_by_month has no terms"),
        ("renewals", {"known_share": 0.0, "provided": COLUMNS | {"subscriptions": frozenset()}},
         "no", "no terms: subscriptions came without term_months"),
        ("renewals", {"known_share": 0.0}, "no", "no terms: no paying account has one"),
        ("renewals", {"known_share": 0.4}, "partly", "terms are known for 40% of MRR"),
        ("notice", {"provided": without("touchpoints") | {"subscriptions": frozenset()}}, "no",
         "came without canceled_on"),
        ("notice", {"provided": {"mrr_by_month": frozenset()}}, "no", "tells no notice"),
        ("usage", {"provided": without("usage")}, "no", "the book has no table usage"),
        ("usage", {"feeds": {}}, "no", "usage has no row before 2025-07-01"),
        ("usage", {"feeds": {"usage": FeedHeld(400, True)}}, "no", "usage is behind"),
        ("usage", {"feeds": {"usage": FeedHeld(1)}}, "partly", "usage begins 1 day ago"),
        ("people", {"provided": COLUMNS | {"usage": frozenset()}}, "no", "without user_id"),
        ("people", {"provided": without("usage")}, "no", "the book has no table usage"),
        ("adoption", {"provided": without("feature_catalog")}, "partly", "no table feature_catalog"),
        ("allowances", {"provided": without("limits")}, "partly", "only events"),
        ("allowances", {"provided": without("limits", "events")}, "no", "neither"),
        ("support", {"provided": without("tickets")}, "no", "no table tickets"),
        ("payments", {"provided": without("payments")}, "partly", "only events"),
        ("payments", {"provided": without("payments", "events")}, "no", "neither"),
        ("payments", {"provided": COLUMNS | {"payments": frozenset()}}, "partly", "paid_on"),
        ("probabilities", {"left": 9}, "partly", "9 accounts paid before and not now; fewer"),
        ("probabilities", {"months": 6}, "partly", "6 month-ends"),
        ("year_ahead", {"months": 24}, "partly", "24 month-ends of revenue; below 25"),
        ("year_ahead", {"months": 3}, "no", "it needs 4"),
        ("past", {"provided": COLUMNS | {"subscriptions": frozenset()}}, "partly", "recorded_at"),
        ("outreach", {"provided": without("outreach_log")}, "partly", "outreach_log"),
    ],
)  # fmt: skip
def test_what_lacks_is_said_with_its_reason(
    slug: str, lacking: dict[str, Any], answer: str, why: str
) -> None:
    found, said = told(replace(WHOLE, **lacking), slug)
    assert found == answer
    assert why in said


def test_few_who_left_are_few_for_the_training_too() -> None:
    assert LEAST_LEFT == LEAST_EVENTS


@pytest.mark.ci
def test_a_book_is_summed_up() -> None:
    lines = pd.DataFrame(
        {
            "account_id": ["a", "b", "c"],
            "starts_on": [date(2025, 1, 1), date(2025, 1, 1), date(2025, 8, 1)],
            "ends_on": [None, date(2025, 3, 1), None],
            "mrr_micros": [30, 20, 10],
        }
    )
    accounts = pd.DataFrame({"account_id": ["a", "b"], "segment": ["smb", None]})
    book = Book.of({"accounts": accounts, "subscriptions": lines}, BookFacts(as_of=DAY))
    frame = pd.DataFrame(
        {
            "account_id": ["a", "b"],
            "mrr_micros": [30, 10],
            "next_renewal_on": [pd.NaT, pd.Timestamp("2026-01-01")],
            "decision": ["unknown", "term"],
        }
    )
    held = holdings_of(book, DAY, frame)
    assert (held.months, held.paying, held.left, held.doubts) == (6, 2, 0, ())
    assert (held.term_share, held.known_share) == (0.25, 0.25)
    assert held.filled == {"segment": 0.5}
    assert held.feeds == {}
    assert held.revenue == "subscriptions"
    assert not holdings_of(book, DAY, frame.head(0)).filled


ASIDE = {
    "account_id": ["a", "b", "zz", None],
    "codes": [["timestamp.format"], ["timestamp.format", "number.format"], ["key.unknown_account"],
              ["row.extra_columns"]],
    "mrr": ["1250.50", "x", "70", None],
    "amount": [None, "24000", None, None],
    "interval_months": [None, "12", None, None],
    "currency": [None, "", "EUR", None],
    "starts_on": ["2025-13-01", "2025-01-01", "2025-01-01", None],
    "ends_on": ["", None, "2025-02-01", None],
    "kind": [None, None, None, None],
    "month": ["2025-06-01", "2025-05-31", "?", None],
}  # fmt: skip
PAYING = pd.Series({"a": 5_000_000, "b": 7_000_000}, name="mrr_micros")


def costs(folder: Path, table: str, toml: Workspace | None = None) -> dict[str, dict[str, Any]]:
    text = {name: pa.array(each, pa.string()) for name, each in ASIDE.items() if name != "codes"}
    text["codes"] = pa.array(ASIDE["codes"], pa.list_(pa.string()))
    pq.write_table(pa.table(text), folder / f"{table}.parquet")
    codes = {"timestamp.format": 9, "number.format": 9, "key.unknown_account": 9}
    one = TableReport(codes=codes | {"row.extra_columns": 9})
    report = IngestReport("checked", None, {table: one}, {"as_of": DAY.isoformat()})
    found = toll(report, folder, PAYING, toml or Workspace(folder, folder))
    return {each["code"]: each for each in found}


@pytest.mark.ci
def test_a_breach_of_revenue_costs_what_its_lines_say(tmp_path: Path) -> None:
    found = costs(tmp_path, "subscriptions")
    dates = found["timestamp.format"]
    assert (dates["rows"], dates["accounts"], dates["mrr"], dates["mrr_of"]) == (
        2, 2, 3250.5, "lines",
    )  # fmt: skip
    assert found["number.format"]["mrr"] == 2000.0
    strange = found["key.unknown_account"]  # in another currency, and ended
    assert (strange["rows"], strange["accounts"], strange["mrr"]) == (1, 0, None)
    formless = found["row.extra_columns"]
    assert (formless["rows"], formless["accounts"], formless["mrr"]) == (1, None, None)
    assert list(found)[:2] == ["timestamp.format", "number.format"]


@pytest.mark.ci
def test_cents_are_cents_and_a_month_is_the_last_one(tmp_path: Path) -> None:
    tables = {"mrr_by_month": TableSettings(units={"mrr": "cents"})}
    cents = Workspace(tmp_path, tmp_path, BookSettings(currency="EUR"), tables)
    found = costs(tmp_path, "mrr_by_month", cents)
    assert found["timestamp.format"]["mrr"] == 12.51
    assert found["key.unknown_account"]["mrr"] == 0.7
    assert found["number.format"]["mrr"] is None


@pytest.mark.ci
def test_a_breach_of_another_table_costs_its_accounts(tmp_path: Path) -> None:
    found = costs(tmp_path, "tickets")
    assert (found["timestamp.format"]["mrr"], found["timestamp.format"]["mrr_of"]) == (
        12.0, "accounts",
    )  # fmt: skip
    assert (found["key.unknown_account"]["accounts"], found["key.unknown_account"]["mrr"]) == (0, 0)
    assert found["row.extra_columns"]["accounts"] is None


def test_the_ten_dearest_stand_first_money_before_signals(tmp_path: Path) -> None:
    breach = Breach("usage.csv", 7, "count", "number.format", '"x"', "write digits")
    usage = TableReport(codes={f"code.{n}": n for n in range(12)} | {"number.format": 99})
    usage = replace(usage, errors=(breach,))
    lines = TableReport(codes={"currency.unknown": 1})
    report = IngestReport("refused", None, {"usage": usage, "subscriptions": lines})
    found = toll(report, tmp_path, PAYING, Workspace(tmp_path, tmp_path))
    assert len(found) == 10
    assert [each["code"] for each in found[:3]] == ["currency.unknown", "number.format", "code.11"]
    assert found[0]["cure"] == "write a code of ISO 4217"
    assert {each["mrr"] for each in found} == {None}
    first = {name: found[1][name] for name in ("file", "row", "column", "found", "cure")}
    assert first == {
        "file": "usage.csv", "row": 7, "column": "count", "found": '"x"', "cure": "write digits",
    }  # fmt: skip


def test_the_age_of_a_table_is_told_from_today(tmp_path: Path) -> None:
    fresh = {"table": "usage", "last": "2025-06-30", "age_days": 0, "behind": False}
    assert _aged(fresh, date(2025, 8, 9))["days_ago"] == 40
    assert _aged(fresh | {"last": None}, DAY)["days_ago"] is None
    old, never = _aged(fresh, date(2025, 8, 9)), _aged(fresh | {"last": None}, DAY)
    workspace = Workspace(tmp_path, tmp_path)
    assert "40 days old" in _old([old, never], workspace)[0]
    assert _old([never], workspace) == _old([], workspace) == []
    assert _old([_aged(fresh, DAY), old], workspace) == []
    assert _old([old | {"table": "mrr_by_month"}], workspace) == []  # of June, in August
    chosen = Workspace(tmp_path, tmp_path, BookSettings(as_of=DAY))
    assert _old([old], chosen) == []


BODY: dict[str, Any] = {
    "status": "checked",
    "snapshot": None,
    "tables": {
        "usage": TableReport(rows_in=2, accepted=1, quarantined=1, ignored_columns=("x",)).to_json()
    },
    "coverage": {
        "as_of": "2025-07-01",
        "currency": "USD",
        "accounts": 3,
        "limits": ["no line has ended"],
        "tables": {"usage": {"rows": 1, "accounts_covered": 0.5, "first": None, "last": None}},
        "answers": answers(replace(WHOLE, provided=without("usage"))),
        "freshness": [
            {"table": "usage", "last": None, "age_days": None, "days_ago": None, "behind": True}
        ],
        "signals": {
            each.slug: {"accounts": 3, "share": 1.0, "missing": each.missing} for each in CATALOG
        },
        "gains": [
            {"table": "plans", "with": ["limits"], "signals": ["a"], "triggers": [], "said": "s"},
            {"table": "usage", "columns": ["user_id"], "said": "usage came without user_id"},
        ],
        "costliest": [
            {"table": "usage", "code": "number.format", "rows": 1234, "accounts": None,
             "mrr": None, "mrr_of": None, "file": "<b>.csv", "row": 3, "column": None,
             "found": "<script>", "cure": "write digits"},
            {"table": "usage", "code": "row.too_long", "rows": 1, "accounts": 2, "mrr": 12.5,
             "mrr_of": "accounts", "file": None, "row": None, "column": None, "found": None,
             "cure": "shorten it"},
        ],
    },
    "refusals": [],
    "warnings": ["usage: odd"],
}  # fmt: skip


@pytest.mark.ci
def test_the_page_tells_all_of_it_and_calls_nobody() -> None:
    page = check_page(BODY)
    assert "This book can answer 16 of 19 questions" in page
    assert "The book has no table usage." in page
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    for said in ("1,234", "12.50", "columns not taken: x", "Usage: odd.", "Usage came without"):
        assert said in page
    assert all(each.slug in page for each in CATALOG)


@pytest.mark.ci
def test_a_refused_book_has_a_page_too() -> None:
    refused = BODY | {
        "status": "refused", "refusals": ["usage.csv: cut"], "coverage": {}, "tables": {},
    }  # fmt: skip
    page = check_page(refused)
    assert "This book is refused" in page
    assert "usage.csv: cut" in page
    nobody = BODY | {"coverage": {"accounts": 0, "answers": [], "freshness": [], "signals": {}}}
    assert "Nobody pays in this book" in check_page(nobody)


@pytest.mark.ci
def test_the_terminal_tells_it_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "110")
    terminal.checked(BODY)
    terminal.each_signal(BODY["coverage"])
    terminal.each_signal({})
    said = " ".join(capsys.readouterr().out.split())
    for words in (
        "behind: its signals",
        "16 of 19",
        "the book has no table usage",
        "shorten it",
        "1,234",
    ):
        assert words in said
    assert "usage_events_28d" in said


@pytest.mark.ci
def test_the_command_checks_up_and_changes_nothing(tmp_path: Path) -> None:
    lines = LINES + "b,2025-06-01,,1.5O,1\na,2025-13-01,,40.00,1\n"
    made(tmp_path, subscriptions=lines)
    before = sorted(tmp_path.rglob("*"))
    found = perennial(tmp_path, "check", "--json").body["coverage"]
    assert sorted(tmp_path.rglob("*")) == before
    dates, digits = found["costliest"]
    assert (dates["code"], dates["mrr"], dates["accounts"]) == ("timestamp.format", 40.0, 1)
    assert (digits["code"], digits["mrr"], digits["file"]) == (
        "number.format", None, "subscriptions.csv",
    )  # fmt: skip
    assert found["currency"] == "USD"
    asked = {each["question"]: each["answer"] for each in found["answers"]}
    assert (asked["retention_year"], asked["usage"], asked["support"]) == ("no", "partly", "no")
    assert found["freshness"][0]["days_ago"] > 0
    page = perennial(tmp_path, "check", "--html", "page.html", "--signals")
    assert (page.code, page.err) == (0, "perennial: page written to page.html\n")
    assert "support_open" in page.out
    assert "The most costly breaches" in (tmp_path / "page.html").read_text(encoding="utf-8")
    for name, code in (("page.txt", "report.kind"), ("no/page.html", "report.unwritable")):
        wrong = perennial(tmp_path, "check", "--html", name)
        assert (wrong.code, code in wrong.err) == (2, True)
    (tmp_path / "usage.csv").write_bytes(b"")
    refused = perennial(tmp_path, "check", "--html", "page.html")
    assert refused.code == 65
    assert "This book is refused" in (tmp_path / "page.html").read_text(encoding="utf-8")
