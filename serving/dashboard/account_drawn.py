"""What the account page draws: its chances over time, its usage, its tickets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

__all__ = ["chances_option", "tickets_option", "usage_option", "weeks_until"]

Row = Mapping[str, Any]


def chances_option(
    history: Sequence[Row], cuts: Mapping[str, Sequence[float]] | None
) -> dict[str, Any]:
    """Draw the chances to renew and to expand, the earliest first, with the cut-offs of today.

    Parameters
    ----------
    history : sequence of mapping
        ``as_of, p_renew, p_expand``, the earliest first.
    cuts : mapping, optional
        ``renew`` and ``expand``: where High and where Medium begins, as drawn.
    """
    lines = (
        ("Renews", "p_renew", "var(--accent)", "renew"),
        ("Expands", "p_expand", "var(--series-2)", "expand"),
    )
    return {
        "grid": {"left": 44, "right": 58, "top": 34, "bottom": 28},
        "legend": {"top": 0, "left": 0},
        "tooltip": {"trigger": "axis", "valueFormatter": "@percent"},
        "xAxis": {
            "type": "category",
            "boundaryGap": False,
            "data": [_short(row["as_of"]) for row in history],
        },
        "yAxis": {"type": "value", "min": 0, "max": 1, "axisLabel": {"formatter": "@percent0"}},
        "series": [
            {
                "name": name,
                "type": "line",
                "data": [row[key] for row in history],
                "itemStyle": {"color": colour},
                "lineStyle": {"color": colour},
                "markLine": _marks((cuts or {}).get(axis), colour),
            }
            for name, key, colour, axis in lines
        ],
    }


def _marks(levels: Sequence[float] | None, colour: str) -> dict[str, Any]:
    names = ("High", "Medium")
    line = {"type": "dashed", "width": 1, "color": colour}
    label = {"formatter": "{b}", "position": "end", "fontSize": 11, "color": colour}
    pairs = zip(names, levels or (), strict=False)
    return {
        "symbol": "none",
        "silent": True,
        "lineStyle": line,
        "label": label,
        "data": [{"name": name, "yAxis": level} for name, level in pairs],
    }


def weeks_until(until: str, count: int) -> list[date]:
    """Give the last days of so many weeks, the earliest first.

    Examples
    --------
    >>> [str(day) for day in weeks_until("2026-01-01", 2)]
    ['2025-12-25', '2026-01-01']
    """
    last = date.fromisoformat(until)
    return [last - timedelta(days=7 * back) for back in range(count - 1, -1, -1)]


def usage_option(usage: Row) -> dict[str, Any]:
    """Draw events as bars and active users as a line, week by week."""
    days = weeks_until(usage["until"], len(usage["events"]))
    axis = {"type": "value", "axisLabel": {"formatter": "@compact"}, "splitNumber": 3}
    users = {
        "name": "Active users",
        "type": "line",
        "yAxisIndex": 1,
        "showSymbol": False,
        "data": usage["users"],
        "itemStyle": {"color": "var(--accent)"},
        "lineStyle": {"color": "var(--accent)"},
    }
    return {
        "grid": {"left": 46, "right": 40, "top": 34, "bottom": 26},
        "legend": {"top": 0, "left": 0},
        "tooltip": {"trigger": "axis", "valueFormatter": "@count"},
        "xAxis": {"type": "category", "data": [_short(day) for day in days]},
        "yAxis": [axis, axis | {"splitLine": {"show": False}}],
        "series": [
            {
                "name": "Events",
                "type": "bar",
                "data": usage["events"],
                "itemStyle": {"color": "var(--band)"},
            },
            *([users] if usage["users"] is not None else []),
        ],
    }


def tickets_option(tickets: Row) -> dict[str, Any]:
    """Draw the tickets opened and solved, month by month."""
    pairs = (("Opened", "opened", "var(--series-2)"), ("Solved", "solved", "var(--band)"))
    return {
        "grid": {"left": 32, "right": 8, "top": 34, "bottom": 26},
        "legend": {"top": 0, "left": 0},
        "tooltip": {"trigger": "axis", "valueFormatter": "@count"},
        "xAxis": {"type": "category", "data": [_month(name) for name in tickets["months"]]},
        "yAxis": {"type": "value", "minInterval": 1, "splitNumber": 3},
        "series": [
            {"name": name, "type": "bar", "data": tickets[key], "itemStyle": {"color": colour}}
            for name, key, colour in pairs
        ],
    }


def _short(day: date | str) -> str:
    found = date.fromisoformat(day) if isinstance(day, str) else day
    return f"{found.day} {found:%b}"


def _month(name: str) -> str:
    return f"{date.fromisoformat(f'{name}-01'):%b %y}"
