"""As closed: what metrics say of the period that was closed at the end of their window."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from features.book import Book
from features.closed_store import closed_months
from features.ratios import Ratios, points_apart
from features.restatement import restatement
from features.rules import Rules
from features.windows import LENGTHS, Window

__all__ = ["as_closed_block"]

_SHOWN = 20


def as_closed_block(
    book: Book, rules: Rules, home: Path, window: Window, as_of: date | None = None
) -> dict[str, Any] | None:
    """Give what metrics say of the close: the period at the window's end, and what became of it.

    Parameters
    ----------
    book, rules, home, as_of
        As for `restatement`.
    window : Window
        The window that metrics show.

    Returns
    -------
    dict or None
        None where nothing was closed up to the window's end. Else the `restatement` of the
        latest period closed by then (at most twenty of its accounts and rows), ``periods`` (all closed
        months) and ``window``: the window's own ``nrr`` and ``grr``, each ``closed``,
        ``restated``, ``points``; null with a ``reason`` where they were not frozen.
    """
    months = closed_months(home)
    by_then = [month for month in months if month <= window.closing]
    if not by_then:
        return None
    closing = by_then[-1]
    found = restatement(book, rules, home, f"{closing:%Y-%m}", as_of=as_of, limit=_SHOWN)
    block = {"periods": [f"{month:%Y-%m}" for month in months]} | found
    return block | {"window": _window(window, closing, found)}


def _window(window: Window, closing: date, found: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"from": str(window.opening), "to": str(window.closing)}
    names = {months: name for name, months in LENGTHS.items()}
    restated = found["as_restated"]
    if window.closing != closing or window.months not in names:
        reason = f"not closed; closed are the windows of 1, 3 and 12 months to {closing}"
        return told | {"nrr": None, "grr": None, "reason": reason}
    if restated is None:
        return told | {"nrr": None, "grr": None, "reason": found["reason"]}
    name = names[window.months]
    then, now = found["as_closed"]["windows"][name], restated["windows"][name]
    apart = points_apart(Ratios.of(then), Ratios.of(now))
    return told | {
        ratio: {"closed": then[ratio], "restated": now[ratio], "points": apart[f"{ratio}_points"]}
        for ratio in ("nrr", "grr")
    }
