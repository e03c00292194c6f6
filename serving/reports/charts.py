"""Charts of the reports: places on a sheet, so that the template only draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

from serving.backtest_page.charts import Sheet, ticks
from serving.dashboard.figures import percent
from serving.drawings_waterfall import bars
from serving.terminal.amounts import Amounts

__all__ = ["Bars", "Fan", "Lines", "Weeks", "fan", "quarter_lines", "waterfall", "weekly"]

Body = Mapping[str, Any]
Tick = tuple[float, str]

WIDE = Sheet(width=760, height=250, left=48, right=64, top=16, foot=34)
ROOMY = Sheet(width=760, height=270, left=12, right=12, top=26, foot=40)
LOW = Sheet(width=760, height=170, left=58, right=10, top=12, foot=28)
_APART = 14.0


@dataclass(frozen=True)
class Lines:
    """Several lines over the same dates.

    Attributes
    ----------
    sheet : Sheet
    told : str
        What it shows, for who cannot see it.
    across, up : tuple of (place, label)
        Ticks.
    par : float or None
        Height of 100 %.
    target : float or None
        Height of the target.
    lines : tuple of dict
        ``name``, ``path``, ``dots``, and where its last value is written.
    """

    sheet: Sheet
    told: str
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    par: float | None
    target: float | None
    lines: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Bars:
    """A waterfall: each bar with its place, its height, its word and its amount."""

    sheet: Sheet
    told: str
    bars: tuple[dict[str, Any], ...]
    joints: tuple[tuple[float, float, float], ...]
    cut: str


@dataclass(frozen=True)
class Fan:
    """A forecast month by month: its 80 % band, its middle, and the target."""

    sheet: Sheet
    told: str
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    par: float
    target: float | None
    band: str
    middle: str
    ends: tuple[Tick, ...]


@dataclass(frozen=True)
class Weeks:
    """Columns by week."""

    sheet: Sheet
    told: str
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    bars: tuple[dict[str, Any], ...]


def quarter_lines(found: Sequence[Body], target: float | None) -> Lines | None:
    """Draw NRR and GRR of the trailing twelve months at each quarter's end.

    Examples
    --------
    >>> one = {"to": "2025-09-30", "quarter": "2025-Q3", "complete": True, "nrr": 1.1, "grr": 0.9}
    >>> drawn = quarter_lines([one, {**one, "to": "2025-12-31", "quarter": "2025-Q4"}], None)
    >>> [line["name"] for line in drawn.lines], drawn.across[-1][1]
    (['NRR', 'GRR'], 'Dec 25')
    """
    known = [one for one in found if one["nrr"] is not None]
    if len(known) < 2:
        return None
    ends = [1.0, *([target] if target else []), *(one[k] for one in known for k in ("nrr", "grr"))]
    scale, up = _scaled(WIDE, ends)
    places = [WIDE.x(0.02 + 0.94 * at / (len(known) - 1)) for at in range(len(known))]
    across = tuple((x, _month(one["to"])) for x, one in zip(places, known, strict=True))
    lines = [_line(places, known, key, scale) for key in ("nrr", "grr")]
    told = "; ".join(
        f"{_month(one['to'])} NRR {percent(one['nrr'])}, GRR {percent(one['grr'])}" for one in known
    )
    goal = None if target is None else scale(target)
    return Lines(WIDE, told, across, up, scale(1.0), goal, tuple(_parted(lines)))


def waterfall(window: Body, spelled: Amounts) -> Bars | None:
    """Draw how the MRR of the opening became that of the closing.

    The axis begins at zero unless what moves would then be too small to be seen; ``cut`` says so.
    """
    if window["opening_mrr"] is None:
        return None
    found = bars(window)
    ends = [bar.end for bar in found]
    floor = _floor(min(ends), max(ends))
    top = max(max(bar.start, bar.end) for bar in found)
    height = _place(ROOMY, floor, top)
    slot = (ROOMY.edge - ROOMY.left) / len(found)
    drawn: list[dict[str, Any]] = []
    for at, bar in enumerate(found):
        low, high = sorted((max(bar.start, floor), max(bar.end, floor)))
        x = ROOMY.left + (at + 0.13) * slot
        drawn.append(
            {
                "x": round(x, 1),
                "width": round(0.74 * slot, 1),
                "y": height(high),
                "height": round(max(height(low) - height(high), 1.0), 1),
                "kind": bar.kind,
                "words": [_worded(word) for word in bar.word.split("\n")],
                "said": spelled.spell(bar.end - bar.start, signed=bar.kind != "level"),
                "middle": round(x + 0.37 * slot, 1),
                "at": height(bar.end),
            }
        )
    joints = tuple(
        (one["x"] + one["width"], other["x"], one["at"]) for one, other in pairwise(drawn)
    )
    told = ", ".join(f"{' '.join(one['words'])} {one['said']}" for one in drawn)
    cut = f"the bars begin at {spelled.spell(floor)} {spelled.unit}, not at 0" if floor else ""
    return Bars(ROOMY, told, tuple(drawn), joints, cut)


def fan(body: Body, target: float | None) -> Fan | None:
    """Draw the NRR of a forecast month by month, from the opening, at which it is 100 %."""
    path = [one for one in body.get("monthly_path", ()) if one["nrr"] is not None]
    if not path:
        return None
    rows = [dict.fromkeys(("p10", "p50", "p90"), 1.0), *(one["nrr"] for one in path)]
    ends = [value for row in rows for value in (row["p10"], row["p90"])]
    scale, up = _scaled(WIDE, [*ends, *([target] if target else [])])
    places = [WIDE.x(at / path[-1]["month"]) for at in (0, *(one["month"] for one in path))]
    upper = [(x, scale(row["p90"])) for x, row in zip(places, rows, strict=True)]
    lower = [(x, scale(row["p10"])) for x, row in zip(places, rows, strict=True)]
    middle = [(x, scale(row["p50"])) for x, row in zip(places, rows, strict=True)]
    last = rows[-1]
    labels = [(scale(last[key]), percent(last[key])) for key in ("p90", "p50", "p10")]
    across = tuple(
        (x, _month(one["period_end"]))
        for x, one in zip(places[1:], path, strict=True)
        if one["month"] % 3 == 0
    )
    told = f"after {path[-1]['month']} months {percent(last['p10'])} to {percent(last['p90'])}"
    goal = None if target is None else scale(target)
    band = _path([*upper, *reversed(lower)])
    return Fan(WIDE, told, across, up, scale(1.0), goal, band, _path(middle), tuple(_apart(labels)))


def weekly(weeks: Sequence[Body], key: str, noun: str) -> Weeks | None:
    """Draw a count by week as columns.

    Examples
    --------
    >>> weeks = [{"week": "2025-06-02", "people": 4}, {"week": "2025-06-09", "people": None}]
    >>> drawn = weekly(weeks, "people", "people")
    >>> [bar["told"] for bar in drawn.bars]
    ['week of 2 Jun 2025: 4 people']
    """
    known = [one[key] for one in weeks if one[key] is not None]
    if not known or not max(known):
        return None
    steps = ticks(0.0, float(max(known)), 4)
    height = _place(LOW, 0.0, steps[-1])
    slot = (LOW.edge - LOW.left) / len(weeks)
    drawn = tuple(
        {
            "x": round(LOW.left + (at + 0.15) * slot, 1),
            "width": round(0.7 * slot, 1),
            "y": height(one[key]),
            "height": round(LOW.bottom - height(one[key]), 1),
            "told": f"week of {_day(one['week'])}: {one[key]:,.0f} {noun}",
        }
        for at, one in enumerate(weeks)
        if one[key] is not None
    )
    every = max(1, len(weeks) // 6)
    across = tuple(
        (round(LOW.left + (at + 0.5) * slot, 1), _short(one["week"]))
        for at, one in enumerate(weeks)
        if at % every == 0
    )
    up = tuple((height(step), f"{step:,.10g}") for step in steps)
    told = f"{noun} by week: at least {min(known):,.0f}, at most {max(known):,.0f}"
    return Weeks(LOW, told, across, up, drawn)


def _scaled(
    sheet: Sheet, ends: Sequence[float]
) -> tuple[Callable[[float], float], tuple[Tick, ...]]:
    steps = ticks(min([*ends, 1.0]), max([*ends, 1.0]))
    scale = _place(sheet, steps[0], steps[-1])
    whole = all(abs(100 * step - round(100 * step)) < 1e-6 for step in steps)
    return scale, tuple((scale(step), percent(step, 0 if whole else 1)) for step in steps)


def _place(sheet: Sheet, low: float, high: float) -> Callable[[float], float]:
    span = (high - low) or 1.0
    return lambda value: sheet.y((value - low) / span)


def _floor(low: float, high: float) -> float:
    """Say where the bars begin: at zero, unless the moves are small beside the levels.

    Examples
    --------
    >>> _floor(100.0, 140.0), _floor(100.0, 104.0)
    (0.0, 97.0)
    """
    return low - 0.75 * (high - low) if 0 < high - low < 0.25 * high else 0.0


def _line(
    places: Sequence[float], found: Sequence[Body], key: str, scale: Callable[[float], float]
) -> dict[str, Any]:
    dots = [
        (x, scale(one[key]), f"{_month(one['to'])}: {key.upper()} {percent(one[key])}")
        for x, one in zip(places, found, strict=True)
    ]
    last = percent(found[-1][key])
    path = "M" + "L".join(f"{x} {y}" for x, y, _ in dots)
    return {"name": key.upper(), "path": path, "dots": dots, "y": dots[-1][1], "last": last}


def _parted(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep the labels at the right edge from lying on one another."""
    order = sorted(lines, key=lambda line: line["y"])
    places = _apart([(line["y"], line["name"]) for line in order])
    moved = {name: y for y, name in places}
    return [line | {"label": moved[line["name"]]} for line in lines]


def _apart(labels: Sequence[Tick]) -> list[Tick]:
    """Move labels, given from above, so that each has a line of its own."""
    told: list[Tick] = []
    for y, words in labels:
        told.append((max(y, told[-1][0] + _APART) if told else y, words))
    return told


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x} {y}" for x, y in points)


def _worded(word: str) -> str:
    """Write a date as one says it; leave other words alone."""
    return _day(word) if word[:1].isdigit() else word


def _month(day: str) -> str:
    return f"{date.fromisoformat(day):%b %y}"


def _day(day: str) -> str:
    found = date.fromisoformat(day)
    return f"{found.day} {found:%b %Y}"


def _short(day: str) -> str:
    found = date.fromisoformat(day)
    return f"{found.day} {found:%b}"
