"""Facts: they tie to `perennial metrics` to the cent, and tell nothing that came later."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest

from features.account_detail import account_details
from features.book import Book
from features.retention import metrics
from features.rules import Rules
from serving.facts import Facts
from serving.facts_expansion import FIGURES
from serving.facts_reading import facts_of
from serving.settings import Settings, load
from serving.store import Store
from tests.example_publication import NOW, example
from tests.small_books import line, small_book

AS_OF = date(2025, 1, 1)
LINES = [
    line("a", 100, "2022-03-01", product="core"),
    line("a", 40, "2024-12-28", product="chat"),
    line("b", 60, "2023-05-05", ends_on="2024-05-05", term_months=12, product="core"),
    line("b", 90, "2024-05-05", ends_on="2025-05-05", term_months=12, product="core"),
    line("c", 70, "2024-02-11", ends_on="2024-08-11", term_months=6, product="core"),
    line("d", 30, "2024-12-27", product="core"),
]
DEALS = {
    "opportunity_id": ["1", "2"],
    "account_id": ["a", "a"],
    "opened_on": ["2023-02-01", "2024-11-20"],
    "stage": ["won", "demo"],
    "amount_mrr_micros": [40_000_000, 10_000_000],
    "closed_on": ["2023-03-10", None],
    "won": [True, None],
    "probability": [None, 0.5],
}


@pytest.fixture(scope="module")
def book() -> Book:
    return small_book(LINES, opportunities=pd.DataFrame(DEALS))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(tmp_path, tmp_path / "home", tmp_path)


@pytest.mark.ci
def test_months_and_years_are_those_of_perennial_metrics(book: Book, settings: Settings) -> None:
    facts = facts_of(book, settings, AS_OF)
    months = metrics(book, Rules(), "month", ["segment"], AS_OF)
    whole = [*months["windows"], *months["series"]]
    last = {row["to"] for row in facts.metrics["months"]}
    assert len(last) == 24
    assert facts.metrics["months"] == [row for row in whole if row["to"] in last]
    years = metrics(book, Rules(), "ttm", ["segment"], AS_OF)
    assert facts.metrics["windows"] == years["windows"]
    figures = {one["figure"]: one for one in facts.expansion["figures"]}
    assert tuple(figures) == FIGURES
    assert figures["expansion_mrr"]["value"] == months["windows"][0]["expansion_mrr"] == 40.0
    assert figures["expansion_mrr"]["beside"]["new_logo_mrr"] == 30.0
    assert figures["nrr_ttm"]["value"] == years["windows"][0]["nrr"]
    assert figures["nrr_ttm"]["series"][-1]["value"] == figures["nrr_ttm"]["value"]
    assert figures["pipeline"]["value"] == 10.0  # the one closed deal was won
    assert figures["no_expansion_24m"]["value"] == 0


@pytest.mark.ci
def test_a_week_tells_what_rose_in_it(book: Book, settings: Settings) -> None:
    told = facts_of(book, settings, AS_OF).metrics["expansion_mrr_by_week"]["weeks"]
    assert [told[0][name] for name in ("from", "to")] == ["2024-12-24", "2024-12-31"]
    assert (told[0]["expansion_mrr"], told[0]["new_logo_mrr"]) == (40.0, 30.0)
    assert {row["expansion_mrr"] for row in told[1:]} == {0.0}


@pytest.mark.ci
def test_what_a_book_cannot_tell_is_null_with_its_reason(settings: Settings) -> None:
    facts = facts_of(small_book([line("a", 10, "2024-12-01")]), settings, AS_OF)
    told = {one["figure"]: one for one in facts.expansion["figures"]}
    for name in ("nrr_ttm", "grr_ttm", "pipeline", "conversion_90d", "no_expansion_24m"):
        assert told[name]["value"] is None
        assert told[name]["reason"]
    assert told["pipeline"]["reason"] == "the book has no table opportunities"
    json.dumps([body for _, _, body in facts.documents], allow_nan=False)


@pytest.mark.ci
def test_the_detail_of_an_account(book: Book) -> None:
    told = account_details(book, Rules(), AS_OF)
    assert sorted(told) == ["a", "b", "d"]
    assert [row["mrr"] for row in told["a"]["lines"]] == [100.0, 40.0]
    assert told["b"]["renewals"] == {
        "past": [
            {"on": "2024-05-05", "product": "core", "outcome": "expanded"}
            | {"mrr_before": 60.0, "mrr_after": 90.0, "currency": "USD"}
        ],
        "next": [
            {"on": "2025-05-05", "product": "core", "mrr": 90.0, "currency": "USD"}
            | {"auto_renew": None, "canceled_on": None}
        ],
    }
    assert told["a"]["movements"][0]["amount"] == 40.0
    assert told["a"]["usage"]["events"] is None
    assert told["a"]["usage"]["reason"]
    assert told["a"]["contacts"] is None
    json.dumps(told, allow_nan=False)


def test_facts_are_kept_with_a_run_and_leave_its_digest_alone(tmp_path: Path) -> None:
    store, plain = Store.open(tmp_path), example()
    account = plain.scores["account_id"].iloc[0]
    facts = Facts({"as_of": "x"}, {"figures": []}, {account: {"lines": []}})
    told = replace(plain, facts=facts)
    assert told.digest == plain.digest
    done = store.publish(told, now=NOW)
    assert store.verify() == [done.run_id]
    assert store.document(done.run_id, "metrics") == {"as_of": "x"}
    assert store.document(done.run_id, "expansion") == {"figures": []}
    assert store.detail(account) == {"lines": []}


def test_facts_are_added_to_a_run_that_has_none_and_only_once(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    run = store.publish(example(), now=NOW).run_id
    facts = Facts({"n": 1}, {"figures": []}, {"a01": {"lines": []}})
    assert store.add_facts(run, facts)
    assert not store.add_facts(run, replace(facts, metrics={"n": 2}))
    assert (store.document(run, "metrics"), store.detail("a01")) == ({"n": 1}, {"lines": []})
    assert store.verify() == [run]


@pytest.mark.ci
def test_details_are_kept_for_two_dates_and_old_runs_are_served_without(tmp_path: Path) -> None:
    store, plain = Store.open(tmp_path), example()
    account = plain.scores["account_id"].iloc[0]
    runs = []
    for week in range(4):
        facts = Facts({"n": week}, {}, {} if week == 3 else {account: {"n": week}})
        day = date(2026, 1, 5 + 7 * week)
        one = replace(plain, as_of=day, facts=facts)
        runs.append(store.publish(one, now=datetime(2026, 2, 1, tzinfo=UTC)).run_id)
    assert [store.detail(account, run=run) for run in runs] == [None, None, {"n": 2}, None]
    assert store.detail(account) is None
    assert store.document(runs[0], "metrics") == {"n": 0}
