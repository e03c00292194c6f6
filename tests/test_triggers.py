import numpy as np
import pandas as pd
import pytest

from features.catalog import CATALOG
from features.configuration import read_section
from features.faults import ConfigurationRefused
from features.triggers import TRIGGERS, TriggerSettings, fire


def frame(**values):
    """One account about which only the given is known."""
    row = {signal.slug: np.nan for signal in CATALOG}
    row |= {"account_id": "a", "mrr_micros": 100_000_000, "tenure_days": 400.0}
    return pd.DataFrame([row | values])


def fired(settings=None, **values):
    found = fire(frame(**values), settings)
    return dict(zip(found["trigger"], found["level"], strict=True))


def test_nothing_fires_on_what_is_missing():
    assert fired() == {}


# each rule just inside and just outside its threshold
CASES = [
    ("notice_given", {"commercial_notice": 1}, {"commercial_notice": 0}),
    ("champion_left", {"relationship_champion_left_91d": 1}, {"relationship_champion_left_91d": 0}),
    (
        "active_users_drop",
        {"usage_wau_ratio": 0.6, "usage_wau_vs_segment": 0.6, "usage_wau_before": 5},
        {"usage_wau_ratio": 0.6, "usage_wau_vs_segment": 0.6, "usage_wau_before": 4},
    ),
    (
        "active_users_drop",
        {"usage_wau_ratio": 0.5, "usage_wau_vs_segment": 0.5, "usage_wau_before": 9},
        {"usage_wau_ratio": 0.5, "usage_wau_vs_segment": 1.0, "usage_wau_before": 9},
    ),
    (
        "gone_quiet",
        {"usage_days_since_last": 14, "usage_weeks_before_quiet": 3},
        {"usage_days_since_last": 14, "usage_weeks_before_quiet": 2},
    ),
    ("key_features_not_adopted", {"adoption_core_adopted": 0.3}, {"adoption_core_adopted": 0.31}),
    (
        "not_activated",
        {"adoption_activated_30d": 0, "tenure_days": 30},
        {"adoption_activated_30d": 0, "tenure_days": 29},
    ),
    (
        "month_3_cliff",
        {"adoption_activated_30d": 0, "tenure_days": 90},
        {"adoption_activated_30d": 0, "tenure_days": 90, "adoption_days_to_activation": 70},
    ),
    ("renewal_due", {"commercial_days_to_renewal": 90}, {"commercial_days_to_renewal": 91}),
    (
        "renewal_without_contact",
        {"commercial_days_to_renewal": 80, "relationship_meetings_91d": 0},
        {
            "commercial_days_to_renewal": 80,
            "relationship_meetings_91d": 0,
            "relationship_days_since_contact": 89,
        },
    ),
    (
        "ticket_burst",
        {"support_tickets_7d": 3, "support_burst_7d": 3},
        {"support_tickets_7d": 2, "support_burst_7d": 3},
    ),
    ("urgent_ticket", {"support_urgent_open_days": 8}, {"support_urgent_open_days": 7}),
    ("low_csat", {"support_csat_worst_91d": 2}, {"support_csat_worst_91d": 3}),
    ("detractor", {"relationship_nps": 6}, {"relationship_nps": 7}),
    (
        "detractor",
        {"relationship_nps": 7, "relationship_nps_change": -3},
        {"relationship_nps": 7, "relationship_nps_change": -2},
    ),
    (
        "no_meeting",
        {"mrr_micros": 5_000_000_000, "relationship_meetings_91d": 0},
        {"mrr_micros": 4_000_000_000, "relationship_meetings_91d": 0},
    ),
    (
        "payment_failed",
        {"commercial_payments_failed_91d": 1},
        {"commercial_payments_failed_91d": 0},
    ),
    ("contraction", {"commercial_contraction_91d": 0.01}, {"commercial_contraction_91d": 0}),
    ("billable_usage_falls", {"usage_billable_ratio_28d": 0.75}, {"usage_billable_ratio_28d": 0.8}),
    ("seats_idle", {"commercial_seat_use": 0.39}, {"commercial_seat_use": 0.4}),
    ("review_due", {"commercial_days_to_review": 14}, {"commercial_days_to_review": 15}),
    ("success_story", {"usage_year_on_year": 1.4}, {"usage_year_on_year": 1.39}),
    (
        "limit_near",
        {"expansion_limit_share": 0.7, "expansion_days_to_limit": 12},
        {"expansion_limit_share": 0.69, "expansion_days_to_limit": 12},
    ),
    ("gate_hits", {"expansion_gate_hits_30d": 1}, {"expansion_gate_hits_30d": 0}),
    ("seats_near_limit", {"expansion_seats_left": 5}, {"expansion_seats_left": 6}),
    ("seat_velocity", {"expansion_seat_velocity_30d": 8}, {"expansion_seat_velocity_30d": 7}),
    ("external_sharing", {"expansion_shares_30d": 3}, {"expansion_shares_30d": 2}),
    ("plan_interest", {"expansion_pricing_views_30d": 3}, {"expansion_pricing_views_30d": 2}),
    (
        "exploring_advanced",
        {"adoption_core_adopted": 0.61, "adoption_advanced_28d": 1},
        {"adoption_core_adopted": 0.6, "adoption_advanced_28d": 1},
    ),
    ("breadth", {"adoption_share_28d": 0.81}, {"adoption_share_28d": 0.8}),
    ("product_growth", {"usage_ratio_28d": 1.2}, {"usage_ratio_28d": 1.19}),
    ("governance_interest", {"expansion_governance_30d": 1}, {"expansion_governance_30d": 0}),
    ("business_growth", {"expansion_business_growth_91d": 1}, {"expansion_business_growth_91d": 0}),
    ("anniversary", {"tenure_days": 90}, {"tenure_days": 97}),
    ("long_since_expansion", {"tenure_days": 731}, {"tenure_days": 730}),
]


@pytest.fixture(scope="module")
def all_fired():
    rows = [
        frame(account_id=f"{number} {side}", **values)
        for number, (_, inside, outside) in enumerate(CASES)
        for side, values in (("inside", inside), ("outside", outside))
    ]
    found = fire(pd.concat(rows))
    return set(zip(found["account_id"], found["trigger"], strict=True))


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda number: CASES[number][0])
def test_each_rule_at_its_threshold(all_fired, number):
    name = CASES[number][0]
    assert (f"{number} inside", name) in all_fired
    assert (f"{number} outside", name) not in all_fired


def test_every_trigger_is_tested():
    assert {name for name, _, _ in CASES} == {trigger.name for trigger in TRIGGERS}


def test_levels_rise():
    assert fired(expansion_limit_share=0.8, expansion_days_to_limit=3)["limit_near"] == "act"
    assert fired(expansion_gate_hits_30d=5)["gate_hits"] == "act"
    assert fired(expansion_gate_hits_30d=4)["gate_hits"] == "attention"
    assert fired(expansion_seats_left=2)["seats_near_limit"] == "act"
    assert fired(commercial_notice=1)["notice_given"] == "hard"


def test_the_evidence_is_said():
    found = fire(frame(expansion_limit_share=0.73, expansion_days_to_limit=12.0))
    assert found["evidence"].tolist() == ["73% of a limit used; 12 days left at this pace"]


def test_a_limit_out_of_sight_is_said_so():
    found = fire(frame(expansion_limit_share=0.73, expansion_days_to_limit=365.0))
    assert found["evidence"].tolist() == ["73% of a limit used; not in sight at this pace"]


def test_thresholds_are_configuration():
    settings = read_section(TriggerSettings, {"limit_attention": 0.5}, "[alerts]")
    assert fired(settings, expansion_limit_share=0.6, expansion_days_to_limit=9) == {
        "limit_near": "attention"
    }
    with pytest.raises(ConfigurationRefused, match="quiet_day: config: unknown key"):
        read_section(TriggerSettings, {"quiet_day": 3}, "[alerts]")
