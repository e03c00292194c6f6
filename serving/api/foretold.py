"""The shape of a forecast as the API answers it, and an example that keeps its laws."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["FORECAST", "SCENARIO", "Figure", "ForecastReply", "ScenarioReply"]

QUANTILES = ("p05", "p10", "p25", "p50", "p75", "p90", "p95")


class Figure(BaseModel):
    """A figure's mean and quantiles."""

    mean: float
    p05: float
    p10: float
    p25: float
    p50: float
    p75: float
    p90: float
    p95: float


class ForecastReply(BaseModel):
    """What a forecast carries; every key is told in docs/forecast.md."""

    model_config = ConfigDict(extra="allow")

    as_of: date
    horizon_months: Literal[1, 3, 12]
    period_end: date
    definition: dict[str, Any] = Field(description="The revenue choices behind every figure.")
    opening_mrr: float
    cohort_accounts: int
    nrr: Figure | None
    grr: Figure | None
    expansion_mrr: Figure | None
    contraction_mrr: Figure | None
    churned_mrr: Figure | None
    closing_mrr: Figure | None
    logos_lost: Figure | None
    nrr_target: float | None = None
    p_target: float | None = None
    bridge: dict[str, Any] = Field(description="Opening, booked, modelled, closing; signed.")
    by_cut: Any = Field(description="The same figures by value of a column of accounts.")
    monthly_path: list[dict[str, Any]] = Field(description="NRR and GRR by month, to twelve.")
    concentration: dict[str, Any]
    confidence: Literal["normal", "thin"]
    confidence_reasons: list[str] = Field(default_factory=list)
    n_eff: float
    interval_note: str
    shared_scale: float | None = None
    ttm_at: dict[str, Any] | None = None
    expansion_by_lever: dict[str, float] | None = None
    expansion_plan: float | None = None
    backtest: Any = Field(None, description="Past periods: forecast, interval, actual.")
    baselines: dict[str, Any] = Field(default_factory=dict)
    combined: dict[str, Any] | None = Field(None, description="The rules combined with, if any.")


class ScenarioReply(BaseModel):
    """Both forecasts, and what the assumptions do."""

    run_id: str
    baseline: ForecastReply = Field(description="The forecast as published.")
    scenario: ForecastReply = Field(description="The same under the assumptions.")
    difference: dict[str, Any] = Field(description="Scenario less baseline, figure by figure.")
    changes: list[dict[str, Any]] = Field(
        description="Per change: accounts and opening_mrr selected, reached, capped."
    )
    reach: dict[str, Any] | None = Field(None, description="What `reach` would take; if asked.")


def _figure(mean: float, *quantiles: float) -> dict[str, float]:
    return {"mean": mean} | dict(zip(QUANTILES, quantiles, strict=True))


def _path(*months: tuple[int, str, float, float]) -> list[dict[str, Any]]:
    return [
        {"month": month, "period_end": end, "nrr": _around(nrr), "grr": _around(grr)}
        for month, end, nrr, grr in months
    ]


def _around(mean: float) -> dict[str, float]:
    return {"mean": mean, "p10": mean - 0.0075, "p50": mean, "p90": mean + 0.0075}


_FIGURES: dict[str, Any] = {
    "nrr": _figure(1.0075, 0.975, 0.985, 0.9975, 1.0075, 1.0175, 1.03, 1.04),
    "grr": _figure(0.97, 0.945, 0.955, 0.9625, 0.97, 0.9775, 0.985, 0.99),
    "expansion_mrr": _figure(1500.0, 900.0, 1020.0, 1240.0, 1480.0, 1740.0, 2000.0, 2160.0),
    "contraction_mrr": _figure(200.0, 40.0, 70.0, 120.0, 190.0, 270.0, 350.0, 400.0),
    "churned_mrr": _figure(1000.0, 300.0, 420.0, 650.0, 940.0, 1300.0, 1680.0, 1920.0),
    "closing_mrr": _figure(40300.0, 39000.0, 39400.0, 39900.0, 40300.0, 40700.0, 41200.0, 41600.0),
    "logos_lost": _figure(3.1, 1.0, 1.0, 2.0, 3.0, 4.0, 6.0, 7.0),
}
_HEAD: dict[str, Any] = {"cohort_accounts": 84, "opening_mrr": 40000.0}
_TRUST: dict[str, Any] = {"confidence": "normal", "confidence_reasons": []}

FORECAST: dict[str, Any] = {
    "as_of": "2025-07-01",
    "horizon_months": 3,
    "period_end": "2025-09-30",
    "definition": {"basis": "committed_and_usage", "rollup": "account"},
    **_HEAD,
    **_FIGURES,
    "nrr_target": 1.0,
    "p_target": 0.67,
    "bridge": {
        "opening_mrr": 40000.0,
        "booked": {
            "notice_mrr": -320.0,
            "signed_increase_mrr": 450.0,
            "signed_decrease_mrr": 0.0,
            "uplift_mrr": 60.0,
            "notice_accounts": 1,
            "signed_accounts": 2,
            "uplift_accounts": 3,
        },
        "after_booked_mrr": 40190.0,
        "modelled": {
            "uplift_mrr": 90.0,
            "expansion_mrr": 900.0,
            "contraction_mrr": -200.0,
            "churned_mrr": -680.0,
        },
        "closing_mrr": 40300.0,
    },
    "by_cut": [{"cut": {"segment": "smb"}, **_HEAD, **_FIGURES, **_TRUST}],
    "monthly_path": _path(
        (1, "2025-07-31", 1.002, 0.99),
        (2, "2025-08-31", 1.005, 0.98),
        (3, "2025-09-30", 1.0075, 0.97),
    ),
    "concentration": {
        "largest_accounts": ["a17", "a03"],
        "largest_opening_mrr": 9200.0,
        "largest_share": 0.23,
        "largest_closing_mrr": 9350.0,
        "nrr_without_largest": 1.005,
    },
    **_TRUST,
    "n_eff": 6.0,
    "interval_note": "width from 6.0 independent past periods",
    "shared_scale": 0.18,
    "ttm_at": {
        "quarter": {
            "date": "2025-09-30",
            "cohort_date": "2024-09-30",
            "cohort_accounts": 79,
            "opening_mrr": 36500.0,
            "months_forecast": 3,
            "actual": False,
            "nrr": _figure(1.035, 1.0, 1.01, 1.025, 1.035, 1.045, 1.06, 1.07),
            "grr": _figure(0.915, 0.885, 0.895, 0.905, 0.915, 0.925, 0.935, 0.94),
            "p_target": 0.95,
            "reason": None,
            "n_eff": 6.0,
            "interval_note": "width from 6.0 independent past periods",
        }
    },
    "expansion_by_lever": {"seat": 640.0, "tier": 260.0, "price": 150.0, "signed": 450.0},
    "expansion_plan": 1400.0,
    "backtest": {
        "periods": [
            {
                "origin": "2025-01-01",
                "period_end": "2025-03-31",
                "nrr": {"mean": 1.004, "p10": 0.981, "p90": 1.027},
                "actual_nrr": 0.996,
                "baselines": {"calendar": 1.001, "no change": 1.0},
            }
        ],
        "coverage_80": 1.0,
        "mean_absolute_error_points": {"forecast": 0.8, "calendar": 0.5, "no change": 0.4},
    },
    "baselines": {"calendar": 1.006, "same as last year": 1.011, "no change": 1.0},
    "combined": {
        "weights": {"forecast": 0.7, "ETS by segment": 0.3},
        "nrr": {"forecast": 1.0045, "ETS by segment": 1.0145},
        "shift_points": 0.3,
        "periods": 8,
        "n_eff": 6.0,
    },
}
"""An example (OpenAPI leaves its nulls out); a real one has a figure for every cut, twelve months and three ends of a year."""

_MOVED: dict[str, Any] = {
    "nrr": _figure(1.0125, 0.98, 0.99, 1.0025, 1.0125, 1.0225, 1.035, 1.045),
    "churned_mrr": _figure(800.0, 240.0, 336.0, 520.0, 752.0, 1040.0, 1344.0, 1536.0),
    "closing_mrr": _figure(40500.0, 39200.0, 39600.0, 40100.0, 40500.0, 40900.0, 41400.0, 41800.0),
}

SCENARIO: dict[str, Any] = {
    "run_id": "2025-07-01.1",
    "baseline": FORECAST,
    "scenario": FORECAST
    | _MOVED
    | {
        "bridge": FORECAST["bridge"]
        | {
            "modelled": FORECAST["bridge"]["modelled"] | {"churned_mrr": -480.0},
            "closing_mrr": 40500.0,
        }
    },
    "difference": {
        name: {key: round(value - _FIGURES[name][key], 6) + 0.0 for key, value in figure.items()}
        for name, figure in _MOVED.items()
    },
    "changes": [
        {"accounts": 61, "opening_mrr": 21500.0, "reached": 60, "capped": 0},
        {"accounts": 84, "opening_mrr": 40000.0, "reached": 22, "capped": 0},
    ],
    "reach": None,
}
"""An example of an answer to a scenario; a real difference has every figure, cut and month."""
