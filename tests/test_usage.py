from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from features import adoption
from features.snapshot import snapshot
from tests.small_books import AS_OF, ago, line, measured, small_book


def daily(account, days, user="u1", feature="f"):
    return [
        {"account_id": account, "occurred_at": ago(day), "feature": feature, "user_id": user}
        for day in days
    ]


def test_a_steady_account():
    # a: one event a day by u1 for 120 days, and u2 on the last 3 days
    book = small_book([line("a")], usage=daily("a", range(1, 121)) + daily("a", (1, 2, 3), "u2"))
    a = measured(book)
    assert (a.usage_events_7d, a.usage_events_28d, a.usage_events_91d) == (10, 31, 94)
    assert (a.usage_active_days_7d, a.usage_active_days_28d, a.usage_active_days_91d) == (7, 28, 91)
    assert (a.usage_users_7d, a.usage_users_28d, a.usage_users_91d) == (2, 2, 2)
    assert a.usage_ratio_28d == pytest.approx(31 / 28)
    assert a.usage_days_since_last == 0
    # week 0 has 10 events, the twelve others 7: slope = 6 * 3 / 182, mean = 94 / 13
    assert a.usage_slope_13w == pytest.approx((6 * 3 / 182) / (94 / 13))
    assert (a.usage_wau_before, a.usage_wau_ratio) == (1, 2)
    assert a.usage_active_weeks_8w == 8


def test_an_account_that_went_quiet():
    # b worked every other day until 20 days ago; a keeps the feed alive
    usage = daily("a", range(1, 100)) + daily("b", range(20, 100, 2))
    b = measured(small_book([line("a"), line("b")], usage=usage), account="b")
    assert b.usage_events_7d == 0
    assert b.usage_days_since_last == 19
    assert b.usage_gap_ratio == pytest.approx(19 / 2)
    assert b.usage_weeks_before_quiet == 4
    assert b.usage_wau_ratio == 0


def test_growing_by_one_a_week():
    # week k before the last has 13 - k events: slope exactly 1 a week, mean 7
    days = [7 * week + 1 for week in range(13) for _ in range(13 - week)]
    a = measured(small_book([line("a")], usage=daily("a", days)))
    assert a.usage_slope_13w == pytest.approx(1 / 7)


def test_year_on_year():
    usage = daily("a", range(1, 92)) + daily("a", range(365, 365 + 91, 2))
    assert measured(small_book([line("a")], usage=usage)).usage_year_on_year == pytest.approx(
        91 / 46
    )


def test_the_drop_of_a_whole_segment_is_no_drop_of_one():
    # 8 users a week each, then 4, 2, 8 and 6: the median of the four ratios is .625
    named = {"a": 4, "b": 2, "c": 8, "d": 6}
    usage = [
        row
        for account, last in named.items()
        for day, users in [(1, last), *((7 * week + 1, 8) for week in range(1, 5))]
        for user in range(users)
        for row in daily(account, [day], f"{account}{user}")
    ]
    frame = snapshot(small_book([line(account) for account in named], usage=usage), AS_OF)
    assert frame["usage_wau_vs_segment"].tolist() == pytest.approx([0.8, 0.4, 1.6, 1.2])


def weekly(account, counts, users):
    """Rows of whole weeks, the last of which ends on Sunday 2025-06-29."""
    start = pd.Timestamp("2025-06-23")
    return [
        {
            "account_id": account,
            "occurred_at": start - timedelta(days=7 * week),
            "feature": "f",
            "count": float(count),
            "users": float(user),
            "known_at": start - timedelta(days=7 * week - 7, microseconds=1),
        }
        for week, (count, user) in enumerate(zip(counts, users, strict=True))
    ]


def test_weekly_rows_are_measured_in_whole_weeks():
    book = small_book([line("a")], usage=weekly("a", [70] * 9, [5, 10, 10, 8, 8, 9, 9, 9, 9]))
    a = measured(book)
    assert (a.usage_events_7d, a.usage_events_28d) == (70, 280)
    assert a.usage_ratio_28d == 1
    assert (a.usage_users_7d, a.usage_users_28d) == (5, 10)
    assert (a.usage_wau_before, a.usage_wau_ratio) == (9, pytest.approx(5 / 9))
    assert a.usage_days_since_last == 0


def test_a_week_is_not_known_before_it_ends():
    book = small_book([line("a")], usage=weekly("a", [70] * 9, [5] * 9))
    # on Thursday 26 the running week is not known; the week before is the last one
    a = measured(book, as_of=date(2025, 6, 26))
    assert a.usage_events_91d == 8 * 70


@pytest.mark.fault("F02")
def test_no_usage_at_all_is_missing_and_silence_is_zero():
    usage = daily("a", range(1, 60)) + daily("b", range(200, 220))
    frame = snapshot(small_book([line("a"), line("b"), line("c")], usage=usage), AS_OF)
    frame = frame.set_index("account_id")
    assert frame.loc["b", "usage_events_91d"] == 0
    assert frame.loc["b", "usage_users_28d"] == 0
    assert np.isnan(frame.loc["c", "usage_events_91d"])
    assert np.isnan(frame.loc["c", "usage_users_28d"])


def test_a_feed_that_is_behind_is_missing():
    fresh = small_book([line("a")], usage=daily("a", range(4, 60)))
    behind = small_book([line("a")], usage=daily("a", range(5, 60)))
    assert measured(fresh).usage_events_7d == 7
    assert np.isnan(measured(behind).usage_events_7d)


def test_late_rows_count_from_the_day_they_were_recorded():
    late = {**daily("a", [10])[0], "recorded_at": "2025-07-01 08:00"}
    book = small_book([line("a")], usage=[*daily("a", range(1, 60)), late])
    assert measured(book).usage_events_28d == 28
    more = small_book([line("a")], usage=[*daily("a", range(-1, 60)), late])
    assert measured(more, as_of=AS_OF + timedelta(days=1)).usage_events_28d == 29


@pytest.mark.fault("F03")
def test_ratios_over_nothing_are_missing():
    usage = daily("a", range(1, 60)) + daily("b", [1, *range(57, 70)])
    b = measured(small_book([line("a"), line("b")], usage=usage), account="b")
    assert np.isnan(b.usage_ratio_28d)
    assert np.isnan(b.usage_wau_ratio)
    assert np.isnan(b.usage_year_on_year)


def test_a_holiday_of_the_whole_segment_is_no_drop():
    # all three accounts had 4 users in each of 4 weeks, and 2 in the last
    users = [(f"u{k}", range(8, 60) if k > 1 else range(1, 60)) for k in range(4)]
    names = ("a", "b", "c")
    usage = [row for name in names for user, days in users for row in daily(name, days, user)]
    a = measured(small_book([line(name) for name in names], usage=usage))
    assert (a.usage_wau_ratio, a.usage_wau_vs_segment) == (0.5, 1.0)


def test_billable_usage_is_read_where_a_line_is_priced_by_it():
    rows = [{**row, "quantity": 10.0} for row in daily("a", range(29, 57))]
    rows += [{**row, "quantity": 5.0} for row in daily("a", range(1, 29))]
    priced = small_book([line("a", starts="2025-01-01"), line("a", kind="usage")], usage=rows)
    flat = small_book([line("a")], usage=rows)
    assert measured(priced).usage_billable_ratio_28d == 0.5
    assert np.isnan(measured(flat).usage_billable_ratio_28d)


def test_the_trend_of_logarithms_hardly_hears_one_wild_week():
    # 7 events a week; the second last week has 700: the slope of the totals jumps, the trend not
    calm = measured(small_book([line("a")], usage=daily("a", range(1, 92))))
    wild = measured(small_book([line("a")], usage=daily("a", [*range(1, 92), *[9] * 693])))
    assert (calm.usage_trend_13w, calm.usage_slope_13w) == (pytest.approx(0), pytest.approx(0))
    # week 1 pulls with 5: 5 * (ln 701 - ln 8) / 182
    assert wild.usage_trend_13w == pytest.approx(5 * np.log(701 / 8) / 182)
    assert wild.usage_slope_13w == pytest.approx((5 * 693 / 182) / ((91 + 693) / 13))


def test_users_added_and_against_a_year_before():
    # u1 all along, u2 to u4 in the last 28 days, u5 only in the 28 days before; a year ago u6, u7
    usage = daily("a", range(1, 100)) + daily("a", [40], "u5")
    usage += [row for n in (2, 3, 4) for row in daily("a", [n], f"u{n}")]
    usage += [row for n in (6, 7) for row in daily("a", [400], f"u{n}")]
    a = measured(small_book([line("a")], usage=usage))
    assert (a.usage_users_28d, a.usage_users_added_28d) == (4, 4 - 2)
    assert a.usage_users_year_on_year == 5 / 2


def test_totals_stand_in_for_users_who_are_not_named():
    book = small_book([line("a")], usage=weekly("a", [70] * 9, [9, 8, 8, 8, 5, 5, 5, 6, 5]))
    assert measured(book).usage_users_added_28d == 9 - 6


def test_quantity_is_compared_whatever_the_lines_are():
    rows = [{**row, "quantity": 3.0} for row in daily("a", range(1, 29))]
    rows += [{**row, "quantity": 2.0} for row in daily("a", [*range(29, 57), 365, 366])]
    a = measured(small_book([line("a")], usage=rows))
    assert a.usage_quantity_ratio_28d == 1.5
    assert a.usage_quantity_year_on_year == (28 * 3 + 28 * 2) / 4
    assert np.isnan(a.usage_billable_ratio_28d)


def test_the_usual_gap_lies_between_two_gaps():
    # gaps 1, 1, 1, 7 and a quiet of 9 days: the 95th of 100 lies at place 2.85: 1 + .85 * 6
    usage = daily("a", [10, 17, 18, 19, 20]) + daily("z", range(1, 60))
    a = measured(small_book([line("a"), line("z")], usage=usage))
    assert a.usage_gap_ratio == pytest.approx(9 / (1 + 0.85 * 6))


def test_a_day_that_became_known_twice_is_one_day():
    again = {**daily("a", [10])[0], "recorded_at": "2025-06-25 08:00"}
    a = measured(small_book([line("a")], usage=[*daily("a", range(1, 60)), again]))
    assert (a.usage_events_28d, a.usage_active_days_28d) == (29, 28)


def test_strangers_do_not_count():
    usage = daily("a", range(1, 60)) + daily("stranger", [1], feature="theirs")
    a = measured(small_book([line("a")], usage=usage), adoption)
    assert a.adoption_share_28d == 1
