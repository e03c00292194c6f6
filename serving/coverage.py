"""Coverage of signals, as `check` and `ingest` tell it: for how many accounts, and what is absent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from features.absent import gains
from features.book import Book
from features.faults import Fault
from features.reach import reach
from features.report import IngestReport
from features.rules import Rules
from features.snapshot import snapshot

__all__ = ["covered"]


def covered(report: IngestReport, book: Book | None, rules: Rules) -> IngestReport:
    """Add to a report for how many paying accounts each signal is known on the book's day.

    A book that was refused, or in which nobody pays, has no signals. A signal that cannot be
    measured refuses the book.
    """
    if book is None:
        return report
    try:
        return replace(report, coverage=dict(report.coverage) | _measured(book, rules))
    except Fault as fault:
        return replace(report, refusals=(*report.refusals, fault))


def _measured(book: Book, rules: Rules) -> dict[str, Any]:
    day = book.facts.as_of
    frame = snapshot(book, day, rules.by_account())
    if frame.empty:
        return {"accounts": 0, "signals": {}, "gains": []}
    told = reach(frame)
    return {"accounts": len(frame), "signals": told, "gains": gains(book, day, told)}
