"""Quarters: the trailing twelve months as they stood at the end of each fiscal quarter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from features.asof import quarter_name

__all__ = ["QUARTERS", "by_segment", "quarters"]

Body = Mapping[str, Any]

QUARTERS = 8
"""How many ends of fiscal quarters a board sees."""


def quarters(windows: Sequence[Body], fiscal_year_starts: int) -> list[dict[str, Any]]:
    """Choose the windows that end with a fiscal quarter, and the latest one; the oldest first.

    Parameters
    ----------
    windows : sequence of mapping
        Trailing-12-month windows of one cut, the latest first, as `metrics` gives them.
    fiscal_year_starts : int
        Month in which the fiscal year starts.

    Returns
    -------
    list of dict
        The window, with ``quarter`` (its name) and ``complete`` (whether the quarter is over).
        At most eight complete ones, and the latest window where its quarter is not over.

    Examples
    --------
    >>> ends = ["2025-12-31", "2025-11-30", "2025-10-31", "2025-09-30", "2025-08-31", "2025-07-31"]
    >>> found = quarters([{"to": end, "nrr": 1.0} for end in ends], 2)
    >>> [(one["to"], one["quarter"], one["complete"]) for one in found][1:]
    [('2025-10-31', '2025-Q3', True), ('2025-12-31', '2025-Q4', False)]
    """
    named = [
        {**one, "quarter": _quarter(one, fiscal_year_starts), "complete": over}
        for at, one in enumerate(windows)
        if (over := _ends_quarter(one, fiscal_year_starts)) or not at
    ]
    latest = named[:1] if named and not named[0]["complete"] else []
    whole = [one for one in named if one["complete"] and one["nrr"] is not None][:QUARTERS]
    return [*reversed(whole), *latest]


def by_segment(windows: Sequence[Body], fiscal_year_starts: int) -> list[dict[str, Any]]:
    """Give NRR and GRR of each value of a cut at the same ends.

    Parameters
    ----------
    windows : sequence of mapping
        Windows of every cut and of the whole, the latest first.
    fiscal_year_starts : int
        Month in which the fiscal year starts.

    Returns
    -------
    list of dict
        ``cut`` and ``quarters`` (as `quarters` gives them), in the order of the latest window.
    """
    cuts: dict[tuple[Any, ...], list[Body]] = {}
    for window in windows:
        if window["cut"]:
            cuts.setdefault(tuple(window["cut"].items()), []).append(window)
    return [
        {"cut": dict(cut), "quarters": quarters(found, fiscal_year_starts)}
        for cut, found in cuts.items()
    ]


def _ends_quarter(window: Body, starts: int) -> bool:
    return (date.fromisoformat(window["to"]).month - starts + 1) % 3 == 0


def _quarter(window: Body, starts: int) -> str:
    return quarter_name(date.fromisoformat(window["to"]), starts)
