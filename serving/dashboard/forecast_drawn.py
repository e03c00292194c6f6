"""The drawings of the forecast page: the fan by month and the way from opening to closing MRR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any

__all__ = ["Fan", "Step", "Tick", "fan_of", "steps_of"]

MONTHS = 12
_EDGES = ("p10", "p50", "p90")


@dataclass(frozen=True)
class Tick:
    """A line of the grid: where it lies from above, 0 to 100, and what it says."""

    at: float
    label: str


@dataclass(frozen=True)
class Fan:
    """NRR by month as shapes on a field of 100 by 100, the opening at its left edge.

    Attributes
    ----------
    ticks : list of Tick
    par, target : float or None
        Where 100 % and the target lie, None when off the field.
    band, line : str
        Points of the 80 % interval and of the median.
    other_band, other_line : str
        The same under the assumptions; empty without any.
    """

    ticks: list[Tick]
    par: float | None
    target: float | None
    band: str
    line: str
    other_band: str = ""
    other_line: str = ""


def fan_of(body: Mapping[str, Any], other: Mapping[str, Any] | None = None) -> Fan | None:
    """Draw the path of a forecast, and of another beside it; None where nobody pays.

    Examples
    --------
    >>> nrr = {"p10": 0.98, "p50": 1.0, "p90": 1.02}
    >>> drawn = fan_of({"monthly_path": [{"month": 12, "nrr": nrr}], "nrr_target": None})
    >>> drawn.line, drawn.band, [tick.label for tick in drawn.ticks]
    ('0.00,50.00 100.00,50.00', '0.00,50.00 100.00,0.00 100.00,100.00 0.00,50.00', ['98', '99', '100', '101', '102'])
    """
    mine, theirs = _lines(body), _lines(other) if other else {}
    if not mine:
        return None
    target = body.get("nrr_target")
    values = [v for lines in (mine, theirs) for edge in lines.values() for _, v in edge]
    steps = _ticks(min(values), max(values) if target is None else max(*values, 100 * target))
    low, high = steps[0], steps[-1]

    def place(value: float) -> float:
        return round((high - value) / (high - low) * 100, 2)

    def points(edge: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{x / MONTHS * 100:.2f},{place(y):.2f}" for x, y in edge)

    def shapes(lines: Mapping[str, Any]) -> tuple[str, str]:
        if not lines:
            return "", ""
        return points([*lines["p90"], *reversed(lines["p10"])]), points(lines["p50"])

    return Fan(
        [Tick(place(step), f"{step:.10g}") for step in steps],
        place(100.0) if low <= 100.0 <= high else None,
        place(100 * target) if target is not None and low <= 100 * target <= high else None,
        *shapes(mine),
        *shapes(theirs),
    )


def _lines(body: Mapping[str, Any]) -> dict[str, list[tuple[float, float]]]:
    """Give the edges of the fan in per cent, from the opening, at which NRR is 100 %."""
    path = [one for one in body.get("monthly_path") or [] if one["nrr"] is not None]
    if not path:
        return {}
    return {
        edge: [(0, 100.0), *((one["month"], 100 * one["nrr"][edge]) for one in path)]
        for edge in _EDGES
    }


def _ticks(low: float, high: float) -> list[float]:
    """Give four to seven round numbers that hold two others between them.

    Examples
    --------
    >>> _ticks(97.2, 121.8), _ticks(100.0, 100.0)
    ([95.0, 100.0, 105.0, 110.0, 115.0, 120.0, 125.0], [99.6, 99.8, 100.0, 100.2, 100.4])
    """
    if high - low < 1e-9:
        low, high = low - 0.4, high + 0.4
    rough = (high - low) / 5
    power = 10.0 ** floor(log10(rough))
    step = next(power * one for one in (1, 2, 2.5, 5, 10) if power * one >= rough * 0.99)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(step * at, 10) for at in range(first, last + 1)]


@dataclass(frozen=True)
class Step:
    """One step from opening to closing MRR, and its bar on a scale from 0 to 100.

    Attributes
    ----------
    label, kind : str
        ``level``, ``booked`` or ``modelled``.
    amount : float
        The level, or by how much it moves; signed.
    left, width : float
    accounts : int or None
        Of how many accounts it is, where that is known.
    """

    label: str
    kind: str
    amount: float
    left: float
    width: float
    accounts: int | None = None


_BOOKED = (
    ("notice_mrr", "Notice given", "notice_accounts"),
    ("signed_increase_mrr", "Signed: more", "signed_accounts"),
    ("signed_decrease_mrr", "Signed: less", "signed_accounts"),
    ("uplift_mrr", "Agreed price", "uplift_accounts"),
)
_MODELLED = (
    ("uplift_mrr", "Agreed price at renewal"),
    ("expansion_mrr", "Expansion"),
    ("contraction_mrr", "Contraction"),
    ("churned_mrr", "Churned"),
)


def steps_of(bridge: Mapping[str, Any]) -> tuple[list[Step], float]:
    """List the steps, booked first, then modelled; and the amount at which the scale begins.

    Examples
    --------
    >>> steps, begins = steps_of({"opening_mrr": 100.0, "after_booked_mrr": 90.0, "closing_mrr": 95.0,
    ...     "booked": {"notice_mrr": -10.0, "notice_accounts": 1},
    ...     "modelled": {"expansion_mrr": 9.0, "contraction_mrr": -1.0, "churned_mrr": -3.0}})
    >>> [(step.label, step.amount) for step in steps][1:4], begins
    ([('Notice given', -10.0), ('After what is booked', 90.0), ('Expansion', 9.0)], 87.5)
    """
    if "opening_mrr" not in bridge:
        return [], 0.0
    rows = _rows(bridge)
    ends = [end for _, _, start, amount, _ in rows for end in (start, start + amount) if end]
    low, high = min(ends), max(ends)
    begins = low - 0.25 * (high - low) if 0 < high - low < 0.5 * high else 0.0
    length = (high - begins) or 1.0

    def bar(label: str, kind: str, start: float, amount: float, accounts: int | None) -> Step:
        left, right = sorted((max(start, begins), start + amount))
        shown = max((right - left) / length * 100, 0.6 if amount else 0.0)
        return Step(
            label, kind, amount, round((left - begins) / length * 100, 2), round(shown, 2), accounts
        )

    return [bar(*row) for row in rows], begins


def _rows(bridge: Mapping[str, Any]) -> list[tuple[str, str, float, float, int | None]]:
    """Give label, kind, start, amount and accounts of each step; levels start at zero."""
    at = float(bridge["opening_mrr"])
    rows: list[tuple[str, str, float, float, int | None]] = [
        ("Opening MRR", "level", 0.0, at, None)
    ]
    booked = bridge.get("booked") or {}
    for name, label, count in _BOOKED:
        if booked.get(name):
            rows.append((label, "booked", at, booked[name], booked.get(count)))
            at += booked[name]
    rows.append(("After what is booked", "level", 0.0, float(bridge["after_booked_mrr"]), None))
    for name, label in _MODELLED:
        moved = (bridge.get("modelled") or {}).get(name)
        if moved is not None and (moved or name != "uplift_mrr"):
            rows.append((label, "modelled", at, moved, None))
            at += moved
    return [*rows, ("Closing MRR, mean", "level", 0.0, float(bridge["closing_mrr"]), None)]
