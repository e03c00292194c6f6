"""Choices of the cohort: losses, returns, usage beside committed revenue, one small world each."""

from __future__ import annotations

import random
from datetime import date
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest

from features.book import Book, BookFacts
from features.contracts import canonical
from features.ledger import account_months
from features.retention import metrics
from features.rules import Rules

pytestmark = pytest.mark.ci

FACTS = BookFacts(as_of=date(2026, 1, 1))
YEAR = "2024-12:2025-12"

Paid = dict[str, dict[str, float]]


def book_of(paid: Paid, **more: pd.DataFrame) -> Book:
    """Make a book of what accounts pay by month; an amount holds until the next one."""
    rows = []
    for account, amounts in paid.items():
        for start, end in pairwise([*sorted(amounts), "2026-01"]):
            rows += [
                {"account_id": account, "month": f"{month}-01", "mrr_micros": micros}
                for month in pd.period_range(start, end, freq="M")[:-1]
                if (micros := round(amounts[start] * 1e6))
            ]
    tables = {"mrr_by_month": canonical("mrr_by_month", pd.DataFrame(rows))}
    tables |= {name: canonical(name, frame) for name, frame in more.items()}
    return Book.of(tables, FACTS)


def row(book: Book, window: str = YEAR, **choices: Any) -> dict[str, Any]:
    """Measure the whole book over one window."""
    found: dict[str, Any] = metrics(book, Rules(**choices), window, [], None)["windows"][0]
    return found


def recomputed(cohort: dict[str, Any]) -> float:
    """Recompute NRR from the cohort's amounts, as a reader would."""
    gained = cohort["expansion_micros"] + cohort.get("reactivation_micros", 0)
    lost = cohort["contraction_micros"] + cohort["churned_micros"]
    return (cohort["opening_micros"] + gained - lost) / cohort["opening_micros"]


# --- losses

UP_AND_DOWN: Paid = {"a": {"2024-12": 100, "2025-02": 200, "2025-05": 100}}


def test_losses_net_see_the_two_ends_and_movements_the_way_between() -> None:
    book = book_of(UP_AND_DOWN)
    net, moved = row(book), row(book, losses="movements")
    assert (net["nrr"], net["grr"], net["cohort"]["expansion_mrr"]) == (1.0, 1.0, 0)
    assert (moved["nrr"], moved["grr"]) == (1.0, 0.0)
    assert (moved["cohort"]["expansion_mrr"], moved["cohort"]["contraction_mrr"]) == (100, 100)


def test_by_movements_a_return_is_a_rise_after_a_whole_loss() -> None:
    book = book_of({"a": {"2024-12": 100, "2025-03": 0, "2025-06": 120}})
    moved = row(book, losses="movements")
    cohort = moved["cohort"]
    assert (cohort["expansion_mrr"], cohort["churned_mrr"]) == (120, 100)
    assert (moved["nrr"], moved["grr"], moved["logo_churn"]) == (1.2, 0.0, 0.0)
    assert moved["organic_nrr"] == 0.0


# --- returns

RETURNS: Paid = {
    "stays": {"2024-12": 100},
    "back": {"2024-12": 100, "2025-03": 0, "2025-06": 120},
    "left": {"2024-12": 50, "2025-06": 0},
    "once": {"2024-06": 30, "2024-09": 0, "2025-09": 40},
}
"""250 at the opening; "once" paid nothing then, and came back in September with 40."""


@pytest.mark.ci
@pytest.mark.parametrize(
    ("reactivation", "nrr", "grr", "logo_churn"),
    [
        ("own", 220 / 250, 200 / 250, 1 / 3),
        ("excluded", 100 / 250, 100 / 250, 2 / 3),
        ("s002", (220 + 40) / 250, 200 / 250, 1 / 3),
    ],
)
def test_a_return_counts_as_the_choice_says(
    reactivation: str, nrr: float, grr: float, logo_churn: float
) -> None:
    for losses in ("net", "movements"):
        found = row(book_of(RETURNS), reactivation=reactivation, losses=losses)
        assert (found["nrr"], found["logo_churn"]) == (nrr, logo_churn)
        assert found["nrr"] == recomputed(found["cohort"])
        assert found["accounts"] == 3
        assert (found["reactivation_mrr"], found["closing_mrr"]) == (160, 260)
        added = {"reactivation_mrr": 40, "reactivation_micros": 40_000_000}
        shown = {k: v for k, v in found["cohort"].items() if k.startswith("reactivation")}
        assert shown == (added if reactivation == "s002" else {})
    assert row(book_of(RETURNS), reactivation=reactivation)["grr"] == grr


def test_a_return_after_the_gap_is_new_and_a_shorter_one_is_none() -> None:
    """Out from March to May, 92 days: new at 92, a return at 93."""
    book = book_of({"a": {"2024-12": 100, "2025-03": 0, "2025-06": 120}})
    new = row(book, reactivation="new", reactivation_gap_days=92)
    assert (new["nrr"], new["new_mrr"], new["reactivation_mrr"]) == (0.0, 120, 0)
    assert (new["cohort"]["churned_mrr"], new["logo_churn"]) == (100, 1.0)
    old = row(book, reactivation="new", reactivation_gap_days=93)
    assert (old["nrr"], old["new_mrr"], old["reactivation_mrr"]) == (1.2, 0, 120)


def test_what_an_excluded_account_did_before_it_left_is_no_part_of_a_later_window() -> None:
    """In again since June, it is of the cohort of July and of every later one."""
    book = book_of({"a": {"2024-12": 100, "2025-03": 0, "2025-06": 120, "2025-09": 150}})
    later = row(book, "2025-07:2025-12", reactivation="excluded")
    assert (later["accounts"], later["nrr"], later["grr"]) == (1, 1.25, 1.0)
    across = row(book, reactivation="excluded", losses="movements")["cohort"]
    assert (across["expansion_mrr"], across["churned_mrr"], across["closing_mrr"]) == (0, 100, 0)


# --- usage beside committed revenue


@pytest.mark.ci
def test_usage_is_a_line_of_its_own_beside_committed_revenue() -> None:
    months = [str(m) for m in pd.period_range("2024-10", "2025-12", freq="M")]
    usage = pd.DataFrame({"month": months, "kind": "usage", "mrr_micros": 30 * 10**6})
    usage.loc[usage["month"] >= "2025-06", "mrr_micros"] = 60 * 10**6
    base = usage.assign(kind="recurring", mrr_micros=100 * 10**6)
    rows = pd.concat([usage, base]).assign(account_id="a", month=lambda f: f["month"] + "-01")
    book = Book.of({"mrr_by_month": canonical("mrr_by_month", rows)}, FACTS)
    found = row(book)
    assert found["basis"] == {
        "committed": {"opening_mrr": 100, "closing_mrr": 100, "nrr": 1.0},
        "usage": {"opening_mrr": 30, "closing_mrr": 60, "nrr": 2.0},
    }
    assert (found["nrr"], found["levers"]["usage"]) == (160 / 130, 30)
    for basis, nrr in (("committed", 1.0), ("usage", 2.0)):
        alone = row(book, basis=basis)
        assert (alone["nrr"], "basis" in alone) == (nrr, False)
    assert "basis" not in row(book_of(UP_AND_DOWN))


# --- kinds of churn, and what is in grace


def lines_book(*lines: dict[str, Any], **more: pd.DataFrame) -> Book:
    tables = {"subscriptions": canonical("subscriptions", pd.DataFrame(lines))}
    tables |= {name: canonical(name, frame) for name, frame in more.items()}
    return Book.of(tables, FACTS)


def line(account: str, micros: int = 100, **more: Any) -> dict[str, Any]:
    return {"account_id": account, "starts_on": "2024-06-01", "mrr_micros": micros * 10**6} | more


def test_churn_is_told_apart_by_its_kind() -> None:
    book = lines_book(
        line("own", ends_on="2025-06-01"),
        line("unpaid", 40, ends_on="2025-06-01", loss_reason="involuntary"),
        line("pauses", 20, paused_from="2025-03-01", paused_to="2026-06-01"),
        line("stays", 10),
    )
    found = row(book)
    assert found["churned_mrr"] == 160
    assert found["churn_kinds"] == {
        "voluntary": 100, "involuntary": 40, "pause": 20, "merger": 0,
    }  # fmt: skip


def test_what_waits_for_its_late_renewal_is_told_as_part_of_the_closing() -> None:
    """A year's term ends on 20 December and is renewed on 10 January."""
    term = {"starts_on": "2024-12-20", "ends_on": "2025-12-20", "term_months": 12}
    book = lines_book(
        line("late", **term),
        line("late", starts_on="2026-01-10"),
        line("other", 50),
    )
    found = row(book)
    assert (found["closing_mrr"], found["in_grace_mrr"], found["nrr"]) == (150, 100, 1.0)


# --- ledgers that depend on the window's opening


@pytest.mark.ci
def test_each_window_has_the_rates_of_its_own_opening() -> None:
    """EUR 100 a month, which halves in September; at 1.1, 1.2, 1.3, … by quarter-end."""
    days = ["2024-06-30", "2024-09-30", "2024-12-31", "2025-03-31", "2025-06-30", "2025-09-30"]
    quarters = [1.0, 1.05, 1.1, 1.2, 1.3, 1.4]
    rates = pd.DataFrame({"currency": "EUR", "date": days, "rate": quarters})
    euro = {"currency": "EUR", "ends_on": "2025-09-10"}
    book = lines_book(
        line("a", **euro), line("a", 50, currency="EUR", starts_on="2025-09-10"), fx_rates=rates
    )
    found = metrics(book, Rules(fx="window_opening"), "quarter", [], None)
    told = [(r["opening_mrr"], r["closing_mrr"]) for r in (found["windows"][0], *found["series"])]
    assert told == [(70, 70), (130, 65), (120, 120), (110, 110), (105, 105), (100, 100)]
    assert all(r["fx_mrr"] == 0 for r in found["series"])
    assert row(book, fx="window_opening")["closing_mrr"] == 55


@pytest.mark.ci
def test_a_parent_of_the_opening_holds_for_the_whole_window() -> None:
    """The child belongs to "old" until July 2025, then to "new"."""
    history = pd.DataFrame(
        {
            "account_id": ["child", "child"],
            "valid_from": ["2024-01-01", "2025-07-01"],
            "parent_account_id": ["old", "new"],
        }
    )
    accounts = pd.DataFrame({"account_id": ["old", "new", "child"]})
    paid: Paid = {
        "old": {"2024-12": 100},
        "new": {"2024-12": 100},
        "child": {"2024-12": 50, "2025-08": 80},
    }
    book = book_of(paid, account_history=history, accounts=accounts)
    found = metrics(book, Rules(rollup="parent"), "quarter", [], None)
    assert [r["accounts"] for r in (found["windows"][0], *found["series"])] == [2] * 4
    by = {}
    for window in ("2024-12:2025-12", "2025-07:2025-12"):
        rows = metrics(book, Rules(rollup="parent"), window, ["arr_rank"], None)["windows"]
        by[window] = [(r["cut"].get("arr_rank"), r["opening_mrr"], r["closing_mrr"]) for r in rows]
    assert by["2024-12:2025-12"] == [
        (None, 250, 280),
        ("top 20 %", 150, 180),
        ("other 80 %", 100, 100),
    ]
    assert by["2025-07:2025-12"] == [
        (None, 250, 280),
        ("top 20 %", 150, 180),
        ("other 80 %", 100, 100),
    ]


# --- the laws, against the dense ledger


def random_paid(seed: int, accounts: int = 60) -> Paid:
    draw = random.Random(seed)
    months = [f"{year}-{month:02}" for year in (2024, 2025) for month in range(1, 13)]
    amounts = [0, 0, 0, 99.99, 1_250, 8_333.33, 1 / 3]
    return {
        f"a{n}": {month: draw.choice(amounts) for month in draw.sample(months, draw.randint(1, 9))}
        for n in range(accounts)
    }


def worked_out(book: Book, rules: Rules, window: tuple[date, date]) -> dict[str, int]:
    """Work a cohort out account by account, month by month, from the dense ledger."""
    months = account_months(book, rules)
    opening, closing = window
    found = dict.fromkeys(("opening", "closing", "expansion", "contraction", "churned"), 0)
    found["reactivation"] = 0
    for _, account in months.groupby("account_id"):
        by = account.set_index("month_end")
        paid = int(by["closing_micros"].get(opening, 0))
        inside = by[(by.index > opening) & (by.index <= closing)]
        if not paid:
            found["reactivation"] += int(inside["reactivation_micros"].sum())
            continue
        ended = inside.index[inside["closing_micros"] == 0]
        if rules.reactivation == "new":
            ended = inside.index[inside["new_micros"] > 0]
        left = rules.reactivation in ("excluded", "new") and len(ended) > 0
        if left and rules.reactivation == "excluded":
            inside = inside[inside.index <= ended[0]]
        elif left:
            inside = inside[inside.index < ended[0]]
        last = 0 if left else int(inside["closing_micros"].iloc[-1])
        found["opening"] += paid
        found["closing"] += last
        if rules.losses == "net":
            found["expansion"] += max(last - paid, 0)
            found["contraction"] += max(paid - last, 0) if last else 0
            found["churned"] += 0 if last else paid
        else:
            rises = inside["expansion_micros"] + inside["reactivation_micros"]
            found["expansion"] += int(rises.sum())
            found["contraction"] += int(inside["contraction_micros"].sum())
            found["churned"] += int(inside["churned_micros"].sum())
    return found


CHOICES = [
    {"reactivation": reactivation, "losses": losses}
    for reactivation in ("own", "excluded", "new", "s002")
    for losses in ("net", "movements")
]


@pytest.mark.ci
@pytest.mark.parametrize("choices", CHOICES, ids=lambda c: "-".join(c.values()))
def test_the_laws_hold_and_agree_with_the_dense_ledger(choices: dict[str, Any]) -> None:
    rules, book = Rules(**choices), book_of(random_paid(5))
    found = row(book, **choices)
    cohort = found["cohort"]
    expected = worked_out(book, rules, (date(2024, 12, 31), date(2025, 12, 31)))
    assert {name: cohort.get(f"{name}_micros", expected[name]) for name in expected} == expected
    assert found["nrr"] == recomputed(cohort)
    assert found["grr"] <= found["organic_nrr"]
    if rules.losses == "net":
        assert 0 <= found["grr"] <= min(1, found["nrr"])
