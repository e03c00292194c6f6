"""Activation by signing cohort: who counts, who reached the milestone, and why it is not known."""

from __future__ import annotations

from datetime import date

import pytest

from features.activation import activation
from features.book import Book, BookFacts
from features.evidence import Activation
from features.measure import Measure
from features.windows import Window
from tests.small_books import AS_OF, ago, line, small_book

CATALOG = [
    {"feature": "report", "tier": "core", "activation": True},
    {"feature": "search", "tier": "core", "activation": False},
]
# The feed reaches from 2024-12-14 (199 days ago) to yesterday, 2025-06-30.
FEED = [("z", "search", day) for day in range(1, 200)]
YEAR = Window(date(2024, 6, 30), date(2025, 6, 30))


def world(*rows: tuple[str, str, int], **starts: str) -> Book:
    lines = [line("z", starts="2024-01-01")] + [
        line(who, starts=day) for who, day in starts.items()
    ]
    usage = [
        {"account_id": who, "feature": feature, "occurred_at": ago(days)}
        for who, feature, days in (*FEED, *rows)
    ]
    return small_book(lines, usage=usage, feature_catalog=CATALOG)


def cohort(name: str, opening: int, closing: int) -> Measure:
    counted = {"accounts": 1, "opening": opening, "closing": closing}
    return Measure(YEAR, {"acquisition_cohort": name}, counted, {})


def test_cohorts_with_their_nrr():
    # 2025-01-10 is 172 days ago, its 30th day 142 days ago; 2025-04-20 72 days ago.
    book = world(
        ("a", "report", 142),
        ("b", "report", 141),
        ("c", "search", 160),
        ("d", "report", 70),
        a="2025-01-10",
        b="2025-01-10",
        c="2025-01-10",
        d="2025-04-20",
    )
    found, reason = activation(book, AS_OF, [cohort("2025-Q1", 100, 80), cohort("2025-Q2", 0, 0)])
    assert reason == ""
    assert found == (
        Activation("2025-Q1", accounts=3, activated=1, nrr=0.8),
        Activation("2025-Q2", accounts=1, activated=1, nrr=None),
    )
    assert activation(book, None)[0][0] == Activation("2025-Q1", 3, 1, None)


def test_an_account_that_left_still_counts_and_one_that_tried_before_it_paid_is_activated():
    lines = [line("z"), line("a", starts="2025-01-10", ends_on="2025-02-10")]
    lines += [line("b", starts="2025-01-10")]
    usage = [
        {"account_id": who, "feature": feature, "occurred_at": ago(days)}
        for who, feature, days in (*FEED, ("a", "search", 165), ("b", "report", 180))
    ]
    book = small_book(lines, usage=usage, feature_catalog=CATALOG)
    assert activation(book, AS_OF)[0] == (Activation("2025-Q1", 2, 1, None),)


def test_the_young_the_silent_and_those_older_than_the_feed_are_not_judged():
    # 2025-05-31 is 31 days ago and is judged, 2025-06-01 is not; o starts before usage does.
    book = world(
        ("young", "report", 5),
        ("just", "search", 5),
        ("o", "report", 100),
        young="2025-06-01",
        just="2025-05-31",
        silent="2025-01-10",
        o="2024-12-01",
    )
    assert activation(book, AS_OF)[0] == (Activation("2025-Q2", 1, 0, None),)


def test_what_was_not_known_yet_does_not_count():
    book = world(("a", "report", 150), a="2025-01-10")
    before = date(2025, 2, 1)  # 22 days after a's first
    assert activation(book, before) == (
        (),
        "no account has usage over the whole of its first 30 days",
    )


def test_quarters_are_fiscal():
    book = world(("a", "report", 150), a="2025-01-10")
    facts = BookFacts(as_of=AS_OF, fiscal_year_starts=2)
    moved = Book(book.snapshot_id, facts, book.provided, book.connection)
    assert activation(moved, AS_OF)[0][0].cohort == "2024-Q4"


@pytest.mark.parametrize(
    ("tables", "reason"),
    [
        ({}, "the book has no usage and no feature_catalog"),
        ({"feature_catalog": CATALOG}, "the book has no usage"),
        (
            {
                "usage": [{"account_id": "a", "feature": "search", "occurred_at": ago(3)}],
                "feature_catalog": CATALOG[1:],
            },
            "feature_catalog names no activation milestone",
        ),
    ],
)
def test_why_it_is_not_known(tables, reason):
    assert activation(small_book([line("a")], **tables), AS_OF) == ((), reason)


def test_a_feed_that_has_not_begun():
    book = world()
    assert activation(book, date(2024, 6, 1)) == ((), "no usage is known before 2024-06-01")
