"""The top-down rivals: by hand, on odd books, and at the day on which they were asked."""

import warnings
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from features.asof import add_months, month_end, months_between, opening_day
from models import topdown
from models.topdown import LATE_DAYS, RIVALS, Months, months_of, rivals, unsettled
from tests.small_history import Law, history_of
from training.labels import REPORTING_LAG_DAYS
from training.topdown import rivals_at

DAMPED = "damped mean by segment"
LIBRARY = [name for name in RIVALS if name != DAMPED]


@pytest.fixture
def plain(monkeypatch):
    """Leave the library's rules out, where they are not what is asked about: they take their time."""
    monkeypatch.setattr(topdown, "RIVALS", {DAMPED: RIVALS[DAMPED]})


def book(rate, accounts=30, months=30, noise=0.0, seed=0):
    """Accounts that all grow by a rate a month, give or take."""
    rng = np.random.default_rng(seed)
    steps = 1 + rate + noise * rng.standard_normal((accounts, months - 1))
    paths = np.cumprod(np.hstack([np.full((accounts, 1), 1e9), steps]), axis=1)
    return np.rint(paths).astype(np.int64)


def test_the_damped_mean_by_hand(plain):
    """Twelve months at +2 %, then six at +4 %: the recent mean fades to that of all."""
    growth = np.array([1.02] * 12 + [1.04] * 6)
    mrr = np.rint(1e9 * np.cumprod(np.concatenate([[1.0], growth])))[None, :].repeat(30, axis=0)
    told = rivals(Months(mrr.astype(np.int64), ["smb"] * 30))[DAMPED]
    long = growth.mean()
    path = np.cumprod(long + (1.04 - long) * 0.9 ** np.arange(1, 13))
    assert [told[h] for h in ("1", "3", "12")] == pytest.approx(path[[0, 2, 11]], abs=1e-8)


@pytest.mark.ci
def test_segments_are_weighed_by_what_they_open_with():
    mrr = np.vstack([book(0.02, noise=0.01, seed=1), book(-0.01, noise=0.01, seed=2)])
    labels = ["large"] * 30 + ["small"] * 30
    share = mrr[:30, -1].sum() / mrr[:, -1].sum()
    for name in LIBRARY:
        one, other = (rivals(Months(part, ["x"] * 30))[name]["3"] for part in (mrr[:30], mrr[30:]))
        both = rivals(Months(mrr, labels))[name]["3"]
        assert both == pytest.approx(share * one + (1 - share) * other, abs=1e-7)


@pytest.mark.ci
def test_accounts_in_another_order_say_the_same():
    mrr, order = book(0.01, noise=0.05), np.random.default_rng(1).permutation(30)
    labels = ["a"] * 25 + ["b"] * 5
    shuffled = Months(mrr[order], [labels[at] for at in order])
    assert rivals(shuffled) == rivals(Months(mrr, labels))


ODD = {
    "nobody": np.zeros((0, 20)),
    "nobody pays": np.zeros((5, 20)),
    "one month": np.full((30, 1), 10**9),
    "too short": book(0.01, months=12, noise=0.01),
    "constant": book(0.0),
    "all left": np.hstack([book(0.01, noise=0.01), np.zeros((30, 1))]),
    "all left, and others came": np.vstack(
        [np.hstack([book(0.0), np.zeros((30, 3))]), np.hstack([np.zeros((30, 30)), book(0, 30, 3)])]
    ),
}


@pytest.mark.parametrize("odd", ODD)
def test_a_past_that_says_nothing_gives_none(odd):
    mrr = ODD[odd].astype(np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told = rivals(Months(mrr, ["smb"] * len(mrr), 1))
    assert told == {name: {"1": None, "3": None, "12": None} for name in RIVALS}


@pytest.mark.ci
def test_a_jump_is_never_carried_on_beyond_what_was_seen():
    """One account that grew a hundredfold does not make the next year's NRR astronomic."""
    mrr = book(0.0, noise=0.02)
    mrr[0, -3:] *= 100
    for told in rivals(Months(mrr, ["smb"] * 30)).values():
        assert told["12"] is None or 0 < told["12"] < 1e6


@pytest.mark.parametrize("day", [date(2025, 3, 1), date(2025, 6, 1), date(2025, 6, 17)])
def test_months_that_may_still_be_mended_are_left_out(day):
    count = unsettled(day)
    last = month_end(add_months(opening_day(day.replace(day=1)).replace(day=1), -count))
    assert (
        last + timedelta(LATE_DAYS) < day <= month_end(last + timedelta(1)) + timedelta(LATE_DAYS)
    )
    assert LATE_DAYS == REPORTING_LAG_DAYS


def test_what_the_unsettled_months_say_is_not_looked_at(plain):
    mrr = book(0.01, noise=0.02)
    mended = mrr.copy()
    mended[:5, -1] = 0
    whole = [["smb"] * 30, 1]
    one, other = rivals(Months(mrr, *whole)), rivals(Months(mended, *whole))
    assert one[DAMPED] == other[DAMPED]


@pytest.mark.ci
def test_an_origin_hears_nothing_of_what_came_after():
    history = history_of(Law(months=20))
    origin = date(2024, 6, 1)
    told = rivals_at(history, origin)
    poisoned = history.panel.mrr.copy()
    poisoned[:, months_between(history.panel.first, origin) :] = 7
    later = replace(history, panel=replace(history.panel, mrr=poisoned))
    assert rivals_at(later, origin) == told
    assert told[DAMPED]["3"] is not None


def test_scoring_reads_the_same_months_as_the_backtest():
    mrr = book(0.01, accounts=3, months=4)
    ends = [date(2025, 3, 31), date(2025, 4, 30), date(2025, 5, 31), date(2025, 6, 30)]
    ledger = pd.DataFrame(
        [
            {"account_id": name, "month_end": end, "closing_micros": mrr[row, column]}
            for row, name in enumerate("cab")
            for column, end in enumerate(ends)
        ]
    )
    months = months_of(ledger, {"a": "smb"}, date(2025, 6, 15))
    assert months.mrr.tolist() == mrr[[1, 2, 0], :3].tolist()
    assert (months.segments, months.unsettled) == (["smb", "unknown", "unknown"], 1)
    assert months_of(ledger, {}, date(2025, 3, 1)).mrr.shape[0] == 0


def test_only_the_largest_segments_are_told_alone(plain):
    """A hundred segments take no hundred fits: six and the rest."""
    mrr = book(0.01, accounts=400, noise=0.02)
    many = [f"s{at % 16:02}" for at in range(400)]
    assert len(topdown._parts(Months(mrr, many))) == topdown.MOST_SEGMENTS + 1
    assert len(topdown._parts(Months(mrr[:30], ["one"] * 20 + ["two"] * 10))) == 2
    assert len(topdown._parts(Months(mrr[:40], ["one"] * 20 + ["two"] * 20))) == 2


def test_a_forecast_that_opens_within_a_month_is_met_where_it_opens(plain) -> None:
    """A book that keeps 98 % a month keeps as much over any three months, wherever they begin."""
    steady = np.cumprod(np.full(24, 0.98) + 1e-4 * (-1.0) ** np.arange(24))
    mrr = np.tile((1e9 * steady).astype(np.int64), (30, 1))
    for passed in (0.0, 0.25, 0.9):
        told = rivals(Months(mrr, ["smb"] * 30, 0, passed))[DAMPED]
        for months in (1, 3, 12):
            assert told[str(months)] == pytest.approx(0.98**months, abs=3e-4)
    falling = np.linspace(1.0, 0.95, 14)  # each month ends worse than the one before
    later = topdown._opened_within(np.cumprod(falling), 0.5)
    assert later is not None
    assert (later < np.cumprod(falling)[:-1]).all()
    assert later[0] == pytest.approx((0.5 + 0.5 * falling[1]) / 1.0, abs=1e-12)


def test_the_share_of_the_month_that_is_over() -> None:
    ledger = pd.DataFrame(
        {"account_id": ["a"], "closing_micros": [5], "month_end": [date(2025, 5, 31)]}
    )
    assert months_of(ledger, {}, date(2025, 6, 16)).passed == 0.5
    assert months_of(ledger, {}, date(2025, 6, 1)).passed == 0.0
