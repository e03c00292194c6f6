"""Trailing-twelve-month figures, told at past dates with what was known then, beside the year's end.

The models are refitted at every origin (`training.backtest`); what happened is read by
`features.retention.metrics`, which is what ``perennial metrics --window ttm`` prints.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from features.asof import add_months
from features.book import Book, BookFacts
from features.contracts import canonical
from features.retention import metrics
from features.rules import Rules
from models.outcomes import LEADS
from models.spread import shared_scale
from models.ttm import ttm_at
from serving.record import endings_of
from tests.small_history import Law, history_of, past_of

pytestmark = pytest.mark.ci  # they replay a past

LAW = Law(accounts=100, months=30, seed=2)


@pytest.fixture(scope="module")
def book():
    """Give the ledger of the small world as a book of monthly revenue."""
    panel = history_of(LAW).panel
    months = [add_months(panel.first.replace(day=1), at) for at in range(panel.mrr.shape[1])]
    wide = pd.DataFrame(panel.mrr, index=panel.accounts, columns=months)
    long = wide.stack().rename_axis(["account_id", "month"]).rename("mrr_micros").reset_index()
    tables = {
        "accounts": canonical("accounts", pd.DataFrame({"account_id": panel.accounts})),
        "mrr_by_month": canonical("mrr_by_month", long[long["mrr_micros"] > 0]),
    }
    return Book.of(tables, BookFacts(as_of=add_months(months[-1], 1)))


@pytest.fixture(scope="module")
def rows(book):
    found = []
    for replay in past_of(LAW).replays:
        taus = [shared_scale(replay.outlook, m, 2.0) for m in range(1, LEADS + 1)]
        endings = endings_of(book, Rules(), replay.origin)
        told = ttm_at(replay.outlook, endings, taus, as_of=replay.origin)
        for ending in endings:
            if ending.day < book.facts.as_of:
                found.append((told[ending.name], ending.day))
    actual = {day: trailing(book, day) for _, day in found}
    return [(said, actual[day]) for said, day in found if actual[day]["nrr"] is not None]


def trailing(book: Book, day: date) -> dict[str, float | None]:
    """Give what `perennial metrics --window ttm` says once the date has passed."""
    after = add_months(day.replace(day=1), 1)
    return metrics(book, Rules(), "ttm", [], after)["windows"][0]


def test_the_cohort_is_that_of_the_window(rows):
    for told, actual in rows:
        assert (told["cohort_date"], told["date"]) == (actual["from"], actual["to"])
        assert told["opening_mrr"] == pytest.approx(actual["cohort"]["opening_mrr"])
        assert told["cohort_accounts"] == actual["accounts"]


@pytest.mark.parametrize(("figure", "bound"), [("nrr", 0.05), ("grr", 0.04)])
def test_what_was_told_is_what_came(rows, figure, bound):
    """Loose on purpose: 100 accounts, and endings that overlap; a wrong cohort is off by .1."""
    errors = [told[figure]["mean"] - actual[figure] for told, actual in rows]
    assert len(errors) >= 12
    assert np.abs(errors).mean() < bound
    inside = [told[figure]["p05"] <= a[figure] <= told[figure]["p95"] for told, a in rows]
    assert np.mean(inside) >= 0.6


def test_the_nearer_the_end_the_closer(rows):
    """Months to date are actual, so a month-end is told better than a year's end."""
    width = {
        lead: np.mean(
            [t["nrr"]["p95"] - t["nrr"]["p05"] for t, _ in rows if t["months_forecast"] == lead]
        )
        for lead in {told["months_forecast"] for told, _ in rows}
    }
    assert width[min(width)] < width[max(width)]
