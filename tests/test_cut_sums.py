"""Cut sums: a cut that loses a micro-unit ends the command, it is not shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pandas as pd
import pytest

from features.book import Book, BookFacts
from features.cohorts import Desk
from features.contracts import canonical
from features.faults import InternalFault
from features.measure import Measure
from features.retention import metrics
from features.rules import Rules

pytestmark = pytest.mark.ci

Mistake = Callable[[list[Measure]], list[Measure]]


@pytest.fixture(scope="module")
def book() -> Book:
    paid = [("a", "2024-01-01", 10), ("b", "2024-01-01", 20), ("b", "2025-03-01", 5)]
    lines = pd.DataFrame(paid, columns=["account_id", "starts_on", "mrr_micros"])
    lines["mrr_micros"] *= 10**6
    lines["product"] = ["x", "x", "y"]
    accounts = pd.DataFrame({"account_id": ["a", "b"], "region": ["north", "south"]})
    tables = {
        "subscriptions": canonical("subscriptions", lines),
        "accounts": canonical("accounts", accounts),
    }
    book = Book.of(tables, BookFacts(as_of=date(2025, 7, 1)))
    assert len(cut(book)["windows"]) > 1
    return book


def cut(book: Book) -> dict[str, Any]:
    return metrics(book, Rules(), "ttm", ["region", "product"], None)


def row_lost(rows: list[Measure]) -> list[Measure]:
    return [row for row in rows if row.cut.get("region") != "south"]


def one_micro_off(rows: list[Measure]) -> list[Measure]:
    return [
        replace(row, cohort=row.cohort | {"closing": row.cohort["closing"] + 1})
        if row.cut.get("product") == "x"
        else row
        for row in rows
    ]


def account_twice(rows: list[Measure]) -> list[Measure]:
    return [*rows, *(row for row in rows if row.cut.get("region") == "north")]


def growth_forgotten(rows: list[Measure]) -> list[Measure]:
    return [replace(row, flows=row.flows | {"expansion": 0}) for row in rows]


@pytest.mark.fault("B22")
@pytest.mark.parametrize(
    ("mistake", "found"),
    [
        (row_lost, "cut by region: 'accounts' of its rows makes 1, of the book 2"),
        (one_micro_off, "cut by product: 'closing' of its rows makes 35000001, of the book"),
        (account_twice, "cut by region: 'accounts' of its rows makes 3, of the book 2"),
        (growth_forgotten, "the book's movements make 30000000, its closing MRR is 35000000"),
    ],
)
def test_what_does_not_add_up_is_not_shown(
    book: Book, monkeypatch: pytest.MonkeyPatch, mistake: Mistake, found: str
) -> None:
    truth = Desk.measure
    monkeypatch.setattr(Desk, "measure", lambda *asked: mistake(truth(*asked)))
    with pytest.raises(InternalFault) as caught:
        cut(book)
    assert (caught.value.code, caught.value.exit_code) == ("identity.broken", 70)
    assert found in caught.value.message
