"""Paces: days worked out by hand, Kaplan and Meier's estimate beside a plain one, who stands still."""

from __future__ import annotations

import random
from datetime import date, timedelta
from math import exp, log, sqrt
from typing import Any

import pyarrow as pa
import pytest

from features.book import Book
from features.journeys import journeys, last_month, segments_of
from features.ledger import month_table
from features.paces import expansion_by_month, no_expansion, time_to_expansion
from features.rules import Rules
from tests.small_books import line, small_book

FIRST = date(2024, 1, 1)


def travelled(book: Book) -> dict[str, dict[str, Any]]:
    found = journeys(book, Rules(), month_table(book, Rules()))
    return {row["account_id"]: row for row in found.to_pylist()}


def paths(*spells: tuple[int, bool]) -> pa.Table:
    """Make journeys of so many days that end in an expansion, or do not."""
    rows = [
        {
            "account_id": f"a{n}",
            "first_on": FIRST,
            "expanded_on": FIRST + timedelta(days) if happened else None,
            "organic_on": None,
            "last_on": FIRST + timedelta(900 if happened else days),
        }
        for n, (days, happened) in enumerate(spells)
    ]
    dates = [(name, pa.date32()) for name in ("first_on", "expanded_on", "organic_on", "last_on")]
    return pa.Table.from_pylist(rows, schema=pa.schema([("account_id", pa.string()), *dates]))


# --- days


def test_an_expansion_falls_on_the_day_on_which_its_line_starts() -> None:
    """Renewed flat on the 5th, a second product on the 20th: the 20th it is."""
    book = small_book(
        [
            line("a", 100, "2023-03-05", ends_on="2024-03-05", product="core"),
            line("a", 100, "2024-03-05", product="core"),
            line("a", 50, "2024-03-20", product="chat"),
        ]
    )
    row = travelled(book)["a"]
    assert (row["first_on"], row["expanded_on"]) == (date(2023, 3, 5), date(2024, 3, 20))
    assert row["organic_on"] == date(2024, 3, 20)
    assert row["last_on"] == date(2025, 6, 30)


def test_a_price_rise_is_an_expansion_but_not_an_organic_one() -> None:
    book = small_book(
        [line("a", 100, "2024-01-10", ends_on="2025-01-10"), line("a", 110, "2025-01-10")]
    )
    row = travelled(book)["a"]
    assert (row["expanded_on"], row["organic_on"]) == (date(2025, 1, 10), None)


def test_who_left_is_censored_on_the_last_paid_day() -> None:
    book = small_book(
        [
            line("left", 100, "2024-01-15", ends_on="2024-06-15"),
            line("passing", 100, "2024-02-03", ends_on="2024-02-20"),
            line("paused", 100, "2024-01-01", paused_from="2024-09-10"),
            line("stays", 100, "2024-01-01"),
        ]
    )
    ends = {name: row["last_on"] for name, row in travelled(book).items()}
    assert ends == {
        "left": date(2024, 6, 14),
        "passing": date(2024, 2, 19),
        "paused": date(2024, 9, 9),
        "stays": date(2025, 6, 30),
    }


def test_a_new_stretch_after_a_break_and_the_rounding_of_a_run_rate() -> None:
    book = small_book(
        [
            line("back", 100, "2023-01-01", ends_on="2024-01-01"),
            line("back", 100, "2024-06-01"),
            line("crumb", 83.333333, "2023-01-01", ends_on="2024-01-01"),
            line("crumb", 83.334, "2024-01-01"),
        ]
    )
    rows = travelled(book)
    assert rows["back"]["since_m"] == 12 * 2024 + 5
    assert rows["crumb"]["expanded_on"] is None


# --- Kaplan and Meier

# At risk 6, 4 and 2: S = 5/6, then 5/6 * 3/4 = 5/8, then 5/16.
WORLD = ((10, True), (20, False), (30, True), (30, False), (50, True), (60, False))


def test_kaplan_and_meier_by_hand() -> None:
    found = time_to_expansion(paths(*WORLD))
    assert (found["accounts"], found["events"], found["censored"]) == (6, 3, 3)
    assert found["median_days"] == 50
    assert found["quartiles_days"] == {"p25": 30, "p50": 50, "p75": None}
    # Log-log, at day 10: V = 1/30, and 5/6 to the power of exp(1.96 sqrt(V) / ln 1.2) < 1/2.
    assert (5 / 6) ** exp(1.96 * sqrt(1 / 30) / log(1.2)) < 0.5
    # At day 50: V = 1/30 + 1/12 + 1/2; the upper curve still stands above one half.
    spread = 1.96 * sqrt(1 / 30 + 1 / 12 + 1 / 2) / log(16 / 5)
    assert (5 / 16) ** exp(-spread) > 0.5
    assert found["interval_days"] == [10, None]
    assert [(row["days"], row["met"]) for row in found["targets"]] == [(90, True), (180, True)]
    assert found["organic"]["median_days"] is None
    assert found["organic"]["reason"] == "not reached: 0.0% have expanded within 900 days"


def test_it_is_what_the_product_of_shares_gives() -> None:
    draw = random.Random(3)
    spells = [(draw.randint(1, 400), draw.random() < 0.6) for _ in range(80)]
    found = time_to_expansion(paths(*spells))["quartiles_days"]
    left, reached = 1.0, {}
    for day in sorted({days for days, happened in spells if happened}):
        at_risk = sum(days >= day for days, _ in spells)
        left *= 1 - sum(spell == (day, True) for spell in spells) / at_risk
        for name, share in (("p25", 0.75), ("p50", 0.5), ("p75", 0.25)):
            if left <= share:
                reached.setdefault(name, day)
    assert found == {"p75": None} | reached


def test_a_median_that_is_not_reached_is_null_with_a_reason_and_may_still_miss_a_target() -> None:
    found = time_to_expansion(paths((40, True), (100, False), (120, False), (120, False)))
    assert found["median_days"] is None
    assert found["reason"] == "not reached: 25.0% have expanded within 120 days"
    assert [row["met"] for row in found["targets"]] == [False, None]


def test_segments_stand_by_themselves() -> None:
    segments = {f"a{n}": "smb" if n < 3 else "enterprise" for n in range(6)}
    rows = time_to_expansion(paths(*WORLD), segments)["segments"]
    assert [(row["segment"], row["accounts"], row["events"]) for row in rows] == [
        ("enterprise", 3, 1),
        ("smb", 3, 2),
    ]
    assert all(row["small_cohort"] for row in rows)


def test_without_accounts_there_is_no_estimate_but_a_reason() -> None:
    found = time_to_expansion(paths())
    assert (found["median_days"], found["reason"]) == (None, "no account has paid yet")
    assert found["segments"] == []


def test_a_segment_that_the_book_has_not_is_that_of_the_first_acv() -> None:
    """1,000 a month at first is mid-market, though today it pays as an enterprise does."""
    book = small_book(
        [line("a", 1_000, "2024-01-01", ends_on="2025-01-01"), line("a", 9_000, "2025-01-01")]
    )
    found = journeys(book, Rules(), month_table(book, Rules()))
    assert segments_of(book, found, date(2024, 6, 30), None) == {"a": "mid-market"}


# --- who stands still, and what each month brought


def test_who_has_not_expanded_in_two_years() -> None:
    book = small_book(
        [
            line("never", 200, "2022-01-05"),
            line("long ago", 100, "2022-01-01", ends_on="2023-06-01"),
            line("long ago", 150, "2023-06-01"),
            line("just now", 100, "2022-01-01", ends_on="2023-07-01"),
            line("just now", 150, "2023-07-01"),
            line("too young", 100, "2023-07-01"),
            line("left", 500, "2021-01-01", ends_on="2025-05-10"),
        ]
    )
    ledger = month_table(book, Rules())
    found = no_expansion(journeys(book, Rules(), ledger), last_month(ledger))
    assert (found["paid_so_long"], found["accounts"], found["mrr"]) == (3, 2, 350.0)
    assert found["share_of_accounts"] == pytest.approx(2 / 3)
    assert found["share_of_mrr"] == pytest.approx(0.7)
    assert found["listed"] == [
        {"account_id": "never", "mrr": 200.0, "months_paying": 41, "last_expansion": None},
        {"account_id": "long ago", "mrr": 150.0, "months_paying": 41, "last_expansion": "2023-06"},
    ]


def test_a_young_book_says_why_it_has_no_share() -> None:
    book = small_book([line("a", 100, "2025-01-01")])
    ledger = month_table(book, Rules())
    found = no_expansion(journeys(book, Rules(), ledger), last_month(ledger))
    assert (found["accounts"], found["share_of_mrr"]) == (0, None)
    assert "24 months" in found["reason"]


def test_expansion_stands_beside_new_logos_month_by_month() -> None:
    book = small_book(
        [
            line("a", 100, "2025-03-01", ends_on="2025-05-01"),
            line("a", 130, "2025-05-01"),
            line("b", 90, "2025-03-01", ends_on="2025-05-01"),
            line("b", 80, "2025-05-01"),
            line("c", 70, "2025-05-09"),
        ]
    )
    ledger = month_table(book, Rules())
    rows = expansion_by_month(ledger, last_month(ledger))
    assert [row["month"] for row in rows] == ["2025-06", "2025-05", "2025-04", "2025-03"]
    assert rows[1] == {
        "month": "2025-05",
        "expansion_mrr": 30.0,
        "contraction_mrr": 10.0,
        "net_expansion_mrr": 20.0,
        "new_logo_mrr": 70.0,
    }
    assert len(expansion_by_month(ledger, last_month(ledger), months=2)) == 2
