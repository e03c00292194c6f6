"""Cuts: bands of the ledger, lines with what moved between them, and that all of it adds up."""

from __future__ import annotations

import json
import random
from datetime import date
from typing import Any

import pandas as pd
import pytest

from features.book import Book, BookFacts
from features.contracts import canonical
from features.faults import UsageFault
from features.levers import LEVERS
from features.retention import metrics
from features.rules import Rules

FACTS = BookFacts(as_of=date(2026, 1, 1))
YEAR = "2024-12:2025-12"
FLOWS = ("new", "reactivation", "expansion", "contraction", "churned", "fx")
AMOUNTS = tuple(f"{name}_mrr" for name in ("opening", *FLOWS, "closing", "in_grace"))
Lines = list[tuple[str, str, str, float, str, str | None]]


def book_of(
    lines: Lines, accounts: dict[str, dict[str, Any]] | None = None, facts: BookFacts = FACTS
) -> Book:
    """Make a book of lines: account, product, plan, MRR, starts_on, ends_on."""
    names = ["account_id", "product", "plan", "mrr_micros", "starts_on", "ends_on"]
    rows = pd.DataFrame(lines, columns=names).dropna(axis=1, how="all")
    rows["mrr_micros"] = (rows["mrr_micros"] * 10**6).round().astype("int64")
    tables = {"subscriptions": canonical("subscriptions", rows)}
    if accounts:
        frame = pd.DataFrame([{"account_id": key} | more for key, more in accounts.items()])
        tables["accounts"] = canonical("accounts", frame)
    return Book.of(tables, facts)


def shown(book: Book, *by: str, window: str = YEAR, **choices: Any) -> dict[str, Any]:
    found = metrics(book, Rules(**choices), window, list(by), None)
    json.dumps(found, allow_nan=False)
    return found


def rows_of(found: dict[str, Any], *keys: str) -> list[dict[str, Any]]:
    return [row for row in found["windows"] if set(row["cut"]) == set(keys)]


def by_value(found: dict[str, Any], key: str) -> dict[Any, dict[str, Any]]:
    return {
        "moved" if row.get("moved_between_lines") else row["cut"][key]: row
        for row in rows_of(found, key)
    }


# --- lines

TWO_PRODUCTS: Lines = [
    ("swaps", "a", "basic", 100, "2024-06-01", "2025-06-01"),
    ("swaps", "b", "basic", 150, "2025-06-01", None),
    ("adds", "a", "pro", 200, "2024-06-01", None),
    ("adds", "b", "pro", 50, "2025-03-01", None),
    ("keeps", "b", "pro", 100, "2024-06-01", None),
    ("joins", "b", "pro", 70, "2025-05-01", None),
]
"""Opening: a 300, b 100. Of these lines a keeps 200 and b 100; the accounts pay 500."""


def test_product_nrr_reconciles_to_account_nrr_by_what_moved_between_lines() -> None:
    found = shown(book_of(TWO_PRODUCTS), "product")
    whole, rows = found["windows"][0], by_value(found, "product")
    assert (whole["nrr"], whole["grr"], whole["accounts"]) == (500 / 400, 1.0, 3)
    assert (rows["a"]["nrr"], rows["b"]["nrr"]) == (200 / 300, 1.0)
    assert (rows["a"]["accounts"], rows["b"]["accounts"]) == (2, 1)
    moved = rows["moved"]
    assert moved["cut"] == {"product": None}
    assert (moved["nrr"], moved["accounts"], moved["blend"]) == (None, None, 300 / 400)
    assert moved["reason"] == "what moved between lines has no opening of its own"
    cross_sold = moved["cohort"]["closing_micros"]
    assert cross_sold == 200_000_000
    assert moved["blend"] + cross_sold / whole["cohort"]["opening_micros"] == whole["nrr"]


def test_a_line_that_is_dropped_is_churn_of_the_line_and_moved_back_for_the_account() -> None:
    rows = by_value(shown(book_of(TWO_PRODUCTS), "product"), "product")
    assert (rows["a"]["churned_mrr"], rows["b"]["new_mrr"]) == (100, 270)
    moved = rows["moved"]
    assert (moved["churned_mrr"], moved["new_mrr"], moved["expansion_mrr"]) == (-100, -200, 100)
    assert (moved["opening_mrr"], moved["closing_mrr"]) == (0, 0)


def test_lines_cross_with_each_other_and_with_columns_of_accounts() -> None:
    lines = [*TWO_PRODUCTS, ("bare", None, None, 10, "2024-06-01", None)]
    regions = {name: {"region": "eu"} for name in ("swaps", "adds")}
    found = shown(book_of(lines, regions), "plan", "product", "region")
    crossed = rows_of(found, "plan", "product", "region")
    values = [tuple(row["cut"].values()) for row in crossed if "blend" not in row]
    assert values == [
        ("basic", "a", "eu"),
        ("basic", "b", "eu"),
        ("pro", "a", "eu"),
        ("pro", "b", "eu"),
        ("", "", None),
        ("pro", "b", None),
    ]
    moved = [row for row in crossed if row.get("moved_between_lines")]
    assert [row["cut"]["region"] for row in moved] == ["eu", None]
    assert [row["cohort"]["closing_micros"] for row in moved] == [200_000_000, 0]


def test_a_line_cut_needs_the_lines_column() -> None:
    rows = pd.DataFrame({"account_id": ["a"], "starts_on": ["2024-06-01"], "mrr_micros": [10**7]})
    tables = {"subscriptions": canonical("subscriptions", rows).select(rows.columns)}
    with pytest.raises(UsageFault, match="no such column") as refused:
        metrics(Book.of(tables, FACTS), Rules(), YEAR, ["product"], None)
    assert refused.value.code == "cut.unknown"


@pytest.mark.ci
def test_product_lines_in_foreign_currency_are_measured_at_the_closings_fiscal_year() -> None:
    """A euro is 1.00 in fiscal 2024 (from 1 July 2024) and 1.20 in fiscal 2025.

    From June 2025 to December 2025, at 1.20: at the opening, p has 120 (one) + 60 (two) = 180 and
    q has 100 (one, in dollars); at the closing p has 180 (one) and q 100 + 48 (two's cross-sale).
    Accounts: one 220 -> 280, two 60 -> 48. The flat opening stands at 1.00: p 150, q 100.
    """
    names = ["account_id", "product", "currency", "mrr_micros", "starts_on", "ends_on"]
    rows = [
        ("one", "p", "EUR", 100_000_000, "2024-08-01", "2025-10-01"),
        ("one", "p", "EUR", 150_000_000, "2025-10-01", None),
        ("one", "q", "USD", 100_000_000, "2024-08-01", None),
        ("two", "p", "EUR", 50_000_000, "2024-08-01", "2025-09-15"),
        ("two", "q", "EUR", 40_000_000, "2025-09-15", None),
    ]
    quotes = [("EUR", "2024-07-01", 1.0), ("EUR", "2025-07-01", 1.2)]
    tables = {
        "subscriptions": canonical("subscriptions", pd.DataFrame(rows, columns=names)),
        "fx_rates": canonical(
            "fx_rates", pd.DataFrame(quotes, columns=["currency", "date", "rate"])
        ),
    }
    book = Book.of(tables, BookFacts(as_of=date(2026, 1, 1), fiscal_year_starts=7))
    found = shown(book, "product", window="2025-06:2025-12")
    whole, lines = found["windows"][0], by_value(found, "product")
    assert (whole["nrr"], whole["grr"]) == (328 / 280, 268 / 280)
    assert (lines["p"]["nrr"], lines["p"]["grr"]) == (180 / 180, 120 / 180)
    assert (lines["q"]["nrr"], lines["q"]["grr"], lines["q"]["accounts"]) == (1.0, 1.0, 1)
    cohorts = {name: row["cohort"] for name, row in {"all": whole, **lines}.items()}
    told = ("opening_mrr", "expansion_mrr", "contraction_mrr", "churned_mrr", "closing_mrr")
    assert {name: [cohort[key] for key in told] for name, cohort in cohorts.items()} == {
        "all": [280, 60, 12, 0, 328],
        "p": [180, 60, 0, 60, 180],
        "q": [100, 0, 0, 0, 100],
        "moved": [0, 0, 12, -60, 48],
    }
    flat = ("opening_mrr", "new_mrr", "expansion_mrr", "churned_mrr", "fx_mrr", "closing_mrr")
    assert {name: [row[key] for key in flat] for name, row in lines.items()} == {
        "p": [150, 0, 60, 60, 30, 180],
        "q": [100, 48, 0, 0, 0, 148],
        "moved": [0, -48, 0, -60, 0, 0],
    }
    assert whole["contraction_mrr"] == lines["moved"]["contraction_mrr"] == 12
    assert lines["moved"]["blend"] == 280 / 280
    assert lines["moved"]["blend"] + 48 / 280 == whole["nrr"]


# --- bands


def test_arr_is_banded_by_twelve_times_the_opening() -> None:
    edges = [83.33, 83.34, 416.67, 833.34, 2_083.34, 4_166.67, 8_333.34, 20_833.34]
    lines: Lines = [(f"a{n}", "p", "x", mrr, "2024-06-01", None) for n, mrr in enumerate(edges)]
    lines.append(("late", "p", "x", 90, "2025-02-01", None))
    rows = by_value(shown(book_of(lines), "arr_band"), "arr_band")
    assert list(rows) == [
        "<1k", "1-5k", "5-10k", "10-25k", "25-50k", "50-100k", "100-250k", "250k+",
    ]  # fmt: skip
    assert all(row["accounts"] == 1 for row in rows.values())
    assert rows["1-5k"]["new_mrr"] == 90


def test_age_and_quarter_of_arrival_follow_from_the_first_paid_month() -> None:
    starts = ["2021-12-31", "2022-01-01", "2023-12-31", "2024-09-30", "2024-10-01", "2025-01-15"]
    lines: Lines = [(f"a{n}", "p", "x", 10, day, None) for n, day in enumerate(starts)]
    facts = BookFacts(as_of=date(2026, 1, 1), fiscal_year_starts=2)
    found = shown(book_of(lines, facts=facts), "account_age", "acquisition_cohort")
    ages = {row["cut"]["account_age"]: row["accounts"] for row in rows_of(found, "account_age")}
    assert ages == {
        "<3 months": 1,
        "3-12 months": 1,
        "1-2 years": 1,
        "2-3 years": 1,
        "3+ years": 1,
        None: 0,
    }
    quarters = [row["cut"]["acquisition_cohort"] for row in rows_of(found, "acquisition_cohort")]
    assert quarters == ["2021-Q4", "2023-Q4", "2024-Q3", "2024-Q4"]


def test_the_fifth_that_pays_most_is_rounded_up() -> None:
    lines: Lines = [(f"a{n}", "p", "x", 10 + n, "2024-06-01", None) for n in range(6)]
    rows = by_value(shown(book_of(lines), "arr_rank"), "arr_rank")
    assert [(name, row["opening_mrr"]) for name, row in rows.items()] == [
        ("top 20 %", 15 + 14),
        ("other 80 %", 10 + 11 + 12 + 13),
    ]


# --- the series, and rules without data


@pytest.mark.ci
def test_the_series_is_cut_as_the_latest_window_is() -> None:
    found = shown(book_of(TWO_PRODUCTS), "product", window="month")
    ends = [row["to"] for row in found["series"]]
    assert ends == sorted(ends, reverse=True)
    assert len(set(ends)) == 17
    june = [row for row in found["series"] if row["to"] == "2025-06-30"]
    assert [list(row["cut"].values()) for row in june] == [[], ["a"], ["b"], [None]]
    assert [row["opening_mrr"] for row in june] == [520, 300, 220, 0]
    assert june[3]["cohort"]["closing_micros"] == 150_000_000


def test_rules_without_data_are_named() -> None:
    bare = pd.DataFrame({"account_id": ["a"], "starts_on": ["2024-06-01"], "mrr_micros": [10**7]})
    table = canonical("subscriptions", bare)
    source = Book.of({"subscriptions": table}, FACTS)
    book = Book("bare", FACTS, {"subscriptions": frozenset(bare.columns)}, source.connection)
    always = {
        "basis", "usage", "trial", "discount", "ramp", "pause", "merger", "segment_as_of",
        "dunning_days", "fx",
    }  # fmt: skip
    assert set(shown(book)["definition"]["not_applied"]) == always
    more = shown(book, rollup="parent", churn_date="cancellation")["definition"]["not_applied"]
    assert set(more) == always | {"rollup", "churn_date"}
    assert more.pop("fx") == "not applied: one currency"
    assert set(more.values()) == {"not applied: no data"}


# --- everything adds up


def random_lines(seed: int, accounts: int) -> tuple[Lines, dict[str, dict[str, Any]]]:
    draw = random.Random(seed)
    days = [date(2024, month, 1) for month in range(1, 13)]
    days += [date(2025, month, day) for month in range(1, 13) for day in (1, 17)]
    lines: Lines = []
    for n in range(accounts):
        for _ in range(draw.randint(1, 5)):
            start, end = sorted(draw.sample(days, 2))
            product, plan = draw.choice(["p", "q", None]), draw.choice(["x", "y"])
            micros = draw.choice([99.99, 1_250, 8_333.33, 1 / 3])
            ends = str(end) if draw.random() < 0.7 else None
            lines.append((f"a{n}", product, plan, micros, str(start), ends))
    facts = {f"a{n}": {"region": draw.choice(["eu", "us", None])} for n in range(accounts)}
    return lines, facts


@pytest.mark.ci
@pytest.mark.parametrize(
    "choices",
    [{}, {"losses": "movements", "reactivation": "s002"}, {"reactivation": "excluded"}],
    ids=["default", "movements-s002", "excluded"],
)
def test_every_cut_adds_up_to_the_book_in_every_amount(choices: dict[str, Any]) -> None:
    by = ("region", "arr_band", "account_age", "acquisition_cohort", "product", "plan")
    found = shown(book_of(*random_lines(7, 40)), *by, window="ttm", **choices)
    rows = [*found["windows"], *found["series"]]
    wholes = {row["to"]: row for row in rows if not row["cut"]}
    assert len(wholes) > 6
    for keys in (*((name,) for name in by), by):
        for end, whole in wholes.items():
            parts = [row for row in rows if row["to"] == end and tuple(row["cut"]) == keys]
            _adds_up(whole, parts)
    for row in rows:
        cohort = row["cohort"]
        gained = cohort["expansion_micros"] + cohort.get("reactivation_micros", 0)
        lost = cohort["contraction_micros"] + cohort["churned_micros"]
        if row["nrr"] is not None:
            assert (
                row["nrr"] == (cohort["opening_micros"] + gained - lost) / cohort["opening_micros"]
            )


def _adds_up(whole: dict[str, Any], parts: list[dict[str, Any]]) -> None:
    """Compare micro-units exactly, and cents to the roundings of the parts."""
    for name, amount in whole["cohort"].items():
        total = sum(part["cohort"][name] for part in parts)
        slack = 0 if name.endswith("_micros") else 0.005 * (1 + len(parts))
        assert total == pytest.approx(amount, abs=slack)
    slack = 0.005 * (1 + len(parts))
    for name in AMOUNTS:
        assert sum(part[name] for part in parts) == pytest.approx(whole[name], abs=slack)
    for group, names in (("levers", LEVERS), ("churn_kinds", whole["churn_kinds"])):
        for name in names:
            total = sum(part[group][name] for part in parts)
            assert total == pytest.approx(whole[group][name], abs=slack)
    if not any(part.get("moved_between_lines") for part in parts):
        assert sum(part["accounts"] for part in parts) == whole["accounts"]
