"""Retention: REVENUE's cases, the laws of the ratios, and the shared books."""

from __future__ import annotations

import json
import random
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.book import Book, BookFacts
from features.compounding import compounding
from features.contracts import canonical
from features.faults import UsageFault
from features.retention import metrics
from features.rules import Rules

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
FACTS = BookFacts(as_of=date(2026, 1, 1))
FLOWS = ("new", "reactivation", "expansion", "contraction", "churned", "fx")


def book_of(
    paid: dict[str, dict[str, float]],
    accounts: dict[str, dict[str, Any]] | None = None,
    facts: BookFacts = FACTS,
) -> Book:
    """Make a book of what accounts pay by month; an amount holds until the next one."""
    rows = []
    for account, amounts in paid.items():
        starts = [*sorted(amounts), "2026-01"]
        for start, end in pairwise(starts):
            for month in pd.period_range(start, end, freq="M")[:-1]:
                micros = round(amounts[start] * 1e6)
                rows.append({"account_id": account, "month": f"{month}-01", "mrr_micros": micros})
    tables = {"mrr_by_month": canonical("mrr_by_month", pd.DataFrame(rows))}
    if accounts:
        frame = pd.DataFrame([{"account_id": key} | more for key, more in accounts.items()])
        tables["accounts"] = canonical("accounts", frame)
    return Book.of(tables, facts)


def shown(
    book: Book, window: str = "ttm", by: tuple[str, ...] = (), as_of: date | None = None
) -> dict[str, Any]:
    found = metrics(book, Rules(), window, list(by), as_of)
    json.dumps(found, allow_nan=False)
    return found


def cut_rows(found: dict[str, Any], *keys: str) -> dict[Any, dict[str, Any]]:
    rows = [row for row in found["windows"] if set(row["cut"]) == set(keys)]
    return {
        tuple(row["cut"][k] for k in keys) if len(keys) > 1 else row["cut"][keys[0]]: row
        for row in rows
    }


def codes(found: dict[str, Any]) -> set[str]:
    return {warning["code"] for warning in found["warnings"]}


# --- REVENUE's cases


def test_case_1_expansion_contraction_and_churn() -> None:
    paid = {
        "up": {"2025-11": 50_000, "2025-12": 58_000},
        "down": {"2025-11": 48_000, "2025-12": 45_000},
        "gone": {"2025-11": 2_000, "2025-12": 0},
    }
    row = shown(book_of(paid), "month")["windows"][0]
    assert (row["opening_mrr"], row["closing_mrr"]) == (100_000, 103_000)
    assert (row["expansion_mrr"], row["contraction_mrr"], row["churned_mrr"]) == (
        8_000,
        3_000,
        2_000,
    )
    assert (row["nrr"], row["grr"], row["logo_churn"]) == (1.03, 0.95, 1 / 3)
    year = compounding(1, row["nrr"], months=1)["years"][0]
    assert round(year["multiple"], 3) == 1.426


def case_2(**more: Any) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, Any]]]:
    smb = {f"s{n:03}": {"2024-12": 500, "2025-06": 0 if n < 40 else 500} for n in range(200)}
    big = {f"e{n}": {"2024-12": 15_000, "2025-06": 19_000 if n < 5 else 15_000} for n in range(10)}
    segments = {name: {"segment": "SMB" if name[0] == "s" else "enterprise"} for name in smb | big}
    return smb | big, segments


def test_case_2_the_hundred_percent_illusion_names_smb() -> None:
    paid, segments = case_2()
    found = shown(book_of(paid, segments), by=("segment",))
    whole, parts = found["windows"][0], cut_rows(found, "segment")
    assert (whole["nrr"], whole["grr"], whole["accounts"]) == (1.0, 0.92, 210)
    assert parts["SMB"]["nrr"] == 0.8
    assert round(parts["enterprise"]["nrr"], 3) == 1.133
    assert (parts["SMB"]["small_cohort"], parts["enterprise"]["small_cohort"]) == (False, True)
    illusion = next(w for w in found["warnings"] if w["code"] == "hundred_percent_illusion")
    assert "SMB" in illusion["message"]
    assert [told["segment"] for told in illusion["segments"]] == ["SMB"]


def test_the_illusion_is_seen_without_asking_for_segments() -> None:
    assert "hundred_percent_illusion" in codes(shown(book_of(*case_2())))


def test_case_3_products_blend_by_revenue() -> None:
    paid = {
        "a": {"2024-12": 1_000_000, "2025-12": 1_300_000},
        "b": {"2024-12": 500_000, "2025-12": 450_000},
    }
    row = shown(book_of(paid, {"a": {"line": "A"}, "b": {"line": "B"}}))["windows"][0]
    assert round(row["nrr"], 3) == 1.167


def test_case_4_five_million_compounded() -> None:
    table = {
        0.85: (4.25, 3.07, 2.22),
        1.0: (5, 5, 5),
        1.1: (5.5, 6.66, 8.05),
        1.2: (6, 8.64, 12.44),
        1.3: (6.5, 10.99, 18.56),
    }
    for ratio, expected in table.items():
        years = compounding(5_000_000 * 10**6, ratio)["years"]
        got = [round(year["arr"] / 10**6, 4) for year in years]
        assert got == pytest.approx(expected, abs=0.0051)


def test_case_7_a_subsidiary_is_a_new_logo_under_account_and_expansion_under_parent() -> None:
    paid = {"parent": {"2024-12": 100}, "child": {"2025-06": 50}}
    book = book_of(paid, {"parent": {}, "child": {"parent_account_id": "parent"}})
    row = shown(book)["windows"][0]
    assert (row["new_mrr"], row["expansion_mrr"], row["nrr"]) == (50, 0, 1.0)
    row = metrics(book, Rules(rollup="parent"), "ttm", [], None)["windows"][0]
    assert (row["new_mrr"], row["expansion_mrr"], row["nrr"]) == (0, 50, 1.5)
    assert row["accounts"] == 1


# --- windows


@pytest.mark.ci
def test_windows_close_on_the_last_closed_month_quarter_and_year() -> None:
    book = book_of(
        {"a": {"2023-01": 10}}, facts=BookFacts(as_of=date(2025, 9, 1), fiscal_year_starts=2)
    )
    ends = {kind: shown(book, kind)["windows"][0] for kind in ("month", "quarter", "ttm")}
    spans = {kind: (row["from"], row["to"]) for kind, row in ends.items()}
    assert spans == {
        "month": ("2025-07-31", "2025-08-31"),
        "quarter": ("2025-04-30", "2025-07-31"),
        "ttm": ("2024-08-31", "2025-08-31"),
    }


def test_a_pair_of_months_goes_from_end_to_end() -> None:
    row = shown(book_of({"a": {"2024-12": 10}}), "2025-01:2025-12")["windows"][0]
    assert (row["from"], row["to"], row["nrr"]) == ("2025-01-31", "2025-12-31", 1.0)


@pytest.mark.parametrize(
    "text", ["year", "2025-13:2026-01", "2025-02:2025-02", "2025-03:2025-01", ""]
)
def test_an_unknown_window_is_a_usage_fault(text: str) -> None:
    with pytest.raises(UsageFault) as refused:
        shown(book_of({"a": {"2024-12": 10}}), text)
    assert refused.value.exit_code == 2


def test_a_window_that_reaches_before_the_ledger_is_null_with_a_reason() -> None:
    found = shown(book_of({"a": {"2025-03": 10}}))
    row = found["windows"][0]
    assert row["nrr"] is None
    assert row["new_mrr"] is None
    assert row["reason"] == "the ledger starts at 2025-03-31, after the window's opening"
    assert found["series"] == []
    assert found["warnings"] == []


def test_a_window_that_is_not_closed_is_null_with_a_reason() -> None:
    row = shown(book_of({"a": {"2024-12": 10}}), "2025-06:2026-06")["windows"][0]
    assert (row["nrr"], "not closed" in row["reason"]) == (None, True)


def test_an_empty_cohort_is_null_with_a_reason_and_a_lost_one_is_zero() -> None:
    paid = {"gone": {"2024-01": 10, "2024-03": 0}, "late": {"2025-06": 10}}
    empty = shown(book_of(paid))["windows"][0]
    assert (empty["nrr"], empty["logo_churn"], empty["new_mrr"]) == (None, None, 10)
    assert empty["reason"] == "no account paid at 2024-12-31"
    lost = shown(book_of({"gone": {"2024-12": 10, "2025-03": 0}}))["windows"][0]
    assert (lost["nrr"], lost["grr"], lost["logo_churn"], lost["accounts"]) == (0.0, 0.0, 1.0, 1)


@pytest.mark.ci
def test_the_series_has_every_earlier_month_end_latest_first() -> None:
    found = shown(book_of({"a": {"2024-10": 10, "2025-06": 15}}))
    assert [(row["to"], row["nrr"]) for row in found["series"]] == [
        ("2025-11-30", 1.5),
        ("2025-10-31", 1.5),
    ]


def test_an_account_that_left_and_returned_counts_with_what_it_pays_at_the_closing() -> None:
    paid = {
        "back": {"2024-12": 100, "2025-03": 0, "2025-06": 120},
        "other": {"2024-01": 10, "2024-03": 0, "2025-04": 10},
    }
    row = shown(book_of(paid))["windows"][0]
    assert (row["nrr"], row["grr"], row["organic_nrr"]) == (1.2, 1.0, 1.0)
    assert (row["reactivation_mrr"], row["churned_mrr"], row["accounts"]) == (130, 100, 1)


def test_losses_of_a_window_are_net_per_account() -> None:
    row = shown(book_of({"a": {"2024-12": 100, "2025-02": 200, "2025-05": 100}}))["windows"][0]
    assert (row["nrr"], row["grr"]) == (1.0, 1.0)
    assert (row["expansion_mrr"], row["contraction_mrr"]) == (100, 100)


def test_an_as_of_date_hides_what_was_known_later() -> None:
    book = book_of({"a": {"2024-01": 10, "2025-06": 20}})
    row = shown(book, as_of=date(2025, 6, 15))["windows"][0]
    assert (row["to"], row["nrr"]) == ("2025-05-31", 1.0)


def test_an_unbilled_last_month_is_no_windows_end() -> None:
    months = [f"2025-{m:02}-01" for m in range(1, 12)]
    rows = pd.DataFrame({"account_id": "a", "month": months, "mrr_micros": 10**7, "kind": "usage"})
    book = Book.of({"mrr_by_month": canonical("mrr_by_month", rows)}, FACTS)
    row = shown(book, "month")["windows"][0]
    assert (row["to"], row["nrr"]) == ("2025-11-30", 1.0)


def test_the_cohort_is_measured_at_the_rates_of_the_closing() -> None:
    line = {"account_id": "a", "starts_on": "2024-06-01", "mrr_micros": 10**8, "currency": "EUR"}
    rates = pd.DataFrame(
        {"currency": "EUR", "date": ["2024-01-01", "2025-01-01"], "rate": [1.1, 1.2]}
    )
    tables = {
        "subscriptions": canonical("subscriptions", pd.DataFrame([line])),
        "fx_rates": canonical("fx_rates", rates),
    }
    row = shown(Book.of(tables, FACTS))["windows"][0]
    assert (row["opening_mrr"], row["fx_mrr"], row["closing_mrr"]) == (110, 10, 120)
    assert (row["nrr"], row["grr"], row["cohort"]["opening_mrr"]) == (1.0, 1.0, 120)


# --- definition


def test_every_output_carries_its_rules_and_those_without_data() -> None:
    definition = shown(book_of({"a": {"2024-12": 10}}))["definition"]
    assert definition["late_renewal_days"] == 31
    assert definition["not_applied"]["dunning_days"] == "not applied: no data"
    assert set(Rules().stamp()) < set(definition)


# --- cuts


def random_book(seed: int, accounts: int = 150) -> Book:
    rng = random.Random(seed)
    months = [f"{year}-{month:02}" for year in (2024, 2025) for month in range(1, 13)]
    amounts = [0, 0, 99.99, 1_250, 8_333.33, 25_000, 1 / 3]
    paid = {
        f"a{n}": {month: rng.choice(amounts) for month in rng.sample(months, rng.randint(1, 8))}
        for n in range(accounts)
    }
    facts = {
        name: {"region": rng.choice(["eu", "us", None]), "tier": rng.choice("xyz")} for name in paid
    }
    return book_of(paid, facts)


@pytest.mark.ci
@pytest.mark.parametrize("seed", [1, 2])
def test_cuts_add_up_and_ratios_keep_their_laws(seed: int) -> None:
    found = shown(random_book(seed), by=("region", "tier", "acv_segment"))
    whole = found["windows"][0]
    for keys in (("region",), ("tier",), ("acv_segment",), ("region", "tier", "acv_segment")):
        parts = cut_rows(found, *keys).values()
        for name in ("accounts", *(f"{flow}_mrr" for flow in ("opening", *FLOWS, "closing"))):
            assert sum(part[name] for part in parts) == pytest.approx(
                whole[name], abs=0.005 * (1 + len(parts))
            )
        for name in ("opening", "expansion", "contraction", "churned", "closing"):
            assert (
                sum(part["cohort"][f"{name}_micros"] for part in parts)
                == whole["cohort"][f"{name}_micros"]
            )
    for row in [*found["windows"], *found["series"]]:
        cohort = {
            k.removesuffix("_micros"): v for k, v in row["cohort"].items() if k.endswith("_micros")
        }
        assert (
            cohort["opening"] + cohort["expansion"] - cohort["contraction"] - cohort["churned"]
            == cohort["closing"]
        )
        if row["nrr"] is not None:
            assert row["nrr"] == cohort["closing"] / cohort["opening"]
            assert row["grr"] <= row["organic_nrr"] <= row["nrr"]
            assert 0 <= row["grr"] <= 1
        levers = sum(row["levers"].values())
        assert levers == pytest.approx(row["expansion_mrr"] - row["contraction_mrr"], abs=0.06)


def test_segment_is_the_band_of_acv_only_where_accounts_has_none() -> None:
    paid: dict[str, dict[str, float]] = {
        "small": {"2024-12": 416},
        "mid": {"2024-12": 417},
        "new": {"2025-06": 20_000},
    }
    bands = cut_rows(shown(book_of(paid), by=("segment",)), "segment")
    assert {name: row["accounts"] for name, row in bands.items()} == {
        "smb": 1,
        "mid-market": 1,
        "strategic": 0,
    }
    assert bands["strategic"]["nrr"] is None
    named = book_of(paid, {name: {"segment": "own"} for name in paid})
    assert set(cut_rows(shown(named, by=("segment",)), "segment")) == {"own"}


def test_a_dated_segment_is_that_of_the_opening() -> None:
    book = book_of({"a": {"2024-12": 10}}, {"a": {"segment": "now"}})
    rows = {
        "account_id": ["a", "a"],
        "valid_from": ["2024-06-01", "2025-06-01"],
        "segment": ["then", "now"],
    }
    book.connection.register("account_history", canonical("account_history", pd.DataFrame(rows)))
    dated = Book(
        "dated", book.facts, {**book.provided, "account_history": frozenset(rows)}, book.connection
    )
    assert set(cut_rows(shown(dated, by=("segment",)), "segment")) == {"then"}


def test_an_unknown_cut_is_a_usage_fault_with_the_nearest_name() -> None:
    with pytest.raises(UsageFault, match='did you mean "region"') as refused:
        shown(random_book(1, 3), by=("regoin",))
    assert refused.value.exit_code == 2


# --- the shared books


def sponsors() -> Book:
    path = SHARED / "sponsors" / "mrr_by_month.csv"
    if not path.is_file():
        pytest.skip("no shared data")
    source = pd.read_csv(path)
    rows = {
        "account_id": source["account_id"],
        "month": source["m"] + "-01",
        "mrr_micros": (source["mrr_usd"] * 1e6).round().astype("int64"),
    }
    return Book.of(
        {"mrr_by_month": canonical("mrr_by_month", pd.DataFrame(rows))},
        BookFacts(as_of=date(2026, 9, 1)),
    )


@pytest.mark.ci
def test_sponsors_from_july_to_july() -> None:
    book = sponsors()
    naive = Rules(late_renewal_days=0)
    rows = [
        metrics(book, naive, f"{y}-07:{y + 1}-07", [], None)["windows"][0]
        for y in range(2020, 2026)
    ]
    assert [round(row["nrr"], 3) for row in rows] == [0.429, 0.513, 0.876, 0.599, 0.702, 0.614]
    assert [round(row["grr"], 3) for row in rows] == [0.428, 0.513, 0.816, 0.497, 0.702, 0.594]


@pytest.mark.ci
def test_crm_plans_only() -> None:
    path = SHARED / "crm" / "subscription.csv"
    if not path.is_file():
        pytest.skip("no shared data")
    source = pd.read_csv(path, dtype={"account_id": str})
    source = source[~source["product"].isin(["meetings", "search_unlimited"])]
    rows = source.rename(
        columns={"start_date": "starts_on", "end_date": "ends_on", "product": "plan"}
    )
    rows["mrr_micros"] = (source["mrr"] * 1e6).round().astype("int64")
    rows["term_months"] = source["bill_period_months"]
    columns = ["account_id", "starts_on", "ends_on", "plan", "mrr_micros", "term_months"]
    tables = {"subscriptions": canonical("subscriptions", rows[columns])}
    book = Book.of(tables, BookFacts(as_of=date(2024, 1, 1)))
    for rules in (Rules(late_renewal_days=0), Rules()):
        year, half = (
            metrics(book, rules, window, [], None)["windows"][0]
            for window in ("2022-12:2023-12", "2022-06:2023-06")
        )
        assert (year["accounts"], round(year["nrr"], 3), round(year["grr"], 3)) == (
            543,
            0.942,
            0.863,
        )
        assert (half["accounts"], round(half["nrr"], 3), round(half["grr"], 3)) == (
            443,
            0.910,
            0.842,
        )
