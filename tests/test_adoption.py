from datetime import date

import numpy as np
import pytest

from features import adoption
from tests.small_books import AS_OF, ago, line, small_book
from tests.small_books import measured as measure

pytestmark = pytest.mark.ci

CATALOG = [
    {"feature": "report", "tier": "core", "activation": True},
    {"feature": "search", "tier": "core"},
    {"feature": "api", "tier": "integration"},
    {"feature": "forecast", "tier": "advanced"},
]


def used(account, feature, days):
    return [{"account_id": account, "occurred_at": ago(d), "feature": feature} for d in days]


def measured(usage, lines=None, **tables):
    book = small_book(lines or [line("a")], usage=usage, **tables)
    return measure(book, adoption)


def test_features_in_use_and_adopted():
    # report on 3 days of 28 (adopted), search on 2 (used), forecast once, api 40 days ago
    usage = used("a", "report", (1, 2, 3)) + used("a", "search", (1, 2))
    usage += used("a", "forecast", (5,)) + used("a", "api", (40,))
    a = measured(usage, feature_catalog=CATALOG)
    assert (a.adoption_features_28d, a.adoption_features_adopted) == (3, 1)
    assert a.adoption_share_28d == 0.75
    assert (a.adoption_core_share_28d, a.adoption_core_adopted) == (1.0, 0.5)
    assert (a.adoption_advanced_28d, a.adoption_integrations_28d) == (1, 0)
    assert a.adoption_breadth_change == 3 - 1


def test_the_same_day_many_times_is_one_day():
    a = measured(used("a", "report", (1, 1, 1)), feature_catalog=CATALOG)
    assert a.adoption_features_adopted == 0


def test_without_a_catalog_tiers_are_missing():
    a = measured(used("a", "report", (1, 2, 3)))
    assert a.adoption_features_28d == 1
    assert np.isnan(a.adoption_core_adopted)
    assert np.isnan(a.adoption_activated_30d)


def test_activation():
    # a starts 60 days ago and reaches the milestone on its 12th day; z makes usage older
    lines = [line("a", starts="2025-05-02"), line("z")]
    usage = used("z", "search", range(1, 200)) + used("a", "report", (48,))
    a = measured(usage, lines, feature_catalog=CATALOG)
    assert (a.adoption_days_to_activation, a.adoption_activated_30d) == (12, 1)


def test_not_activated_by_day_30():
    lines = [line("a", starts="2025-05-02"), line("z")]
    usage = used("z", "search", range(1, 200)) + used("a", "search", (48,))
    a = measured(usage, lines, feature_catalog=CATALOG)
    assert np.isnan(a.adoption_days_to_activation)
    assert a.adoption_activated_30d == 0


def test_too_young_to_say():
    lines = [line("a", starts="2025-06-15"), line("z")]
    usage = used("z", "search", range(1, 200)) + used("a", "search", (2,))
    assert np.isnan(measured(usage, lines, feature_catalog=CATALOG).adoption_activated_30d)


def test_usage_that_begins_later_than_the_account_says_nothing_of_activation():
    usage = used("a", "report", range(1, 30))
    assert np.isnan(measured(usage, feature_catalog=CATALOG).adoption_activated_30d)


def test_an_account_without_usage_says_nothing_of_activation():
    lines = [line("a", starts="2025-05-02"), line("z")]
    usage = used("z", "search", range(1, 200))
    assert np.isnan(measured(usage, lines, feature_catalog=CATALOG).adoption_activated_30d)


PLANS = [{"plan": "basic", "rank": 1}, {"plan": "pro", "rank": 2}]
TIERED = [
    {"feature": "report", "tier": "core"},
    {"feature": "roles", "tier": "core", "min_plan": "pro"},
    {"feature": "chat", "tier": "core", "product": "talk"},
    {"feature": "forecast", "tier": "advanced", "min_plan": "pro"},
]


def entitled(plan, product="base", **tables):
    usage = used("a", "report", (1, 2, 3)) + used("a", "forecast", (4,))
    lines = [line("a", plan=plan, product=product)]
    return measured(usage, lines, feature_catalog=TIERED, plans=PLANS, **tables)


@pytest.mark.ci
def test_an_account_is_held_against_what_it_may_use():
    # basic of base: the report alone; the forecast is tried without a right to it
    basic = entitled("basic")
    assert (basic.adoption_share_28d, basic.adoption_core_adopted) == (1, 1)
    assert (basic.adoption_advanced_28d, basic.adoption_features_28d) == (1, 2)
    # pro of base: report, roles, forecast; chat belongs to a product that it does not have
    pro = entitled("pro")
    assert (pro.adoption_share_28d, pro.adoption_core_share_28d) == (2 / 3, 0.5)


def test_what_the_book_does_not_say_does_not_bar():
    # a plan without rank, and no product named: all four features
    assert entitled("gold", product=None).adoption_share_28d == 0.5
    assert entitled(None, product=None).adoption_core_share_28d == 1 / 3


def test_a_milestone_that_became_known_late_counts_from_then():
    lines = [line("a", starts="2025-05-02"), line("z")]
    late = {**used("a", "report", (55,))[0], "recorded_at": "2025-06-20 08:00"}
    usage = used("z", "search", range(1, 200)) + used("a", "report", (48,)) + [late]
    book = small_book(lines, usage=usage, feature_catalog=CATALOG)
    before, after = (measure(book, adoption, as_of=day) for day in (date(2025, 6, 15), AS_OF))
    assert (before.adoption_days_to_activation, after.adoption_days_to_activation) == (12, 5)
