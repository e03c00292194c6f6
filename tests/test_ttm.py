"""Trailing-twelve-month figures as they will stand: by hand, by brute force, and beside the year."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from models.capped import capped, fall_beyond, rise_at_most
from models.endings import Ending, cohort_day, ending_days
from models.factor import lean
from models.flows import cohort_at, means
from models.forecast import forecast
from models.on_day import cohort_on
from models.outcomes import Outlook
from models.ttm import ttm_at
from tests.test_forecast import DOWN, UP, outlook, random_book

JANUARY = date(2025, 1, 1)
YEAR = Ending("fiscal_year", date(2025, 12, 31), {})


def told(book: Outlook, paid: dict[str, int], day: date = YEAR.day, **more):
    asked = {"as_of": JANUARY} | more
    return ttm_at(book, [Ending("fiscal_year", day, paid)], [0.3] * 12, **asked)["fiscal_year"]


def paid_today(book: Outlook) -> dict[str, int]:
    pairs = zip(book.accounts["account_id"], book.accounts["mrr_micros"], strict=True)
    return {account: int(micros) for account, micros in pairs}


@pytest.mark.parametrize("n", [pytest.param(90, marks=pytest.mark.ci), 1200])
def test_a_cohort_of_today_a_year_from_now_is_the_forecast_of_twelve_months(n):
    book = random_book(n)
    year = forecast(book, 12, 0.3, as_of=JANUARY, definition={}, n_eff=4.0, nrr_target=1.0)
    ttm = told(book, paid_today(book), nrr_target=1.0)
    assert ttm["nrr"]["mean"] == year["nrr"]["mean"]
    assert ttm["grr"]["mean"] == pytest.approx(year["grr"]["mean"], abs=1e-12)
    assert ttm["p_target"] == pytest.approx(year["p_target"], abs=0.02)
    for level in ("p05", "p10", "p25", "p50", "p75", "p90", "p95"):
        assert ttm["nrr"][level] == pytest.approx(year["nrr"][level], abs=0.004)
        assert ttm["grr"][level] == pytest.approx(year["grr"][level], abs=0.004)


def test_by_hand():
    """One has grown from 100 to 200, one has fallen from 100 to 50, one has left, one is new."""
    book = outlook(np.array([200.0, 50.0, 70.0]), 0.1, 0.0, 0.0)
    paid = {"a00000": 100, "a00001": 100, "gone": 200}
    ttm = told(book, {name: units * 10**6 for name, units in paid.items()})
    assert (ttm["cohort_accounts"], ttm["opening_mrr"]) == (3, 400.0)
    assert ttm["nrr"]["mean"] == pytest.approx(0.9 * 250 / 400)
    assert ttm["grr"]["mean"] == pytest.approx(0.9 * 150 / 400)
    assert (ttm["date"], ttm["cohort_date"]) == ("2025-12-31", "2024-12-31")
    assert (ttm["months_forecast"], ttm["actual"], ttm["reason"]) == (12, False, None)


def test_who_has_grown_keeps_all_after_a_small_fall_and_who_has_shrunk_may_grow_back():
    up, down = (
        np.tile([0.1, 0.0101, 0.00103], (2, 12, 1)),
        np.tile([0.1, 0.0101, 0.00103], (2, 12, 1)),
    )
    p = np.full((2, 12), 0.5)
    accounts = pd.DataFrame(
        {"account_id": ["big", "small"], "mrr_micros": [200 * 10**6, 50 * 10**6]}
    )
    p_contract, p_expand = p * [[1], [0]], p * [[0], [1]]
    nothing = np.full((2, 12), np.nan)
    book = Outlook(accounts, 0 * p, p_contract, p_expand, up, down, p > 1, nothing)
    ttm = told(book, {"big": 100 * 10**6, "small": 100 * 10**6})
    assert ttm["grr"]["mean"] == pytest.approx((100 + 50 * 1.05) / 200, rel=1e-6)
    assert ttm["nrr"]["mean"] == pytest.approx((200 * 0.95 + 50 * 1.05) / 200, rel=1e-6)


def test_what_is_signed_counts_up_to_the_reference():
    signed = np.full((2, 12), np.nan)
    signed[:, 2:] = [[150e6], [80e6]]
    book = outlook(np.array([90.0, 120.0]), 0.2, 0.0, 0.1, signed=signed)
    ttm = told(book, {"a00000": 100 * 10**6, "a00001": 100 * 10**6})
    assert ttm["grr"]["mean"] == pytest.approx((100 + 80) / 200)
    assert ttm["grr"]["p05"] == ttm["grr"]["p95"] == pytest.approx(0.9)
    assert ttm["nrr"]["mean"] == pytest.approx((150 + 80) / 200)


@pytest.mark.parametrize("room", [0.03, 0.2, 1.5])
def test_the_cut_laws_have_the_moments_of_brute_force(room):
    rng = np.random.default_rng(0)
    spread = np.log(1 + (UP[1] / UP[0]) ** 2)
    rise = rng.lognormal(np.log(UP[0]) - spread / 2, np.sqrt(spread), 200_000)
    fall = rng.beta(*DOWN, 200_000)
    book = outlook(np.ones(1), 0.0, 0.0, 0.0)
    spare = room / (1 + room)
    least = rise_at_most(book.up_moments[:, 0], np.array([room]))[0]
    beyond = fall_beyond(book.down_moments[:, 0], np.array([spare]))[0]
    for k in (1, 2, 3):
        seen = np.minimum(rise, room) ** k
        assert least[k - 1] == pytest.approx(seen.mean(), abs=5 * seen.std() / 447)
        seen = (np.maximum(fall - spare, 0.0) / (1 - spare)) ** k
        assert beyond[k - 1] == pytest.approx(seen.mean(), abs=5 * seen.std() / 447)


@pytest.mark.ci
@pytest.mark.parametrize("n", [60, 900])
def test_figures_agree_with_many_paths(n):
    """Play every account of every path, cap it at what it paid, and count."""
    book, rng = random_book(n), np.random.default_rng(8)
    names = book.accounts["account_id"]
    factor = np.exp(rng.normal(0.0, 0.4, n))
    paid = dict(zip(names, np.round(book.accounts["mrr_micros"] * factor).astype(int), strict=True))
    paid = {name: int(micros) for name, micros in paid.items() if rng.random() < 0.9} | {
        "gone": 10**9
    }
    reference = np.array([paid.get(name, 0) for name in names]) / 1e6
    who = reference > 0
    ttm, whole = told(book, paid), sum(paid.values()) / 1e6
    nrr, grr = played(book, reference, who, whole)
    for figure, seen in ((ttm["nrr"], nrr), (ttm["grr"], grr)):
        assert figure["mean"] == pytest.approx(seen.mean(), abs=4 * seen.std() / np.sqrt(len(seen)))
        for level in (5, 10, 25, 50, 75, 90, 95):
            below = (seen <= figure[f"p{level:02}"]).mean()
            assert below == pytest.approx(level / 100, abs=0.02)


def played(book, reference, who, whole, paths=20_000, tau=0.3):
    cohort, rng = cohort_at(book, 12).of(np.flatnonzero(who)), np.random.default_rng(5)
    level = lean(cohort.p_churn, cohort.p_contract, cohort.p_expand, tau)
    spread = np.log(1 + (UP[1] / UP[0]) ** 2)
    found = []
    for _ in range(paths // 500):
        z = rng.standard_normal((500, 1))
        luck = rng.random((3, 500, len(cohort.mrr)))
        gone = luck[0] < expit(level.churn + tau * z)
        more = ~gone & (luck[1] < expit(level.expand - 0.5 * tau * z))
        less = ~gone & ~more & (luck[2] < expit(level.contract + 1.3 * tau * z))
        rise = rng.lognormal(np.log(UP[0]) - spread / 2, np.sqrt(spread), gone.shape)
        fall = rng.beta(*DOWN, gone.shape)
        then = cohort.mrr * ~gone * (1 + more * rise - less * fall)
        found.append([then.sum(axis=1), np.minimum(then, reference[who]).sum(axis=1)])
    return np.concatenate(found, axis=1) / whole


def test_drift_is_cut_where_the_reference_lies():
    """Flat accounts that drift by 4 % three times in ten: half of it counts where 2 % are missing."""
    still = cohort_at(outlook(np.array([100.0, 100.0]), 0.0, 0.0, 0.0), 12)
    up = np.tile(0.3 * 0.04 ** np.arange(1, 4), (2, 1))
    drifting = type(still)(**{**vars(still), "flat_up": up})
    kept = capped(drifting, np.array([102.0, 100.0]))
    assert means(kept)["closing"] == pytest.approx([100 + 0.3 * 2, 100], rel=1e-4)


def test_nobody_pays_and_a_ledger_that_is_too_short_say_why():
    book = random_book(5)
    short = told(book, {})
    assert short["nrr"] is None
    assert short["reason"] == "nobody paid on 2024-12-31: the ledger does not reach back so far"
    all_gone = told(book, {"x": 10**8}, nrr_target=0.5)
    assert all_gone["nrr"]["mean"] == all_gone["grr"]["p95"] == all_gone["p_target"] == 0.0
    empty = told(book.of(np.array([], dtype=np.int64)), {"x": 10**8})
    assert empty["nrr"]["p50"] == 0.0
    json.dumps([short, all_gone, empty], allow_nan=False)


def test_one_account():
    ttm = told(outlook(np.array([100.0]), 0.3, 0.0, 0.0), {"a00000": 80 * 10**6})
    assert ttm["nrr"]["mean"] == pytest.approx(0.7 * 100 / 80)
    assert ttm["grr"]["mean"] == pytest.approx(0.7)
    assert (ttm["nrr"]["p05"], ttm["nrr"]["p95"]) == (0.0, 1.25)


def test_a_date_that_is_past_is_an_actual_figure():
    book = outlook(np.array([120.0, 60.0]), 0.3, 0.1, 0.1)
    paid = {"a00000": 100 * 10**6, "a00001": 100 * 10**6}
    ttm = told(book, paid, date(2024, 12, 31), nrr_target=0.9)
    assert (ttm["nrr"], ttm["grr"], ttm["p_target"]) == ({"mean": 0.9}, {"mean": 0.8}, 1.0)
    assert (ttm["actual"], ttm["months_forecast"]) == (True, 0)


def test_the_order_of_accounts_changes_nothing():
    book = random_book(90)
    paid = paid_today(book)
    other = book.of(np.random.default_rng(1).permutation(90))
    assert told(other, dict(reversed(paid.items()))) == told(book, paid)


@pytest.mark.parametrize(
    ("as_of", "starts", "days"),
    [
        (date(2025, 7, 1), 1, ("2025-07-31", "2025-09-30", "2025-12-31")),
        (date(2025, 6, 30), 1, ("2025-06-30", "2025-06-30", "2025-12-31")),
        (date(2025, 1, 17), 2, ("2025-01-31", "2025-01-31", "2025-01-31")),
        (date(2025, 2, 1), 2, ("2025-02-28", "2025-04-30", "2026-01-31")),
    ],
)
def test_the_ends_of_the_periods_that_contain_the_date(as_of, starts, days):
    assert tuple(map(str, ending_days(as_of, starts).values())) == days
    assert cohort_day(date(2024, 2, 29)) == date(2023, 2, 28)


def test_between_two_leads_what_is_dated_has_happened_or_has_not():
    dates = {
        "next_renewal_on": ["2025-01-25", "2025-02-10", None, None, None, None],
        "notice_ends_on": [None, None, "2025-01-31", "2025-02-01", None, None],
        "successor_on": [None, None, None, None, "2025-01-20", "2025-02-05"],
    }
    p = np.full((6, 12), 0.1)
    notice, signed = p > 1, np.full((6, 12), np.nan)
    notice[2:4], signed[4:] = True, 150e6
    accounts = pd.DataFrame({"account_id": list("abcdef"), "mrr_micros": [10**8] * 6})
    accounts = accounts.assign(**{name: pd.to_datetime(days) for name, days in dates.items()})
    sizes = np.full((6, 12, 3), 0.1)
    book = Outlook(accounts, p, 0 * p, 0 * p, sizes, sizes, notice, signed)
    cohort = cohort_on(book, date(2025, 1, 17), date(2025, 1, 31))
    assert cohort.p_churn.round(6).tolist() == [0.1, 0.0, 1.0, 0.0, 0.0, 0.0]
    assert cohort.signed_up.tolist() == [0, 0, 0, 0, 50, 0]
    assert cohort.notice.tolist() == [False, False, True, False, False, False]


def test_between_a_notice_and_the_line_that_follows_nobody_pays():
    p = np.full((1, 12), 0.1)
    dates = {"notice_ends_on": pd.to_datetime(["2025-01-20"]),
             "successor_on": pd.to_datetime(["2025-02-10"])}  # fmt: skip
    accounts = pd.DataFrame({"account_id": ["a"], "mrr_micros": [10**8]}).assign(**dates)
    sizes = np.full((1, 12, 3), 0.1)
    book = Outlook(accounts, p, 0 * p, 0 * p, sizes, sizes, p > 1, np.full((1, 12), 150e6))
    days = {date(2025, 1, 19): (False, 0.0), date(2025, 1, 31): (True, 1.0)}
    for day, (away, churn) in days.items():
        cohort = cohort_on(book, date(2025, 1, 17), day)
        assert (bool(cohort.notice[0]), float(cohort.p_churn[0])) == (away, churn)
        assert not cohort.signed[0]


def test_a_stretched_grr_stays_below_one():
    book = random_book(60)
    grr = told(book, paid_today(book), stretches=[3.0] * 12)["grr"]
    levels = [grr[f"p{level:02d}"] for level in (5, 10, 25, 50, 75, 90, 95)]
    assert levels == sorted(levels)
    assert levels[0] >= 0
    assert levels[-1] < 1


def test_a_day_at_which_a_lead_ends_is_that_lead():
    book = random_book(40)
    for lead, day in ((1, date(2025, 1, 31)), (12, date(2025, 12, 31))):
        read, same = cohort_on(book, JANUARY, day), cohort_at(book, lead)
        assert np.array_equal(read.p_churn, same.p_churn)
