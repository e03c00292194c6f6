"""The benchmark on real money tells ratios of the book alone, and goes on without the book."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import sponsors_forecast
from training.backtest import Backtest


def period(year: int, horizon: int) -> dict[str, Any]:
    """A past period, forecast a little too high."""
    spread = {"mean": 0.9, "p05": 0.7, "p10": 0.75, "p50": 0.9, "p90": 1.0, "p95": 1.05}
    return {
        "origin": f"{year}-01-01",
        "horizon_months": horizon,
        "period_end": f"{year}-12-31",
        "accounts": 7,
        "opening_mrr": 123456.0,
        "nrr": spread,
        "actual_nrr": 0.88,
        "grr": spread,
        "actual_grr": 0.85,
        "uncombined": 0.9,
        "combined": None,
        "baselines": {"no change": 1.0, "last period": None},
        "z": -0.5,
    }


def past() -> Backtest:
    """Three years, told by what serves; the calendar alone has two of them."""
    told = tuple(period(2021 + at, horizon) for at in range(3) for horizon in (1, 3, 12))
    return Backtest((), {}, told, told[:6])


def test_errors_coverage_and_baselines_are_told_of_three_and_twelve_months() -> None:
    found = sponsors_forecast.judged(past())
    served = found["accuracy"]["served"]
    assert set(served) == {"3", "12"}
    assert served["12"]["errors"]["forecast"]["mae_points"] == pytest.approx(2.0)
    assert served["12"]["errors"]["no change"]["bias_points"] == pytest.approx(12.0)
    assert served["3"]["coverage_80"]["share"] == 1.0
    assert not found["accuracy"]["calendar"]["3"]["applicable"]


def test_nothing_that_is_kept_tells_of_an_account_or_of_its_money() -> None:
    found = sponsors_forecast.judged(past())
    text = json.dumps(found, allow_nan=False)
    assert "123456" not in text
    assert all("accounts" not in one for one in found["periods"])


def test_without_the_book_it_says_so_and_ends_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sponsors_forecast, "SHARED", tmp_path)
    monkeypatch.setattr(sys, "argv", ["sponsors_forecast"])
    assert sponsors_forecast.main() == 0
    assert "not beside the project" in capsys.readouterr().out
