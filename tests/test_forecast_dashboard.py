"""The forecast page as it is written: the store's numbers, what adds up, what the address keeps."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from features.faults import Busy
from models.figures import FIGURES
from models.scenario import Scenario
from serving.api.access import Who, _caller
from serving.app import create_app
from serving.dashboard.forecast_asked import Asked
from serving.dashboard.forecast_drawn import fan_of, steps_of
from serving.dashboard.forecast_view import parts_of
from serving.dashboard.forecast_words import MEANINGS, found, said
from serving.outlooks import packed
from serving.store import Store
from tests.example_publication import NOW, example
from tests.test_scenario import BASIS, BOOK

HERE = "http://127.0.0.1"
TOLD = BASIS.told(BOOK, 3)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """A server of a run that kept its outlook, and whose forecast is that of it."""
    home = tmp_path_factory.mktemp("forecast")
    kept: dict[str, Any] = {"outlook": packed(BOOK, BOOK.accounts), "basis": BASIS.to_json()}
    Store.open(home).publish(example(forecast={"3": TOLD}, **kept), now=NOW)
    return TestClient(create_app(home, now=lambda: NOW), base_url=HERE)


def get(api: TestClient, address: str, status: int = 200) -> str:
    reply = api.get(address)
    assert reply.status_code == status, reply.text[:500]
    return reply.content.decode("utf-8-sig")  # a file begins with the mark


def test_the_page_shows_the_numbers_of_the_store(api: TestClient) -> None:
    page = get(api, "/forecast?horizon=3")
    for name in ("nrr", "grr"):
        assert said(TOLD[name]["mean"], "ratio") in page
    for name in ("expansion_mrr", "contraction_mrr", "churned_mrr", "closing_mrr"):
        assert said(TOLD[name]["mean"], "money") in page
    assert "/accounts?segment=smb" in page
    assert "<script>" not in page
    assert "style=" not in page


def test_every_figure_has_a_meaning() -> None:
    assert tuple(MEANINGS) == FIGURES


def test_parts_add_up_to_the_whole() -> None:
    parts = parts_of(TOLD)
    moves = [part.moves for part in parts if part.moves is not None]
    assert sum(moves) == pytest.approx(TOLD["nrr"]["mean"] - 1.0, abs=1e-11)
    assert moves == sorted(moves)
    assert sorted(part.place for part in parts) == list(range(len(parts)))


def test_steps_lead_from_opening_to_closing() -> None:
    steps, begins = steps_of(TOLD["bridge"])
    moved = sum(step.amount for step in steps if step.kind != "level")
    assert steps[0].amount + moved == pytest.approx(steps[-1].amount)
    assert 0.0 <= begins < min(step.amount for step in steps if step.kind == "level")
    assert all(0.0 <= step.left <= step.left + step.width <= 100.7 for step in steps)


def test_the_fan_holds_both_paths() -> None:
    low = {"p10": 0.5, "p50": 0.6, "p90": 0.7}
    drawn = fan_of(TOLD, {"monthly_path": [{"month": 12, "nrr": low}]})
    assert drawn is not None
    ys = [float(y) for y in re.findall(r",([\d.-]+)", " ".join((drawn.band, drawn.other_band)))]
    assert 0.0 <= min(ys) <= max(ys) <= 100.0
    assert fan_of({"monthly_path": []}) is None


@pytest.mark.ci
def test_sliders_at_zero_assume_nothing_and_the_page_says_zero(api: TestClient) -> None:
    page = get(api, "/forecast?horizon=3&churn=0&rise=0&macro=0&saved=&reach=&segment=")
    moved = re.findall(r'data-path="difference\.[^"]*"[^>]*>([^<]*)<', page)
    assert moved
    assert set(moved) == {"0"}


@pytest.mark.parametrize(
    ("asked", "changes", "macro"),
    [
        ({}, [], None),
        ({"churn": -20, "segment": "smb"},
         [{"where": {"segment": "smb"}, "churn": {"multiply": 0.8}}], None),
        ({"rise": 5.0, "rise_churn": 10},
         [{"all": True, "price_at_renewal": {"rise": 0.05, "churn_multiply": 1.1}}], None),
        ({"saved": "a1, a2,,a1", "undo": "1", "macro": 1.0},
         [{"accounts": ["a1", "a2"], "saved": True, "undo_notice": True}], {"shift": 1.0}),
    ],
)  # fmt: skip
def test_an_address_is_a_scenario(asked: Any, changes: Any, macro: Any) -> None:
    expected = {"changes": changes} | ({"macro": macro} if macro else {})
    assert Asked(**asked).scenario() == Scenario.model_validate(expected)


@pytest.mark.ci
def test_the_page_tells_what_the_api_answers(api: TestClient) -> None:
    body = {
        "horizon": 3,
        "changes": [{"where": {"segment": "smb"}, "churn": {"multiply": 0.5}}],
        "reach": 1.05,
    }
    told = api.post("/v1/forecast/scenario", json=body).json()
    page = get(api, "/forecast?horizon=3&segment=smb&churn=-50&reach=105")
    shown = dict(re.findall(r'data-path="([^"]+)" data-kind="\w+">([^<]*)<', page))
    for path, kind in (("scenario.nrr.mean", "ratio"), ("difference.churned_mrr.mean", "more"),
                       ("difference.nrr.mean", "points"), ("scenario.closing_mrr.mean", "money"),
                       ("reach.expansion.mean.expansion_mrr", "money"),
                       ("difference.by_cut.1.closing_mrr.mean", "more")):  # fmt: skip
        assert shown[path].strip() == said(found(told, path), kind), path


@pytest.mark.ci
def test_what_cannot_be_assumed_is_said_on_the_page(api: TestClient) -> None:
    page = get(api, "/forecast?horizon=3&saved=nobody", 422)
    assert "this account pays nothing at the as-of date" in page
    assert said(TOLD["nrr"]["mean"], "ratio") in page
    for wrong in ("horizon=2", "churn=900", "rise=0.3", "reach=x", "unknown=1"):
        assert api.get(f"/forecast?{wrong}").status_code == 422


@pytest.mark.ci
def test_what_was_not_worked_out_is_no_file_and_who_waits_is_told_so(
    api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    get(api, "/forecast.csv?horizon=3&saved=nobody", 422)

    def in_line(*_: Any, **__: Any) -> None:
        raise Busy("scenario.busy", "4 scenarios are in line", "ask again in a second")

    monkeypatch.setattr("serving.scenarios.compare", in_line)
    for address in ("/forecast?horizon=3&churn=-50", "/forecast.csv?horizon=3&churn=-50"):
        reply = api.get(address)
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
        assert "in line" in reply.text


@pytest.mark.ci
def test_another_cut_is_shown_and_adds_up(api: TestClient) -> None:
    page = get(api, "/forecast?horizon=3&by=region")
    assert "By region" in page
    assert "/accounts?region" not in page  # the list of accounts has no such filter
    assert page.count("/accounts?") == 0
    rows = list(csv.DictReader(io.StringIO(get(api, "/forecast.csv?horizon=3&by=region"))))
    parts = [float(row["mean"]) for row in rows if row["cut"] == "region"
             and row["figure"] == "closing_mrr"]  # fmt: skip
    assert sum(parts) == pytest.approx(TOLD["closing_mrr"]["mean"])
    assert "no such column" in get(api, "/forecast?horizon=3&by=nothing", 422)


@pytest.mark.ci
def test_the_export_has_what_is_on_the_page(api: TestClient) -> None:
    text = get(api, "/forecast.csv?horizon=3&churn=-50&segment=smb")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["forecast"] for row in rows} == {"published", "scenario", "difference"}
    whole = {
        row["forecast"]: float(row["mean"])
        for row in rows
        if row["figure"] == "nrr" and not row["cut"]
    }
    assert whole["published"] == TOLD["nrr"]["mean"]
    assert whole["scenario"] - whole["published"] == pytest.approx(whole["difference"])
    months = [row for row in rows if row["figure"] == "nrr by month"]
    assert len(months) == len(TOLD["monthly_path"])
    assert get(api, "/forecast.csv?horizon=3").count("scenario") == 0


@pytest.mark.ci
def test_a_run_without_an_outlook_shows_what_it_has(tmp_path: Path) -> None:
    Store.open(tmp_path).publish(example(), now=NOW)
    api = TestClient(create_app(tmp_path, now=lambda: NOW), base_url=HERE)
    page = get(api, "/forecast")
    assert "kept no outlook" in page
    assert "forecast.js" not in page
    past = get(api, "/forecast/actual?horizon=12")
    assert "no book to read what happened from" in past
    assert get(api, "/forecast/actual.csv").startswith("as_of,period_end")


@pytest.mark.ci
@pytest.mark.fault("D12")
def test_a_key_of_one_csm_is_told_why_not(api: TestClient) -> None:
    app: Any = api.app
    scenario = "/v1/forecast/scenario"
    for who, status in (
        (Who("cs", "Ada", True, "ada"), 403),
        (Who("finance", None, False, "cfo"), 200),
    ):
        app.dependency_overrides[_caller] = lambda who=who: who
        try:
            told = [api.get("/v1/forecast?horizon=3"), api.post(scenario, json={"horizon": 3}),
                    api.get("/forecast?horizon=3"), api.get("/forecast.csv?horizon=3"),
                    api.get("/forecast/actual")]  # fmt: skip
        finally:
            app.dependency_overrides.clear()
        assert [one.status_code for one in told] == [status] * len(told)
        assert status == 200 or {one.json()["code"] for one in told} == {"scope"}


@pytest.mark.ci
def test_a_settled_forecast_stands_beside_what_came(tmp_path: Path) -> None:
    row = {
        "run_id": "r", "as_of": "2025-01-01", "period_end": "2025-03-31", "in_hindsight": True,
        "nrr": TOLD["nrr"], "actual_nrr": 0.97, "inside_80": False, "inside_90": True,
        "error_points": 2.5, "horizon_months": 3,
        "split_points": {"churn": 1.0, "contraction": 0.5, "expansion": 1.0, "timing": 0.0, "definition": 0.0},
    }  # fmt: skip
    summary = {
        "forecasts": 1, "n_eff": 1.0, "coverage_80": 0.0, "coverage_90": 1.0,
        "coverage_80_interval": [0.0, 0.79], "coverage_90_interval": [0.21, 1.0],
        "bias_points": 2.5, "mean_absolute_error_points": 2.5, "mean_split_points": row["split_points"],
    }  # fmt: skip
    one = {"summary": summary, "forecasts": [row], "untold": [],
           "open": {"forecasts": 1, "first_told_on": "2025-08-01"}}  # fmt: skip
    told = {"as_of": "2025-07-01", "definition": {"preset": "default"}, "reporting_lag_days": 31,
            "horizons": {"3": one}}  # fmt: skip
    Store.open(tmp_path).publish(example(forecast={"3": TOLD}), now=NOW)
    app = create_app(tmp_path, against_actual=lambda: told, now=lambda: NOW)
    api = TestClient(app, base_url=HERE)
    page = get(api, "/forecast/actual?horizon=3")
    for words in ("+2.50", "in hindsight", "97.0", "21\N{NO-BREAK SPACE}% to 100", "1 Aug 2025"):
        assert words in page, words
    (kept,) = csv.DictReader(io.StringIO(get(api, "/forecast/actual.csv?horizon=3")))
    assert float(kept["error_points"]) == 2.5
    assert kept["in_hindsight"] == "true"
