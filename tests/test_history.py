"""The history of a book: which dates, which rows, which signals, what is booked."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from features.faults import DataRejected
from features.rules import Rules
from features.snapshot import snapshot
from tests.small_books import line, small_book
from tests.small_history import Law, history_of
from training.history import SETTLING_MONTHS, _dates, _varying, gather
from training.labels import Panel

pytestmark = pytest.mark.ci
AS_OF = date(2024, 8, 10)


@pytest.fixture(scope="module")
def book():
    return small_book(
        [
            line("stays", 100, "2024-01-15", term_months=12),
            line("leaves", 50, "2024-02-01", ends_on="2024-06-20", canceled_on="2024-05-28"),
            line("grows", 80, "2024-01-01", ends_on="2024-06-01", canceled_on="2024-05-20"),
            line("grows", 120, "2024-06-01", signed_on="2024-05-20"),
        ]
    )


@pytest.fixture(scope="module")
def history(book):
    return gather(book, Rules(), AS_OF)


def panel_from(first):
    return Panel(pd.Index(["a"]), first, np.ones((1, 1)), np.zeros((1, 1)))


def test_snapshots_start_once_the_ledger_has_settled():
    """The ledger opens in January; the first snapshot that has a past is that of 1 May."""
    dates = _dates(panel_from(date(2024, 1, 31)), AS_OF)
    assert SETTLING_MONTHS == 3
    assert dates == [date(2024, month, 1) for month in (5, 6, 7, 8)]


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [
        (date(2024, 2, 1), [date(2024, 2, 1)]),
        (date(2024, 3, 15), [date(2024, 2, 1), date(2024, 3, 1)]),
        (date(2024, 4, 1), [date(2024, 3, 1), date(2024, 4, 1)]),
    ],
)
def test_a_short_ledger_gives_the_snapshots_that_it_can(as_of, expected):
    dates = _dates(panel_from(date(2024, 1, 31)), as_of)
    assert dates[-1] == expected[-1]
    assert dates == expected[-len(dates) :]
    assert dates


@pytest.mark.ci
def test_every_block_is_what_the_door_gives(book, history):
    assert history.dates == [date(2024, month, 1) for month in (5, 6, 7, 8)]
    for day in history.dates:
        there = history.frame.iloc[history.at(day)].reset_index(drop=True)
        given = snapshot(book, day, Rules())
        assert there["account_id"].tolist() == given["account_id"].tolist()
        for slug in history.signals:
            assert np.array_equal(there[slug], given[slug], equal_nan=True)


def test_who_pays_stands_in_the_block_and_no_one_else(history):
    by_day = {
        day: history.frame.iloc[history.at(day)]["account_id"].tolist() for day in history.dates
    }
    assert by_day[date(2024, 6, 1)] == ["grows", "leaves", "stays"]
    assert by_day[date(2024, 7, 1)] == ["grows", "stays"]


def test_notice_is_booked_from_the_day_that_it_is_known(history):
    rows = history.frame
    modelled = dict(
        zip(zip(rows["account_id"], rows["as_of"], strict=True), history.modelled, strict=True)
    )
    assert modelled["leaves", date(2024, 5, 1)]
    assert not modelled["leaves", date(2024, 6, 1)]
    assert modelled["stays", date(2024, 7, 1)]


def test_outcomes_of_the_history_by_hand(history):
    """As of 1 May: left on 20 June, so gone at lead 2; grew to 120 in June, by seat or product."""
    outcomes = history.outcomes()
    block = history.at(date(2024, 5, 1))
    ids = history.frame.iloc[block]["account_id"].tolist()
    leaves, grows = block[ids.index("leaves")], block[ids.index("grows")]
    assert (np.flatnonzero(outcomes.closed[leaves]) + 1).tolist() == [1, 2]
    assert outcomes.gone[leaves, :2].tolist() == [False, True]
    assert outcomes.mrr[grows, :2].tolist() == [80_000_000, 120_000_000]


def test_the_training_knows_nothing_that_came_later(history):
    assert history.known_until == AS_OF
    assert not history.outcomes(date(2024, 6, 1)).closed.any()


@pytest.mark.fault("T03")
def test_constant_and_empty_signals_are_dropped(history):
    assert set(history.signals) & set(history.dropped) == set()
    assert "usage_events_28d" in history.dropped  # the book has no usage
    assert all(history.frame[slug].nunique() > 1 for slug in history.signals)


@pytest.mark.fault("T03")
def test_a_book_in_which_nothing_varies_is_refused():
    with pytest.raises(DataRejected, match="no signal varies"):
        _varying(pd.DataFrame({"a": [1.0, 1.0], "b": [np.nan, 2.0]}), ["a", "b"])


@pytest.mark.fault("T01")
def test_a_book_without_a_closed_month_is_refused(book):
    with pytest.raises(DataRejected, match="history"):
        gather(book, Rules(), date(2024, 1, 10))


def test_months_count_from_the_ledgers_first():
    history = history_of(Law(accounts=180, months=21))
    first = history.at(history.dates[0])
    assert set(history.month()[first]) == {2}
    assert history.panel.first == date(2022, 12, 31)
