"""What the Expansion page draws: each figure over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

__all__ = ["series_option"]

Row = Mapping[str, Any]

_GRID = {"left": 52, "right": 12, "top": 32, "bottom": 26}
_NAMES = {
    "expansion_mrr": (("Expansion", "value", 1), ("New logos", "new_logo_mrr", 1)),
    "net_expansion": (("Net expansion", "value", 1), ("Contraction", "contraction_mrr", -1)),
}
_COLOURS = ("var(--accent)", "var(--series-2)")
_SIGNED = {"Contraction": "var(--loss)"}


def series_option(body: Row) -> dict[str, Any]:
    """Draw a figure over time: sums as bars, shares as a line with its target."""
    series = body["series"]
    names = [f"{date.fromisoformat(row['to']):%b %y}" for row in series]
    if body["figure"] in _NAMES:
        drawn = [
            (name, [_scaled(row.get(key), sign) for row in series])
            for name, key, sign in _NAMES[body["figure"]]
        ]
        return _bars(names, drawn)
    return _line(names, [row["value"] for row in series], body["target"])


def _bars(names: list[str], drawn: Sequence[tuple[str, list[Any]]]) -> dict[str, Any]:
    return {
        "grid": _GRID,
        "legend": {"top": 0, "left": 0},
        "tooltip": {"trigger": "axis", "valueFormatter": "@money"},
        "xAxis": {"type": "category", "data": names},
        "yAxis": {"type": "value", "axisLabel": {"formatter": "@compact"}, "splitNumber": 3},
        "series": [
            {
                "name": name,
                "type": "bar",
                "data": values,
                "itemStyle": {"color": _SIGNED.get(name, colour)},
            }
            for (name, values), colour in zip(drawn, _COLOURS, strict=False)
        ],
    }


def _line(names: list[str], values: list[Any], target: Any) -> dict[str, Any]:
    colour = "var(--accent)"
    marks = [{"name": "target", "yAxis": target}] if isinstance(target, (int, float)) else []
    return {
        "grid": _GRID | {"top": 14},
        "tooltip": {"trigger": "axis", "valueFormatter": "@percent"},
        "xAxis": {"type": "category", "boundaryGap": False, "data": names},
        "yAxis": {
            "type": "value",
            "scale": True,
            "axisLabel": {"formatter": "@percent0"},
            "splitNumber": 3,
        },
        "series": [
            {
                "type": "line",
                "data": values,
                "itemStyle": {"color": colour},
                "lineStyle": {"color": colour},
                "markLine": {
                    "symbol": "none",
                    "silent": True,
                    "lineStyle": {"type": "dashed", "color": "var(--soft)"},
                    "label": {"formatter": "{b}", "color": "var(--soft)"},
                    "data": marks,
                },
            }
        ],
    }


def _scaled(value: float | None, sign: int) -> float | None:
    return None if value is None else sign * value
