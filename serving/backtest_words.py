"""Words of a backtest: what terminal and page call the events, horizons and baselines alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.topdown import RIVALS

__all__ = ["BASELINES", "ENDINGS", "EVENTS", "SPANS", "TOP_DOWN", "between", "gap"]

SPANS: Mapping[str, str] = {"1": "1 month", "3": "3 months", "12": "12 months"}

EVENTS: Mapping[str, str] = {
    "churn": "leaving (churn)",
    "expand": "paying more (expansion)",
    "contract": "paying less (contraction)",
}

BASELINES = ("no change", "last period", "same as last year", "trailing mean", "calendar")
TOP_DOWN = tuple(RIVALS)

ENDINGS: Mapping[str, str] = {
    "month": "month",
    "quarter": "fiscal quarter",
    "fiscal_year": "fiscal year",
}


def between(judged: Mapping[str, Any], name: str) -> tuple[float, float] | None:
    """Give the ends of a score's 90 % interval; None where it carries none.

    Examples
    --------
    >>> between({"skill": 0.1, "skill_p05": 0.05, "skill_p95": 0.15}, "skill")
    (0.05, 0.15)
    >>> between({"skill": 0.1}, "skill") is None
    True
    """
    low, high = judged.get(f"{name}_p05"), judged.get(f"{name}_p95")
    return None if low is None or high is None else (float(low), float(high))


def gap(one: Mapping[str, Any]) -> str:
    """Say why a horizon is not judged, or how far its width is measured.

    Examples
    --------
    >>> gap({"applicable": False, "periods": 1, "n_eff": 1.0, "width": "prior-driven width"})
    'not applicable: 1 past period closed, 3 needed'
    >>> gap({"applicable": True, "periods": 3, "n_eff": 1.5, "width": "prior-driven width"})
    'prior-driven width: 3 periods, n_eff 1.5'
    """
    count = f"{one['periods']} past period{'' if one['periods'] == 1 else 's'}"
    if not one["applicable"]:
        return f"not applicable: {count} closed, 3 needed"
    counted = f"{count.replace('past ', '')}, n_eff {one['n_eff']:.1f}"
    return counted if one["width"] == "measured" else f"{one['width']}: {counted}"
