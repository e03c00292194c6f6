"""The statement: one answer whose parts tie, and that knows nothing of what came later."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pandas as pd
import pytest

from features.book import Book
from features.cohorts import open_desk
from features.company import BenchmarkSettings
from features.ledger import month_table
from features.rules import Rules
from features.statement import _ledger, statement
from tests.small_books import line, small_book

THEN = date(2025, 1, 1)
BESIDE = {
    "cohorts",
    "time_to_first_expansion",
    "no_expansion_24m",
    "expansion_mrr_by_month",
    "expansion_conversion_90d",
    "pipeline",
    "levers_active",
    "benchmarks",
}


def shown(book: Book, as_of: date | None = None) -> dict[str, Any]:
    found = statement(book, Rules(), "ttm", [], as_of)
    json.dumps(found, allow_nan=False)
    return found


LINES = [
    line("a", 100, "2022-03-01", product="core"),
    line("a", 40, "2023-03-10", product="chat"),
    line("b", 60, "2023-05-05", ends_on="2024-05-05", term_months=12),
    line("b", 90, "2024-05-05", ends_on="2025-05-05", term_months=12),
    line("c", 70, "2024-02-11", ends_on="2024-08-11", term_months=6),
]
DEALS = {
    "opportunity_id": ["1", "2"],
    "account_id": ["a", "a"],
    "opened_on": ["2023-02-01", "2024-11-20"],
    "stage": ["won", "demo"],
    "amount_mrr_micros": [40_000_000, 10_000_000],
}
THE_REST = {"closed_on": ["2023-03-10", None], "won": [True, None], "probability": [None, 0.5]}


def test_every_part_is_there_and_they_tie() -> None:
    found = shown(small_book(LINES, opportunities=pd.DataFrame(DEALS | THE_REST)))
    assert set(found) >= BESIDE
    sums = {row["month"]: row["new_logo_mrr"] for row in found["expansion_mrr_by_month"]}
    assert len(sums) == 13
    opening = [row["opening_mrr"] for row in found["cohorts"]["cohorts"]]
    assert opening == [100.0, 60.0, 70.0]
    assert found["expansion_conversion_90d"]["rate"] == 0.5
    assert found["pipeline"]["total"]["weighted_mrr"] == 5.0
    assert found["time_to_first_expansion"]["events"] == 2
    yours = {row["metric"]: row["yours"] for row in found["benchmarks"] if row["by"] == "all"}
    assert yours["nrr"] == found["windows"][0]["nrr"]


def test_without_deals_the_reason_is_told() -> None:
    found = shown(small_book(LINES[:1]))
    assert found["pipeline"] == {"total": None, "reason": "the book has no table opportunities"}
    assert found["expansion_conversion_90d"]["rate"] is None


def test_a_book_in_which_nobody_paid_has_nothing_to_show_and_does_not_break() -> None:
    found = shown(small_book([line("a", 0, "2024-01-01")]))
    assert found["cohorts"]["cohorts"] == []
    assert found["time_to_first_expansion"]["reason"] == "no account has paid yet"
    assert (found["levers_active"], found["expansion_mrr_by_month"]) == (None, [])


def test_the_desk_gives_back_the_ledger_that_it_was_made_of() -> None:
    book, rules, until = small_book(LINES), Rules(), date(2025, 6, 30)
    made = month_table(book, rules, until=until)
    back = _ledger(open_desk(book, rules, as_of=None, until=until), until)
    assert back.to_pylist() == made.select(back.column_names).to_pylist()


@pytest.mark.ci
def test_what_was_not_known_changes_nothing() -> None:
    """Later lines, ends, deals and outcomes beside none of them: the same page on the old day."""
    later = [
        line("a", 500, "2025-02-01", product="suite"),
        line("d", 300, "2025-03-01"),
    ]
    ended = [
        row | ({"ends_on": "2025-04-01"} if row["product"] == "chat" else {})
        for row in [{"product": None} | row for row in LINES]
    ]
    deals = pd.DataFrame(DEALS | THE_REST)
    outcome = {"closed_on": ["2023-03-10", "2025-02-01"], "won": [True, True]}
    more = pd.DataFrame(DEALS | THE_REST | outcome | {"stage": ["won", "closed won"]})
    new = {"opportunity_id": "3", "account_id": "b", "opened_on": "2025-02-02", "stage": "demo"}
    more = pd.concat([more, pd.DataFrame([new])], ignore_index=True)
    plain = shown(small_book(LINES, opportunities=deals), THEN)
    hindsight = shown(small_book([*ended, *later], opportunities=more), THEN)
    assert plain == hindsight
    assert plain["pipeline"]["total"]["deals"] == 1


@pytest.mark.ci
def test_a_company_that_tells_its_stage_sees_the_benchmarks_of_it() -> None:
    book, told = small_book(LINES), BenchmarkSettings(stage="series-b", model="seat")
    for window in ("ttm", "2019-01:2019-12"):
        kinds = {
            asked: {
                row["by"] for row in statement(book, Rules(), window, [], None, asked)["benchmarks"]
            }
            for asked in (None, told)
        }
        assert kinds[told] - kinds[None] == {"stage", "model"}
