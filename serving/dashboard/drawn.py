"""Charts of the Book page, as options that charts.js draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serving.dashboard.figures import compact, month
from serving.dashboard.retention import Movement

__all__ = ["retention_chart", "waterfall_chart"]

_LINES = (("NRR", "nrr", "var(--accent)"), ("GRR", "grr", "var(--series-2)"))
_COLOURS = {"level": "var(--total)", "gain": "var(--gain)", "loss": "var(--loss)"}


def retention_chart(told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Draw trailing-12-month NRR and GRR by month-end, with a line at 100 %."""
    return {
        "grid": {"left": 46, "right": 40, "top": 12, "bottom": 26},
        "tooltip": {"trigger": "axis", "valueFormatter": "@percent"},
        "xAxis": {
            "type": "category",
            "boundaryGap": False,
            "data": [month(window["to"]) for window in told],
        },
        "yAxis": {"type": "value", "scale": True, "axisLabel": {"formatter": "@percent0"}},
        "series": [_line(told, *line) for line in _LINES],
    }


def _line(told: Sequence[Mapping[str, Any]], name: str, key: str, colour: str) -> dict[str, Any]:
    drawn: dict[str, Any] = {
        "name": name,
        "type": "line",
        "showSymbol": False,
        "data": [window[key] for window in told],
        "color": colour,
        "endLabel": {"show": True, "formatter": "{a}", "color": colour, "fontWeight": 600},
    }
    if key == "nrr":
        drawn["markLine"] = {
            "silent": True,
            "symbol": "none",
            "label": {"show": False},
            "lineStyle": {"color": "var(--par)", "type": "dashed"},
            "data": [{"yAxis": 1}],
        }
    return drawn


def waterfall_chart(steps: Sequence[Movement]) -> dict[str, Any]:
    """Draw the steps from opening to closing MRR; the axis is cut so that the steps can be seen."""
    base, bars, level = [], [], 0.0
    for step in steps:
        start = 0.0 if step.kind == "level" else level
        level = step.amount if step.kind == "level" else level + step.amount
        base.append(min(start, level))
        bars.append(_bar(step))
    tops = [low + bar["value"] for low, bar in zip(base, bars, strict=True)]
    floor = _floor([low for low in base if low] + tops)
    return {
        "grid": {"left": 52, "right": 6, "top": 22, "bottom": 26},
        "xAxis": {
            "type": "category",
            "data": [step.name for step in steps],
            "axisLabel": {"interval": 0, "hideOverlap": True},
        },
        "yAxis": {"type": "value", "min": floor, "axisLabel": {"formatter": "@compact"}},
        "series": [
            {"type": "bar", "stack": "s", "data": base, "itemStyle": {"color": "transparent"},
             "silent": True},
            {"type": "bar", "stack": "s", "data": bars, "barWidth": "62%", "silent": True,
             "labelLayout": {"hideOverlap": True}},
        ],
    }  # fmt: skip


def _bar(step: Movement) -> dict[str, Any]:
    said = compact(step.amount, sign=step.kind != "level")
    return {
        "value": abs(step.amount),
        "itemStyle": {"color": _COLOURS[step.kind]},
        "label": {
            "show": True,
            "position": "top",
            "formatter": said,
            "color": "var(--ink)",
            "fontSize": 11,
        },
    }


def _floor(levels: Sequence[float]) -> float:
    """Give where the axis starts: a round figure below the lowest step, 0 where steps are large.

    Examples
    --------
    >>> _floor([4_400_000, 4_500_000]), _floor([100, 900])
    (4300000.0, 0.0)
    """
    low, high = min(levels), max(levels)
    spread = high - low
    if spread <= 0 or low < spread:
        return 0.0
    unit = 10.0 ** (len(str(int(spread))) - 1)
    return float(max((low - 0.35 * spread) // unit * unit, 0.0))
