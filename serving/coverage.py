"""Coverage of signals, as `check` and `ingest` tell it: for how many accounts, and what is absent.

To measure it takes a whole snapshot of signals. It is kept beside the book that it was measured
on, and told again as long as the book, its day, the rules and the program are the same.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import narwhals
import numpy as np
import pandas as pd
import pyarrow as pa

from features import durable
from features.absent import gains
from features.book import Book
from features.faults import Fault
from features.holdings import holdings_of
from features.program import program_digest
from features.questions import answers
from features.reach import reach
from features.report import IngestReport
from features.rules import Rules
from features.snapshot import snapshot
from serving.digest.freshness import freshness

__all__ = ["covered"]

KEPT = "coverage.json"


def covered(
    report: IngestReport, book: Book | None, rules: Rules, home: Path | None = None
) -> IngestReport:
    """Add to a report for how many paying accounts each signal is known on the book's day.

    A book that was refused, or in which nobody pays, has no signals. A signal that cannot be
    measured refuses the book. With ``home``, where the book was published, what was told of the
    same book before is told again.
    """
    if book is None:
        return report
    try:
        told = _measured(book, rules) if home is None else _once(book, rules, home)
        return replace(report, coverage=dict(report.coverage) | told)
    except Fault as fault:
        return replace(report, refusals=(*report.refusals, fault))


def _measured(book: Book, rules: Rules) -> dict[str, Any]:
    day = book.facts.as_of
    frame = snapshot(book, day, rules.by_account())
    if frame.empty:
        return {"accounts": 0, "answers": [], "freshness": [], "signals": {}, "gains": []}
    told = reach(frame)
    return {
        "accounts": len(frame),
        "answers": answers(holdings_of(book, day, frame)),
        "freshness": freshness(book, day),
        "signals": told,
        "gains": gains(book, day, told),
    }


def _once(book: Book, rules: Rules, home: Path) -> dict[str, Any]:
    """Tell what was measured before, else measure; a book that cannot be written to is no fault."""
    file, terms = home / "snapshots" / book.snapshot_id / KEPT, _terms(book, rules)
    with suppress(OSError, ValueError):
        kept = json.loads(file.read_bytes())
        if isinstance(kept, dict) and kept.get("terms") == terms:
            before: dict[str, Any] = kept["told"]
            return before
    told = _measured(book, rules)
    with suppress(OSError):
        durable.replace(file, json.dumps({"terms": terms, "told": told}).encode())
    return told


def _terms(book: Book, rules: Rules) -> str:
    """Digest all that coverage depends on."""
    provided = sorted((table, sorted(columns)) for table, columns in book.provided.items())
    said = (book.snapshot_id, book.facts, provided, rules.by_account().model_dump_json())
    engines = [each.__version__ for each in (duckdb, narwhals, np, pa, pd)]
    digest = hashlib.sha256(repr((said, engines, program_digest())).encode())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()
