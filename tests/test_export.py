"""Signals as a table, as a command's answer, as a file; and for how many accounts each is known."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path
from typing import get_args

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from features.absent import gains
from features.catalog import CATALOG
from features.contracts import TABLES
from features.engines import ENGINES
from features.export import signal_table
from features.faults import Fault
from features.reach import reach
from features.snapshot import snapshot
from features.triggers import TRIGGERS, TriggerSettings
from features.watched import reads, thresholds
from serving.cli.options import Engine
from tests.command_line import made, perennial
from tests.small_books import AS_OF, ago, line, small_book

SLUGS = [signal.slug for signal in CATALOG]
DAY = "2025-05-01"  # a, b and c pay


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("book"))


@pytest.fixture(scope="module")
def bare() -> pd.DataFrame:
    """The snapshot of a book that has no table beside its lines."""
    return snapshot(small_book([line("a")]), AS_OF)


def test_the_table_has_account_day_and_every_signal_and_nothing_else() -> None:
    tickets = [{"ticket_id": "t", "account_id": "a", "opened_at": ago(3)}]
    one = signal_table(small_book([line("b"), line("a")], tickets=tickets), AS_OF)
    assert one.column_names == ["account_id", "as_of", *SLUGS]
    assert one["account_id"].to_pylist() == ["a", "b"]
    assert one["as_of"].type == pa.date32()
    assert {one[slug].type for slug in SLUGS} == {pa.float64()}
    assert one["support_tickets_7d"].to_pylist() == [1.0, 0.0]
    assert one["usage_events_7d"].null_count == 2  # unknown is null, neither zero nor NaN


@pytest.mark.ci
def test_the_rows_asked_for_are_those_of_the_whole_book() -> None:
    lines = [line("a", seats=9), line("b"), line("c", starts="2030-01-01")]
    whole = signal_table(small_book(lines), AS_OF)
    assert signal_table(small_book(lines), AS_OF, ["b"]).equals(whole.slice(1))
    assert signal_table(small_book(lines), AS_OF, ["b", "a"]).equals(whole)


@pytest.mark.ci
@pytest.mark.parametrize(
    ("account", "code"), [("nobody", "account.unknown"), ("c", "account.not_paying")]
)
def test_who_is_not_there_is_refused(account: str, code: str) -> None:
    lines = [line("a"), line("c", starts="2030-01-01")]
    with pytest.raises(Fault, match=account) as caught:
        signal_table(small_book(lines), AS_OF, ["a", account])
    assert (caught.value.code, caught.value.exit_code) == (code, 66)


# --- the command


@pytest.mark.ci
def test_the_file_is_the_table_in_both_kinds(book: Path) -> None:
    for name in ("signals.parquet", "signals.csv"):
        told = perennial(book, "features", "--as-of", DAY, "--out", name, "--json").body
        assert (told["accounts"], told["out"], "rows" in told) == (3, name, False)
    kept = pq.read_table(book / "signals.parquet")
    assert kept.column_names == ["account_id", "as_of", *SLUGS]
    assert kept["as_of"].to_pylist() == [date(2025, 5, 1)] * 3
    text = (book / "signals.csv").read_bytes()
    read = pyarrow.csv.ConvertOptions(column_types=kept.schema)
    assert pyarrow.csv.read_csv(io.BytesIO(text), convert_options=read).equals(kept)
    before = (book / "signals.parquet").read_bytes()
    perennial(book, "features", "--as-of", DAY, "--out", "signals.parquet")
    assert (book / "signals.parquet").read_bytes() == before
    assert not list(book.glob(".tmp*"))


@pytest.mark.ci
def test_json_carries_the_rows_and_how_they_are_spread(book: Path) -> None:
    asked = ("features", "--as-of", DAY, "--account", "c", "--account", "a", "--json")
    told = perennial(book, *asked).body
    assert [row["account_id"] for row in told["rows"]] == ["a", "c"]
    assert list(told["rows"][0]) == ["account_id", "as_of", *SLUGS]
    assert told["rows"][0]["commercial_seats"] == 5.0
    assert told["rows"][0]["support_open"] is None
    seats = told["summary"]["commercial_seats"]
    assert (seats["accounts"], seats["share"], seats["median"]) == (2, 1.0, 22.5)
    assert told["summary"]["support_open"] == {
        "accounts": 0, "share": 0.0, "p10": None, "median": None, "p90": None,
    }  # fmt: skip


@pytest.mark.ci
def test_one_account_is_told_in_words_and_why_the_rest_is_not_known(book: Path) -> None:
    said = perennial(book, "features", "--as-of", DAY, "--account", "a").out
    assert f"{len(SLUGS)} signals of 1 paying account, known before {DAY}" in said
    assert "5 paid seats" in said
    words = " ".join(said.split())
    assert "not known: " in words
    short = {signal.slug.removeprefix(f"{signal.family}_") for signal in CATALOG}
    assert all(name in words for name in short)


@pytest.mark.ci
def test_a_day_past_the_books_own_is_said(book: Path) -> None:
    assert "what came since" not in perennial(book, "features", "--as-of", DAY).err
    told = perennial(book, "features", "--as-of", "2026-03-01", "--json")
    assert "perennial: --as-of 2026-03-01: the book's own day is 2025-06-0" in told.err
    assert told.body["as_of"] == "2026-03-01"


@pytest.mark.ci
def test_a_book_is_told_in_figures(book: Path) -> None:
    said = perennial(book, "features", "--as-of", DAY).out
    row = next(at for at in said.splitlines() if at.startswith("│ seats "))
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        "seats", "seats", "100.0 %", "2.6", "5", "33",
    ]  # fmt: skip


REFUSED = [
    ("--account nobody", 66, "account.unknown"),
    ("--account b --as-of 2025-06-02", 66, "account.not_paying"),
    ("--as-of 2999-01-01", 2, "as_of.future"),
    ("--as-of 2020-01-01", 65, "features.no_accounts"),
    ("--out signals.xlsx", 2, "out.unknown"),
    ("--out nowhere/signals.csv", 2, "out.unknown"),
    ("--book nowhere", 66, "feed.missing"),
]


@pytest.mark.ci
@pytest.mark.parametrize(("asked", "code", "name"), REFUSED)
def test_a_refusal_has_its_exit_code(book: Path, asked: str, code: int, name: str) -> None:
    told = perennial(book, "features", *asked.split(), "--json")
    assert (told.code, told.body["error"]["code"]) == (code, name)
    assert told.body["error"]["cure"]


@pytest.mark.ci
def test_the_engines_are_those_that_a_book_opens_on(book: Path) -> None:
    assert get_args(get_args(Engine)[0]) == ENGINES
    asked = ("features", "--as-of", DAY, "--json")
    told = perennial(book, *asked, "--engine", "polars").body
    assert told == perennial(book, *asked).body
    assert perennial(book, *asked, "--engine", "dask").code == 2


@pytest.mark.ci
@pytest.mark.parametrize("asked", ["", "--account c"])
def test_no_line_is_wider_than_the_terminal(
    book: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    told = perennial(book, "features", "--as-of", DAY, *asked.split())
    assert max(map(len, told.out.splitlines())) <= 80


# --- what check says


@pytest.mark.ci
def test_check_counts_the_accounts_that_have_each_signal(tmp_path: Path) -> None:
    held = made(tmp_path)
    told = perennial(held, "check", "--json").body
    assert (told["status"], told["snapshot"]) == ("checked", None)
    assert list(tmp_path.glob(".perennial*")) == []
    signals = told["coverage"]["signals"]
    assert list(signals) == SLUGS
    assert told["coverage"]["accounts"] == 2  # b has left by the book's day
    assert signals["commercial_seats"]["accounts"] == 2
    assert signals["support_open"] == {
        "accounts": 0,
        "share": 0.0,
        "missing": next(s.missing for s in CATALOG if s.slug == "support_open"),
    }
    lately = perennial(held, "ingest", "--json").body["coverage"]
    assert (lately["signals"], lately["gains"]) == (signals, told["coverage"]["gains"])
    shown = " ".join(perennial(held, "check").out.split())
    assert "Signals of 2 paying accounts" in shown
    assert "What further tables would bring" in shown
    assert "note: subscriptions came without " in shown


def test_a_refused_book_has_no_signals(tmp_path: Path) -> None:
    told = perennial(made(tmp_path, subscriptions=None), "check", "--json")
    assert told.code == 66
    assert "signals" not in told.body["coverage"]


@pytest.mark.ci
def test_a_book_in_which_nobody_pays_has_none(tmp_path: Path) -> None:
    ended = "account_id,starts_on,ends_on,mrr\na,2025-01-01,2025-02-01,5\n"
    told = perennial(made(tmp_path, subscriptions=ended), "check", "--json").body
    assert (told["coverage"]["accounts"], told["coverage"]["signals"]) == (0, {})


# --- what is absent


def test_an_absent_table_brings_the_signals_that_live_on_it(bare: pd.DataFrame) -> None:
    told = gains(small_book([line("a")]), AS_OF, reach(bare))
    absent = {gain["table"]: gain for gain in told if "with" in gain}
    for table, gain in absent.items():
        assert gain["signals"] == [each.slug for each in CATALOG if table in each.needs]
    support = [each.slug for each in CATALOG if each.needs == ("tickets",)]
    assert set(support) <= set(absent["tickets"]["signals"])
    assert "ticket_burst" in absent["tickets"]["triggers"]
    many = len(absent["tickets"]["signals"])
    assert absent["tickets"]["said"].startswith(f"tickets would bring {many} signals (")


@pytest.mark.ci
def test_a_table_that_is_there_is_not_absent() -> None:
    tickets = [{"ticket_id": "t", "account_id": "a", "opened_at": ago(3)}]
    book = small_book([line("a")], tickets=tickets)
    told = gains(book, AS_OF, reach(snapshot(book, AS_OF)))
    assert "tickets" not in {gain["table"] for gain in told if "with" in gain}


@pytest.mark.ci
def test_a_feed_that_is_behind_is_said_to_be() -> None:
    usage = [
        {"account_id": "a", "occurred_at": ago(days), "feature": "x"} for days in range(40, 90)
    ]
    book = small_book([line("a")], usage=usage)
    told = gains(book, AS_OF, reach(snapshot(book, AS_OF)))
    late = next(gain for gain in told if gain["table"] == "usage")
    assert late["behind"] is True
    assert late["said"].startswith("usage is there, but behind; until it catches up nobody has")
    assert "usage_events_7d" in late["signals"]


@pytest.mark.ci
def test_a_column_that_did_not_come_is_named_where_nobody_has_a_signal(tmp_path: Path) -> None:
    told = perennial(made(tmp_path), "check", "--json").body["coverage"]["gains"]
    lines = next(gain for gain in told if gain["table"] == "subscriptions")
    assert "review_on" in lines["columns"]
    assert "commercial_days_to_review" in lines["signals"]
    assert "review_due" in lines["triggers"]
    assert not {"mrr", "seats", "recorded_at"} & set(lines["columns"])
    assert "commercial_seats" not in lines["signals"]


def test_declared_tables_are_tables_and_triggers_read_what_is_there(bare: pd.DataFrame) -> None:
    assert {need for each in CATALOG for need in each.needs} <= set(TABLES)
    assert {name for trigger in TRIGGERS for name in reads(trigger)} <= {
        *bare.columns,
        "limit_days",
    }
    assert all(reads(trigger) for trigger in TRIGGERS)


def test_every_threshold_is_read_by_a_trigger() -> None:
    assert {key for each in TRIGGERS for key in thresholds(each)} == {*TriggerSettings.model_fields}


def test_no_one_has_what_every_table_lacks() -> None:
    frame = pd.DataFrame({slug: [float("nan")] for slug in SLUGS})
    assert {one["accounts"] for one in reach(frame).values()} == {0}
