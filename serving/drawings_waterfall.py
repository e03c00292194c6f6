"""The waterfall: how the MRR of the opening became that of the closing, class by class."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from serving.drawings_headline import headline
from serving.flows import FLOWS
from serving.terminal.amounts import Amounts
from serving.terminal.paper import percent

__all__ = ["Bar", "bars", "show_bars", "show_movements"]

_ALWAYS = ("new", "expansion", "contraction", "churned")
_LOOK: dict[str, dict[str, Any]] = {
    "level": {"facecolor": "#33414d", "hatch": None},
    "gain": {"facecolor": "#cfe3f2", "hatch": "///"},
    "loss": {"facecolor": "#f0b58a", "hatch": "xxx"},
}


@dataclass(frozen=True)
class Bar:
    """One bar: from where to where, in units of the book's currency.

    Attributes
    ----------
    word : str
        What stands under it.
    start, end : float
        Where it begins and ends; a level begins at zero.
    kind : str
        ``level``, ``gain`` or ``loss``.
    """

    word: str
    start: float
    end: float
    kind: str


def bars(window: Mapping[str, Any]) -> list[Bar]:
    """Give the bars of a window, the opening first and the closing last.

    A class in which nothing moved has no bar, except the four that everybody looks for.

    Examples
    --------
    >>> flows = {"new": 5.0, "reactivation": 0.0, "expansion": 2.0, "contraction": 1.0}
    >>> window = {f"{k}_mrr": v for k, v in flows.items()} | {"churned_mrr": 3.0, "fx_mrr": 0.0}
    >>> found = bars(window | {"from": "2025-05-31", "to": "2025-06-30",
    ...                        "opening_mrr": 10.0, "closing_mrr": 13.0})
    >>> [(bar.word, bar.start, bar.end) for bar in found][2:5]
    [('expansion', 15.0, 17.0), ('contraction', 17.0, 16.0), ('churned', 16.0, 13.0)]
    """
    at = window["opening_mrr"]
    found = [Bar(f"opening\n{window['from']}", 0.0, at, "level")]
    for name, word, sign in FLOWS:
        moved = sign * window[f"{name}_mrr"]
        if moved or name in _ALWAYS:
            gain = moved > 0 or (not moved and sign > 0)
            found.append(Bar(word.replace(" ", "\n"), at, at + moved, "gain" if gain else "loss"))
            at += moved
    return [*found, Bar(f"closing\n{window['to']}", 0.0, window["closing_mrr"], "level")]


def show_movements(
    axes: Any, window: Mapping[str, Any], spelled: Amounts, whom: str, rules: str
) -> None:
    """Draw the bars of a window, each with its amount and sign, and say what they are."""
    headline(axes, *_words(window, spelled, whom, rules))
    if window["opening_mrr"] is None:
        axes.text(0.5, 0.5, window["reason"], ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
        return
    show_bars(axes, bars(window), spelled)
    axes.set_xlabel(_levers(window, spelled), fontsize=9, labelpad=8)


def show_bars(axes: Any, found: Sequence[Bar], spelled: Amounts) -> None:
    """Draw bars from left to right, each joined to the next."""
    for at, bar in enumerate(found):
        _draw(axes, at, bar, spelled)
    for at, (left, right) in enumerate(pairwise(found)):
        level = left.end if right.kind != "level" else right.end
        axes.plot((at + 0.36, at + 0.64), (level, level), color="black", linewidth=0.8)
    top = max(max(bar.start, bar.end) for bar in found)
    axes.set_ylim(0, 1.12 * top or 1)
    axes.set_xlim(-0.6, len(found) - 0.4)
    axes.set_xticks(range(len(found)), [bar.word for bar in found])
    axes.tick_params(axis="x", length=0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value / spelled.divisor:,.10g}")
    axes.set_ylabel(f"MRR, {spelled.unit}")


def _draw(axes: Any, at: int, bar: Bar, spelled: Amounts) -> None:
    look = _LOOK[bar.kind]
    low, high = sorted((bar.start, bar.end))
    axes.bar(at, high - low, 0.72, low, edgecolor="black", linewidth=0.8, **look)
    said = spelled.spell(bar.end - bar.start, signed=bar.kind != "level")
    axes.annotate(
        said, (at, high), (0, 3), textcoords="offset points", ha="center", va="bottom"
    ).set_fontweight("bold" if bar.kind == "level" else "normal")


def _levers(window: Mapping[str, Any], spelled: Amounts) -> str:
    """Say by which levers MRR moved, gains less losses."""
    levers = {name: spelled.spell(by, True) for name, by in window["levers"].items()}
    moved = [f"{name} {by}" for name, by in levers.items() if by not in ("0", "–")]
    return textwrap.fill(f"by lever, net: {' · '.join(moved)}", 120) if moved else ""


def _words(window: Mapping[str, Any], spelled: Amounts, whom: str, rules: str) -> tuple[str, str]:
    what = f"Movements of MRR, {whom}, {window['from']} to {window['to']}, {spelled.unit}"
    ratios = ", ".join(
        f"{word} {percent(window[name])}"
        for name, word in (("nrr", "NRR"), ("grr", "GRR"), ("logo_churn", "logo churn"))
    )
    return what, f"{ratios} (of the accounts that paid at the opening); rules: {rules}"
