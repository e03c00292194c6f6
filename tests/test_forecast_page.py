"""The page on the forecast: every key that a forecast has is told there, and its example runs."""

from __future__ import annotations

import doctest
import re
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.endings import Ending, ending_days
from models.forecast import ForecastSettings
from models.goal import reach
from models.record import Record
from models.verdict import Choices, verdict
from tests.small_history import Law, carried_of, latest, with_bookings

PAGE = Path(__file__).resolve().parents[1] / "docs" / "forecast.md"
LAW = Law(accounts=180, months=21)
FREE = {"definition", "baselines", "cut", "mean_absolute_error_points", "weights"}
"""Keys whose own keys are a book's."""
CONTRACT = [
    "as_of",
    "horizon_months",
    "period_end",
    "definition",
    "opening_mrr",
    "cohort_accounts",
    "bridge",
    "nrr",
    "grr",
    "expansion_mrr",
    "contraction_mrr",
    "churned_mrr",
    "closing_mrr",
    "logos_lost",
    "by_cut",
    "ttm_at",
    "p_target",
    "monthly_path",
    "concentration",
    "backtest",
    "confidence",
    "expansion_by_lever",
    "expansion_plan",
    "n_eff",
]


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    frame = with_bookings(latest(LAW))
    day: date = frame.loc[0, "as_of"]
    paid = dict(zip(frame["account_id"], frame["mrr_micros"].astype(int), strict=True))
    past = pd.DataFrame({"account_id": ["a001"], "lever": ["seat"], "amount_micros": [10**8]})
    record = Record(
        endings=tuple(Ending(name, end, paid) for name, end in ending_days(day).items()),
        expansions=past,
    )
    settings = ForecastSettings(nrr_target=1.0, expansion_plan=5000.0)
    choices = Choices(forecast=settings)
    return verdict(frame, carried_of(LAW), None, day, choices, record).forecast


def keys(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(keys, value))
    if not isinstance(value, dict):
        return set()
    return set(value).union(*(keys(inner) for key, inner in value.items() if key not in FREE))


@pytest.mark.ci
def test_every_key_of_a_forecast_is_told(told):
    page = PAGE.read_text(encoding="utf-8")
    said = set(re.findall(r"`(\w+)`", page))
    for one in told.values():
        assert keys(one) <= said
        assert set(CONTRACT) <= set(one)
    frame = latest(LAW)
    model = carried_of(LAW).model
    assert keys(reach(model.outlook(frame, model.predict(frame)), 3, 0.1, 1.0)) <= said


def test_the_example_of_the_page_runs():
    found = doctest.testfile(str(PAGE), module_relative=False, verbose=False)
    assert found.attempted > 10
    assert found.failed == 0


@pytest.mark.ci
def test_the_levers_add_up_to_expansion(told):
    for one in told.values():
        whole = sum(one["expansion_by_lever"].values())
        assert whole == pytest.approx(one["expansion_mrr"]["mean"], rel=1e-14)
        assert min(one["expansion_by_lever"].values()) > 0
        assert one["expansion_by_lever"].get("signed", 0.0) == pytest.approx(
            one["bridge"]["booked"]["signed_increase_mrr"]
        )


@pytest.mark.ci
def test_the_year_stands_the_same_in_every_horizon(told):
    assert told["1"]["ttm_at"] == told["3"]["ttm_at"] == told["12"]["ttm_at"]
    assert set(told["1"]["ttm_at"]) == {"month", "quarter", "fiscal_year"}


@pytest.mark.ci
def test_a_cut_says_how_far_it_can_be_leaned_on(told):
    for part in told["3"]["by_cut"]:
        assert part["confidence"] == ("thin" if part["confidence_reasons"] else "normal")


@pytest.mark.ci
def test_the_path_has_twelve_months_at_every_horizon(told):
    for one in told.values():
        assert [step["month"] for step in one["monthly_path"]] == list(range(1, 13))
        assert np.all([step["nrr"]["p10"] <= step["nrr"]["p90"] for step in one["monthly_path"]])
