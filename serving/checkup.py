"""A check-up: what an ingest would give, what the book can answer, and what its breaches cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pandas as pd

from features.book import Book
from features.mapping import Workspace
from features.rehearsal import Rehearsal
from features.report import IngestReport
from features.rules import Rules
from features.toll import toll
from features.view import view_of
from serving.coverage import covered

__all__ = ["checked"]

OLD_DAYS = 31
"""Days without a new row after which a book is called old."""

COVERS = {"mrr_by_month": 30}
"""Days that a row covers after its own."""


def checked(found: Rehearsal, workspace: Workspace, rules: Rules, today: date) -> IngestReport:
    """Add to the report of a rehearsal what a data doctor says of it.

    Parameters
    ----------
    found : Rehearsal
        The book, as an ingest would publish it.
    workspace : Workspace
        The parsed ``perennial.toml``.
    rules : Rules
        The choices of ``[revenue]``.
    today : date
        Day from which the age of the newest rows is told.

    Returns
    -------
    IngestReport
        Its coverage has, beside what ``serving.coverage`` adds, ``costliest`` (``features.toll``),
        the ``currency`` of its amounts, and of each table of ``freshness`` the ``days_ago`` of its last day.
    """
    report = covered(found.report, found.book, rules)
    paying = _paying(found.book, rules, report)
    cost = toll(report, found.aside, paying, workspace)
    fresh = [_aged(each, today) for each in report.coverage.get("freshness", ())]
    warnings = (*report.warnings, *_old(fresh, workspace))
    told = dict(report.coverage) | {"currency": workspace.book.currency, "costliest": cost}
    told |= {"freshness": fresh} if fresh else {}
    return replace(report, coverage=told, warnings=warnings)


def _paying(book: Book | None, rules: Rules, report: IngestReport) -> pd.Series:
    """Give the MRR of the accounts that pay; nothing where nothing was set aside."""
    bad = any(table.codes for table in report.tables.values())
    if book is None or not bad:
        return pd.Series([], index=pd.Index([], dtype=str), dtype="int64")
    standing = view_of(book, book.facts.as_of, rules.by_account()).standing
    return standing["mrr_micros"].astype("int64")


def _old(fresh: Sequence[Mapping[str, Any]], workspace: Workspace) -> list[str]:
    """Warn of a book whose newest row is old, unless its day was chosen."""
    told = [each for each in fresh if each["days_ago"] is not None]
    ages = [each["days_ago"] - COVERS.get(each["table"], 0) for each in told]
    if not ages or min(ages) <= OLD_DAYS or workspace.book.as_of is not None:
        return []
    return [f"the newest row of any table is {min(ages):,} days old: export the book again"]


def _aged(fresh: dict[str, Any], today: date) -> dict[str, Any]:
    last = fresh["last"]
    ago = None if last is None else (today - date.fromisoformat(last)).days
    return fresh | {"days_ago": ago}
