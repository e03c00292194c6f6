"""The page: what a backtest shows, put into words and handed to the template."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Template
from markupsafe import Markup

from serving import dashboard
from serving.backtest_page.charts import ratio_chart, reliability_chart
from serving.backtest_words import BASELINES, ENDINGS, EVENTS, SPANS, TOP_DOWN, between, gap
from serving.dashboard.figures import day, percent
from serving.definition import rules_line
from serving.pages import template

__all__ = ["page"]

Body = Mapping[str, Any]

_MINUS = "\N{MINUS SIGN}"
_HERE = Path(__file__).parent
_LOOK = Path(dashboard.__file__).parent / "static" / "perennial.css"
_SIDES = (("retention", "Retention health"), ("expansion", "Expansion readiness"))
_SHARES = (("renewed", "renewed, of those with a decision"), ("expanded", "expanded, of all"))


def page(body: Body) -> str:
    """Write the page: one HTML file, no script, no other file, no other host.

    Parameters
    ----------
    body : mapping
        What ``perennial backtest --json`` prints.
    """
    horizons = [(key, _of_horizon(body, key)) for key in SPANS]
    return str(
        _template().render(
            body=body,
            look=Markup(_LOOK.read_text(encoding="utf-8")),
            own=Markup((_HERE / "backtest.css").read_text(encoding="utf-8")),
            horizons=[(SPANS[key], one) for key, one in horizons if one["periods"]],
            events=[(name, words, _of_event(body, name)) for name, words in EVENTS.items()],
            tables=[
                (side, told, share, how, _bands(body, side, share))
                for side, told in _SIDES
                for share, how in _SHARES
            ],
            rules=rules_line(body["definition"]),
            baselines=BASELINES,
            top_down=TOP_DOWN,
            endings=ENDINGS,
        )
    )


def _of_horizon(body: Body, key: str) -> dict[str, Any]:
    periods = [one for one in body["periods"] if str(one["horizon_months"]) == key]
    chart = ratio_chart(periods) if periods else None
    return {"periods": periods, "chart": chart, "sum": body["accuracy"][key]}


def _of_event(body: Body, name: str) -> dict[str, Any]:
    curves = body["reliability"].get(name) or {}
    return {
        "judged": body["probabilities"][name],
        "curves": curves,
        "chart": reliability_chart(curves) if curves.get("score") else None,
        "lift": body["lift"].get(name) or [],
        "list": body["lists"].get(name) or [],
    }


def _bands(body: Body, side: str, share: str) -> list[tuple[str, list[Body]]]:
    rows = [(_quarter(one), _row(one[side], share)) for one in body["quarters"]]
    return [*rows, ("all", _row(body["bands"][side], share))] if rows else []


def _quarter(one: Body) -> str:
    return f"{day(one['origin'])} to {day(one['period_end'])}"


def _row(bands: Body, share: str) -> list[Body]:
    return [bands[band][share] for band in ("High", "Medium", "Low")]


def _percent(share: float | None, decimals: int = 1) -> str:
    return percent(share, decimals).replace("-", _MINUS)


def _figure(value: float | None, decimals: int = 3) -> str:
    return "–" if value is None else f"{value:.{decimals}f}".replace("-", _MINUS)


def _points(value: float | None, sign: bool = False) -> str:
    if value is None:
        return "–"
    text = f"{abs(value):.1f}"
    mark = _MINUS if value < 0 else "+" if sign else ""
    return f"{mark if text != '0.0' else ''}{text}"


def _interval(judged: Body, name: str, kind: str = "number") -> str:
    ends = between(judged, name)
    if ends is None:
        return "no interval"
    low, high = ends
    if kind == "percent":
        return _ends({"low": low, "high": high}, 1)
    return f"{_figure(low, 2)} to {_figure(high, 2)}"


def _ends(one: Mapping[str, float | None], decimals: int = 0) -> str:
    """Spell an interval of shares: short enough for a narrow column."""
    low, high = one["low"], one["high"]
    if low is None or high is None:
        return "–"
    low, high = 100 * low, 100 * high
    dash = " to " if low < 0 or decimals else "–"
    told = f"{low:.{decimals}f}{dash}{high:.{decimals}f}".replace("-", _MINUS)
    return f"{told}\N{NO-BREAK SPACE}%"


def _short(name: str) -> str:
    """Leave out what the caption says of all of them."""
    return name.removesuffix(" by segment")


def _rivals(baselines: Mapping[str, float]) -> Sequence[tuple[str, float]]:
    return sorted(baselines.items(), key=lambda one: -one[1])


@cache
def _template() -> Template:
    filters: dict[str, Callable[..., Any]] = {
        "percent": _percent,
        "figure": _figure,
        "points": _points,
        "rivals": _rivals,
        "ends": _ends,
        "short": _short,
    }
    return template(_HERE, "backtest.html", filters, {"interval": _interval, "gap": gap})
