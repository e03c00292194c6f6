"""Reading the facts of a run off its book: once, when it is scored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pandas as pd

from features.account_detail import account_details
from features.book import Book
from features.maturity import PARTS, MaturitySettings, stage
from features.statement import statement
from serving.facts import Facts
from serving.facts_expansion import expansion_figures
from serving.settings import Settings

__all__ = ["MONTHS", "WEEKS", "facts_of"]

MONTHS = 24
"""Months of the series: windows of a month, and trailing twelve months at each month's end."""
WEEKS = 13
"""Weeks of expansion MRR."""


def facts_of(
    book: Book, settings: Settings, as_of: date, frame: pd.DataFrame | None = None
) -> Facts:
    """Read the facts of a book as it was known at an as-of date.

    Parameters
    ----------
    book : Book
    settings : Settings
        ``[revenue]``, ``[benchmarks]``, ``[maturity]`` and ``[forecast] nrr_target`` count.
    as_of : date
        Of the run.
    frame : DataFrame, optional
        The run's snapshot: what each account's maturity is made of; without it that is not told.
    """
    rules, peers = settings.rules, settings.benchmarks
    asked = {"months": MONTHS, "weeks": WEEKS}
    told = statement(book, rules, "ttm", ["segment"], as_of, peers, **asked)
    since = sorted({row["to"] for row in told["series"]}, reverse=True)[: MONTHS - 1]
    told |= {"series": [row for row in told["series"] if row["to"] in set(since)]}
    figures = expansion_figures(told, settings.choices.forecast.nrr_target)
    details = account_details(book, rules.by_account(), as_of)
    if frame is None:
        return Facts(told, figures, details)
    return Facts(told, figures, _grown(details, frame, settings.choices.maturity))


def _grown(
    details: Mapping[str, Mapping[str, Any]], frame: pd.DataFrame, asked: MaturitySettings
) -> dict[str, dict[str, Any]]:
    """Add the parts of each account's maturity, 0 to 1 each; null where nothing is known of one."""
    placed = stage(frame, asked).set_index("account_id")[[f"maturity_{name}" for name in PARTS]]
    rows = zip(placed.index.astype(str), placed.to_numpy(float).tolist(), strict=True)
    parts = {
        account: {
            name: None if value != value else round(value, 4)
            for name, value in zip(PARTS, values, strict=True)
        }
        for account, values in rows
    }
    return {name: {**detail, "maturity": parts.get(name)} for name, detail in details.items()}
