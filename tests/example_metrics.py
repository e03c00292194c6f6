"""A literal document of metrics for the tests of pages: thirty months, each like the one before."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from serving.facts import Facts

__all__ = ["METRICS", "facts"]

ENDS = [date(2022 + (12 + n) // 12, (12 + n) % 12 + 1, 1) - timedelta(days=1) for n in range(31)]
"""Month-ends from the end of 2022-12 to the end of 2025-06."""
LAST = ENDS[-1]


def _window(opening: date, closing: date, months: int, nrr: float) -> dict[str, Any]:
    return {
        "from": opening.isoformat(), "to": closing.isoformat(), "cut": {}, "accounts": 10,
        "opening_mrr": 36_000.0, "new_mrr": 900.0 * months, "reactivation_mrr": 0.0,
        "expansion_mrr": 500.25 * months, "contraction_mrr": 100.0 * months,
        "churned_mrr": 250.0 * months, "fx_mrr": 0.0, "closing_mrr": 36_000.0 + 1050.25 * months,
        "nrr": nrr, "grr": 0.91, "organic_nrr": nrr - 0.02, "logo_churn": 0.1, "levers": {},
    }  # fmt: skip


def _benchmark(
    by: str, of: str, low: float | None, high: float | None, **more: Any
) -> dict[str, Any]:
    told = {"metric": "nrr", "by": by, "of": of, "level": "median", "unit": "ratio",
            "period": "year", "definition": "", "source": "S001", "where": "table 1", "yours": 1.05,
            "note": ""}  # fmt: skip
    return told | {"low": low, "high": high} | more


METRICS: dict[str, Any] = {
    "as_of": "2025-07-01",
    "currency": "USD",
    "definition": {"preset": "default", "not_applied": {}},
    "windows": [_window(ENDS[-13], LAST, 12, 1.05)],
    "series": [_window(ENDS[n - 12], ENDS[n], 12, 1.05 - 0.002 * (30 - n)) for n in range(29, 11, -1)],
    "months": [_window(ENDS[n - 1], ENDS[n], 1, 1.004) for n in range(30, 6, -1)],
    "warnings": [
        {"code": "worst_cohort", "message": "the cohort of 2023-Q1 is at 88 %", "level": "note"},
        {"code": "illusion", "message": "the blend hides <b>smb</b>", "level": "warning"},
    ],
    "compounding": {
        "label": "compounding", "nrr": 1.05, "arr": 452_000.0,
        "years": [{"years": n, "multiple": 1.05**n, "arr": round(452_000 * 1.05**n, 2)} for n in (1, 3, 5)],
    },
    "benchmarks": [
        _benchmark("arr", "below 1M", 0.85, 0.95),
        *(_benchmark("acv", of, low, high, level="typical", source="S000")
          for of, low, high in (("smb", 0.85, 1.0), ("mid-market", 1.0, 1.15),
                                ("enterprise", 1.1, 1.25), ("strategic", 1.15, 1.4))),
    ],
}  # fmt: skip


def facts(**changes: Any) -> Facts:
    """Give a run's facts, with other parts of the metrics where they are named."""
    return Facts(metrics=METRICS | changes)
