"""What holds an expansion talk back, each guard on its own."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd
import pytest

from models.guards import GuardSettings, guards

AS_OF = date(2025, 7, 1)


def told(settings: GuardSettings | None = None, **facts: Any) -> tuple[str | None, bool, bool]:
    row = {"account_id": "a", "retention_health": "High", "tenure_days": 800} | facts
    found = guards(pd.DataFrame([row]), AS_OF, settings).iloc[0]
    return found["guard"], bool(found["expansion_held"]), bool(found["save_held"])


def test_nothing_to_say() -> None:
    assert told() == (None, False, False)
    missing = {"urgent_open": None, "detractor": None, "next_renewal_on": pd.NaT, "mrr": None}
    assert told(tenure_days=None, **missing) == (None, False, False)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"retention_health": "Low"}, "Retention is Low"),
        ({"tenure_days": 89}, "first 90 days of use"),
        ({"urgent_open": True}, "an urgent ticket is open"),
        ({"detractor": True}, "the last NPS is a detractor"),
        ({"bill_shock": True}, "a bill shock is coming"),
        ({"past_due": True}, "a payment is past due"),
        ({"days_since_expansion": 29}, "it expanded 29 days ago: let it land"),
        (
            {"lever": "seat", "seats_idle": True},
            "few of the paid seats are in use: win their use first",
        ),
        ({"last_expansion_play_on": "2025-06-02"}, "contacted for it in the last 30 days"),
    ],
)
def test_what_holds_an_expansion(facts: dict[str, Any], words: str) -> None:
    assert told(**facts) == (f"no expansion play: {words}", True, False)


def test_several_guards_are_all_said() -> None:
    text, held, _ = told(retention_health="Low", past_due=True, tenure_days=10)
    assert held
    expected = "Retention is Low; a payment is past due; first 90 days of use"
    assert text == f"no expansion play: {expected}"


def test_an_expansion_lands_in_thirty_days_and_idle_seats_bar_seats_alone() -> None:
    assert told(days_since_expansion=30) == (None, False, False)
    assert told(days_since_expansion=None) == (None, False, False)
    assert told(days_since_expansion=5, settings=GuardSettings(expanded_days=5))[1] is False
    assert told(lever="tier", seats_idle=True) == (None, False, False)
    assert told(lever="seat", seats_idle=False) == (None, False, False)


def test_the_90th_day_is_free() -> None:
    assert told(tenure_days=90) == (None, False, False)


@pytest.mark.parametrize(
    ("health", "since", "held"),
    [
        ("Medium", "2025-06-30", True),  # the first week
        ("High", "2025-06-01", True),  # High again, but 60 days are not over
        ("High", "2025-05-02", False),  # exactly 60 days
        ("Medium", "2025-01-01", True),  # over, but Retention is not High
    ],
)
def test_medium_high_waits_60_days_and_for_high(health: str, since: str, held: bool) -> None:
    assert told(retention_health=health, waits_since=date.fromisoformat(since))[1] is held


@pytest.mark.parametrize(
    ("lever", "renewal", "held", "said"),
    [
        ("product", "2025-08-30", True, True),  # 60 days ahead
        ("product", "2025-08-31", False, False),
        ("product", "2025-06-30", False, False),  # passed
        ("seat", "2025-07-20", False, True),
        (None, "2025-07-20", False, True),
    ],
)
def test_no_cross_sell_within_a_renewal(
    lever: str | None, renewal: str, held: bool, said: bool
) -> None:
    text, is_held, _ = told(lever=lever, next_renewal_on=pd.Timestamp(renewal))
    assert is_held is held
    assert (text is not None) is said


def test_a_rich_account_without_a_contact_is_said_not_held() -> None:
    rich = {"mrr": 5000.0, "lever": "product", "area_contact": False}
    assert told(**rich) == ("no contact is known for the adjacent area", False, False)
    assert told(**rich | {"mrr": 4000.0}) == (None, False, False)
    assert told(**rich | {"area_contact": None}) == (None, False, False)


def test_a_save_is_held_by_its_own_cool_down_alone() -> None:
    assert told(last_save_play_on=date(2025, 6, 2)) == (None, False, True)
    assert told(last_save_play_on=date(2025, 6, 1)) == (None, False, False)
    assert told(retention_health="Low", past_due=True)[2] is False


def test_thresholds_are_settings() -> None:
    assert told(GuardSettings(first_days=30), tenure_days=40) == (None, False, False)


def test_rows_and_index_are_kept_and_no_row_is_fine() -> None:
    frame = pd.DataFrame({"account_id": ["b", "a"], "retention_health": ["Low", "High"]}, [5, 2])
    assert guards(frame, AS_OF)["expansion_held"].to_dict() == {5: True, 2: False}
    assert guards(frame.iloc[:0], AS_OF).empty
