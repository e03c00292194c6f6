"""The report of a backtest: figures by hand, and on a small history beside the backtest's own."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest
from scipy.stats import norm

from features.asof import months_between
from serving import terminal
from serving.backtest_page import page
from serving.backtest_page.charts import ratio_chart, reliability_chart, ticks
from tests.command_line import made, perennial, workspace
from tests.small_history import Law, history_of, past_of
from training.accuracy import accuracy
from training.backtest import backtest
from training.banded import BANDS
from training.calls import Calls, calls
from training.interval_scores import crps_points, winkler_points
from training.labels import REPORTING_LAG_DAYS
from training.lift import lift
from training.origins import monthly_origins, origins
from training.reliability import reliability
from training.report import DEFINITIONS, BacktestReport, written
from training.shares import share_of

LAW = Law(accounts=40, months=19)
QUARTER = (date(2025, 1, 1), date(2025, 4, 1))


@lru_cache
def told(law: Law = LAW) -> BacktestReport:
    return written(history_of(law), past_of(law), per_csm=5)


def by_hand(p: list[float], y: list[int], mrr: list[float], csm: list[str | None]) -> Calls:
    """Two origins of the same accounts, all at risk."""
    n = len(p)
    accounts = pd.DataFrame({"account_id": [f"a{k}" for k in range(n)], "name": None, "csm": csm})
    return Calls(
        origins=QUARTER,
        origin=np.repeat([0, 1], n),
        score=np.array(p * 2),
        calendar=np.full(2 * n, 0.5),
        rules=-np.array(p * 2),
        serves="score",
        y=np.array(y * 2),
        at_risk=np.ones(2 * n, dtype=bool),
        mrr=np.array(mrr * 2),
        account=np.tile(np.arange(n), 2),
        accounts=pd.concat([accounts, accounts], ignore_index=True),
    )


def test_a_list_by_hand() -> None:
    """Each CSM's first place holds a0 and a2; of the three that left, a0 and a3, a2 did not."""
    said = by_hand([0.9, 0.1, 0.8, 0.2], [1, 0, 0, 1], [10, 1, 1, 30], ["x", "x", "y", "y"])
    first = lift(said, per_csm=1)[0]
    assert (first["list"], first["listed"], first["of"]) == ("first 1 per CSM", 4, 8)
    assert first["accounts"]["share"] == 0.5
    assert (first["accounts"]["caught"], first["accounts"]["total"]) == (2, 4)
    assert first["accounts"]["baselines"]["at random"] == 0.5
    # by chance x MRR y's first is a3 (6.0 against 0.8): all of the money that left is caught
    assert first["mrr"]["share"] == 1.0
    assert first["mrr"]["total"] == 80.0
    assert lift(said, per_csm=5)[0]["accounts"]["share"] == 1.0


def test_without_a_csm_the_book_is_one_list_and_without_places_there_are_shares() -> None:
    said = by_hand([0.9, 0.1], [1, 0], [1, 1], [None, None])
    assert lift(said, per_csm=1)[0]["list"] == "first 1 of the book"
    assert [one["list"] for one in lift(said, per_csm=0)] == [
        "the likeliest tenth",
        "the likeliest fifth",
    ]
    nothing = replace(said, y=np.zeros(4, dtype=int))
    assert lift(nothing, per_csm=1) == []


def test_reliability_holds_every_account_once() -> None:
    p = np.linspace(0.01, 0.6, 40).tolist()
    said = by_hand(p, [0] * 30 + [1] * 10, [1.0] * 40, [None] * 40)
    curve = reliability(said)["score"]
    assert len(curve) == 6, "20 events, some three of them to a bin"
    assert sum(one["count"] for one in curve) == 80
    assert sum(one["events"] for one in curve) == 20
    assert all(one["low"] <= one["share"] <= one["high"] for one in curve)
    assert all(a["to"] <= b["from"] for a, b in pairwise(curve))


def test_overlapping_months_make_wider_intervals() -> None:
    apart = by_hand([0.1] * 50, [0, 1] * 25, [1.0] * 50, [None] * 50)
    close = replace(apart, origins=(date(2025, 1, 1), date(2025, 2, 1)))
    assert apart.independent == pytest.approx(1, abs=0.02)
    assert close.independent == pytest.approx(2 / 3, abs=0.01)
    wide, narrow = reliability(close)["score"][0], reliability(apart)["score"][0]
    assert wide["low"] < narrow["low"]


def period(at: int, actual: float, horizon: int = 3, last: float | None = 1.0) -> dict[str, Any]:
    nrr = {"mean": 1.0, "p05": 0.8, "p10": 0.9, "p50": 1.0, "p90": 1.1, "p95": 1.2}
    start = date(2024, 1 + 3 * at, 1)
    return {
        "origin": start.isoformat(),
        "horizon_months": horizon,
        "period_end": start.isoformat(),
        "accounts": 9,
        "opening_mrr": 5.0,
        "nrr": nrr,
        "actual_nrr": actual,
        "grr": {name: value - 0.1 for name, value in nrr.items()},
        "actual_grr": 0.9,
        "uncombined": nrr["mean"] + 0.01,
        "combined": {"forecast": 0.5, "ETS by segment": 0.5} if start.month == 1 else None,
        "baselines": {"no change": 1.0, "last period": last, "calendar": actual + 0.01},
        "z": 1.0,
    }


def test_errors_and_coverage_by_hand() -> None:
    """Off by -5, +15 and -25 points; the second lies inside 90 % alone, the third outside."""
    found = accuracy([period(0, 1.05), period(1, 0.85), period(2, 1.25, last=None)])
    three = found["3"]
    assert three["applicable"]
    assert three["periods"] == 3
    assert three["errors"]["forecast"]["mae_points"] == pytest.approx(15)
    assert three["errors"]["forecast"]["bias_points"] == pytest.approx(-5)
    assert (three["coverage_80"]["events"], three["coverage_90"]["events"]) == (1, 2)
    assert not three["errors"]["last period"]["compared"], "a period lacks it"
    assert three["best_baseline"] == "calendar"
    assert three["skill"] == pytest.approx(1 - 15)
    assert three["combined_periods"] == 1
    assert three["uncombined"]["bias_points"] == pytest.approx(-4)
    assert three["grr"]["mae_points"] == pytest.approx(0, abs=1e-9)
    assert found["1"] == {
        "periods": 0,
        "n_eff": 0.0,
        "width": "prior-driven width",
        "applicable": False,
    }


def test_two_past_periods_are_not_judged() -> None:
    assert accuracy([period(0, 1.0), period(1, 1.0)])["3"]["applicable"] is False


@pytest.mark.ci
def test_the_report_counts_what_the_backtest_counts() -> None:
    history, past, report = history_of(LAW), past_of(LAW), told()
    for name, said in calls(history, past).items():
        judged = past.probabilities[name]
        assert int(said.at_risk.sum()) == judged["rows"]
        assert int(said.y[said.at_risk].sum()) == judged["events"]
    assert [one["actual_nrr"] for one in report.periods] == [
        one["actual_nrr"] for one in past.periods
    ]


@pytest.mark.ci
def test_every_account_is_in_one_band_of_each_side() -> None:
    report = told()
    for quarter, replay in zip(report.quarters, past_of(LAW).replays, strict=True):
        for side in ("retention", "expansion"):
            bands = quarter[side]
            assert sum(bands[band]["accounts"] for band in BANDS) == len(replay.rows)
            for band in BANDS:
                assert bands[band]["renewed"]["events"] <= bands[band]["due"]
    held = report.bands["retention"]
    assert sum(held[band]["accounts"] for band in BANDS) == sum(
        len(replay.rows) for replay in past_of(LAW).replays
    )


def test_a_short_book_is_not_applicable_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    report = told(Law(accounts=40, months=10))
    assert not report.applicable
    assert report.notes[0].startswith("not applicable: 0 past origins closed, 3 needed")
    body = orjson.loads(orjson.dumps(report.to_json(), default=str))
    assert body["periods"] == []
    assert body["lift"] == {}
    terminal.backtest(body)
    assert "not applicable" in capsys.readouterr().out
    assert "not applicable" in page(body)


@pytest.mark.ci
@pytest.mark.parametrize("columns", ["80", "110"])
def test_a_narrow_terminal_loses_no_column(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    body = orjson.loads(orjson.dumps(told().to_json(), default=str))
    terminal.backtest(body)
    out = capsys.readouterr().out
    assert "…" not in out
    assert "┏┳" not in out
    assert all(len(line) <= int(columns) for line in out.splitlines())
    for period in body["periods"]:
        assert out.count(period["period_end"]) >= 1


def test_the_page_needs_nothing_beside_itself() -> None:
    text = page(orjson.loads(orjson.dumps(told().to_json(), default=str)))
    assert "<script" not in text
    assert re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?(?!#|data:)[a-z/]", text) == []
    assert not re.search(r"https?://", text)
    assert "prefers-color-scheme: dark" in text
    for meaning in DEFINITIONS.values():
        assert meaning.split("'")[0] in text


def test_names_of_accounts_are_text_in_the_page() -> None:
    body = orjson.loads(orjson.dumps(told().to_json(), default=str))
    body["lists"]["churn"][0]["name"] = "<script>alert(1)</script>"
    assert "<script" not in page(body)


def test_the_same_history_gives_the_same_page() -> None:
    first = told().to_json()
    second = written(history_of(LAW), past_of(LAW), per_csm=5).to_json()
    assert first == second
    assert page(first) == page(second)


def test_charts_keep_within_their_sheet() -> None:
    body = told().to_json()
    charts = [ratio_chart([p for p in body["periods"] if p["horizon_months"] == 3])]
    charts += [reliability_chart(one) for one in body["reliability"].values()]
    for chart in charts:
        assert chart.marks
        for mark in chart.marks:
            assert chart.sheet.left <= mark["x"] <= chart.sheet.edge
            for name in ("p05", "p95", "actual", "calendar", "low", "high", "y"):
                if mark.get(name) is not None:
                    assert chart.sheet.top <= mark[name] <= chart.sheet.bottom


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.004), (0.37, 1.9), (1.0, 1.0), (0.93, 1.07)])
def test_ticks_hold_their_range(low: float, high: float) -> None:
    found = ticks(low, high)
    assert found[0] <= low
    assert found[-1] >= high - 1e-9
    assert 2 <= len(found) <= 8


def test_a_share_of_nothing_is_no_share() -> None:
    assert share_of(0, 0)["share"] is None
    assert share_of(3, 10, independent=2)["high"] > share_of(3, 10)["high"]


@pytest.mark.ci
def test_months_are_replayed_as_quarters_are() -> None:
    history, past = history_of(LAW), past_of(LAW)
    again = backtest(history, lambda _: {}, 0, days=origins(history))
    assert again.serves == past.serves
    assert again.periods == past.periods
    for name, judged in past.probabilities.items():
        assert again.probabilities[name] == judged
    months = monthly_origins(history)
    assert set(origins(history)) <= set(months)
    assert {day.day for day in months} == {1}


def records(folder: Path) -> dict[Path, int]:
    """When every file of the registry was written; its lock is taken by whoever looks."""
    found = (folder / "mlruns").rglob("*")
    return {path: path.stat().st_mtime_ns for path in found if path.name != ".lock"}


@pytest.mark.ci
def test_the_command(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    folder, file = workspace(tmp_path_factory), tmp_path / "past.html"
    before = records(folder)
    answer = perennial(folder, "backtest", "--json", "--html", str(file))
    assert answer.code == 0, answer.err
    assert answer.body["step_months"] == 3
    assert file.read_text(encoding="utf-8").startswith("<!doctype html>")
    full = perennial(folder, "backtest", "--full")
    assert full.code == 0, full.err
    assert "every month" in full.out
    assert records(folder) == before


@pytest.mark.ci
def test_a_page_that_cannot_be_written_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    folder = made(tmp_path / "book")
    for place in ("past.txt", "nowhere/past.html"):
        refused = perennial(folder, "backtest", "--html", place, "--json")
        assert refused.code == 2, refused.err
        assert refused.body["error"]["code"] == "usage"
    assert not (folder / ".perennial").exists()


def test_crps_of_quantiles_is_that_of_the_distribution() -> None:
    """A normal's seven quantiles give its CRPS, within 1.5 % of its spread at any outcome."""
    levels = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
    told = {f"p{round(100 * q):02}": 1 + 0.02 * float(norm.ppf(q)) for q in levels}
    for z in (-3.0, -1.0, 0.0, 0.4, 2.0):
        exact = z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi)
        assert crps_points(told, 1 + 0.02 * z) == pytest.approx(2 * exact, abs=0.03)


def test_winkler_pays_for_width_and_for_missing() -> None:
    told = {"p05": 0.95, "p10": 0.98, "p90": 1.02, "p95": 1.03}
    assert winkler_points(told, 1.0, "80") == pytest.approx(4.0)
    assert winkler_points(told, 1.05, "80") == pytest.approx(4.0 + 10 * 3.0)
    assert winkler_points(told, 0.9, "90") == pytest.approx(8.0 + 20 * 5.0)


def test_gross_retention_counts_no_account_above_its_opening() -> None:
    history, past = history_of(LAW), past_of(LAW)
    outcomes = history.outcomes()
    for one in past.periods:
        rows = history.at(date.fromisoformat(one["origin"]))
        opening, column = outcomes.opening[rows], one["horizon_months"] - 1
        kept = sum(min(a, b) for a, b in zip(outcomes.mrr[rows, column], opening, strict=True))
        assert one["actual_grr"] == pytest.approx(kept / opening.sum())
        assert one["actual_grr"] <= min(1.0, one["actual_nrr"]) + 1e-12


@pytest.mark.ci
def test_trailing_twelve_months_lie_beside_what_they_became() -> None:
    law = Law(accounts=40, months=26)
    report, history = told(law), history_of(law)
    assert report.endings
    mrr, first = history.panel.mrr, history.panel.first
    for one in report.endings:
        day = date.fromisoformat(one["date"])
        now = months_between(first, day)
        cohort = mrr[:, now - 12] > 0
        actual = mrr[cohort, now].sum() / mrr[cohort, now - 12].sum()
        assert one["actual_nrr"] == pytest.approx(actual)
        assert one["actual_grr"] <= min(1.0, one["actual_nrr"]) + 1e-12
        assert one["error_points"] == pytest.approx(100 * (one["nrr"]["mean"] - actual))
        assert day + timedelta(days=REPORTING_LAG_DAYS) < history.known_until
    month = report.endings_accuracy["month"]
    assert month["mae_points"] < 15
    quarters = [one for one in report.endings if one["ending"] == "fiscal_year"]
    assert all(one["months_forecast"] <= 12 for one in quarters)
