import numpy as np
import pandas as pd
import pytest

from features.catalog import CATALOG
from features.configuration import read_section
from features.faults import ConfigurationRefused
from features.triggers import TRIGGERS, TriggerSettings, fire
from tests.trigger_book import CASES, seen

NAMES = {name: name.split()[0] for name in CASES}


def frame(**values):
    """One account about which only the given is known."""
    row = {signal.slug: np.nan for signal in CATALOG}
    row |= {"account_id": "a", "mrr_micros": 100_000_000, "tenure_days": 400.0}
    return pd.DataFrame([row | values])


def fired(settings=None, **values):
    found = fire(frame(**values), settings)
    return dict(zip(found["trigger"], found["level"], strict=True))


def evidence(**values):
    return fire(frame(**values))["evidence"].tolist()


@pytest.fixture(scope="module")
def snapshot():
    return seen()


@pytest.fixture(scope="module")
def told(snapshot):
    found = fire(snapshot)
    return {(row.account_id, row.trigger): row for row in found.itertuples()}


@pytest.mark.parametrize("name", NAMES)
def test_it_fires_on_the_threshold_and_not_just_short_of_it(told, name):
    assert (f"{name} fires", NAMES[name]) in told
    assert (f"{name} quiet", NAMES[name]) not in told


def test_every_trigger_is_tested():
    assert set(NAMES.values()) == {trigger.name for trigger in TRIGGERS}


def test_every_rule_fires_somewhere(snapshot):
    told = [rule for rule in TRIGGERS if not rule.when(snapshot, TriggerSettings()).any()]
    assert [rule.evidence for rule in told] == []


def test_what_it_says(told):
    said = {name: told[f"{name} fires", NAMES[name]].evidence for name in NAMES}
    assert said["limit_near"] == (
        "70% of api calls used; at the current rate the limit is reached in 30 days"
    )
    assert said["limit_near without growth"] == (
        "70% of storage used; at the current rate the limit is not reached"
    )
    assert said["limit_near and reached soon"].endswith("in 12 days")
    assert said["gate_hits of a warm lead"] == (
        "5 hits on locked features in 30 days, most on forecast: a warm lead"
    )
    assert said["gate_hits of intent"].endswith(": intent")
    assert said["gate_hits"].endswith(": curiosity")
    assert said["cross_sell"] == "50% of similar accounts own mail, which it lacks"
    assert said["bill_shock"] == "the bill is heading for 2.0 times its mean"
    assert said["contraction of seats"] == "1 seat removed in 91 days"
    assert said["payment_overdue"] == "1 invoice past due, the oldest for 8 days"
    assert said["renewal_without_contact since onboarding"] == (
        "renewal in 29 days, and no two-way contact since onboarding, 32 days ago"
    )


def test_levels_of_the_book(told):
    level = {name: told[f"{name} fires", NAMES[name]].level for name in NAMES}
    assert (level["limit_near"], level["limit_near to act"]) == ("attention", "act")
    assert (level["gate_hits of intent"], level["gate_hits of a warm lead"]) == ("attention", "act")
    assert (level["seats_near_limit"], level["seats_near_limit to act"]) == ("attention", "act")


def test_nothing_fires_on_what_is_missing():
    assert fired() == {}


def test_one_trigger_is_told_once_by_its_first_rule():
    found = fire(frame(commercial_contraction_91d=0.1, commercial_seats_removed_91d=5))
    assert found["evidence"].tolist() == ["MRR fell by 10.0% in 91 days"]


def test_levels_rise():
    assert fired(expansion_limit_share=0.8)["limit_near"] == "act"
    assert fired(expansion_limit_share=0.79)["limit_near"] == "attention"
    assert fired(expansion_gate_hits_30d=4)["gate_hits"] == "attention"
    assert fired(commercial_notice=1)["notice_given"] == "hard"


def test_names_that_are_not_known_are_said_without():
    told = evidence(expansion_limit_share=0.73, expansion_days_to_limit=12.0)
    assert told == ["73% of a limit used; at the current rate the limit is reached in 12 days"]


def test_a_whole_book_without_triggers_is_empty():
    assert list(fire(frame()).columns) == ["account_id", "trigger", "level", "evidence", "axis"]


def test_every_expansion_trigger_that_asks_for_a_sale_names_its_lever():
    levers = {rule.name: rule.lever for rule in TRIGGERS if rule.axis == "expansion"}
    without = {name for name, lever in levers.items() if lever is None}
    assert without == {"review_due", "success_story", "anniversary", "long_since_expansion"}


def test_thresholds_are_configuration():
    settings = read_section(TriggerSettings, {"limit_attention": 0.5}, "[triggers]")
    assert fired(settings, expansion_limit_share=0.6) == {"limit_near": "attention"}
    with pytest.raises(ConfigurationRefused, match="quiet_day: config: unknown key"):
        read_section(TriggerSettings, {"quiet_day": 3}, "[triggers]")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"users_drop": 40}, "users_drop: config: Input should be less than 1; found 40"),
        ({"limit_act": 0.6}, "limit_attention must not lie above limit_act"),
        ({"quiet_days": "soon"}, "quiet_days: config"),
    ],
)
def test_thresholds_that_make_no_sense_are_refused(values, said):
    with pytest.raises(ConfigurationRefused, match=said):
        read_section(TriggerSettings, values, "[triggers]")
