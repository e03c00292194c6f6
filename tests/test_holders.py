"""Holders: mergers and hierarchies, dated, in chains and in circles."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd
import pytest

from features.book import Book, BookFacts
from features.contracts import canonical
from features.holders import holdings, turning_days, varies
from features.ledger import account_months, month_table, movements, mrr_on
from features.rules import Rules

FACTS = BookFacts(as_of=date(2025, 7, 1))


def line(account: str, mrr: int, start: str = "2025-01-01", **more: Any) -> dict[str, Any]:
    return {"account_id": account, "starts_on": start, "mrr_micros": mrr, "product": "p"} | more


def history(*rows: tuple[str, str, str, str]) -> list[dict[str, str]]:
    """Give rows of account_history: account, day, column, value."""
    return [{"account_id": a, "valid_from": day, column: value} for a, day, column, value in rows]


def book_of(
    *lines: dict[str, Any],
    dated: list[dict[str, str]] | None = None,
    accounts: dict[str, str] | None = None,
) -> Book:
    frames = {"subscriptions": pd.DataFrame(lines)}
    if dated:
        frames["account_history"] = pd.DataFrame(dated)
    if accounts:
        columns = ["account_id", "parent_account_id"]
        frames["accounts"] = pd.DataFrame(accounts.items(), columns=columns)
    return Book.of({name: canonical(name, rows) for name, rows in frames.items()}, FACTS)


def moves(
    book: Book, rules: Rules | None = None, month: str = "2025-04-30"
) -> set[tuple[Any, ...]]:
    found = movements(book, rules or Rules())
    rows = found[found["month_end"] == date.fromisoformat(month)].fillna({"lever": ""})
    columns = ["account_id", "class", "lever", "amount_micros"]
    return set(rows[columns].itertuples(index=False, name=None))


MERGED = history(("b", "2025-04-10", "merged_into", "a"))


@pytest.mark.fault("F12")
def test_a_merger_moves_the_lines_on_its_day_and_is_no_growth() -> None:
    book = book_of(line("a", 100), line("b", 40), dated=MERGED)
    assert moves(book) == {("a", "expansion", "merger", 40), ("b", "churn", "merger", -40)}
    assert account_months(book, Rules())["organic_micros"].sum() == 0
    day = mrr_on(book, date(2025, 4, 9), Rules()), mrr_on(book, date(2025, 4, 10), Rules())
    assert [dict(zip(d["account_id"], d["mrr_micros"], strict=True)) for d in day] == [
        {"a": 100, "b": 40},
        {"a": 140},
    ]


@pytest.mark.fault("F12")
def test_restated_the_history_is_the_survivors() -> None:
    book = book_of(line("a", 100), line("b", 40), dated=MERGED)
    months = account_months(book, Rules(merger="restated"))
    assert set(months["account_id"]) == {"a"}
    assert set(months["closing_micros"]) == {140}


@pytest.mark.fault("F12")
def test_what_else_changes_in_the_month_keeps_its_own_lever() -> None:
    grown = (line("b", 40, ends_on="2025-04-20"), line("b", 60, "2025-04-20"))
    book = book_of(line("a", 100), *grown, dated=MERGED)
    # b's 40 merges; it then grows by 20 under a.
    assert moves(book) == {
        ("a", "expansion", "merger", 40),
        ("a", "expansion", "price", 20),
        ("b", "churn", "merger", -40),
    }


@pytest.mark.fault("F12")
def test_a_line_that_ends_on_the_day_merged_away() -> None:
    book = book_of(
        line("a", 100, ends_on="2025-04-10"),
        line("a", 140, "2025-04-10"),
        line("b", 40, ends_on="2025-04-10"),
        dated=MERGED,
    )
    assert ("b", "churn", "merger", -40) in moves(book)
    assert account_months(book, Rules())["closing_micros"].max() == 140


@pytest.mark.fault("F12")
def test_chains_are_followed_and_circles_end() -> None:
    chain = history(
        ("c", "2025-02-10", "merged_into", "b"), ("b", "2025-04-10", "merged_into", "a")
    )
    book = book_of(line("a", 1), line("b", 2), line("c", 4), dated=chain)
    april = account_months(book, Rules())
    april = april[april["month_end"] == date(2025, 4, 30)]
    assert dict(zip(april["account_id"], april["closing_micros"], strict=True)) == {
        "a": 7,
        "b": 0,
        "c": 0,
    }
    circle = history(
        ("a", "2025-02-10", "merged_into", "b"), ("b", "2025-04-10", "merged_into", "a")
    )
    book = book_of(line("a", 1), line("b", 2), dated=circle)
    months = account_months(book, Rules())
    assert months.groupby("month_end")["closing_micros"].sum().tolist() == [3] * 6


def test_a_merger_that_was_not_known_yet_changes_nothing() -> None:
    book = book_of(line("a", 100), line("b", 40), dated=MERGED)
    plain = book_of(line("a", 100), line("b", 40))
    early = date(2025, 4, 1)
    for rules in (Rules(), Rules(merger="restated")):
        told = account_months(book, rules, as_of=early)
        pd.testing.assert_frame_equal(told, account_months(plain, rules, as_of=early))


PARENT = Rules(rollup="parent")


def test_case_7_a_subsidiary_that_signs_is_expansion_under_its_ultimate_parent() -> None:
    book = book_of(line("a", 100), line("b", 40, "2025-04-05"), accounts={"a": "top", "b": "a"})
    assert moves(book) == {("b", "new", "", 40)}
    # Two lines of product p under one customer: the same product at a higher amount.
    assert moves(book, PARENT) == {("top", "expansion", "price", 40)}


def test_a_circle_of_parents_is_held_by_its_least_id() -> None:
    book = book_of(
        line("c", 1), line("b", 2), line("x", 4), accounts={"c": "b", "b": "c", "x": "c"}
    )
    assert mrr_on(book, date(2025, 3, 1), PARENT).to_dict("records") == [
        {"account_id": "b", "mrr_micros": 7}
    ]


def test_the_hierarchy_is_that_of_the_windows_opening() -> None:
    dated = history(("b", "2025-04-10", "parent_account_id", "a"))
    book = book_of(line("a", 100), line("b", 40), line("s", 5, "2025-05-01"), dated=[
        *dated, *history(("s", "2025-05-01", "parent_account_id", "a"))])  # fmt: skip
    assert varies(book, PARENT)
    # b pays from January on and is taken over in April; s signs as a subsidiary.
    assert turning_days(book, PARENT, None) == (date(2025, 1, 1), date(2025, 4, 10))
    assert not varies(book, Rules())

    def held(opening: date) -> dict[str, int]:
        table = month_table(book, PARENT, opening=opening).to_pandas()
        return table.groupby("account_id")["closing_micros"].last().to_dict()

    # b was a customer of its own at the opening; s had not signed yet, and signs under a.
    assert held(date(2025, 3, 31)) == {"a": 105, "b": 40}
    assert held(date(2025, 4, 30)) == {"a": 145}


def test_a_fee_makes_no_customer_so_a_subsidiary_still_signs_under_its_parent() -> None:
    dated = history(("s", "2025-05-01", "parent_account_id", "a"))
    fee = line("s", 7, "2025-02-01", ends_on="2025-03-01", kind="one_time")
    book = book_of(line("a", 100), fee, line("s", 5, "2025-04-01"), dated=dated)
    table = month_table(book, PARENT, opening=date(2025, 3, 31)).to_pandas()
    assert table.groupby("account_id")["closing_micros"].last().to_dict() == {"a": 105}


def test_a_book_without_mergers_or_parents_has_no_holdings() -> None:
    book = book_of(line("a", 1))
    assert holdings(book, PARENT, as_of=None, opening=None) is None
