"""The record of a book: what its ledger says under a forecast and beside it, by hand."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pandas as pd
import pytest

from features.as_now import rules_as_now
from features.asof import opening_day
from features.book import Book, BookFacts
from features.grown import grown
from features.ledger import mrr_on
from features.rules import Rules
from models.outcomes import Outlook
from models.ttm import ttm_at
from serving.record import endings_of, record_of
from tests.test_ledger import book_of, line, rates

pytestmark = pytest.mark.ci  # they read ledgers

RATES = rates(("2024-01-01", 1.0), ("2025-01-01", 1.5))


def still(book: Book, as_of: date, rules: Rules | None = None) -> Outlook:
    """Expect of every account that pays that it stays as it is."""
    frame = mrr_on(book, opening_day(as_of), rules or Rules(), as_of=as_of)
    none, sizes = np.zeros((len(frame), 12)), np.zeros((len(frame), 12, 3))
    return Outlook(frame, none, none, none, sizes, sizes, none > 0, none + np.nan)


def told(book: Book, as_of: date, rules: Rules | None = None):
    endings = endings_of(book, (rules or Rules()).by_account(), as_of)
    return ttm_at(still(book, as_of, rules), endings, [0.0] * 12, as_of=as_of)


def paid(book: Book, as_of: date) -> dict[str, dict[str, float]]:
    found = endings_of(book, Rules(), as_of)
    return {each.name: {a: m / 1e6 for a, m in each.paid.items()} for each in found}


def test_the_cohorts_are_those_of_twelve_months_before_the_ends():
    book = book_of(
        line("2024-01-01", None, 100),
        line("2024-08-15", None, 50, account_id="b"),
        line("2023-01-01", "2025-02-01", 30, account_id="gone"),
    )
    assert paid(book, date(2025, 7, 1)) == {
        "month": {"a": 100, "gone": 30},
        "quarter": {"a": 100, "b": 50, "gone": 30},
        "fiscal_year": {"a": 100, "b": 50, "gone": 30},
    }
    assert told(book, date(2025, 7, 1))["month"]["nrr"]["mean"] == pytest.approx(100 / 130)


def test_a_move_of_a_currency_is_none_of_the_accounts():
    lines = [
        line("2024-01-01", None, 100, currency="EUR"),
        line("2024-01-01", None, 100, currency="USD", account_id="b"),
    ]
    book = book_of(*lines, fx_rates=RATES)
    assert rules_as_now(book, Rules(), date(2025, 7, 1)).fx_date == date(2025, 1, 1)
    assert paid(book, date(2025, 7, 1))["month"] == {"a": 150, "b": 100}
    figures = told(book, date(2025, 7, 1))["quarter"]
    assert figures["nrr"]["mean"] == figures["grr"]["p05"] == 1.0


def test_a_ledger_of_three_months_has_no_cohort_and_says_so():
    book = book_of(line("2025-04-01", None, 100))
    figures = told(book, date(2025, 7, 1))
    assert [one["nrr"] for one in figures.values()] == [None] * 3
    assert "2024-07-31" in figures["month"]["reason"]
    record = record_of(book, Rules(), date(2025, 7, 1))
    assert record.last_year == dict.fromkeys(("1", "3", "12"))
    assert record.expansions.empty
    json.dumps(figures, allow_nan=False)


def test_in_the_middle_of_a_month_the_month_is_the_one_that_runs():
    book = book_of(
        line("2024-01-01", None, 100), line("2024-01-01", "2025-07-10", 100, account_id="b")
    )
    figures = told(book, date(2025, 7, 17))
    assert figures["month"]["date"] == "2025-07-31"
    assert figures["month"]["nrr"]["mean"] == 0.5
    assert figures["month"]["months_forecast"] == 1


def test_accounts_are_forecast_alone_under_a_roll_up():
    people = pd.DataFrame(
        {"account_id": ["a", "b", "p"], "parent_id": ["p", "p", None], "segment": ["smb"] * 3}
    )
    lines = [line("2024-01-01", None, 100), line("2024-01-01", "2025-03-01", 50, account_id="b")]
    book = book_of(*lines, line("2024-12-01", None, 70), accounts=people)
    rules = Rules(rollup="parent")
    figures = told(book, date(2025, 7, 1), rules.by_account())["month"]
    assert (figures["cohort_accounts"], figures["opening_mrr"]) == (2, 150)
    assert figures["nrr"]["mean"] == pytest.approx(170 / 150)
    assert figures["grr"]["mean"] == pytest.approx(100 / 150)


def test_what_accounts_grew_by():
    lines = [
        line("2024-01-01", "2025-02-01", 100, seats=10),
        line("2025-02-01", None, 150, seats=15),
        line("2024-01-01", "2025-03-01", 100, account_id="b"),
        line("2025-03-01", None, 110, account_id="b"),
        line("2024-01-01", "2025-03-01", 100, account_id="c"),
        line("2025-03-01", None, 90, account_id="c"),
    ]
    book = book_of(*lines)
    rows = grown(book, Rules(), date(2024, 12, 31)).to_dict("records")
    assert [(r["account_id"], r["lever"], r["amount_micros"]) for r in rows] == [
        ("a", "seat", 50_000_000),
        ("b", "price", 10_000_000),
    ]
    assert grown(book, Rules(), date(2025, 2, 28))["account_id"].tolist() == ["b"]
    assert grown(book, Rules(), date(2024, 12, 31), as_of=date(2025, 2, 1)).empty


def test_the_fiscal_year_is_the_books():
    facts = BookFacts(as_of=date(2025, 7, 1), fiscal_year_starts=8)
    book = book_of(line("2024-01-01", None, 100), facts=facts)
    assert {str(each.day) for each in endings_of(book, Rules(), date(2025, 7, 1))} == {"2025-07-31"}
