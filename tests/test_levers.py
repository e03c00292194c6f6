"""Levers: one change, several causes, adding up exactly."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd
import pytest

from features.book import Book, BookFacts
from features.contracts import canonical
from features.ledger import movements
from features.rules import Rules


def levers(
    before: dict[str, Any], now: dict[str, Any], *beside: dict[str, Any]
) -> dict[str, float]:
    """Give the levers of a line of January that another one replaces in February."""
    lines = [
        before | {"starts_on": "2025-01-01", "ends_on": "2025-02-01"},
        now | {"starts_on": "2025-02-01"},
        *beside,
    ]
    money = {"mrr": "mrr_micros", "list": "list_mrr_micros"}
    rows = [
        {"account_id": "a"}
        | {money.get(k, k): round(v * 1e6) if k in money else v for k, v in one.items()}
        for one in lines
    ]
    facts = BookFacts(as_of=date(2025, 3, 1))
    book = Book.of({"subscriptions": canonical("subscriptions", pd.DataFrame(rows))}, facts)
    moves = movements(book, Rules())
    moves = moves[moves["month_end"] == date(2025, 2, 28)]
    assert moves["class"].nunique() <= 1
    return {
        name: amount / 1e6 for name, amount in moves.groupby("lever")["amount_micros"].sum().items()
    }


CASES = [
    ("seats", {"mrr": 100, "seats": 10}, {"mrr": 150, "seats": 15}, {"seat": 50}),
    ("fewer seats", {"mrr": 100, "seats": 10}, {"mrr": 70, "seats": 7}, {"seat": -30}),
    ("price", {"mrr": 100, "seats": 10}, {"mrr": 110, "seats": 10}, {"price": 10}),
    (
        "seats, then price",
        {"mrr": 100, "seats": 10},
        {"mrr": 180, "seats": 15},
        {"seat": 50, "price": 30},
    ),
    ("plan", {"mrr": 100, "plan": "basic"}, {"mrr": 160, "plan": "pro"}, {"tier": 60}),
    (
        "plan and seats",
        {"mrr": 100, "plan": "basic", "seats": 10},
        {"mrr": 240, "plan": "pro", "seats": 12},
        {"seat": 20, "tier": 120},
    ),
    ("discount ends", {"mrr": 90, "list": 100}, {"mrr": 100, "list": 100}, {"discount": 10}),
    (
        "seats at the same discount",
        {"mrr": 90, "list": 100, "seats": 10},
        {"mrr": 180, "list": 200, "seats": 20},
        {"seat": 90},
    ),
    (
        "discount and price",
        {"mrr": 90, "list": 100},
        {"mrr": 110, "list": 110},
        {"discount": 11, "price": 9},
    ),
    ("ramp", {"mrr": 100}, {"mrr": 150, "ramp": True}, {"ramp": 50}),
    ("nothing known", {"mrr": 100}, {"mrr": 150}, {"price": 50}),
    ("seats of zero", {"mrr": 100, "seats": 0}, {"mrr": 150, "seats": 5}, {"price": 50}),
    (
        "seats up, price down",
        {"mrr": 100, "seats": 10},
        {"mrr": 100, "seats": 20},
        {"seat": 100, "price": -100},
    ),
    (
        "thirds",
        {"mrr": 133.333333, "seats": 4},
        {"mrr": 166.666667, "seats": 5},
        {"seat": 33.333334},
    ),
]


@pytest.mark.parametrize(
    ("before", "now", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_change_is_split_in_order(
    before: dict[str, Any], now: dict[str, Any], expected: dict[str, float]
) -> None:
    assert levers(before, now) == expected


def test_a_new_product_beside_the_old_is_cross_sell() -> None:
    chat = {"product": "chat", "mrr": 40, "starts_on": "2025-02-10"}
    core = {"product": "core", "mrr": 100, "seats": 10}
    assert levers(core, core | {"mrr": 120, "seats": 12}, chat) == {"product": 40, "seat": 20}


def test_usage_has_a_lever_of_its_own() -> None:
    usage = {"kind": "usage", "mrr": 30, "starts_on": "2025-02-01", "ends_on": "2025-03-01"}
    assert levers({"mrr": 100}, {"mrr": 100}, usage) == {"usage": 30}


def test_a_product_switched_for_another_of_the_same_price_changes_nothing_in_sum() -> None:
    assert levers({"product": "p", "mrr": 100}, {"product": "q", "mrr": 100}) == {"product": 0}
