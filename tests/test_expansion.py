import numpy as np
import pytest

from features import expansion
from tests.small_books import ago, line, small_book
from tests.small_books import measured as measure


def seen(metric, days, used, limit, account="a"):
    return {
        "account_id": account,
        "metric": metric,
        "observed_on": ago(days).date(),
        "used": used,
        "limit": limit,
    }


def event(kind, days, **more):
    return {"account_id": "a", "occurred_at": ago(days), "kind": kind, **more}


def measured(account="a", lines=None, **tables):
    book = small_book(lines or [line("a"), line("b")], **tables)
    return measure(book, expansion, account=account)


def test_the_tightest_limit_and_its_day():
    # storage rises by 10 a week of 100: 30 left at 10/7 a day is 21 days
    limits = [seen("storage", 1 + 7 * week, 70 - 10 * week, 100) for week in range(6)]
    limits += [seen("seats", 1 + 7 * week, 5, 6) for week in range(6)]
    a = measured(limits=limits)
    assert a.expansion_limit_share == 0.7  # seats have their own signal
    assert a.expansion_days_to_limit == pytest.approx(21)
    assert (a.expansion_seats_left, a.expansion_seat_velocity_30d) == (1, 0)


def test_a_limit_that_resets_first_is_not_reached():
    # calls go to 20 at the reset 15 days ago, then rise by 2 a day: 50 at day 15, 100 at day 40
    days = range(1, 45)
    used = [float(20 + 2 * (16 - day)) if day <= 16 else 140.0 - 2 * (day - 16) for day in days]
    limits = [seen("api_calls", day, value, 100) for day, value in zip(days, used, strict=True)]
    assert measured(limits=limits).expansion_days_to_limit == 365


def test_a_limit_without_growth_is_not_in_sight():
    a = measured(limits=[seen("storage", day, 50, 100) for day in (1, 8, 15)])
    assert a.expansion_days_to_limit == 365


def test_seats_added():
    limits = [seen("seats", 1, 42, 50), seen("seats", 15, 36, 50), seen("seats", 31, 30, 50)]
    a = measured(limits=limits)
    assert (a.expansion_seats_left, a.expansion_seat_velocity_30d) == (8, 12)


def test_paid_seats_stand_in_for_seats_in_use():
    lines = [
        line("a", seats=10, ends_on="2025-06-15"),
        line("a", seats=14, starts="2025-06-15"),
    ]
    usage = [
        {"account_id": "a", "occurred_at": ago(day), "feature": "f", "user_id": f"u{day % 3}"}
        for day in range(1, 30)
    ]
    a = measured(lines=lines, usage=usage)
    assert (a.expansion_seats_left, a.expansion_seat_velocity_30d) == (11, 4)


def test_interest():
    events = [
        event("gate_hit", 1, user_id="u1", feature="sso_login"),
        event("gate_hit", 2, user_id="u1", feature="forecast"),
        event("gate_hit", 3, user_id="u2"),
        event("gate_hit", 31, user_id="u3"),
        event("pricing_view", 4),
        event("invite_bounced", 4),
        event("external_share", 5),
    ]
    a, b = measured(events=events), measured("b", events=events)
    assert (a.expansion_gate_hits_30d, a.expansion_gate_users_30d) == (3, 2)
    assert (a.expansion_pricing_views_30d, a.expansion_shares_30d) == (1, 2)
    assert a.expansion_governance_30d == 1
    assert (b.expansion_gate_hits_30d, b.expansion_gate_users_30d) == (0, 0)


def test_without_the_tables_it_is_missing():
    a = measured()
    assert np.isnan(a.expansion_gate_hits_30d)
    assert np.isnan(a.expansion_limit_share)
    assert np.isnan(a.expansion_business_growth_91d)


def test_business_growth():
    growth = [
        {"account_id": "a", "observed_on": ago(5).date(), "kind": "funding", "value": 1e6},
        {"account_id": "a", "observed_on": ago(6).date(), "kind": "headcount", "value": -3},
        {"account_id": "a", "observed_on": ago(7).date(), "kind": "layoffs", "value": 9},
    ]
    assert measured(growth=growth).expansion_business_growth_91d == 1


@pytest.mark.ci
def test_the_limit_that_rises_fastest():
    limits = [seen("storage", 1 + 7 * week, 70 - 5 * week, 100) for week in range(5)]
    limits += [seen("calls", 1 + 7 * week, 30 - 5 * week, 50) for week in range(5)]
    a = measured(limits=limits)
    assert a.expansion_limit_growth_28d == pytest.approx(4 * 5 / 50)
    assert (a.limit_metric, a.limit_days) == ("storage", pytest.approx(42))
    assert a.expansion_days_to_limit == pytest.approx(28)


@pytest.mark.ci
def test_the_feature_that_was_hit_most():
    hits = [("forecast", 3), ("forecast", 4), ("sso", 5), ("audit", 31)]
    a = measured(events=[event("gate_hit", day, feature=name) for name, day in hits])
    assert (a.expansion_gate_features_30d, a.expansion_gate_most_30d) == (2, 2)
    assert a.gate_feature == "forecast"
    assert a.expansion_governance_30d == 1


@pytest.mark.ci
def test_slack_is_no_service_level():
    events = [event("gate_hit", 2, feature="slack_sync"), event("pricing_view", 2, feature="SLA")]
    assert measured(events=events).expansion_governance_30d == 1
