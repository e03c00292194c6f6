"""Pipeline: what deals bring, what was known of them when, and in whose currency."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from features.book import Book
from features.deals import deals
from features.faults import DataRejected
from features.pipeline import conversion_of, pipeline
from features.rules import Rules
from features.windows import Window
from tests.small_books import AS_OF, line, small_book

YEAR = Window(date(2024, 6, 30), date(2025, 6, 30))
LINES = [line("a", 100, "2024-01-01"), line("late", 100, "2025-05-20")]
PAYING = pa.table({"account_id": ["a", "late"], "first_on": [date(2024, 1, 1), date(2025, 5, 20)]})


def deal(name: str, opened: str, mrr: float | None = 100, **more: Any) -> dict[str, Any]:
    micros = None if mrr is None else round(mrr * 1e6)
    row = {"opportunity_id": name, "account_id": "a", "opened_on": opened, "stage": "demo"}
    return row | {"amount_mrr_micros": micros} | more


def closed(name: str, opened: str, on: str, *, won: bool, **more: Any) -> dict[str, Any]:
    return deal(name, opened, closed_on=on, won=won, **more)


def book_of(*rows: dict[str, Any], **tables: Any) -> Book:
    frame = pd.DataFrame(list(rows))
    for name in ("won", "closed_on", "probability"):
        frame[name] = frame[name].astype(object) if name in frame else None
    given = {name for row in rows for name in row}
    frame = frame[[name for name in frame if name in given]]
    return small_book(LINES, opportunities=frame, **tables)


def known(book: Book, as_of: date | None = None, rules: Rules | None = None) -> pa.Table:
    return deals(book, rules or Rules(), PAYING, as_of=as_of)


# --- conversion


def test_conversion_counts_deals_that_have_had_their_ninety_days() -> None:
    book = book_of(
        closed("in time", "2025-01-01", "2025-04-01", won=True, mrr=60),  # the ninetieth day
        closed("too late", "2025-01-01", "2025-04-02", won=True, mrr=30),
        closed("lost", "2025-01-01", "2025-02-01", won=False, mrr=10),
        deal("open", "2025-04-02", None),  # ninety days before the as-of date
        closed("too young", "2025-04-03", "2025-04-10", won=True),
        closed("new logo", "2025-03-01", "2025-03-10", won=True, account_id="late"),
    )
    found = conversion_of(known(book), AS_OF)
    assert (found["qualified"], found["won_in_time"], found["rate"]) == (4, 1, 0.25)
    assert (found["qualified_mrr"], found["won_in_time_mrr"]) == (100.0, 60.0)
    assert (found["rate_of_mrr"], found["without_amount"]) == (0.6, 1)


def test_conversion_runs_from_the_day_of_qualification_where_the_book_has_it() -> None:
    book = book_of(
        closed("1", "2024-09-01", "2025-03-01", won=True, qualified_on="2025-01-15"),
        deal("never qualified", "2024-09-01", qualified_on=None),
    )
    found = conversion_of(known(book), AS_OF)
    assert (found["qualified"], found["rate"]) == (1, 1.0)


def test_conversion_of_nothing_is_null_with_a_reason() -> None:
    found = conversion_of(known(book_of(deal("1", "2025-06-01"))), AS_OF)
    assert (found["rate"], found["reason"]) == (None, "no deal was qualified by 2025-04-02")


# --- pipeline


def test_stages_are_weighted_by_what_is_known_of_them() -> None:
    """Book: 2 of 5 closed deals won. Stage demo: 1 of 2, so (1 + 10 * 0.4) / (2 + 10) = 5/12."""
    book = book_of(
        closed("w1", "2024-02-01", "2024-03-01", won=True),
        closed("l1", "2024-02-01", "2024-03-01", won=False),
        closed("w2", "2024-02-01", "2024-03-01", won=True, stage="closed won"),
        closed("l2", "2024-02-01", "2024-03-01", won=False, stage="talks"),
        closed("l3", "2024-02-01", "2024-03-01", won=False, stage="talks"),
        deal("rated", "2025-05-01", 120),
        deal("given", "2025-05-01", 100, probability=0.9),
        deal("lost deals only", "2025-05-01", 50, stage="talks"),
        deal("no amount", "2025-05-01", None, stage="talks"),
        deal("new logo", "2025-05-01", 1_000, account_id="late"),
    )
    found = pipeline(known(book), YEAR)
    demo, talks = found["stages"]
    assert (demo["stage"], demo["deals"], demo["mrr"]) == ("demo", 2, 220.0)
    assert demo["weighted_mrr"] == 120 * 5 / 12 + 100 * 0.9
    assert demo["weighted_by"] == {"probability": 1, "stage": 1, "book": 0}
    # All that is left in "talks" was lost: it is where lost deals are filed, and says nothing.
    assert (talks["weighted_mrr"], talks["weighted_by"]["book"]) == (50 * 0.4, 2)
    assert talks["without_amount"] == 1
    assert (found["total"]["deals"], found["total"]["weighted_mrr"]) == (4, 160.0)
    assert found["win_rate"] == {"closed": 5, "won": 2, "rate": 0.4}
    assert found["new_logos"] == {"deals": 1, "mrr": 1_000.0}


def test_without_a_closed_deal_there_is_no_weight_but_a_reason() -> None:
    found = pipeline(known(book_of(deal("1", "2025-05-01", 70))), YEAR)
    assert (found["total"]["mrr"], found["total"]["weighted_mrr"]) == (70.0, None)
    assert found["total"]["reason"].startswith("no deal has been closed")


def test_what_was_won_is_told_by_owner_and_source_within_the_window() -> None:
    def won(name: str, on: str, mrr: float, owner: str, source: str) -> dict[str, Any]:
        return closed(name, "2024-02-01", on, won=True, mrr=mrr, owner=owner, source=source)

    book = book_of(
        won("1", "2024-07-01", 40, "ann", "csm"),
        won("2", "2025-06-30", 50, "ann", "trigger"),
        won("3", "2024-06-30", 900, "ann", "csm"),  # on the opening: the window before
        won("4", "2025-01-31", 10, "bob", "csm"),
    )
    told = pipeline(known(book), YEAR)["won"]
    assert told["by_owner"] == [
        {"owner": "ann", "deals": 2, "mrr": 90.0},
        {"owner": "bob", "deals": 1, "mrr": 10.0},
    ]
    assert [(row["source"], row["mrr"]) for row in told["by_source"]] == [
        ("csm", 50.0),
        ("trigger", 50.0),
    ]


# --- what was known


def test_a_deal_that_is_closed_later_was_open_and_its_stage_unknown() -> None:
    book = book_of(
        closed("1", "2025-01-10", "2025-05-01", won=True, stage="closed won", probability=1.0)
    )
    (then,) = known(book, date(2025, 4, 1)).to_pylist()
    assert (then["won"], then["closed_on"]) == (None, None)
    assert (then["stage"], then["probability"]) == (None, None)
    (now,) = known(book).to_pylist()
    assert (now["won"], now["stage"]) == (True, "closed won")


def test_an_expected_day_of_closing_closes_nothing() -> None:
    book = book_of(closed("1", "2025-05-01", "2025-09-30", won=False))
    assert known(book)["won"].to_pylist() == [None]


def test_a_deal_recorded_later_was_not_known() -> None:
    book = book_of(deal("1", "2025-01-10", recorded_at="2025-03-01"))
    assert len(known(book, date(2025, 2, 1))) == 0
    assert known(book, date(2025, 4, 1))["stage"].to_pylist() == ["demo"]


# --- currency


def test_a_deal_in_another_currency_is_valued_at_the_ledgers_rate() -> None:
    rates = pd.DataFrame({"currency": ["EUR"], "date": ["2025-01-01"], "rate": [1.25]})
    book = book_of(deal("1", "2025-05-01", 80, currency="EUR"), fx_rates=rates)
    assert known(book)["micros"].to_pylist() == [100_000_000]


@pytest.mark.fault("F13")
def test_a_rate_that_is_missing_is_a_fault_and_never_one() -> None:
    with pytest.raises(DataRejected, match=r"EUR/USD.*fx\.missing"):
        known(book_of(deal("1", "2025-05-01", 80, currency="EUR")))


def test_under_a_parent_its_subsidiarys_deal_expands_it() -> None:
    accounts = pd.DataFrame({"account_id": ["a", "late"], "parent_account_id": [None, "a"]})
    book = book_of(deal("1", "2025-05-01", account_id="late"), accounts=accounts)
    (alone,) = known(book).to_pylist()
    assert not alone["expands"]
    parent = Rules().model_copy(update={"rollup": "parent"})
    (row,) = known(book, rules=parent).to_pylist()
    assert (row["account_id"], row["expands"]) == ("a", True)
