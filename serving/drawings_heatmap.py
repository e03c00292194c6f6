"""The heat-map: what each acquisition quarter pays, months after it first paid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle

from serving.drawings_headline import headline

__all__ = ["cells", "rows_shown", "show_cohorts"]

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
_QUARTERS = 12
_MONTHLY = 13
_LOW, _HIGH = 40.0, 140.0
_SHADES = LinearSegmentedColormap.from_list("shades", ["#f4f7fa", "#b4cde0", "#16466f"])
_DARK = 0.46  # relative luminance under which white digits are read better than black ones


def rows_shown(cohorts: Mapping[str, Any]) -> int:
    """Count the quarters that are drawn: the latest twelve at most.

    Examples
    --------
    >>> rows_shown({"cohorts": [{}] * 30}), rows_shown({})
    (12, 0)
    """
    return min(len(cohorts.get("cohorts", ())), _QUARTERS)


def cells(cohorts: Mapping[str, Any]) -> tuple[list[str], list[int], list[list[float | None]]]:
    """Choose what is drawn: names of rows, months since, NRR in per cent.

    Every month where the book is young, else every third one.

    Examples
    --------
    >>> young = {"cohort": "2025-Q1", "accounts": 3, "complete": True, "nrr": [1.0, 0.9, None]}
    >>> cells({"months_since": [0, 1, 2], "cohorts": [young]})
    (['2025-Q1 (3)'], [0, 1], [[100.0, 90.0]])
    """
    shown = cohorts["cohorts"][-_QUARTERS:]
    seen = max(
        (at for one in shown for at, nrr in enumerate(one["nrr"]) if nrr is not None), default=0
    )
    months = [k for k in cohorts["months_since"] if k <= seen]
    if len(months) > _MONTHLY:
        months = [k for k in months if k % 3 == 0]
    names = [_name(one) for one in shown]
    return names, months, [[_percent(one["nrr"], k) for k in months] for one in shown]


def show_cohorts(axes: Any, cohorts: Mapping[str, Any]) -> None:
    """Draw the cells, each with its NRR printed in it; a cell not reached yet is empty."""
    names, months, values = cells(cohorts)
    headline(axes, *_words(cohorts))
    grid = np.array([[np.nan if v is None else v for v in row] for row in values], dtype=float)
    shades = _SHADES((np.clip(grid, _LOW, _HIGH) - _LOW) / (_HIGH - _LOW))
    for (row, column), value in np.ndenumerate(grid):
        if not np.isnan(value):
            _cell(axes, column, row, float(value), shades[row, column])
    axes.set_xticks(np.arange(len(months)) + 0.5, [str(k) for k in months])
    axes.set_yticks(np.arange(len(names)) + 0.5, names)
    axes.set_xlim(0, len(months))
    axes.set_ylim(len(names), 0)
    axes.tick_params(length=0)
    axes.set_xlabel("months since each account's first paid month-end")
    axes.set_ylabel("quarter (accounts)")
    for side in axes.spines.values():
        side.set_visible(False)


def _cell(axes: Any, column: int, row: int, value: float, shade: Any) -> None:
    """Draw one cell, its digits white where the shade is dark."""
    axes.add_patch(
        Rectangle((column, row), 1, 1, facecolor=shade, edgecolor="#8795a1", lw=0.6, clip_on=False)
    )
    colour = "white" if shade[:3] @ _LUMINANCE < _DARK else "black"
    place = (column + 0.5, row + 0.5)
    axes.text(*place, f"{value:.0f}", color=colour, ha="center", va="center", fontsize=9)


def _name(cohort: Mapping[str, Any]) -> str:
    unfinished = "" if cohort.get("complete", True) else "*"
    return f"{cohort['cohort']}{unfinished} ({cohort['accounts']:,})"


def _percent(ratios: Sequence[float | None], month: int) -> float | None:
    ratio = ratios[month]
    return None if ratio is None else 100 * ratio


def _words(cohorts: Mapping[str, Any]) -> tuple[str, str]:
    everything = cohorts["cohorts"]
    hidden = len(everything) - rows_shown(cohorts)
    which = f", the latest {_QUARTERS} of {len(everything)} quarters" if hidden else ""
    young = any(not one.get("complete", True) for one in everything)
    open_quarter = "; * the quarter is not over" if young else ""
    rates = f"; exchange rates of {cohorts['rates_of']}" if "rates_of" in cohorts else ""
    how = (
        "MRR so many months after each account's first paid month-end over its MRR then; "
        f"darker is more{open_quarter}{rates}"
    )
    return f"NRR by fiscal quarter of acquisition, per cent{which}", how
