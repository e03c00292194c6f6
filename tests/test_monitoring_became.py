"""What became of accounts: by hand on a literal book, and as training's own labels say it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.book import open_book
from features.ingest import ingest
from features.ledger import account_months
from features.mapping import read_workspace
from features.rules import Rules
from serving.monitoring.became import Ledger
from tests.small_books import line, small_book
from training.labels import panel
from training.worlds import simulate

RULES = Rules().by_account()


def two(account: str, until: str, since: str, mrr: float, seats: int) -> list[dict[str, object]]:
    first = line(account, 100, ends_on=until, seats=10, product="core", plan="pro")
    return [first, line(account, mrr, starts=since, seats=seats, product="core", plan="pro")]


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    day = "2025-04-15"
    rows = [
        line("gone", 100, ends_on="2025-04-20"),
        *two("grown", day, day, 120, 12),
        *two("dearer", day, day, 110, 10),
        *two("shrunk", day, day, 80, 8),
        line("still", 100),
    ]
    return Ledger(small_book(rows), RULES)


def became(ledger: Ledger, as_of: date, horizon: int) -> dict[str, list[str]]:
    names = ["gone", "grown", "dearer", "shrunk", "still"]
    accounts = pd.DataFrame({"account_id": names, "mrr_micros": [100_000_000] * 5})
    told = ledger.of(accounts, as_of, horizon)
    assert not told.metered.any()
    happened = told.happened.items()
    return {
        event: [n for n, one in zip(names, seen, strict=True) if one] for event, seen in happened
    }


EVENTS = {"churn": ["gone"], "contract": ["shrunk"], "expand": ["grown"]}
NONE: dict[str, list[str]] = {"churn": [], "contract": [], "expand": []}


def test_a_month_is_told_by_what_moved_in_it_and_a_price_rise_is_no_event(ledger: Ledger) -> None:
    assert became(ledger, date(2025, 4, 1), 1) == EVENTS
    assert became(ledger, date(2025, 3, 1), 1) == NONE
    assert became(ledger, date(2025, 3, 1), 3) == EVENTS


def test_within_a_month_the_days_count(ledger: Ledger) -> None:
    assert became(ledger, date(2025, 4, 10), 1) == EVENTS  # to 9 May
    assert became(ledger, date(2025, 3, 10), 1) == NONE  # to 9 April: what came later is not in it


@pytest.mark.ci
def test_at_the_first_of_a_month_it_is_what_training_learns_from(tmp_path: Path) -> None:
    simulate(150, 24, 4).write(tmp_path)
    workspace = read_workspace(tmp_path / "perennial.toml")
    ingest(workspace, tmp_path / "home", datetime(2026, 6, 1, tzinfo=UTC))
    book = open_book(tmp_path / "home")
    months, told, many = panel(account_months(book, RULES)), Ledger(book, RULES), 0
    for day, horizon in ((date(2024, 7, 1), 12), (date(2025, 3, 1), 3), (date(2025, 6, 1), 1)):
        paid = months.mrr[:, months.opening_column(pd.DataFrame({"as_of": [day]}))[0]]
        there = paid > 0
        frame = pd.DataFrame({"account_id": months.accounts[there], "mrr_micros": paid[there]})
        labels = months.outcomes(frame.assign(as_of=day), book.facts.as_of)
        learned = {"churn": labels.gone, "contract": labels.contract, "expand": labels.expand}
        seen = told.of(frame, day, horizon).happened
        for event, label in learned.items():
            assert np.array_equal(seen[event], label[:, horizon - 1]), (event, horizon)
        many += sum(int(one.sum()) for one in seen.values())
    assert many > 20
