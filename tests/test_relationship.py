import numpy as np
import pytest

from features import relationship
from tests.small_books import ago, line, small_book
from tests.small_books import measured as measure

pytestmark = pytest.mark.ci


def touch(kind, days, account="a", **more):
    return {"account_id": account, "occurred_at": ago(days), "kind": kind, **more}


def measured(touches, account="a", **tables):
    book = small_book([line("a"), line("b")], touchpoints=touches, **tables)
    return measure(book, relationship, account=account)


TOUCHES = [
    touch("qbr", 100),
    touch("meeting", 40),
    touch("email_out", 2),
    touch("email_in", 9),
    touch("nps", 200, value=9),
    touch("nps", 30, value=5),
    touch("champion_left", 50),
    touch("reference", 300),
    touch("milestone", 10),
]


def test_who_spoke_with_whom():
    a = measured(TOUCHES)
    assert a.relationship_days_since_meeting == 40
    assert a.relationship_days_since_contact == 9
    assert (a.relationship_meetings_91d, a.relationship_milestones_91d) == (1, 1)
    assert (a.relationship_champion_left_91d, a.relationship_advocacy_365d) == (1, 1)


def test_the_last_answer_and_its_change():
    a = measured(TOUCHES)
    assert (a.relationship_nps, a.relationship_nps_change) == (5, -4)
    assert a.relationship_days_since_nps == 30


def test_a_silent_account_has_no_meetings_and_no_days_since():
    b = measured(TOUCHES, "b")
    assert (b.relationship_meetings_91d, b.relationship_champion_left_91d) == (0, 0)
    assert np.isnan(b.relationship_days_since_meeting)
    assert np.isnan(b.relationship_nps)


def test_a_contact_who_left_counts_from_the_day_of_leaving():
    contacts = [
        {"contact_id": "1", "account_id": "b", "role": "champion", "left_on": "2025-06-20"},
        {"contact_id": "2", "account_id": "b", "role": "sponsor", "left_on": "2025-07-05"},
        {"contact_id": "3", "account_id": "b", "role": "user", "left_on": "2025-06-20"},
        {"contact_id": "4", "account_id": "b", "role": "sponsor", "left_on": "2025-01-01"},
    ]
    assert measured(TOUCHES, "b", contacts=contacts).relationship_champion_left_91d == 1


def test_a_meeting_that_is_only_planned_has_not_happened():
    planned = touch("meeting", -10, recorded_at=ago(20), account="b")
    b = measured([*TOUCHES, planned], "b")
    assert np.isnan(b.relationship_days_since_meeting)


def test_a_business_review_is_not_any_meeting():
    a = measured(TOUCHES)
    assert (a.relationship_days_since_meeting, a.relationship_days_since_review) == (40, 100)


@pytest.mark.ci
def test_people_who_are_named_are_known():
    named = [
        touch("call", day, contact=name) for day, name in ((5, "Ann"), (9, "Ann"), (365, "Bo"))
    ]
    assert measured([*named, touch("call", 366, contact="Cy")]).relationship_contacts_365d == 2
    assert np.isnan(measured(TOUCHES).relationship_contacts_365d)


@pytest.mark.ci
def test_a_departure_told_twice_is_one():
    contacts = [
        {"contact_id": "1", "account_id": "a", "role": "champion", "left_on": "2025-05-12"},
    ]
    assert measured(TOUCHES, contacts=contacts).relationship_champion_left_91d == 1


@pytest.mark.ci
def test_departures_are_known_from_contacts_alone():
    contacts = [{"contact_id": "1", "account_id": "a", "role": "sponsor", "left_on": "2025-06-20"}]
    book = small_book([line("a"), line("b")], contacts=contacts)
    assert measure(book, relationship).relationship_champion_left_91d == 1
    assert np.isnan(measure(book, relationship).relationship_meetings_91d)


@pytest.mark.ci
def test_answers_of_one_moment_are_ordered_by_value():
    touches = [touch("nps", 30, value=9), touch("nps", 30, value=4), touch("nps", 50, value=5)]
    a = measured(touches)
    assert (a.relationship_nps, a.relationship_nps_change) == (9, 5)
