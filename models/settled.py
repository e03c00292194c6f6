"""A settled forecast: what was forecast of NRR beside what became of it, the error split exactly.

An error is forecast less actual. It has five parts that add up to it: churn, contraction and
expansion (what was forecast of each less what happened), timing (decisions that were due in the
period and came in the month after it) and definition (the revenue rules, or what is known of the
past, are others now).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.independence import independent_periods

__all__ = ["PARTS", "Actual", "Flows", "settled", "summary", "wilson"]

Ints = NDArray[np.int64]

PARTS = ("churn", "contraction", "expansion", "timing", "definition")
"""What an error is made of, in the order in which it is shown."""

MICROS = 1_000_000
NINETY_FIVE = 1.959963984540054


@dataclass(frozen=True)
class Flows:
    """What a cohort paid at the opening and what became of it, exact.

    Attributes
    ----------
    opening, expansion, contraction, churned : int
        Endpoint flows in micro-units: closing = opening + expansion - contraction - churned.
    accounts : int
        Accounts that paid at the opening.
    """

    opening: int
    expansion: int
    contraction: int
    churned: int
    accounts: int

    @classmethod
    def of(cls, opening: Ints, closing: Ints) -> Flows:
        """Add up the flows of accounts; those that did not pay at the opening are left out.

        Parameters
        ----------
        opening, closing : array of int64, (n,)
            MRR by account, in micro-units.

        Examples
        --------
        >>> Flows.of(np.array([100, 50, 80, 0]), np.array([120, 0, 60, 9]))
        Flows(opening=230, expansion=20, contraction=20, churned=50, accounts=3)
        """
        paid = opening > 0
        first, last = opening[paid], np.maximum(closing[paid], 0)
        change, there = last - first, last > 0
        return cls(
            opening=int(first.sum()),
            expansion=int(np.maximum(change, 0).sum()),
            contraction=int(np.maximum(-change, 0)[there].sum()),
            churned=int(first[~there].sum()),
            accounts=int(paid.sum()),
        )

    @property
    def closing(self) -> int:
        """What the cohort pays at the closing."""
        return self.opening + self.expansion - self.contraction - self.churned

    @property
    def nrr(self) -> float:
        """Closing over opening."""
        return self.closing / self.opening

    @property
    def money(self) -> dict[str, float]:
        """Opening, flows and closing in units of currency."""
        micros = {
            "opening_mrr": self.opening,
            "expansion_mrr": self.expansion,
            "contraction_mrr": self.contraction,
            "churned_mrr": self.churned,
            "closing_mrr": self.closing,
        }
        return {name: value / MICROS for name, value in micros.items()}


@dataclass(frozen=True)
class Actual:
    """What became of a forecast cohort, as it is read in four ways.

    Attributes
    ----------
    at_end : Flows
        At the period's end, under the rules of the forecast.
    on_time : Flows
        The same, had the late decisions come in the period.
    restated : Flows
        The cohort as it is known now, under the rules of the forecast.
    today : Flows
        The cohort as it is known now, under today's rules.
    today_nrr : float
        What `perennial metrics` says of the period.
    late_accounts : int
        Accounts whose decision came late.
    """

    at_end: Flows
    on_time: Flows
    restated: Flows
    today: Flows
    today_nrr: float
    late_accounts: int


def settled(told: Mapping[str, Any], actual: Actual) -> dict[str, Any]:
    """Lay a forecast beside what happened, and split its error.

    Parameters
    ----------
    told : mapping
        The forecast as it was published (CONTRACT section 4).
    actual : Actual
        What became of its cohort; every cohort in it has paid something.

    Returns
    -------
    dict
        Forecast and actual NRR, the error in points (forecast less actual), its parts in points
        and in money, and whether the 80 % and 90 % intervals held the actual NRR under the rules
        of the forecast. The parts add up to the error.

    Examples
    --------
    >>> mean = {"expansion_mrr": 10.0, "contraction_mrr": 5.0, "churned_mrr": 5.0}
    >>> told = {name: {"mean": value} for name, value in mean.items()} | {"opening_mrr": 100.0,
    ...     "closing_mrr": {"mean": 100.0},
    ...     "nrr": {"mean": 1.0, "p05": 0.9, "p10": 0.95, "p50": 1.0, "p90": 1.05, "p95": 1.1}}
    >>> end = Flows(100, 4, 5, 8, 9)
    >>> found = settled(told, Actual(end, end, end, end, end.nrr, 0))
    >>> {part: round(value, 9) for part, value in found["split_points"].items()}
    {'churn': 3.0, 'contraction': 0.0, 'expansion': 6.0, 'timing': 0.0, 'definition': 0.0}
    >>> round(found["error_points"], 9), found["inside_80"], found["inside_90"]
    (9.0, False, True)
    """
    nrr, end = told["nrr"], actual.at_end
    parts = _points(told, actual)
    return {
        "nrr": {name: nrr[name] for name in ("mean", "p05", "p10", "p50", "p90", "p95")},
        "actual_nrr": actual.today_nrr,
        "actual_nrr_same_rules": end.nrr,
        "error_points": 100.0 * (nrr["mean"] - actual.today_nrr),
        "own_error_points": 100.0 * (nrr["mean"] - end.nrr),
        "inside_80": bool(nrr["p10"] <= end.nrr <= nrr["p90"]),
        "inside_90": bool(nrr["p05"] <= end.nrr <= nrr["p95"]),
        "split_points": parts,
        "definition_points": {
            "restatement": 100.0 * (end.nrr - actual.restated.nrr),
            "rules": 100.0 * (actual.restated.nrr - actual.today_nrr),
        },
        "split_mrr": _money(told, actual),
        "forecast_mrr": _forecast_money(told),
        "actual_mrr": actual.today.money,
        "actual_mrr_same_rules": end.money,
        "late_accounts": actual.late_accounts,
    }


def _points(told: Mapping[str, Any], actual: Actual) -> dict[str, float]:
    """Split the error of NRR, in points: what is lost counts against NRR, what is gained for it."""
    late, opening = actual.on_time, told["opening_mrr"]

    def more(flow: str, happened: int) -> float:
        return float(told[flow]["mean"] / opening - happened / late.opening)

    parts = {
        "churn": -more("churned_mrr", late.churned),
        "contraction": -more("contraction_mrr", late.contraction),
        "expansion": more("expansion_mrr", late.expansion),
        "timing": late.nrr - actual.at_end.nrr,
        "definition": actual.at_end.nrr - actual.today_nrr,
    }
    return {name: 100.0 * parts[name] + 0.0 for name in PARTS}


def _money(told: Mapping[str, Any], actual: Actual) -> dict[str, float]:
    """Split the error of closing MRR, in units of currency; ``total`` is their sum."""
    late, end, today = actual.on_time.money, actual.at_end.money, actual.today.money
    closing = "closing_mrr"
    parts = {
        "churn": late["churned_mrr"] - told["churned_mrr"]["mean"],
        "contraction": late["contraction_mrr"] - told["contraction_mrr"]["mean"],
        "expansion": told["expansion_mrr"]["mean"] - late["expansion_mrr"],
        "timing": late[closing] - end[closing],
        "definition": (told["opening_mrr"] - end["opening_mrr"]) + (end[closing] - today[closing]),
    }
    total = told[closing]["mean"] - today[closing]
    return {name: parts[name] + 0.0 for name in PARTS} | {"total": total}


def _forecast_money(told: Mapping[str, Any]) -> dict[str, float]:
    flows = ("expansion_mrr", "contraction_mrr", "churned_mrr", "closing_mrr")
    return {"opening_mrr": told["opening_mrr"]} | {name: told[name]["mean"] for name in flows}


def summary(rows: Sequence[Mapping[str, Any]], horizon: int) -> dict[str, Any]:
    """Sum up the settled forecasts of a horizon.

    Parameters
    ----------
    rows : sequence of mapping
        What `settled` gave, each with the ``as_of`` of its forecast.
    horizon : int
        Months ahead.

    Returns
    -------
    dict
        ``forecasts``, ``n_eff`` (how many of them are independent: periods that overlap say the
        same thing twice), ``coverage_80`` and ``coverage_90`` each with the 95 % interval that
        n_eff allows, ``bias_points`` (mean of forecast less actual, same rules),
        ``mean_absolute_error_points``, ``mean_split_points``. None where nothing has settled.

    Examples
    --------
    >>> summary([], 3)["coverage_80"] is None
    True
    """
    count = len(rows)
    if not count:
        return {"forecasts": 0, "n_eff": 0.0} | dict.fromkeys(_FIGURES)
    n_eff = independent_periods([date.fromisoformat(row["as_of"]) for row in rows], horizon)
    own = [row["own_error_points"] for row in rows]
    told: dict[str, Any] = {"forecasts": count, "n_eff": n_eff}
    for level in ("80", "90"):
        share = sum(row[f"inside_{level}"] for row in rows) / count
        told[f"coverage_{level}"] = share
        told[f"coverage_{level}_interval"] = list(wilson(share, n_eff))
    split = [row["split_points"] for row in rows]
    return told | {
        "bias_points": math.fsum(own) / count,
        "mean_absolute_error_points": math.fsum(map(abs, own)) / count,
        "mean_split_points": {
            name: math.fsum(one[name] for one in split) / count for name in PARTS
        },
    }


_FIGURES = (
    "coverage_80",
    "coverage_80_interval",
    "coverage_90",
    "coverage_90_interval",
    "bias_points",
    "mean_absolute_error_points",
    "mean_split_points",
)


def wilson(share: float, n: float) -> tuple[float, float]:
    """Give the 95 % Wilson interval of a share that was seen ``n`` times.

    Examples
    --------
    >>> [round(edge, 3) for edge in wilson(0.8, 10)]
    [0.49, 0.943]
    """
    square = NINETY_FIVE**2
    middle = share + square / (2.0 * n)
    half = NINETY_FIVE * math.sqrt(share * (1.0 - share) / n + square / (4.0 * n * n))
    scale = 1.0 + square / n
    return max((middle - half) / scale, 0.0), min((middle + half) / scale, 1.0)
