"""What the Model page draws: reliability, past forecasts beside what happened, bands by quarter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from serving.backtest_page.charts import ticks

__all__ = ["bands_option", "periods_option", "reliability_option"]

Body = Mapping[str, Any]

_SHARE = {"type": "value", "axisLabel": {"formatter": "@percent0"}}
_LEGEND = {"top": 0, "left": 0}
_TONES = {"High": "var(--gain)", "Medium": "var(--series-2)", "Low": "var(--loss)"}


def reliability_option(curves: Mapping[str, Sequence[Body]]) -> dict[str, Any]:
    """Draw what was said (across) beside what came true (up), with the diagonal.

    Examples
    --------
    >>> one = {"said": 0.1, "share": 0.2, "low": 0.1, "high": 0.3}
    >>> option = reliability_option({"score": [one], "calendar": [one]})
    >>> option["series"][0]["data"], option["xAxis"]["max"]
    ([[0.1, 0.2]], 0.3)
    """
    ends = [one[key] for one in curves["score"] for key in ("said", "share", "high")]
    ends += [one[key] for one in curves["calendar"] for key in ("said", "share")]
    marks = ticks(0.0, min(1.0, max(ends)), 5)
    top, step = marks[-1], round(marks[1] - marks[0], 10)
    diagonal = [[{"coord": [0, 0]}, {"coord": [top, top]}]]
    whiskers = [
        [{"coord": [one["said"], one["low"]]}, {"coord": [one["said"], one["high"]]}]
        for one in curves["score"]
    ]
    plain = {"z": 1, "symbol": "none", "silent": True, "label": {"show": False}}
    axis = _SHARE | {"min": 0, "max": top, "interval": step}
    return {
        "grid": {"left": 44, "right": 14, "top": 34, "bottom": 40},
        "legend": _LEGEND,
        "tooltip": {"trigger": "item", "valueFormatter": "@percent"},
        "xAxis": axis | {"name": "said", "nameLocation": "middle", "nameGap": 24},
        "yAxis": axis,
        "series": [
            {
                "name": "came true",
                "type": "scatter",
                "symbolSize": 8,
                "data": _points(curves["score"]),
                "itemStyle": {"color": "var(--accent)"},
                "markLine": plain
                | {
                    "lineStyle": {"type": "solid", "color": "var(--band)", "width": 2},
                    "data": whiskers,
                },
            },
            {
                "name": "calendar alone",
                "type": "scatter",
                "symbol": "diamond",
                "symbolSize": 8,
                "data": _points(curves["calendar"]),
                "itemStyle": {"color": "var(--par)"},
                "markLine": plain
                | {"lineStyle": {"type": "dashed", "color": "var(--soft)"}, "data": diagonal},
            },
        ],
    }


def _points(curve: Sequence[Body]) -> list[list[float]]:
    return [[one["said"], one["share"]] for one in curve]


def periods_option(periods: Sequence[Body]) -> dict[str, Any]:
    """Draw past forecasts with their 80 % interval, and the actual NRR beside."""
    whiskers = [
        [{"coord": [at, one["nrr"]["p10"]]}, {"coord": [at, one["nrr"]["p90"]]}]
        for at, one in enumerate(periods)
    ]
    ends = [one["nrr"][key] for one in periods for key in ("p10", "p90")]
    ends += [one["actual_nrr"] for one in periods]
    marks = ticks(min(ends), max(ends), 6)
    line = {"type": "solid", "width": 7, "color": "var(--band)", "opacity": 0.8}
    return {
        "grid": {"left": 50, "right": 12, "top": 34, "bottom": 26},
        "legend": _LEGEND,
        "tooltip": {"trigger": "axis", "valueFormatter": "@percent"},
        "xAxis": {"type": "category", "data": [_month(one["period_end"]) for one in periods]},
        "yAxis": _SHARE
        | {"min": marks[0], "max": marks[-1], "interval": round(marks[1] - marks[0], 10)},
        "series": [
            {
                "name": "forecast, 80 % interval",
                "type": "scatter",
                "symbol": "rect",
                "symbolSize": [16, 3],
                "data": [one["nrr"]["mean"] for one in periods],
                "itemStyle": {"color": "var(--accent)"},
                "markLine": {
                    "z": 1,
                    "symbol": "none",
                    "silent": True,
                    "label": {"show": False},
                    "lineStyle": line,
                    "data": whiskers,
                },
            },
            {
                "name": "actual",
                "type": "scatter",
                "symbolSize": 9,
                "data": [one["actual_nrr"] for one in periods],
                "itemStyle": {"color": "var(--ink)"},
            },
        ],
    }


def bands_option(
    quarters: Sequence[Body], side: str, what: str, bands: Sequence[str]
) -> dict[str, Any]:
    """Draw the share of each band quarter by quarter."""
    return {
        "grid": {"left": 46, "right": 12, "top": 34, "bottom": 26},
        "legend": _LEGEND,
        "tooltip": {"trigger": "axis", "valueFormatter": "@percent"},
        "xAxis": {"type": "category", "data": [_month(one["period_end"]) for one in quarters]},
        "yAxis": _SHARE | {"min": 0, "splitNumber": 4},
        "series": [
            {
                "name": band,
                "type": "line",
                "data": [one[side][band][what]["share"] for one in quarters],
                "itemStyle": {"color": _TONES[band]},
                "lineStyle": {"color": _TONES[band]},
            }
            for band in bands
        ],
    }


def _month(text: str) -> str:
    return f"{date.fromisoformat(text):%b %y}"
