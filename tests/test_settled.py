"""Forecast against actual: a book of five accounts worked out by hand, and a simulated one."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from features.book import Book, BookFacts
from features.closing import close
from features.contracts import canonical
from features.retention import metrics
from features.rules import Rules
from models.settled import PARTS, Flows, summary
from serving import terminal
from serving.app import create_app
from serving.settings import Settings, load
from serving.settled import SettledAtHand, against_actual
from serving.store import Store
from tests.example_publication import example

OPENED = date(2025, 7, 1)
LINES = [
    ("a", "2025-01-01", "2025-07-10", 100),
    ("a", "2025-07-10", None, 120),
    ("b", "2025-01-01", "2025-07-15", 50),
    ("c", "2025-01-01", "2025-07-05", 80),
    ("c", "2025-07-05", None, 60),
    ("d", "2024-07-20", "2025-07-20", 200),  # due in July, renewed on 10 August
    ("d", "2025-08-10", "2026-08-10", 260),
    ("e", "2025-01-01", None, 70),
]


def book(lines: list[tuple[Any, ...]] | None = None, as_of: date = date(2025, 9, 15)) -> Book:
    rows = pd.DataFrame(lines or LINES, columns=["account_id", "starts_on", "ends_on", "mrr"])
    rows["mrr_micros"] = rows.pop("mrr") * 1_000_000
    rows["term_months"] = [12 if who == "d" else 1 for who in rows["account_id"]]
    accounts = pd.DataFrame({"account_id": sorted(set(rows["account_id"]))})
    tables = {
        "accounts": canonical("accounts", accounts),
        "subscriptions": canonical("subscriptions", rows),
    }
    return Book.of(tables, BookFacts(as_of=as_of))


def spread(mean: float, width: float) -> dict[str, float]:
    steps = {"p05": -2, "p10": -1, "p25": -0.5, "p50": 0, "p75": 0.5, "p90": 1, "p95": 2}
    return {"mean": mean} | {name: mean + step * width for name, step in steps.items()}


def told(horizon: int, width: float = 0.05) -> dict[str, Any]:
    """Say 30 of expansion, 5 of contraction and 25 of churn on 500: an NRR of 100 %."""
    flows = {"expansion_mrr": 30.0, "contraction_mrr": 5.0, "churned_mrr": 25.0}
    return {
        "horizon_months": horizon,
        "definition": Rules().stamp(),
        "opening_mrr": 500.0,
        "nrr": spread(1.0, width),
        "closing_mrr": spread(500.0, 500.0 * width),
        **{name: spread(value, 1.0) for name, value in flows.items()},
    }


def published(home: Path, as_of: date = OPENED, when: str = "2025-07-01", **more: Any) -> Store:
    scores = example(as_of).scores.head(5).assign(account_id=list("abcde"))
    scores["next_renewal_on"] = [None, None, None, date(2025, 7, 20), None]
    forecast = {str(h): told(h) for h in (1, 3, 12)}
    publication = example(as_of, **({"scores": scores, "forecast": forecast} | more))
    store = Store.open(home)
    store.publish(publication, now=datetime.fromisoformat(when).replace(tzinfo=UTC))
    return store


def settings(folder: Path, toml: str = "") -> Settings:
    (folder / "perennial.toml").write_text(toml)
    return load(here=folder)


def one(folder: Path, found: Book, toml: str = "", **more: Any) -> dict[str, Any]:
    where = settings(folder, toml)
    body = against_actual(where, found, published(where.home, **more))
    (row,) = body["horizons"]["1"]["forecasts"]
    assert sum(row["split_points"].values()) == pytest.approx(row["error_points"], abs=1e-9)
    money = dict(row["split_mrr"])
    assert money.pop("total") == pytest.approx(sum(money.values()), abs=1e-9)
    return dict(row)


def rounded(parts: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 9) for name, value in parts.items()}


def test_the_error_is_split_by_hand(tmp_path: Path) -> None:
    row = one(tmp_path, book())
    assert (row["nrr"]["mean"], round(row["actual_nrr"], 9)) == (1.0, 0.9)
    assert rounded(row["split_points"]) == {
        "churn": 5.0,  # 5 % forecast, 10 % happened
        "contraction": 3.0,
        "expansion": -10.0,  # 6 % forecast; 20 in July and, on time, 60 of d
        "timing": 12.0,  # d's 60 came ten days after the period
        "definition": 0.0,
    }
    assert rounded(row["split_mrr"])["total"] == 50.0
    assert (row["late_accounts"], row["inside_80"], row["inside_90"]) == (1, False, True)


@pytest.mark.ci
def test_the_page_shows_what_the_program_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    where = settings(tmp_path)
    body = against_actual(where, book(), published(where.home))
    terminal.against_actual(body | {"horizons": {"1": body["horizons"]["1"]}})
    said = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    page = Path(__file__).resolve().parents[1] / "docs" / "forecast-against-actual.md"
    assert "\n".join(said) in page.read_text(encoding="utf-8")


@pytest.mark.ci
def test_the_actual_is_what_metrics_says(tmp_path: Path) -> None:
    row = one(tmp_path, book())
    (window,) = metrics(book(), Rules(), "2025-06:2025-07", [], None)["windows"]
    assert row["actual_nrr"] == window["nrr"]
    assert row["actual_mrr"]["churned_mrr"] == window["churned_mrr"]


@pytest.mark.ci
@pytest.mark.parametrize(("as_of", "seen"), [(date(2025, 8, 31), 0), (date(2025, 9, 1), 1)])
def test_a_period_is_told_once_31_days_have_passed(tmp_path: Path, as_of: date, seen: int) -> None:
    where = settings(tmp_path)
    month = against_actual(where, book(as_of=as_of), published(where.home))["horizons"]["1"]
    assert len(month["forecasts"]) == seen
    assert month["open"] == {
        "forecasts": 1 - seen,
        "first_told_on": None if seen else "2025-09-01",
    }


@pytest.mark.ci
def test_other_rules_since_are_a_matter_of_definition(tmp_path: Path) -> None:
    row = one(tmp_path, book(), "[revenue]\nlate_renewal_days = 0\n")
    assert round(row["actual_nrr"], 9) == 0.5  # d churned in July, and came back
    assert row["definition_changed"] == ["late_renewal_days"]
    assert rounded(row["definition_points"]) == {"restatement": 0.0, "rules": 40.0}
    assert rounded(row["split_points"])["churn"] == 5.0
    assert (row["error_points"], row["own_error_points"]) == pytest.approx((50.0, 10.0))


@pytest.mark.ci
def test_what_was_closed_and_reads_differently_now_is_a_restatement(tmp_path: Path) -> None:
    where = settings(tmp_path)
    close(book(), Rules(), "2025-07", where.home)
    late = [*LINES, ("e", "2025-07-02", None, 50)]  # booked after the close
    row = one(tmp_path, book(late))
    assert (row["as_closed_nrr"], row["actual_nrr"]) == pytest.approx((0.9, 1.0))
    assert rounded(row["definition_points"]) == {"restatement": -10.0, "rules": 0.0}
    assert rounded(row["split_points"])["expansion"] == -10.0
    assert row["error_points"] == pytest.approx(0.0)


@pytest.mark.ci
def test_an_account_that_paid_all_along_and_was_unknown_is_a_restatement(tmp_path: Path) -> None:
    row = one(tmp_path, book([*LINES, ("f", "2025-01-01", None, 400)]))
    assert row["actual_nrr"] == pytest.approx(850 / 900)
    assert row["actual_nrr_same_rules"] == pytest.approx(0.9)
    assert row["definition_points"]["restatement"] == pytest.approx(100 * (0.9 - 850 / 900))


@pytest.mark.ci
@pytest.mark.fault("B04")
def test_of_several_revisions_the_last_before_the_period_counts(tmp_path: Path) -> None:
    where = settings(tmp_path)
    published(where.home, when="2025-07-01")
    store = published(where.home, when="2025-07-20", settings_digest="another")
    (row,) = against_actual(where, book(), store)["horizons"]["1"]["forecasts"]
    assert "-r1-" in row["run_id"]
    (other,) = row["other_runs"]
    assert store.forecast(1, run=other) == store.forecast(1, run=row["run_id"])  # both are kept
    assert not row["in_hindsight"]


@pytest.mark.ci
def test_a_forecast_from_within_a_month_is_told_too(tmp_path: Path) -> None:
    where = settings(tmp_path)
    store = published(where.home, as_of=date(2025, 7, 8))
    (row,) = against_actual(where, book(), store)["horizons"]["1"]["forecasts"]
    assert row["period_end"] == "2025-08-07"
    assert row["actual_nrr"] == pytest.approx(450 / 480)


@pytest.mark.ci
def test_a_cohort_that_the_ledger_does_not_know_is_untold_with_its_reason(tmp_path: Path) -> None:
    where = settings(tmp_path)
    store = published(where.home, as_of=date(2020, 7, 1))
    month = against_actual(where, book(), store)["horizons"]["1"]
    assert month["forecasts"] == []
    assert "knows no account" in month["untold"][0]["reason"]
    assert month["summary"]["coverage_80"] is None


def test_the_summary_counts_independent_periods() -> None:
    split = dict.fromkeys(PARTS, 0.0)
    rows = [
        {
            "as_of": f"2025-{month:02}-01",
            "own_error_points": error,
            "inside_80": abs(error) < 2,
            "inside_90": True,
            "split_points": split,
        }
        for month, error in ((1, 1.0), (2, 3.0), (3, -1.0), (4, 1.0))
    ]
    found = summary(rows, 3)
    assert (found["forecasts"], found["n_eff"], found["coverage_80"]) == (4, 2.0, 0.75)
    assert (found["bias_points"], found["mean_absolute_error_points"]) == (1.0, 1.5)
    low, high = found["coverage_80_interval"]
    assert 0.0 <= low < 0.75 < high <= 1.0


def test_flows_hold_their_identity() -> None:
    opening = pd.Series([100, 50, 80]).mul(10**6).to_numpy()
    closing = pd.Series([130, 0, 60]).mul(10**6).to_numpy()
    flows = Flows.of(opening, closing)
    assert flows.money["closing_mrr"] == 190.0
    assert flows.nrr == 190 / 230


def test_the_api_tells_it_and_says_where_there_is_no_book(tmp_path: Path) -> None:
    body = {
        "as_of": "2025-09-15",
        "currency": "EUR",
        "definition": {},
        "reporting_lag_days": 31,
        "horizons": {},
    }
    path, here = "/v1/forecast/actual", "http://127.0.0.1"
    told = TestClient(create_app(tmp_path, against_actual=lambda: body), base_url=here).get(path)
    assert (told.status_code, told.json()) == (200, body)
    bare = TestClient(create_app(tmp_path), base_url=here).get(path)
    assert (bare.status_code, bare.json()["code"]) == (503, "no_book")
    none = SettledAtHand(settings(tmp_path))
    refused = TestClient(create_app(tmp_path, against_actual=none), base_url=here).get(path)
    assert (refused.status_code, refused.json()["code"]) == (409, "no_actual")
