"""Charts of the page: places on a small sheet, so that the template only draws."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

__all__ = ["Chart", "Sheet", "ratio_chart", "reliability_chart", "ticks"]

Body = Mapping[str, Any]

_LABELS = 6


@dataclass(frozen=True)
class Sheet:
    """A sheet of ``width`` x ``height`` pixels with room for labels at its left and foot."""

    width: int = 360
    height: int = 250
    left: int = 46
    right: int = 8
    top: int = 10
    foot: int = 30

    @property
    def bottom(self) -> int:
        """Where the plot ends."""
        return self.height - self.foot

    @property
    def edge(self) -> int:
        """Where the plot ends at the right."""
        return self.width - self.right

    def x(self, share: float) -> float:
        """Place a share of the width."""
        return round(self.left + share * (self.edge - self.left), 1)

    def y(self, share: float) -> float:
        """Place a share of the height, from below."""
        return round(self.bottom - share * (self.bottom - self.top), 1)


@dataclass(frozen=True)
class Chart:
    """A chart as drawn.

    Attributes
    ----------
    sheet : Sheet
    told : str
        What it shows, for who cannot see it.
    across, up : tuple of (place, label)
        Ticks.
    marks : tuple of dict
        What is drawn, each with its places.
    par : tuple of float
        Ends of the line of reference: x1, y1, x2, y2.
    """

    sheet: Sheet
    told: str
    across: tuple[tuple[float, str], ...]
    up: tuple[tuple[float, str], ...]
    marks: tuple[dict[str, Any], ...]
    par: tuple[float, float, float, float]


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Give round values from the one at or below ``low`` to the one at or above ``high``.

    Examples
    --------
    >>> ticks(0.913, 1.052)
    [0.9, 0.95, 1.0, 1.05, 1.1]
    >>> ticks(0.0, 0.31)
    [0.0, 0.1, 0.2, 0.3, 0.4]
    """
    span = max(high - low, 1e-3)
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * n for n in (1, 2, 5, 10, 20) if span / (power * n) <= most - 1)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(n * step, 10) for n in range(first, max(last, first + 1) + 1)]


def ratio_chart(periods: Sequence[Body]) -> Chart:
    """Draw forecasts of NRR with both intervals, the actual value and the calendar's."""
    sheet = Sheet()
    ends = [end for period in periods for end in _values(period)]
    steps = ticks(min([*ends, 1.0]), max([*ends, 1.0]))
    scale = _scale(sheet, steps)
    slot = 1 / len(periods)
    marks = tuple(
        _ratio_mark(sheet.x((at + 0.5) * slot), period, scale) for at, period in enumerate(periods)
    )
    every = -(-len(periods) // _LABELS)
    across = tuple(
        (mark["x"], f"{date.fromisoformat(period['period_end']):%b %y}")
        for at, (mark, period) in enumerate(zip(marks, periods, strict=True))
        if (len(periods) - 1 - at) % every == 0
    )
    par = (sheet.left, scale(1.0), sheet.edge, scale(1.0))
    inside = sum(bool(period["inside_80"]) for period in periods)
    told = f"{len(periods)} past periods; actual NRR inside the 80 % interval in {inside}"
    return Chart(sheet, told, across, _labelled(steps, scale), marks, par)


def reliability_chart(curves: Mapping[str, Sequence[Body]]) -> Chart:
    """Draw what was said beside what came true, with intervals, and the calendar's curve."""
    sheet = Sheet(width=320, height=290, right=18, foot=44)
    score, calendar = curves["score"], curves["calendar"]
    most = max(max(one["said"], one["share"], one["high"]) for one in score)
    steps = ticks(0.0, max([most, *(max(one["said"], one["share"]) for one in calendar)]), 5)
    scale, top = _scale(sheet, steps), steps[-1]

    def point(one: Body, kind: str) -> dict[str, Any]:
        place = {"x": sheet.x(one["said"] / top), "y": scale(one["share"]), "kind": kind}
        told = f"said {_percent(one['said'])}, came true {_percent(one['share'])}"
        counts = f"{one['events']:,} of {one['count']:,} accounts"
        whisker = {"low": scale(one["low"]), "high": scale(one["high"])}
        return place | whisker | {"told": f"{kind}: {told} ({counts})"}

    marks = tuple(
        point(one, kind)
        for kind, curve in (("calendar", calendar), ("score", score))
        for one in curve
    )
    across = _labelled(steps, lambda value: sheet.x(value / top))
    par = (sheet.left, scale(0.0), sheet.edge, scale(top))
    told = f"{len(score)} groups of accounts by chance: what was said beside what came true"
    return Chart(sheet, told, across, _labelled(steps, scale), marks, par)


def _values(period: Body) -> list[float]:
    nrr = period["nrr"]
    calendar = period["baselines"].get("calendar")
    return [nrr["p05"], nrr["p95"], period["actual_nrr"], *([calendar] if calendar else [])]


def _ratio_mark(x: float, period: Body, scale: Any) -> dict[str, Any]:
    nrr, calendar = period["nrr"], period["baselines"].get("calendar")
    told = (
        f"{period['origin']} to {period['period_end']}: forecast {_percent(nrr['mean'])}, "
        f"actual {_percent(period['actual_nrr'])}"
    )
    places = {name: scale(nrr[name]) for name in ("p05", "p10", "mean", "p90", "p95")}
    return places | {
        "x": x,
        "actual": scale(period["actual_nrr"]),
        "calendar": None if calendar is None else scale(calendar),
        "inside": period["inside_90"],
        "told": told,
    }


def _scale(sheet: Sheet, steps: Sequence[float]) -> Any:
    low, span = steps[0], steps[-1] - steps[0]
    return lambda value: sheet.y((value - low) / span)


def _labelled(steps: Sequence[float], scale: Any) -> tuple[tuple[float, str], ...]:
    decimals = 0 if all(abs(100 * step - round(100 * step)) < 1e-6 for step in steps) else 1
    return tuple((scale(step), _percent(step, decimals)) for step in steps)


def _percent(share: float, decimals: int = 1) -> str:
    return f"{100 * share:.{decimals}f}\N{NO-BREAK SPACE}%"
