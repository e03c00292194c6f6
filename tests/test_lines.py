"""Lines: which days count, worked out by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd
import pytest

from features.book import Book, BookFacts
from features.contracts import canonical
from features.faults import InputMissing
from features.ledger import mrr_on
from features.rules import Rules

ANY_TERM = Rules(late_renewal_min_term=0)
NAIVE = Rules(late_renewal_days=0)


def book_of(*lines: dict[str, Any], table: str = "subscriptions") -> Book:
    """Make a book of lines of account "a", amounts in whole units."""
    frame = pd.DataFrame(
        [{"account_id": "a", "mrr_micros": line["mrr"] * 1_000_000} | line for line in lines]
    ).drop(columns="mrr")
    return Book.of({table: canonical(table, frame)}, BookFacts(as_of=date(2026, 1, 1)))


def paid(book: Book, day: str, rules: Rules | None = None, as_of: str | None = None) -> float:
    known = date.fromisoformat(as_of) if as_of else None
    rows = mrr_on(book, date.fromisoformat(day), rules or Rules(), as_of=known)
    return float(rows["mrr_micros"].sum()) / 1e6


def line(start: str, end: str | None, mrr: float = 100, **more: Any) -> dict[str, Any]:
    return {"starts_on": start, "ends_on": end, "mrr": mrr} | more


def test_a_line_counts_from_its_first_day_to_the_day_before_its_end() -> None:
    book = book_of(line("2024-03-10", "2024-09-10"))
    days = ["2024-03-09", "2024-03-10", "2024-09-09", "2024-09-10"]
    assert [paid(book, day) for day in days] == [0, 100, 100, 0]


def test_an_open_line_stays_alive_to_the_as_of_month() -> None:  # REVENUE, case 8
    book = book_of(line("2020-01-01", None))
    assert paid(book, "2025-12-31") == 100


@pytest.mark.parametrize("kind", ["one_time", "trial"])
def test_one_time_fees_and_trials_are_no_mrr(kind: str) -> None:
    book = book_of(line("2024-01-01", None, kind=kind), line("2024-03-01", None, 40))
    assert [paid(book, "2024-02-29"), paid(book, "2024-03-31")] == [0, 40]


def test_a_paused_line_counts_zero_from_the_pause_to_the_day_before_its_end() -> None:
    pause = {"paused_from": "2024-04-10", "paused_to": "2024-06-01"}
    book = book_of(line("2024-01-01", None, **pause))
    days = ["2024-04-09", "2024-04-10", "2024-05-31", "2024-06-01"]
    assert [paid(book, day) for day in days] == [100, 0, 0, 100]


@pytest.mark.parametrize(("renewed", "gap_paid"), [("2025-02-01", 100), ("2025-02-02", 0)])
def test_an_annual_renewal_is_bridged_up_to_31_days(renewed: str, gap_paid: float) -> None:
    book = book_of(line("2024-01-01", "2025-01-01"), line(renewed, "2026-01-01", 150))
    assert [paid(book, "2025-01-31"), paid(book, renewed)] == [gap_paid, 150]


def test_month_to_month_lines_are_bridged_only_if_terms_of_any_length_are() -> None:
    book = book_of(line("2024-01-10", "2024-02-10"), line("2024-03-05", "2024-04-05"))
    assert [paid(book, "2024-02-29", rules) for rules in (Rules(), ANY_TERM, NAIVE)] == [0, 100, 0]


def test_the_term_is_the_contracts_then_the_billing_interval_then_the_lines_own() -> None:
    gap = line("2025-01-20", None)
    yearly = book_of(line("2024-12-01", "2025-01-01", term_months=12, interval_months=1), gap)
    monthly = book_of(line("2024-01-01", "2025-01-01", interval_months=1), gap)
    unknown = book_of(line("2024-01-01", "2024-12-31"), gap)
    assert [paid(book, "2025-01-10") for book in (yearly, monthly, unknown)] == [100, 0, 0]


def test_a_product_is_renewed_by_the_next_line_of_its_own_beside_others() -> None:
    core = line("2024-01-01", "2025-01-01", 100, product="core")
    other = line("2024-01-01", None, 30, product="chat")
    renewed = book_of(core, other, line("2025-01-20", None, 100, product="core"))
    switched = book_of(core, other, line("2025-01-20", None, 100, product="mail"))
    assert [paid(renewed, "2025-01-10"), paid(switched, "2025-01-10")] == [130, 30]


@pytest.mark.parametrize(("renewed", "gap_paid"), [("2025-02-01", 130), ("2025-02-02", 30)])
def test_a_product_beside_others_is_bridged_up_to_31_days(renewed: str, gap_paid: float) -> None:
    core = {"product": "core", "term_months": 12}
    book = book_of(
        line("2024-01-01", "2025-01-01", **core),
        line("2024-01-01", None, 30, product="chat"),
        line(renewed, None, **core),
    )
    assert paid(book, "2025-01-31") == gap_paid


def test_an_account_with_nothing_else_is_renewed_by_any_line() -> None:
    book = book_of(
        line("2024-01-01", "2025-01-01", 100, product="core"),
        line("2024-01-01", "2025-01-01", 20, product="chat"),
        line("2025-01-20", None, 150, product="suite"),
    )
    assert [paid(book, "2025-01-10"), paid(book, "2025-01-20")] == [120, 150]


def test_a_line_that_goes_on_from_another_renews_that_other_one() -> None:
    book = book_of(
        line("2024-01-01", "2025-01-01", 100),
        line("2024-12-15", "2025-01-15", 7),
        line("2025-01-15", "2025-02-15", 7),
    )
    assert paid(book, "2025-01-10") == 7


def test_a_renewal_that_is_not_known_yet_bridges_nothing() -> None:
    book = book_of(line("2024-01-01", "2025-01-01"), line("2025-01-20", None))
    assert paid(book, "2025-01-10", as_of="2025-01-11") == 0
    assert paid(book, "2025-01-10", as_of="2025-01-21") == 100


def test_a_signed_renewal_bridges_before_it_starts() -> None:
    renewal = line("2025-01-20", None, signed_on="2024-12-20")
    book = book_of(line("2024-01-01", "2025-01-01"), renewal)
    assert paid(book, "2025-01-10", as_of="2025-01-11") == 100


def test_what_is_not_known_yet_does_not_count() -> None:
    book = book_of(line("2024-01-01", None), line("2024-05-01", None, 7))
    assert paid(book, "2024-05-31", as_of="2024-05-01") == 100


def test_an_end_is_known_before_its_day_only_if_contracted_recorded_or_cancelled() -> None:
    def at_june(**more: Any) -> float:
        book = book_of(line("2024-01-01", "2024-05-15", **more))
        return paid(book, "2024-06-30", as_of="2024-04-01")

    assert at_june() == 100
    assert at_june(canceled_on="2024-03-31") == 0
    assert at_june(canceled_on="2024-04-01") == 100
    assert at_june(renews_on="2024-05-15") == 0
    assert at_june(recorded_at="2024-03-01T00:00:00Z") == 0
    contracted = book_of(line("2024-01-01", "2025-01-01", term_months=12))
    assert paid(contracted, "2025-01-31", as_of="2024-04-01") == 0


def month(of: str, mrr: float = 100, **more: Any) -> dict[str, Any]:
    return {"month": f"{of}-01", "mrr": mrr} | more


def test_a_missing_month_is_a_gap_of_its_own_length() -> None:
    rows = [month("2024-01"), month("2024-03", 80), month("2024-06")]
    book = book_of(*rows, table="mrr_by_month")
    days = ["2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31"]
    assert [paid(book, day) for day in days] == [0, 80, 0, 0]
    assert [paid(book, day, ANY_TERM) for day in days] == [100, 80, 0, 0]


def test_a_month_of_zero_is_a_gap_too() -> None:
    rows = [month("2024-01"), month("2024-02", 0), month("2024-03")]
    book = book_of(*rows, table="mrr_by_month")
    assert [paid(book, "2024-02-29"), paid(book, "2024-02-29", ANY_TERM)] == [0, 100]


def test_a_month_is_known_from_its_end() -> None:
    book = book_of(month("2024-01"), table="mrr_by_month")
    assert paid(book, "2024-01-31", as_of="2024-01-31") == 0
    assert paid(book, "2024-01-31", as_of="2024-02-01") == 100


def test_usage_is_the_mean_of_three_service_months() -> None:
    bills = [("2024-01", 30), ("2024-02", 60), ("2024-03", 120), ("2024-04", 0)]
    rows = [month(of, mrr, kind="usage") for of, mrr in bills]
    book = book_of(*rows, table="mrr_by_month")
    days = ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31"]
    assert [paid(book, day) for day in days] == [30, 45, 70, 60, 0]


def test_usage_of_a_closed_account_is_zero_at_once() -> None:
    usage = [line(f"2024-0{m}-01", f"2024-0{m + 1}-01", 30, kind="usage") for m in (1, 2, 3)]
    book = book_of(line("2024-01-01", "2024-04-11"), *usage)
    days = ["2024-03-31", "2024-04-10", "2024-04-11", "2024-04-30"]
    assert [paid(book, day) for day in days] == [130, 130, 0, 0]


def test_a_book_without_revenue_is_refused() -> None:
    with pytest.raises(InputMissing, match="no table of revenue"):
        paid(Book.of({}), "2024-01-31")
