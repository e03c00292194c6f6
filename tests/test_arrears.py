"""Arrears: the dunning window, what it ends, and what brings the account back."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd
import pytest

from features.book import Book, BookFacts
from features.contracts import canonical
from features.ledger import account_months, month_table, movements, mrr_on
from features.rules import Rules

FACTS = BookFacts(as_of=date(2025, 7, 1))
LINE = {"account_id": "a", "starts_on": "2025-01-01", "mrr_micros": 100}


def book_of(*invoices: dict[str, Any], lines: tuple[dict[str, Any], ...] = (LINE,)) -> Book:
    numbered = [
        {"invoice_id": f"i{n}", "account_id": "a", "amount_micros": 100} | one
        for n, one in enumerate(invoices)
    ]
    frames = {"subscriptions": pd.DataFrame(lines), "payments": pd.DataFrame(numbered)}
    return Book.of({name: canonical(name, rows) for name, rows in frames.items()}, FACTS)


def closings(book: Book, rules: Rules | None = None, **more: Any) -> list[int]:
    return account_months(book, rules or Rules(), **more)["closing_micros"].tolist()


def test_an_unpaid_invoice_counts_until_the_dunning_window_ends() -> None:
    book = book_of({"due_on": "2025-02-15"})  # late on 2025-03-17
    assert closings(book) == [100, 100, 0, 0, 0, 0]
    assert mrr_on(book, date(2025, 3, 16), Rules())["mrr_micros"].tolist() == [100]
    assert mrr_on(book, date(2025, 3, 17), Rules()).empty


def test_the_churn_is_told_apart_as_involuntary() -> None:
    book = book_of({"due_on": "2025-02-15"})
    churn = movements(book, Rules()).iloc[-1]
    assert (churn["class"], churn["lever"], churn["amount_micros"]) == (
        "churn",
        "involuntary",
        -100,
    )
    assert sum(month_table(book, Rules())["involuntary_churn_micros"].to_pylist()) == 100


def test_paid_after_the_window_is_a_return_and_within_it_nothing() -> None:
    late = book_of({"due_on": "2025-02-15", "paid_on": "2025-05-10"})
    assert closings(late) == [100, 100, 0, 0, 100, 100]
    assert movements(late, Rules())["class"].tolist() == ["new", "churn", "reactivation"]
    in_time = book_of({"due_on": "2025-02-15", "paid_on": "2025-03-17"})
    assert closings(in_time) == [100] * 6


def test_who_pays_a_later_invoice_is_a_customer_again() -> None:
    book = book_of(
        {"due_on": "2025-01-15"},  # late on 02-14, and never paid
        {"due_on": "2025-03-15", "paid_on": "2025-04-02"},
    )
    assert closings(book) == [100, 0, 0, 100, 100, 100]
    paid_in_between = book_of(
        {"due_on": "2025-01-15"}, {"due_on": "2025-02-01", "paid_on": "2025-02-03"}
    )
    assert closings(paid_in_between) == [100] * 6


def test_what_was_paid_before_it_was_due_counts_from_that_day() -> None:
    book = book_of(
        {"due_on": "2025-01-15"},  # late on 02-14, and never paid
        {"due_on": "2025-04-10", "paid_on": "2025-01-02"},
    )
    assert closings(book) == [100, 0, 0, 100, 100, 100]


def test_two_invoices_of_one_day_are_one_spell_and_touch_no_other() -> None:
    twice = {"due_on": "2025-04-01", "paid_on": "2025-06-20"}
    book = book_of({"due_on": "2025-01-01", "paid_on": "2025-02-10"}, twice, twice, twice)
    # late on 01-31 and 05-01: away from 01-31 to 02-10, and from 05-01 to 06-20
    assert closings(book) == [0, 100, 100, 100, 0, 100]


def test_invoices_that_overlap_are_one_spell() -> None:
    book = book_of(
        {"due_on": "2025-01-15", "paid_on": "2025-04-20"},
        {"due_on": "2025-02-15", "paid_on": "2025-04-25"},
        {"due_on": "2025-03-25", "paid_on": "2025-06-05"},
    )
    # late on 02-14, 03-17, 04-24: away from 02-14 to 04-20, 04-25 and 06-05
    assert closings(book) == [100, 0, 0, 0, 0, 100]


@pytest.mark.parametrize(
    ("days", "expected"), [(0, [100, 0, 0, 0, 0, 0]), (60, [100, 100, 100, 0, 0, 0])]
)
def test_the_window_can_be_set(days: int, expected: list[int]) -> None:
    assert closings(book_of({"due_on": "2025-02-15"}), Rules(dunning_days=days)) == expected


@pytest.mark.parametrize("kind", ["refund", "credit"])
def test_refunds_and_credits_never_move_mrr(kind: str) -> None:
    assert closings(book_of({"due_on": "2025-02-15", "kind": kind})) == [100] * 6


def test_a_negative_or_empty_invoice_is_owed_by_nobody() -> None:
    book = book_of(
        {"due_on": "2025-02-15", "amount_micros": -100},
        {"due_on": "2025-02-15", "amount_micros": 0},
    )
    assert closings(book) == [100] * 6


def test_a_payment_that_was_not_known_yet_does_not_count() -> None:
    book = book_of({"due_on": "2025-02-15", "paid_on": "2025-05-10"})
    assert closings(book, as_of=date(2025, 5, 1)) == [100, 100, 0, 0]
    assert closings(book, as_of=date(2025, 3, 10)) == [100, 100]


def test_arrears_are_never_bridged_as_a_late_renewal() -> None:
    yearly = LINE | {"term_months": 12, "ends_on": "2026-01-01"}
    book = book_of({"due_on": "2025-02-15", "paid_on": "2025-04-05"}, lines=(yearly,))
    assert closings(book) == [100, 100, 0, 100, 100, 100]


def test_a_line_lost_unpaid_is_involuntary_without_any_invoice() -> None:
    lost = LINE | {"ends_on": "2025-03-10", "loss_reason": "involuntary"}
    book = Book.of({"subscriptions": canonical("subscriptions", pd.DataFrame([lost]))}, FACTS)
    assert movements(book, Rules())["lever"].tolist()[-1] == "involuntary"
