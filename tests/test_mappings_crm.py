"""Salesforce and HubSpot: their exports under the shipped mappings."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.mapped_books import ADA, BEE, CEE, MappedBook, mapped, warehouse

pytestmark = pytest.mark.ci
DEAL = ("account_id", "opened_on", "stage", "closed_on", "won", "owner")
LINE = ("account_id", "starts_on", "ends_on", "mrr_micros", "term_months")
HUBS = ("8801234567", "8801234568", "8801234569")


@pytest.fixture(scope="module")
def salesforce(tmp_path_factory: pytest.TempPathFactory) -> MappedBook:
    return mapped(tmp_path_factory.mktemp("salesforce"), "salesforce")


@pytest.fixture(scope="module")
def hubspot(tmp_path_factory: pytest.TempPathFactory) -> MappedBook:
    book = 'timezone = "Europe/Berlin"'
    return mapped(tmp_path_factory.mktemp("hubspot"), "hubspot", book=book, ids=HUBS)


def test_salesforce_is_read_whole_without_deleted_and_unsigned_rows(salesforce: MappedBook) -> None:
    assert salesforce.counts == {
        "accounts": (4, 1),
        "subscriptions": (4, 3),
        "opportunities": (3, 2),
    }
    assert "Ada Limited (merged)" not in str(salesforce.rows)


def test_a_contract_is_its_amount_over_its_term_to_the_cent(salesforce: MappedBook) -> None:
    """EndDate is the last day of service: a contract of the year 2024 is alive on its last day."""
    assert sorted(salesforce.told("subscriptions", *LINE)) == [
        (ADA, date(2024, 1, 1), date(2025, 1, 1), 1_000_000_000, 12),
        (ADA, date(2025, 1, 1), date(2026, 1, 1), 1_250_000_000, 12),
        (BEE, date(2024, 3, 1), date(2024, 6, 1), 99_990_000, 3),
        (CEE, date(2024, 6, 15), date(2027, 6, 15), 2_777_777_778, 36),
    ]


def test_a_quantity_that_is_no_number_of_seats_costs_no_line(salesforce: MappedBook) -> None:
    found = sorted(salesforce.told("subscriptions", "starts_on", "seats"), key=str)
    assert [seats for _, seats in found] == [20, None, None, 25]


def test_an_open_deal_of_salesforce_is_not_closed_on_the_day_it_was_hoped_for(
    salesforce: MappedBook,
) -> None:
    seller, other = "0055g00000Own1AAAB", "0055g00000Own2AAAB"
    assert sorted(salesforce.told("opportunities", *DEAL)) == [
        (ADA, date(2023, 11, 3), "Closed Won", date(2023, 12, 18), True, seller),
        (ADA, date(2025, 1, 20), "Proposal/Price Quote", None, None, seller),
        (BEE, date(2024, 4, 1), "Closed Lost", date(2024, 5, 30), False, other),
    ]
    odds = dict(salesforce.told("opportunities", "stage", "probability"))
    assert odds == {"Closed Won": 1.0, "Proposal/Price Quote": 0.75, "Closed Lost": 0.0}


def test_the_accounts_of_salesforce_and_their_parents(salesforce: MappedBook) -> None:
    names = ("account_id", "name", "parent_account_id", "employees", "Type")
    assert salesforce.told("accounts", *names)[:3] == [
        (ADA, "Ada Ltd", None, 120, "Customer - Direct"),
        (BEE, "Bee & Söhne GmbH", ADA, 40, "Customer - Channel"),
        (CEE, "Cee, Inc.", None, None, "Customer - Direct"),
    ]


def test_hubspot_deals_belong_to_their_primary_company(hubspot: MappedBook) -> None:
    assert (hubspot.counts["accounts"], hubspot.counts["opportunities"]) == ((3, 0), (3, 1))
    assert sorted(hubspot.told("opportunities", *DEAL)) == [
        (HUBS[0], date(2023, 11, 3), "Closed Won", date(2023, 12, 18), True, "Kim Lee"),
        (HUBS[0], date(2025, 1, 20), "Contract Sent", None, None, "Kim Lee"),
        (HUBS[1], date(2024, 4, 1), "Verloren", date(2024, 5, 30), False, None),
    ]


def test_phones_of_an_export_stay_out(salesforce: MappedBook, hubspot: MappedBook) -> None:
    assert "Phone" in salesforce.said
    assert "Phone Number" in hubspot.said
    assert "+44" not in str(salesforce.rows)


def test_salesforce_as_fivetran_loads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALESFORCE_URL", warehouse(tmp_path, "salesforce-fivetran"))
    book = mapped(tmp_path, "salesforce-fivetran")
    assert {name: count for name, (count, _) in book.counts.items()} == {
        "accounts": 2,
        "subscriptions": 2,
        "opportunities": 4,
    }
    assert sorted(book.told("subscriptions", *LINE)) == [
        (ADA, date(2024, 1, 1), date(2025, 1, 1), 1_000_010_000, 12),
        (BEE, date(2024, 3, 1), date(2024, 6, 1), 99_990_000, 3),
    ]
    assert book.told("subscriptions", "seats") == [(20,), (20,)]
    assert (ADA, date(2025, 1, 20), "Proposal/Price Quote", None, None) in book.told(
        "opportunities", *DEAL[:5]
    )


def test_hubspot_as_fivetran_loads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBSPOT_URL", warehouse(tmp_path, "hubspot-fivetran"))
    book = mapped(tmp_path, "hubspot-fivetran", ids=HUBS)
    assert book.counts["accounts"] == (2, 0)
    assert sorted(book.told("opportunities", *DEAL)) == [
        (HUBS[0], date(2023, 11, 3), "Closed Won", date(2023, 12, 18), True, "77"),
        (HUBS[0], date(2025, 1, 20), "Contract Sent", None, None, "77"),
    ]
