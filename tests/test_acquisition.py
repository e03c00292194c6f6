"""Acquisition cohorts: worlds worked out by hand, and the dense ledger as an oracle."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from features.acquisition import LONGEST, acquisition_cohorts, cohort_tables
from features.asof import quarter_name
from features.book import Book, BookFacts
from features.contracts import canonical
from features.ledger import account_months, month_table
from features.rules import Rules

JANUARY = 12 * 2024


def ledger_of(*accounts: tuple[str, list[int | None]], starts: int = JANUARY) -> pa.Table:
    """Make a ledger of what accounts pay month by month; None stands for not yet there."""
    rows: list[dict[str, Any]] = []
    for account, paid in accounts:
        before = None
        for n, amount in enumerate(paid):
            if amount is None or amount == before:
                continue
            if rows and rows[-1]["account_id"] == account:
                rows[-1]["until_m"] = starts + n
            rows.append(
                {
                    "account_id": account,
                    "m": starts + n,
                    "until_m": starts + len(paid),
                    "closing_micros": amount,
                    "new_micros": amount if before is None else 0,
                }
            )
            before = amount
    return pa.Table.from_pylist(rows)


def test_a_quarter_by_hand() -> None:
    """a doubles and b halves in March; c starts in March and leaves in May."""
    ledger = ledger_of(
        ("a", [100, 100, 200, 200, 200, 200]),
        ("b", [None, 100, 50, 50, 50, 50]),
        ("c", [None, None, 200, 200, 0, 0]),
    )
    (cohort,) = acquisition_cohorts(ledger, Rules())
    assert (cohort.quarter, cohort.accounts, cohort.opening) == ("2024-Q1", 3, 400)
    # The youngest, c, has been seen for three months: that is how far the cohort goes.
    assert cohort.closing == (400, 350, 450 - 200, 250)
    assert cohort.kept == (400, 350, 150, 150)
    assert cohort.paying == (3, 3, 2, 2)
    told = cohort_tables(ledger, Rules())
    assert told["months_since"] == [0, 1, 2, 3]
    row = told["cohorts"][0]
    assert row["nrr"] == [1.0, 0.875, 0.625, 0.625]
    assert row["grr"] == [1.0, 0.875, 0.375, 0.375]
    assert row["logos"] == [1.0, 1.0, 2 / 3, 2 / 3]
    assert (row["from"], row["to"], row["complete"]) == ("2024-01-01", "2024-03-31", True)


def test_a_cohort_that_churned_whole_stays_at_zero() -> None:
    ledger = ledger_of(("gone", [100, 100, 0, 0, 0]), ("later", [None] * 4 + [70]))
    first, second = cohort_tables(ledger, Rules())["cohorts"]
    assert first["nrr"] == [1, 1, 0, 0, 0]
    assert first["logos"] == [1, 1, 0, 0, 0]
    # One closed month, and a quarter that is not over: the rest is null, never zero.
    assert second["nrr"] == [1.0, None, None, None, None]
    assert (second["cohort"], second["complete"]) == ("2024-Q2", False)


@pytest.mark.parametrize(("choice", "paying"), [("own", (1, 0, 1)), ("excluded", (1, 0, 0))])
def test_an_account_that_comes_back(choice: str, paying: tuple[int, ...]) -> None:
    rules = Rules().model_copy(update={"reactivation": choice})
    (cohort,) = acquisition_cohorts(ledger_of(("a", [100, 0, 80])), rules)
    assert cohort.paying == paying


def test_a_return_that_is_new_is_lost_to_its_cohort_and_makes_no_other() -> None:
    rules = Rules().model_copy(update={"reactivation": "new"})
    ledger = ledger_of(("a", [100, 0, 80]))
    back = ledger["m"].to_pylist().index(JANUARY + 2)
    news = [80 if n == back else value for n, value in enumerate(ledger["new_micros"].to_pylist())]
    ledger = ledger.set_column(ledger.schema.get_field_index("new_micros"), "new_micros", [news])
    (cohort,) = acquisition_cohorts(ledger, rules)
    assert cohort.closing == (100, 0, 0)


def test_fiscal_quarters_start_where_the_fiscal_year_does() -> None:
    ledger = ledger_of(("jan", [100] * 3), ("feb", [None, 100, 100]))
    names = [cohort.quarter for cohort in acquisition_cohorts(ledger, Rules(), 2)]
    assert names == ["2023-Q4", "2024-Q1"]
    assert quarter_name(date(2024, 6, 30), 7) == "2023-Q4"


def test_who_never_paid_at_a_month_end_is_in_no_cohort_and_nobody_makes_none() -> None:
    ledger = ledger_of(("passing", [0, 0]))
    assert acquisition_cohorts(ledger, Rules()) == []
    assert cohort_tables(ledger.slice(0, 0), Rules())["cohorts"] == []


def test_a_cohort_is_followed_for_sixty_months_at_most() -> None:
    told = cohort_tables(ledger_of(("a", [100] * 80)), Rules())
    assert len(told["cohorts"][0]["nrr"]) == LONGEST + 1


# --- the dense ledger as an oracle


def wild_book(seed: int) -> Book:
    """Forty accounts over two and a half years that come, go, come back, grow and shrink."""
    draw, rows = random.Random(seed), []
    for account in range(40):
        amount = 0
        for month in pd.period_range(f"2023-{draw.randint(1, 12):02d}", "2025-06", freq="M"):
            if not amount or draw.random() < 0.2:
                amount = draw.choice([0, 0, 40, 100, 100, 130, 999])
            if amount:
                micros = amount * 1_000_000 + account
                day = f"{month}-01"
                rows.append({"account_id": f"a{account}", "month": day, "mrr_micros": micros})
    paid = canonical("mrr_by_month", pd.DataFrame(rows))
    return Book.of({"mrr_by_month": paid}, BookFacts(as_of=date(2025, 7, 1)))


@pytest.mark.parametrize("seed", [1, 2])
def test_amounts_are_those_of_the_dense_ledger(seed: int) -> None:
    book, rules = wild_book(seed), Rules()
    dense = account_months(book, rules)
    paid = {
        (row.account_id, 12 * row.month_end.year + row.month_end.month - 1): row.closing_micros
        for row in dense.itertuples()
    }
    first: dict[str, int] = {}
    for (account, month), micros in sorted(paid.items(), key=lambda item: item[0][1]):
        if micros:
            first.setdefault(account, month)
    members: dict[str, list[str]] = defaultdict(list)
    for account, month in first.items():
        members[quarter_name(date(month // 12, month % 12 + 1, 1))].append(account)
    last = max(month for _, month in paid)
    cohorts = acquisition_cohorts(month_table(book, rules), rules)
    assert {cohort.quarter for cohort in cohorts} == set(members)
    assert len(cohorts) > 3
    for cohort in cohorts:
        whose = members[cohort.quarter]
        seen = last - max(first[account] for account in whose) + 1
        each = [[paid[account, first[account] + k] for account in whose] for k in range(seen)]
        assert cohort.closing == tuple(map(sum, each))
        assert cohort.kept == tuple(
            sum(min(now, then) for now, then in zip(row, each[0], strict=True)) for row in each
        )
        assert cohort.paying == tuple(sum(amount > 0 for amount in row) for row in each)
        assert cohort.paying[0] == cohort.accounts == len(whose)
        assert cohort.closing[0] == cohort.kept[0] == cohort.opening
        assert all(
            kept <= min(now, cohort.opening)
            for kept, now in zip(cohort.kept, cohort.closing, strict=True)
        )
