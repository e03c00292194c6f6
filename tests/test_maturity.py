import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pytest

from features.maturity import FAMILY, STAGES, stage

NOTHING = {
    "account_id": "a",
    "usage_active_weeks_8w": 0.0,
    "adoption_activated_30d": 0.0,
    "adoption_days_to_activation": np.nan,
    "adoption_core_adopted": 0.0,
    "adoption_advanced_28d": 0.0,
    "adoption_integrations_28d": 0.0,
    "relationship_advocacy_365d": 0.0,
    "expansion_invites_30d": 0.0,
}


def placed(**values):
    return stage(pd.DataFrame([NOTHING | values])).iloc[0]


HABIT = {"usage_active_weeks_8w": 6.0}
CURVE = [
    ({}, "activation", 0),
    ({"adoption_days_to_activation": 50.0}, "activation", 20),
    (HABIT, "habit", 30 * 6 / 8),
    (HABIT | {"adoption_core_adopted": 0.6}, "habit", 22.5 + 20),
    (
        HABIT | {"adoption_core_adopted": 0.9, "adoption_advanced_28d": 1.0},
        "advanced exploration",
        22.5 + 20 + 5,
    ),
    (HABIT | {"adoption_integrations_28d": 1.0}, "integration", 22.5 + 10),
    (HABIT | {"relationship_advocacy_365d": 2.0}, "advocacy", 22.5 + 5),
    ({"relationship_advocacy_365d": 2.0}, "activation", 5),
]


@pytest.mark.parametrize(("values", "expected", "score"), CURVE)
def test_the_stage_is_the_furthest_with_evidence(values, expected, score):
    account = placed(**values)
    assert account.maturity_stage == expected
    assert account.maturity_score == pytest.approx(score)


def test_parts_that_are_not_known_are_left_out():
    unknown = {"adoption_activated_30d": np.nan, "adoption_core_adopted": np.nan}
    unknown |= {"adoption_advanced_28d": np.nan, "adoption_integrations_28d": np.nan}
    unknown |= {"relationship_advocacy_365d": np.nan, "expansion_invites_30d": np.nan}
    account = placed(usage_active_weeks_8w=4.0, **unknown)
    assert account.maturity_score == 50
    assert np.isnan(account.maturity_advanced)


def test_without_usage_nothing_is_said():
    account = placed(usage_active_weeks_8w=np.nan)
    assert account.maturity_stage == "unknown"
    assert np.isnan(account.maturity_score)


def test_a_round_of_invitations_is_an_act_of_advocacy():
    assert placed(**HABIT, expansion_invites_30d=2.0).maturity_stage == "habit"
    assert placed(**HABIT, expansion_invites_30d=3.0).maturity_stage == "advocacy"


def test_the_signal_is_the_curve_with_its_defaults():
    rows = pd.DataFrame([NOTHING | values for values, _, _ in CURVE])
    told = nw.from_native(rows, eager_only=True).select(
        **{signal.slug: signal.value for signal in FAMILY.signals}
    )
    assert [STAGES[int(n) - 1] for n in told["maturity_reached"]] == [name for _, name, _ in CURVE]
    assert told["maturity_points"].to_list() == pytest.approx([score for _, _, score in CURVE])
