"""The picture of a forecast: NRR month by month as a fan, and the way from opening to closing MRR.

Readable in black and white: the fan's edges are lines, its middle is another one, and what a bar
does is in its hatching and its sign.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from features.asof import opening_day
from serving.definition import rules_line
from serving.drawings import Figure, blank, write_picture
from serving.drawings_headline import headline
from serving.drawings_waterfall import Bar, show_bars
from serving.terminal.amounts import Amounts, amounts
from serving.terminal.paper import interval, percent

__all__ = ["bridge_bars", "draw_forecast", "fan", "forecast_figure"]

_HEIGHTS = (4.6, 5.0)
_REASON = 1.4  # inches where there is nothing to draw
_MARK = "#a3480f"

Past = Mapping[int, float | None]
"""NRR of the same months a year before, by months ahead."""


def draw_forecast(body: Mapping[str, Any], path: Path, currency: str, past: Past) -> None:
    """Write the picture of a forecast, whole or not at all.

    Parameters
    ----------
    body : mapping
        CONTRACT section 4.
    path : Path
        Ends in ``.svg`` or ``.png``; its folder is there.
    currency : str
        The book's currency.
    past : mapping of int to float
        What the same months of the year before came to, by months ahead.

    Raises
    ------
    CannotWrite
        ``disk.full`` if the disk refuses.
    """
    title = "NRR forecast month by month, and from opening to closing MRR"
    write_picture(lambda: forecast_figure(body, currency, past), path, title)


def forecast_figure(body: Mapping[str, Any], currency: str, past: Past) -> Figure:
    """Lay out the panels: the fan above, the bridge below."""
    if body["nrr"] is None:
        drawn = blank(_REASON)
        axes = drawn.subplots()
        reason = body.get("reason") or "nobody pays"
        axes.text(0.5, 0.5, reason, ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
        return drawn
    drawn = blank(sum(_HEIGHTS))
    upper, lower = drawn.subplots(2, 1, height_ratios=_HEIGHTS)
    _show_fan(upper, body, past)
    _show_bridge(lower, body, currency)
    return drawn


def fan(body: Mapping[str, Any]) -> dict[str, list[float]]:
    """Give the lines of the fan in per cent, from the opening, at which NRR is 100 %.

    Examples
    --------
    >>> nrr = {"mean": 1.01, "p10": 0.98, "p50": 1.0, "p90": 1.04}
    >>> fan({"monthly_path": [{"month": 1, "nrr": nrr}]})
    {'month': [0, 1], 'mean': [100.0, 101.0], 'p10': [100.0, 98.0], 'p50': [100.0, 100.0], 'p90': [100.0, 104.0]}
    """
    path = [one for one in body["monthly_path"] if one["nrr"] is not None]
    lines = {name: [100.0, *(100.0 * one["nrr"][name] for one in path)] for name in _LINES}
    return {"month": [0, *(one["month"] for one in path)]} | lines


_LINES = ("mean", "p10", "p50", "p90")


def bridge_bars(body: Mapping[str, Any]) -> list[Bar]:
    """Give the bars from opening over what is booked and what is modelled to closing.

    What is booked has a bar only where there is any.

    Examples
    --------
    >>> bridge = {"opening_mrr": 100.0, "after_booked_mrr": 90.0, "closing_mrr": 95.0,
    ...     "booked": {"notice_mrr": -10.0, "signed_increase_mrr": 0.0, "signed_decrease_mrr": 0.0},
    ...     "modelled": {"expansion_mrr": 9.0, "contraction_mrr": -1.0, "churned_mrr": -3.0}}
    >>> found = bridge_bars({"as_of": "2025-07-01", "period_end": "2025-09-30", "bridge": bridge})
    >>> [(bar.word.replace(chr(10), " "), bar.start, bar.end) for bar in found][1:4]
    [('notice given', 100.0, 90.0), ('after what is booked', 0.0, 90.0), ('expansion modelled', 90.0, 99.0)]
    """
    bridge = body["bridge"]
    at = bridge["opening_mrr"]
    found = [Bar(f"opening\n{_opened(body)}", 0.0, at, "level")]
    for name, word in _BOOKED:
        moved = bridge["booked"].get(name)
        if moved:
            found.append(_step(word, at, moved))
            at += moved
    if len(found) > 1:
        at = bridge["after_booked_mrr"]
        found.append(Bar("after what\nis booked", 0.0, at, "level"))
    for name, word in _MODELLED:
        moved = bridge["modelled"].get(name)
        if name == "uplift_mrr" and not moved:
            continue
        found.append(_step(word, at, moved, gain=name == "expansion_mrr"))
        at += moved
    return [*found, Bar(f"closing\n{body['period_end']}", 0.0, bridge["closing_mrr"], "level")]


_BOOKED = (
    ("notice_mrr", "notice\ngiven"),
    ("signed_increase_mrr", "signed:\nmore"),
    ("signed_decrease_mrr", "signed:\nless"),
    ("uplift_mrr", "agreed\nprice"),
)
_MODELLED = (
    ("uplift_mrr", "agreed price\nat renewal"),
    ("expansion_mrr", "expansion\nmodelled"),
    ("contraction_mrr", "contraction\nmodelled"),
    ("churned_mrr", "churned\nmodelled"),
)


def _step(word: str, at: float, moved: float, gain: bool = False) -> Bar:
    rises = moved > 0 or (not moved and gain)
    return Bar(word, at, at + moved, "gain" if rises else "loss")


def _show_fan(axes: Any, body: Mapping[str, Any], past: Past) -> None:
    """Draw the fan, the target, and what the same months came to a year before."""
    lines, last = fan(body), len(body["monthly_path"])
    headline(axes, *_fan_words(body, past))
    months = lines["month"]
    axes.fill_between(months, lines["p10"], lines["p90"], color="#cfe3f2", lw=0)
    for name in ("p10", "p90"):
        axes.plot(months, lines[name], color="#5b8db8", lw=1.0)
    axes.plot(months, lines["p50"], color="#16466f", lw=2.0, marker="o", markersize=3.5)
    axes.axhline(100.0, color="black", lw=0.7, ls=(0, (1, 3)))
    labels = [(lines[name][-1], name) for name in ("p90", "p50", "p10")]
    target = body.get("nrr_target")
    if target is not None:
        axes.axhline(100.0 * target, color=_MARK, lw=1.4, ls=(0, (6, 3)))
        _target(axes, 100.0 * target)
    known = [(month, 100.0 * nrr) for month, nrr in sorted(past.items()) if nrr is not None]
    if known:
        axes.plot(
            *zip(*known, strict=True),
            ls="",
            marker="D",
            mfc="white",
            mec="black",
            ms=6,
            clip_on=False,
        )
    _at_the_edge(axes, last, labels)
    axes.axvline(body["horizon_months"], color="#33414d", lw=0.8, ls=(0, (2, 2)))
    axes.set_xlim(0, last)
    dates = [_opened(body), *(one["period_end"] for one in body["monthly_path"])]
    shown = range(0, last + 1, 3)
    axes.set_xticks(shown, [f"{month}\n{dates[month]}" for month in shown])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.10g} %")
    axes.set_ylabel("NRR, % of opening MRR")
    axes.set_xlabel("months after the opening, to the end of")


def _opened(body: Mapping[str, Any]) -> str:
    """Give the day at whose end a forecast opens: the one before its as-of date."""
    return opening_day(date.fromisoformat(body["as_of"])).isoformat()


def _target(axes: Any, level: float) -> None:
    text = axes.annotate(f"target {level:.10g} %", (0, level), (6, 3), textcoords="offset points")
    text.set_color(_MARK)
    text.set_fontsize(9)


def _at_the_edge(axes: Any, last: int, labels: Sequence[tuple[float, str]]) -> None:
    """Name the lines of the fan beside their ends, apart by at least a line of text."""
    low, high = axes.get_ylim()
    least = 0.055 * (high - low)
    at = float("inf")
    for value, name in labels:  # from above
        at = min(value, at - least)
        text = axes.annotate(
            f"{name} {value:.1f} %",
            (last, at),
            (6, 0),
            textcoords="offset points",
            va="center",
            annotation_clip=False,
        )
        text.set_fontsize(9)


def _show_bridge(axes: Any, body: Mapping[str, Any], currency: str) -> None:
    """Draw the bridge, with the 80 % interval of closing on its last bar."""
    found = bridge_bars(body)
    closing = body["closing_mrr"]
    spelled = amounts(currency, (body["opening_mrr"], closing["p90"]))
    headline(axes, *_bridge_words(body, spelled))
    show_bars(axes, found, spelled)
    at = len(found) - 0.48
    axes.plot((at, at), (closing["p10"], closing["p90"]), color=_MARK, lw=2.0)
    for edge in (closing["p10"], closing["p90"]):
        axes.plot((at - 0.06, at + 0.06), (edge, edge), color=_MARK, lw=2.0)
    axes.set_xlim(-0.6, len(found) - 0.3)
    if floor := _floor(found, closing):
        top = max(closing["p90"], *(max(bar.start, bar.end) for bar in found))
        axes.set_ylim(floor, top + 0.14 * (top - floor))
        _cut(axes, found, floor, spelled)


def _floor(found: Sequence[Bar], closing: Mapping[str, float]) -> float:
    """Say where the axis begins: at zero, unless what moves would then be too small to be seen.

    Examples
    --------
    >>> still = [Bar("opening", 0.0, 100.0, "level"), Bar("more", 100.0, 104.0, "gain")]
    >>> _floor(still, {"p10": 98.0, "p90": 106.0}), _floor(still, {"p10": 40.0, "p90": 106.0})
    (92.0, 0.0)
    """
    ends = [bar.end for bar in found] + [closing["p10"], closing["p90"]]
    low, high = min(ends), max(ends)
    floor = low - 0.75 * (high - low)
    return floor if high - low < 0.3 * high else 0.0


def _cut(axes: Any, found: Sequence[Bar], floor: float, spelled: Amounts) -> None:
    """Say that the axis does not begin at zero, and show it on every bar that does."""
    low, high = axes.get_ylim()
    height = 0.022 * (high - low)
    for at, bar in enumerate(found):
        if bar.kind == "level":
            for above in (2.0, 3.2):
                y = low + above * height
                axes.plot((at - 0.4, at + 0.4), (y, y + height), color="white", lw=2.5)
    begins = f"the axis begins at {spelled.spell(floor)}, not at 0"
    axes.set_xlabel(begins, fontsize=9, labelpad=8)


def _fan_words(body: Mapping[str, Any], past: Past) -> tuple[str, str]:
    accounts = f"{body['cohort_accounts']:,} accounts that pay on {_opened(body)}"
    target = body.get("nrr_target")
    told = [
        "NRR: what these accounts pay at each month-end over what they paid at the opening, new "
        "accounts apart; band: p10 to p90 (80 % interval), line: p50 (median)",
        f"dashed upright: {body['horizon_months']} months, NRR {percent(body['nrr']['mean'])} on "
        f"average, {interval(body['nrr'])}",
    ]
    if target is not None and body.get("p_target") is not None:
        told.append(f"chance of at least {percent(target)}: {percent(body['p_target'])}")
    if any(value is not None for value in past.values()):
        told.append("diamonds: actual NRR of as many months a year before")
    told.append(f"{body['interval_note']} (n_eff {body['n_eff']:.1f})")
    return f"NRR forecast, the {accounts}, by month", _whole("; ".join(told))


def _bridge_words(body: Mapping[str, Any], spelled: Amounts) -> tuple[str, str]:
    what = f"From opening to closing MRR, {_opened(body)} to {body['period_end']}, {spelled.unit}"
    closing = body["closing_mrr"]
    between = f"{spelled.spell(closing['p10'])}–{spelled.spell(closing['p90'])}"
    how = (
        "booked: notice given and renewals signed; modelled: expected values; upright beside it: 80 % "
        f"interval of the closing, {between}; rules: {rules_line(body['definition'])}"
    )
    return what, _whole(how)


def _whole(words: str) -> str:
    """Keep a per cent sign on the line of its number."""
    return words.replace(" %", "\N{NO-BREAK SPACE}%")
