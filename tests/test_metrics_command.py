"""`perennial metrics` and `perennial close`: forms, presets, reconciliation, pictures, restatements."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tests.command_line import made, perennial

pytestmark = pytest.mark.ci  # each command opens a book of its own

ACCOUNTS = "account_id,name,segment,=cmd\na,Ada Ltd,=smb,x\nb,Bee Ltd,ent,y\nc,Cee Ltd,ent,x\n"
LINES = (
    "account_id,product,starts_on,ends_on,mrr\n"
    "a,core,2024-01-01,2024-09-01,100.005\n"
    "a,core,2024-11-01,,120.00\n"
    "b,core,2024-01-01,2025-02-01,50.00\n"
    "c,core,2024-01-01,,900.00\n"
    "c,more,2025-01-01,,90.00\n"
)
TOML = '[book]\nas_of = "2025-07-01"\n[revenue]\nlate_renewal_days = 0\n'


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finance")
    return made(folder, TOML, accounts=ACCOUNTS, subscriptions=LINES, usage=None)


# --- one window, three forms


def test_as_csv_each_window_and_cut_is_a_row(book: Path) -> None:
    asked = ("metrics", "--by", "segment", "--window", "quarter")
    told = perennial(book, *asked, "--json").body
    rows = list(csv.DictReader(io.StringIO(perennial(book, *asked, "--format", "csv").out)))
    windows = [*told["windows"], *told["series"]]
    assert [row["from"] for row in rows] == [window["from"] for window in windows]
    assert [row["to"] for row in rows] == [window["to"] for window in windows]
    assert list(rows[0])[:3] == ["segment", "cut by", "currency"]
    for row, window in zip(rows, windows, strict=True):
        assert row["opening_mrr"] == f"{window['opening_mrr']:.2f}"
        assert row["nrr"] == ("" if window["nrr"] is None else repr(window["nrr"]))
        assert row["cut by"] == ", ".join(window["cut"])
    assert {row["segment"] for row in rows} == {"", "'=smb", "ent"}
    assert {row["rules"] for row in rows} == {"preset default, but late_renewal_days = 0"}


def test_the_header_of_a_csv_is_no_formula_either(book: Path) -> None:
    told = perennial(book, "metrics", "--by", "=cmd", "--format", "csv")
    assert told.out.startswith("'=cmd,cut by,")


def test_format_json_is_json(book: Path) -> None:
    asked = ("metrics", "--window", "month")
    assert perennial(book, *asked, "--format", "json").out == perennial(book, *asked, "--json").out


def test_line_cuts_add_up_to_the_whole_with_what_moved_between_them(book: Path) -> None:
    told = perennial(book, "metrics", "--by", "product", "--json").body["windows"]
    whole, *parts = told
    for name in ("opening_mrr", "new_mrr", "expansion_mrr", "churned_mrr", "closing_mrr"):
        assert sum(part[name] for part in parts) == pytest.approx(whole[name], abs=0.001)
    assert [part["cut"] for part in parts if part.get("moved_between_lines")] == [{"product": None}]
    assert "moved between lines" in perennial(book, "metrics", "--by", "product").out


# --- presets


def test_a_preset_on_the_command_line_puts_the_books_choices_aside(book: Path) -> None:
    asked = ("metrics", "--window", "month", "--json")
    assert perennial(book, *asked).body["definition"]["late_renewal_days"] == 0
    told = perennial(book, *asked, "--preset", "default").body["definition"]
    assert (told["preset"], told["late_renewal_days"]) == ("default", 31)
    told = perennial(book, *asked, "--preset", "board-ttm").body["definition"]
    assert (told["preset"], told["rollup"]) == ("board-ttm", "parent")


def test_the_page_says_only_what_differs_from_the_default(book: Path) -> None:
    assert "rules: preset default, but late_renewal_days = 0\n" in perennial(book, "metrics").out
    said = perennial(book, "metrics", "--preset", "board-ttm").out
    assert "rules: preset board-ttm: basis = committed, rollup = parent\n" in said


REFUSED = [
    ("metrics --preset strip-like", "preset.unknown", 'did you mean "stripe-like"?'),
    ("metrics --reconcile board", "preset.unknown", 'did you mean "board-ttm"?'),
    ("metrics --plot figure.pdf", "plot.unknown", ".svg or .png"),
    ("metrics --plot nowhere/figure.svg", "plot.unknown", "make the folder"),
    ("metrics --format xml", "usage", "table, json, csv"),
    ("metrics --format csv --reconcile all", "usage", "table or json"),
    ("close 2025-7", "month.unknown", "2025-05"),
    ("close 2025-07", "close.not_ended", "2025-06"),
]


@pytest.mark.parametrize(("command", "code", "cure"), REFUSED)
def test_a_refusal_names_its_cure(book: Path, command: str, code: str, cure: str) -> None:
    told = perennial(book, *command.split())
    assert (told.code, told.out) == (2, "")
    assert f": {code}: " in told.err
    assert cure in told.err
    assert len(told.err.splitlines()) == 1


# --- reconciliation


def test_the_lines_of_a_reconciliation_add_up_exactly(book: Path) -> None:
    asked = ("metrics", "--window", "2024-06:2025-06", "--reconcile", "profitwell-like")
    walk = perennial(book, *asked, "--json").body["reconciliation"]
    for name in ("nrr", "grr"):
        units = [round(line[f"{name}_points"] * 10**4) for line in walk["lines"]]
        assert sum(units) == round(walk[f"{name}_points"] * 10**4)
        apart = 10**6 * walk["to"][name] - 10**6 * walk["from"][name]
        assert sum(units) == round(apart)
    page = perennial(book, *asked).out
    assert all(line["rule"] in page for line in walk["lines"])
    assert "the lines add up exactly" in page


def test_all_presets_stand_side_by_side(book: Path) -> None:
    asked = ("metrics", "--reconcile", "all")
    told = perennial(book, *asked, "--json").body["reconciliation"]["presets"]
    page = perennial(book, *asked).out
    assert [one["preset"] for one in told][:2] == ["default", "board-ttm"]
    assert all(f"│ {one['preset']} " in page for one in told)
    assert page.count("effect of each rule, in points") == 2


# --- pictures


@pytest.mark.parametrize("kind", ["svg", "PNG"])
def test_a_picture_is_written_beside_the_answer(book: Path, kind: str) -> None:
    name = f"movements.{kind}"
    told = perennial(book, "metrics", "--plot", name, "--json")
    assert told.body["windows"]
    assert told.err.endswith(f"perennial: drawn: {name}\n")
    start = (book / name).read_bytes()[:5]
    assert start == (b"<?xml" if kind == "svg" else b"\x89PNG\r")


def test_a_book_in_which_nobody_pays_has_a_picture_too(tmp_path: Path) -> None:
    lines = "account_id,starts_on,mrr\na,2024-01-01,0\n"
    made(tmp_path, subscriptions=lines, usage=None)
    assert perennial(tmp_path, "metrics", "--plot", "none.svg").code == 0
    assert (tmp_path / "none.svg").stat().st_size > 1000


# --- closed periods


def test_a_closed_month_is_not_rewritten_and_reads_differently_by_account(tmp_path: Path) -> None:
    made(tmp_path, TOML, accounts=ACCOUNTS, subscriptions=LINES, usage=None)
    first = perennial(tmp_path, "close", "2025-05", "--json").body
    assert (first["status"], first["difference"]["accounts"]) == ("closed", [])
    (tmp_path / "subscriptions.csv").write_text(
        LINES.replace("90.00\n", "70.00\n", 1) + "d,core,2025-03-01,,10\n"
    )
    (tmp_path / "accounts.csv").write_text(ACCOUNTS + "d,Dee Ltd,ent,y\n")
    told = perennial(tmp_path, "close", "2025-05", "--json").body
    assert told["status"] == "already closed"
    assert told["as_closed"] == first["as_closed"]
    apart = {row["account_id"]: row["difference_micros"] for row in told["difference"]["accounts"]}
    assert apart == {"c": -20_000_000, "d": 10_000_000}
    assert sum(apart.values()) == told["difference"]["closing_micros"]
    page = perennial(tmp_path, "close", "2025-05").out
    for said in ("as closed", "as restated", "│ d  ", "added", "−20.00"):
        assert said in page
    beside = perennial(tmp_path, "metrics", "--window", "2024-05:2025-05", "--json").body["closed"]
    assert beside["window"]["nrr"]["closed"] == first["as_closed"]["nrr"]
    assert (
        "as closed at 2025-05" in perennial(tmp_path, "metrics", "--window", "2024-05:2025-05").out
    )


# --- what the figures lack


def test_rows_that_were_set_aside_are_told_each_time(tmp_path: Path) -> None:
    made(tmp_path, TOML, accounts=ACCOUNTS, subscriptions=LINES + "c,core,soon,,9.00\n", usage=None)
    first, again = (perennial(tmp_path, "metrics", "--window", "month").err for _ in range(2))
    assert "set aside: figures will lack them" in first
    assert again.startswith("perennial: rows were set aside, the figures lack them: ")
    assert again.strip().endswith("errors.jsonl")
