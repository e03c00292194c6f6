"""Closing: what is frozen stands, what is learned later shows beside it, damage is refused."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features import closed_ledger as frozen
from features.as_closed import as_closed_block
from features.book import Book, BookFacts
from features.closed_store import anonymised, closing_month, read_ledger, read_manifest
from features.closing import close, closed_periods, restatement
from features.contracts import canonical
from features.faults import Busy, CannotWrite, DataRejected, InternalFault, UsageFault
from features.ledger import account_months
from features.locking import held
from features.rules import Rules
from features.scope import last_month_end
from features.windows import Window
from tests.open_choices import single_choices
from tests.random_books import random_world
from tests.small_books import line

pytestmark = pytest.mark.ci

MAY = date(2025, 5, 31)
YEAR = Window(date(2024, 5, 31), MAY)
M = 10**6

KNOWN = [
    line("a", 100),
    line("b", 50, "2024-03-01", ends_on="2025-04-01"),
]
LATE = line("c", 7, "2024-05-01")


def book_of(rows: list[dict[str, Any]], snapshot: str = "first", **facts: Any) -> Book:
    lines = canonical("subscriptions", pd.DataFrame(rows))
    book = Book.of({"subscriptions": lines}, BookFacts(**{"as_of": date(2025, 7, 1)} | facts))
    return Book(snapshot, book.facts, book.provided, book.connection)


def closed(home: Path, month: str = "2025-05") -> dict[str, Any]:
    return close(book_of(KNOWN), Rules(), month, home)


@pytest.fixture(scope="module")
def may(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which May was closed, made once."""
    home = tmp_path_factory.mktemp("may")
    closed(home)
    return home


@pytest.fixture
def home(may: Path, tmp_path: Path) -> Path:
    """A home of the test's own in which May was closed."""
    shutil.copytree(may / "closed", tmp_path / "closed")
    return tmp_path


def files(home: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted((home / "closed").rglob("*.*"))}


# --- what is frozen


def test_a_close_freezes_ledger_definition_and_snapshot(tmp_path: Path) -> None:
    found = closed(tmp_path)
    json.dumps(found, allow_nan=False)
    assert (found["status"], found["month"], found["snapshot"]) == ("closed", "2025-05", "first")
    assert found["definition"] == Rules().stamp()
    assert found["book"]["currency"] == "USD"
    assert (found["totals"]["accounts"], found["totals"]["closing_micros"]) == (1, 100 * M)
    year = found["windows"]["ttm"]
    assert (year["from"], year["to"]) == ("2024-05-31", "2025-05-31")
    assert (year["accounts"], year["opening_micros"], year["churned_micros"]) == (
        2,
        150 * M,
        50 * M,
    )
    assert (year["nrr"], year["grr"]) == (100 / 150, 100 / 150)
    assert found["windows"]["month"]["nrr"] == 1.0


def test_the_frozen_ledger_has_a_row_where_an_account_pays_or_moves(home: Path) -> None:
    ledger = read_ledger(home, MAY)
    types = {field.name: str(field.type) for field in ledger.schema}
    assert (types.pop("account_id"), types.pop("month_end")) == ("string", "date32[day]")
    assert set(types.values()) == {"int64"}
    b = [row for row in ledger.to_pylist() if row["account_id"] == "b"]
    assert (b[0]["month_end"], b[0]["new_micros"]) == (date(2024, 3, 31), 50 * M)
    assert (b[-1]["month_end"], b[-1]["churned_micros"]) == (date(2025, 4, 30), 50 * M)
    assert len(b) == 14
    assert max(ledger["month_end"].to_pylist()) == MAY


@pytest.mark.ci
def test_what_is_frozen_is_the_ledger(home: Path) -> None:
    names = [f"{name}_micros" for name in frozen.AMOUNTS]
    dense = account_months(book_of(KNOWN), Rules(), until=MAY)
    there = dense[(dense[names] != 0).any(axis=1)].reset_index(drop=True)
    kept = read_ledger(home, MAY).to_pandas(date_as_object=True)
    columns = ["account_id", "month_end", *names]
    pd.testing.assert_frame_equal(kept[columns], there[columns], check_dtype=False)


@pytest.mark.ci
def test_a_young_book_has_no_year_and_says_why(tmp_path: Path) -> None:
    found = close(book_of([line("a", 100, "2025-03-01")]), Rules(), "2025-05", tmp_path)
    year = found["windows"]["ttm"]
    assert year["nrr"] is None
    assert "starts" in year["reason"]
    shown = restatement(book_of([line("a", 100, "2025-03-01")]), Rules(), tmp_path, "2025-05")
    assert (shown["as_closed"]["nrr"], shown["difference"]["nrr_points"]) == (None, None)
    assert shown["as_closed"]["reason"] == year["reason"]


def test_files_are_for_their_owner_alone(may: Path) -> None:
    folder = may / "closed" / "2025-05"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


@pytest.mark.ci
def test_closed_periods_come_in_order(tmp_path: Path) -> None:
    closed(tmp_path, "2025-05")
    closed(tmp_path, "2025-03")
    assert [period["month"] for period in closed_periods(tmp_path)] == ["2025-03", "2025-05"]
    assert closed_periods(tmp_path / "nowhere") == []


def told(rules: Rules) -> str:
    given = rules.model_dump(exclude_defaults=True)
    return ", ".join(f"{key}={value}" for key, value in given.items()) or "default"


@pytest.mark.ci
@pytest.mark.parametrize("rules", single_choices(), ids=told)
def test_a_month_can_be_closed_under_every_rule(rules: Rules, tmp_path: Path) -> None:
    book = random_world(2, books=2).book()
    month = f"{last_month_end(last_month_end(book.facts.as_of)):%Y-%m}"
    found = close(book, rules, month, tmp_path)
    assert (found["status"], found["definition"]) == ("closed", rules.stamp())


# --- closing again


def test_closing_again_with_the_same_content_changes_nothing(home: Path) -> None:
    before = files(home)
    again = close(book_of(KNOWN, "second"), Rules(), "2025-05", home)
    assert (again["status"], again["snapshot"]) == ("already closed", "first")
    assert files(home) == before


def test_a_close_is_not_rewritten_by_other_content(home: Path) -> None:
    before = files(home)
    with pytest.raises(DataRejected, match=r"c, 2024-05-31, 7000000 micro-units") as caught:
        close(book_of([*KNOWN, LATE]), Rules(), "2025-05", home)
    assert (caught.value.code, caught.value.exit_code) == ("close.differs", 65)
    assert "restatement" in caught.value.cure
    assert files(home) == before


@pytest.mark.ci
def test_a_close_is_not_rewritten_by_another_definition(home: Path) -> None:
    with pytest.raises(DataRejected, match=r"the definition \(late_renewal_days\)") as caught:
        close(book_of(KNOWN), Rules(late_renewal_days=0), "2025-05", home)
    assert "the ledger" not in caught.value.message


# --- what cannot be closed


@pytest.mark.parametrize("month", ["2025-06", "2025-07", "2031-01"])
def test_a_month_that_has_not_ended_is_refused(month: str, tmp_path: Path) -> None:
    book = book_of(KNOWN, as_of=date(2025, 6, 30))
    with pytest.raises(UsageFault, match="last month that can be closed is 2025-05") as caught:
        close(book, Rules(), month, tmp_path)
    assert (caught.value.code, caught.value.exit_code) == ("close.not_ended", 2)
    assert not (tmp_path / "closed").exists()


def test_a_month_whose_usage_is_not_billed_cannot_be_closed(tmp_path: Path) -> None:
    usage = line("a", 9, "2025-04-01", ends_on="2025-05-01", kind="usage")
    with pytest.raises(UsageFault, match="last month that can be closed is 2025-04"):
        close(book_of([*KNOWN, usage], as_of=date(2025, 6, 1)), Rules(), "2025-05", tmp_path)


@pytest.mark.parametrize(
    "month", ["2025-13", "2025-5", "May 2025", "2025-05 ", "0000-01", "٢٠٢٥-05", "../x", ""]
)
def test_a_month_is_four_digits_and_two(month: str, tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="use a month as 2025-05") as caught:
        closed(tmp_path, month)
    assert caught.value.code == "month.unknown"


@pytest.mark.ci
def test_a_month_before_anybody_paid_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="nobody had paid") as caught:
        closed(tmp_path, "2023-05")
    assert caught.value.code == "close.empty"


# --- restatement


def test_a_late_row_restates_and_the_close_stands(home: Path) -> None:
    found = restatement(book_of([*KNOWN, LATE], "second"), Rules(), home, "2025-05")
    json.dumps(found, allow_nan=False)
    assert found["snapshot"] == {"closed": "first", "today": "second"}
    assert found["as_closed"]["closing_micros"] == 100 * M
    assert found["as_restated"]["closing_micros"] == 107 * M
    apart = found["difference"]
    assert (apart["closing_micros"], apart["closing_mrr"]) == (7 * M, 7.0)
    assert apart["nrr_points"] == 1.4862  # 107 / 157 - 100 / 150
    assert [row["difference_micros"] for row in apart["months"]] == [7 * M] * 13
    assert apart["accounts"] == [
        {
            "account_id": "c",
            "status": "added",
            "closed_micros": 0,
            "restated_micros": 7 * M,
            "difference_micros": 7 * M,
            "months": 13,
        }
    ]
    first = apart["rows"][0]
    assert (first["month_end"], first["movements"]) == ("2024-05-31", {"new_micros": 7 * M})


@pytest.mark.ci
def test_accounts_that_are_gone_or_changed_are_named(home: Path) -> None:
    stays = [line("b", 50, "2024-03-01", ends_on="2025-05-01")]
    apart = restatement(book_of(stays), Rules(), home, "2025-05")["difference"]
    told = {
        row["account_id"]: (row["status"], row["difference_micros"]) for row in apart["accounts"]
    }
    assert told == {"a": ("removed", -100 * M), "b": ("changed", 0)}
    april = next(
        row for row in apart["rows"] if (row["account_id"], row["month_end"]) == ("b", "2025-04-30")
    )
    assert april["difference_micros"] == 50 * M
    assert april["movements"] == {"churned_micros": -50 * M}
    assert apart["closing_micros"] == -100 * M


@pytest.mark.ci
def test_rows_add_up_to_the_months_and_the_months_to_the_ledgers(home: Path) -> None:
    other = [line("a", 130, "2024-02-01"), LATE]
    apart = restatement(book_of(other), Rules(), home, "2025-05")["difference"]
    rows = pd.DataFrame(apart["rows"]).groupby("month_end")["difference_micros"].sum()
    assert rows.to_dict() == {row["month_end"]: row["difference_micros"] for row in apart["months"]}
    whole = [
        account_months(book_of(lines), Rules(), until=MAY)["closing_micros"].sum()
        for lines in (KNOWN, other)
    ]
    assert rows.sum() == whole[1] - whole[0]


@pytest.mark.ci
def test_what_was_recorded_later_is_hidden_by_an_as_of_date(home: Path) -> None:
    late = LATE | {"recorded_at": pd.Timestamp("2025-06-10", tz="UTC")}
    known = [row | {"recorded_at": pd.Timestamp("2024-01-01", tz="UTC")} for row in KNOWN]
    book = book_of([*known, late])
    for as_of, micros in ((date(2025, 6, 10), 0), (date(2025, 6, 11), 7 * M), (None, 7 * M)):
        found = restatement(book, Rules(), home, "2025-05", as_of=as_of)
        assert found["difference"]["closing_micros"] == micros


@pytest.mark.ci
def test_a_restatement_keeps_the_rules_of_the_close(tmp_path: Path) -> None:
    late = [
        line("a", 100, "2024-05-01", ends_on="2025-05-01", term_months=12),
        line("a", 100, "2025-05-20", term_months=12),
        line("b", 10),
    ]
    close(book_of(late), Rules(late_renewal_days=0), "2025-05", tmp_path)
    found = restatement(book_of(late), Rules(), tmp_path, "2025-05")
    assert found["definition"]["late_renewal_days"] == 0
    assert found["definition_changed"] == [{"key": "late_renewal_days", "closed": 0, "today": 31}]
    assert found["difference"]["rows"] == []


@pytest.mark.ci
def test_a_fiscal_year_that_moved_is_named_and_not_used(home: Path) -> None:
    moved = book_of(KNOWN, fiscal_year_starts=7)
    found = restatement(moved, Rules(), home, "2025-05")
    assert found["definition_changed"] == [
        {"key": "book.fiscal_year_starts", "closed": 1, "today": 7}
    ]
    assert found["difference"]["rows"] == []


def test_another_currency_is_not_compared(home: Path) -> None:
    euros = book_of([row | {"currency": "EUR"} for row in KNOWN], currency="EUR")
    found = restatement(euros, Rules(), home, "2025-05")
    assert (found["as_restated"], found["difference"]) == (None, None)
    assert found["reason"] == "closed in USD, the book is in EUR"
    block = as_closed_block(euros, Rules(), home, YEAR)
    assert block is not None
    assert block["window"]["reason"] == found["reason"]


def test_a_month_that_was_not_closed_names_those_that_were(home: Path) -> None:
    with pytest.raises(UsageFault, match="closed so far: 2025-05") as caught:
        restatement(book_of(KNOWN), Rules(), home, "2025-04")
    assert caught.value.code == "closed.none"


# --- what metrics say of it


@pytest.mark.ci
def test_metrics_have_no_block_before_the_first_close(tmp_path: Path) -> None:
    assert as_closed_block(book_of(KNOWN), Rules(), tmp_path, YEAR) is None
    closed(tmp_path)
    before = Window(date(2024, 4, 30), date(2025, 4, 30))
    assert as_closed_block(book_of(KNOWN), Rules(), tmp_path, before) is None


@pytest.mark.ci
def test_metrics_show_the_window_as_closed_and_as_restated(home: Path) -> None:
    block = as_closed_block(book_of([*KNOWN, LATE]), Rules(), home, YEAR)
    assert block is not None
    assert (block["periods"], block["month"]) == (["2025-05"], "2025-05")
    assert block["window"]["nrr"] == {
        "closed": 100 / 150,
        "restated": float(Fraction(107, 157)),
        "points": 1.4862,
    }
    longer = as_closed_block(book_of(KNOWN), Rules(), home, Window(date(2024, 1, 31), MAY))
    assert longer is not None
    assert longer["window"]["nrr"] is None
    assert "1, 3 and 12 months" in longer["window"]["reason"]


@pytest.mark.ci
def test_metrics_take_the_latest_period_closed_by_their_end(tmp_path: Path) -> None:
    for month in ("2025-03", "2025-04"):
        closed(tmp_path, month)
    block = as_closed_block(book_of(KNOWN), Rules(), tmp_path, YEAR)
    assert block is not None
    assert (block["month"], block["window"]["nrr"]) == ("2025-04", None)


@pytest.mark.ci
def test_what_is_left_off_is_counted(home: Path) -> None:
    many = [line(f"n{n:02}", 1 + n, "2025-05-01") for n in range(25)]
    block = as_closed_block(book_of([*KNOWN, *many]), Rules(), home, YEAR)
    assert block is not None
    apart = block["difference"]
    assert (len(apart["accounts"]), apart["left_off"]) == (20, {"accounts": 5, "rows": 5})
    assert [row["account_id"] for row in apart["accounts"][:2]] == ["n24", "n23"]


# --- erasure


def test_an_erased_account_leaves_its_amounts_under_an_id_that_leads_nowhere(
    home: Path,
) -> None:
    before = read_manifest(home, MAY)
    assert anonymised(home, "b", "gone-1") == ["2025-05"]
    after = read_manifest(home, MAY)
    assert {key: after[key] for key in ("totals", "windows", "snapshot")} == {
        key: before[key] for key in ("totals", "windows", "snapshot")
    }
    assert set(read_ledger(home, MAY)["account_id"].to_pylist()) == {"a", "gone-1"}
    assert len(list((home / "closed" / "2025-05").iterdir())) == 2
    assert not any(b'"b"' in content for content in files(home).values())
    assert anonymised(home, "b", "gone-1") == []


@pytest.mark.ci
def test_an_erased_account_is_no_restatement(home: Path) -> None:
    anonymised(home, "b", "gone-1")
    renamed = [row | {"account_id": row["account_id"].replace("b", "gone-1")} for row in KNOWN]
    found = restatement(book_of(renamed), Rules(), home, "2025-05")
    assert found["difference"]["rows"] == []


def test_an_erasure_that_died_is_finished_by_the_next(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as dying:
        dying.setattr("features.closed_store._keep_only", lambda folder, ledger: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            anonymised(home, "b", "gone-1")
    assert len(list((home / "closed" / "2025-05").glob("ledger-*"))) == 2
    assert anonymised(home, "b", "gone-1") == []
    assert len(list((home / "closed" / "2025-05").glob("ledger-*"))) == 1
    assert set(read_ledger(home, MAY)["account_id"].to_pylist()) == {"a", "gone-1"}


# --- damage and refusal


def flip(folder: Path) -> None:
    path = next(folder.glob("ledger-*"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def lose(folder: Path) -> None:
    next(folder.glob("ledger-*")).unlink()


def swap(folder: Path) -> None:
    path = next(folder.glob("ledger-*"))
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)


def edit(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"accounts": 2', '"accounts": 3'))


def empty(folder: Path) -> None:
    (folder / "manifest.json").write_text("")


def listed(folder: Path) -> None:
    (folder / "manifest.json").write_text("[1]")


def without(folder: Path) -> None:
    (folder / "manifest.json").unlink()


@pytest.mark.fault("F14", partly=True)
@pytest.mark.parametrize("damage", [flip, lose, swap, edit, empty, listed, without])
def test_a_damaged_period_is_refused(damage: Any, home: Path) -> None:
    damage(home / "closed" / "2025-05")
    asks = (
        lambda: closed(home),
        lambda: restatement(book_of(KNOWN), Rules(), home, "2025-05"),
        lambda: as_closed_block(book_of(KNOWN), Rules(), home, YEAR),
        lambda: anonymised(home, "b", "gone"),
    )
    for ask in asks:
        with pytest.raises(DataRejected, match="backup") as caught:
            ask()
        assert (caught.value.code, caught.value.exit_code) == ("closed.corrupt", 65)


@pytest.mark.ci
def test_a_damaged_period_can_be_moved_away_and_closed_again(tmp_path: Path) -> None:
    folder = Path(closed(tmp_path)["folder"])
    flip(folder)
    folder.rename(tmp_path / "aside")
    assert closed(tmp_path)["status"] == "closed"


def bent(**changes: int) -> pa.Table:
    """A ledger of one account over three months, bent in its second."""
    rows = []
    for n, month in enumerate((date(2025, 3, 31), date(2025, 4, 30), MAY)):
        row: dict[str, Any] = {"account_id": "a", "month_end": month}
        row |= {f"{name}_micros": 0 for name in frozen.AMOUNTS}
        row |= {"opening_micros": 5 if n else 0, "new_micros": 0 if n else 5, "closing_micros": 5}
        rows.append(row)
    for name, micros in changes.items():
        rows[1][f"{name}_micros"] = micros
    return pa.Table.from_pylist(rows)


@pytest.mark.fault("B22")
@pytest.mark.parametrize(
    "broken",
    [
        bent(expansion=1),
        bent(opening=4, expansion=1),
        bent(closing=6, expansion=1),
        bent(opening=-1, expansion=6),
        pa.concat_tables([bent().slice(0, 1), bent().slice(2)]),
    ],
)
def test_a_ledger_that_breaks_its_law_is_seen(broken: pa.Table) -> None:
    frozen.held_to_law(bent())
    with pytest.raises(InternalFault, match="account a, 2025") as caught:
        frozen.held_to_law(broken)
    assert (caught.value.code, caught.value.exit_code) == ("identity.broken", 70)


@pytest.mark.fault("B22")
def test_a_sum_that_the_day_itself_does_not_confirm_is_not_frozen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = pd.DataFrame({"account_id": ["a"], "mrr_micros": [99 * M]})
    monkeypatch.setattr(frozen, "mrr_on", lambda book, day, rules: short)
    with pytest.raises(InternalFault, match="accounts pay 99000000"):
        closed(tmp_path)
    assert not (tmp_path / "closed").exists()


@pytest.mark.ci
@pytest.mark.fault("I44", partly=True)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr("features.durable.os.fsync", full)
        with pytest.raises(CannotWrite) as caught:
            closed(tmp_path)
    assert caught.value.exit_code == 73
    assert list((tmp_path / "closed").iterdir()) == []
    assert closed(tmp_path)["status"] == "closed"


@pytest.mark.ci
def test_what_a_dead_close_left_is_removed(tmp_path: Path) -> None:
    folder = Path(closed(tmp_path)["folder"])
    shutil.copytree(folder, folder.with_name(".tmp-2025-04"))
    assert [period["month"] for period in closed_periods(tmp_path)] == ["2025-05"]
    assert closed(tmp_path, "2025-04")["status"] == "closed"
    assert [path.name for path in sorted(folder.parent.iterdir())] == ["2025-04", "2025-05"]


def test_two_closes_do_not_write_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("features.closing._WAIT_SECONDS", 0)
    with held(tmp_path / "close.lock", wait_seconds=0), pytest.raises(Busy) as caught:
        closed(tmp_path)
    assert caught.value.exit_code == 75


def test_a_month_ends_on_its_last_day() -> None:
    assert closing_month("2024-02") == date(2024, 2, 29)
