"""The board's page: the figures put into words and charts, and handed to the template."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from features.asof import opening_day
from features.rules import Rules
from serving.backtest_page.charts import Chart, ratio_chart
from serving.definition import idle_rules, rules_line
from serving.digest.lines import plain
from serving.flows import FLOWS
from serving.manual.configuration import meanings
from serving.reports.board_words import DEFINITIONS, endings, glance, meaning, target_said
from serving.reports.charts import fan, quarter_lines, waterfall
from serving.reports.paper import render
from serving.reports.spelling import cents
from serving.terminal.amounts import amounts
from serving.terminal.forecast import PERIODS

__all__ = ["board_page"]

Body = Mapping[str, Any]

SETTLED = 8
LEVERS = 8
MONTHS = (3, 6, 12, 24)
_MARKS = re.compile(r" \(`[^`]*`\)|`")


def board_page(body: Body) -> str:
    """Write the page: one HTML file, no script, no other file, no other host.

    Parameters
    ----------
    body : mapping
        What `serving.reports.board.board` gives.
    """
    window, told = body["window"], body["target"]["of_run"]
    spelled = amounts(body["currency"], (window["opening_mrr"], window["closing_mrr"]))
    year = (body["forecasts"] or {}).get("12")
    return render(
        "board.html",
        {
            "b": body,
            "w": window,
            "glance": [plain(one, 600) for one in glance(body)],
            "before": _before(body["quarters"]),
            "lines": quarter_lines(body["quarters"], told),
            "drawn": waterfall(window, spelled),
            "spelled": spelled,
            "flows": _flows(window),
            "levers": _levers(window),
            "segments": [(_named(one), one) for one in body["segments"]],
            "by_quarter": _by_quarter(body),
            "months": MONTHS,
            "outlook": _outlook(body["forecasts"] or {}),
            "meaning": meaning,
            "fan": fan(year, told) if year and year.get("nrr") else None,
            "year": year,
            "target": target_said(body["target"]),
            "chance": _chance(body["target"]),
            "ends": endings(body["target"]),
            "settled": _settled(body["against_actual"]),
            "replayed": _replayed(body["forecasts"] or {}),
            "warnings": [one for one in body["warnings"] if one.get("level") != "note"],
            "notes": [one for one in body["warnings"] if one.get("level") == "note"],
            "closed": body["closed"],
            "moved": _moved(body["closed"], body["currency"]),
            "rules": rules_line(body["definition"]),
            "idle": idle_rules(body["definition"]),
            "choices": _choices(body["definition"]),
            "definitions": DEFINITIONS,
        },
    )


def _named(window: Body) -> str:
    """Name the value of a cut, safe to print."""
    values = ("none" if value is None else str(value) for value in window["cut"].values())
    return plain(", ".join(values), 60)


def _before(quarters: Sequence[Body]) -> Body | None:
    """Give the fiscal quarter's end before the latest window."""
    return quarters[-2] if len(quarters) > 1 else None


def _flows(window: Body) -> list[tuple[str, float, float | None]]:
    """List the movements: of the whole book, and of the accounts that paid at the opening."""
    if window["nrr"] is None:
        return []
    cohort = window["cohort"]
    return [
        (word, sign * window[f"{name}_mrr"], _signed(cohort.get(f"{name}_mrr"), sign))
        for name, word, sign in FLOWS
        if window[f"{name}_mrr"] or name in ("new", "expansion", "contraction", "churned")
    ]


def _signed(value: float | None, sign: int) -> float | None:
    return None if value is None else sign * value


def _levers(window: Body) -> list[tuple[str, float]]:
    """List what moved MRR, the most first; what moved none is left out."""
    moved = [(name, by) for name, by in (window.get("levers") or {}).items() if by]
    return sorted(moved, key=lambda one: -abs(one[1]))[:LEVERS]


def _by_quarter(body: Body) -> dict[str, Any] | None:
    """Lay NRR by segment beside that of the whole, quarter by quarter."""
    ends = [one["to"] for one in body["quarters"]]
    if len(ends) < 2 or not body["segment_quarters"]:
        return None
    rows = [("whole book", body["quarters"])]
    rows += [(_named(one), one["quarters"]) for one in body["segment_quarters"]]
    return {
        "ends": [(one["to"], one["complete"]) for one in body["quarters"]],
        "rows": [(name, _at(found, ends)) for name, found in rows],
    }


def _at(found: Sequence[Body], ends: Sequence[str]) -> list[float | None]:
    known = {one["to"]: one["nrr"] for one in found}
    return [known.get(end) for end in ends]


def _chance(target: Body) -> Body | None:
    """Give the chance at the end of the fiscal year, where a target is known."""
    one: Body | None = target["ends"].get("fiscal_year")
    return one if one is not None and one["p_target"] is not None else None


def _outlook(forecasts: Body) -> list[dict[str, Any]]:
    """Put each horizon's period and its tested coverage into words."""
    return [
        {
            "period": f"{PERIODS.get(key, key + ' months')}",
            "from": opening_day(date.fromisoformat(one["as_of"])).isoformat(),
            "body": one,
            "tested": _tested(one.get("backtest") or {}),
            "thin": "; ".join(one.get("confidence_reasons") or ())
            if one.get("confidence") == "thin"
            else "",
        }
        for key, one in forecasts.items()
    ]


def _tested(past: Body) -> str:
    """Say how often past intervals of this horizon held.

    Examples
    --------
    >>> _tested({"coverage_80": 0.5, "periods": [{}, {}],
    ...          "mean_absolute_error_points": {"forecast": 1.25}})
    'held in 1 of 2 past periods; off by 1.2 points in the mean'
    >>> _tested({})
    'not tested yet: too few past periods'
    """
    if past.get("coverage_80") is None:
        return "not tested yet: too few past periods"
    count = len(past["periods"])
    held = f"held in {round(past['coverage_80'] * count)} of {count} past periods"
    off = (past.get("mean_absolute_error_points") or {}).get("forecast")
    return held if off is None else f"{held}; off by {off:.1f} points in the mean"


def _settled(told: Body | None) -> list[dict[str, Any]]:
    """Give the kept forecasts whose period has closed, by horizon, the latest eight."""
    horizons: Body = (told or {}).get("horizons", {})
    return [
        {
            "period": PERIODS.get(key, f"{key} months"),
            "months": key,
            "rows": one["forecasts"][-SETTLED:],
            "hidden": max(0, len(one["forecasts"]) - SETTLED),
            "summary": one["summary"],
            "open": one["open"],
        }
        for key, one in horizons.items()
    ]


def _replayed(forecasts: Body) -> list[dict[str, Any]]:
    """Give the past periods that were forecast again when the model was trained."""
    found = []
    for key, body in forecasts.items():
        past = [_judged(one) for one in (body.get("backtest") or {}).get("periods", ())]
        if past:
            chart: Chart = ratio_chart(past)
            name = PERIODS.get(key, f"{key} months")
            found.append({"period": name, "periods": past, "chart": chart})
    return found


def _judged(one: Body) -> dict[str, Any]:
    """Say whether the actual NRR lies in the interval."""
    nrr, actual = one["nrr"], one["actual_nrr"]
    inside = {
        f"inside_{level}": nrr[low] <= actual <= nrr[high]
        for level, low, high in ((80, "p10", "p90"), (90, "p05", "p95"))
    }
    return {**inside, **one}


def _moved(closed: Body | None, currency: str) -> str:
    """Say how far the closing MRR of the closed month has moved since."""
    if closed is None or closed["difference"] is None:
        return ""
    micros = closed["difference"]["closing_micros"]
    if not micros:
        return "The closing MRR reads as it was closed."
    more = "less" if micros < 0 else "more"
    return f"The closing MRR reads {cents(abs(micros) / 1e6)} {currency} {more} now."


def _choices(definition: Body) -> list[tuple[str, str, str]]:
    """List every choice that is made, with its value and what it means."""
    said = meanings(Rules)
    return [
        (key, str(value), _MARKS.sub("", said[key]))
        for key, value in definition.items()
        if key in said and value is not None
    ]
