"""Zendesk and Intercom: tickets and conversations under the shipped mappings."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.mapped_books import ADA, BEE, MappedBook, mapped, warehouse

pytestmark = pytest.mark.ci
TICKET = ("ticket_id", "account_id", "severity", "first_response_minutes", "csat", "reopened")


def at(text: str) -> datetime:
    """Give an instant of UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def zendesk(tmp_path_factory: pytest.TempPathFactory) -> MappedBook:
    folder = tmp_path_factory.mktemp("zendesk")
    return mapped(folder, "zendesk", book='timezone = "America/New_York"')


def test_zendesk_tickets_are_those_of_accounts(zendesk: MappedBook) -> None:
    assert zendesk.counts["tickets"] == (4, 3)
    assert zendesk.told("tickets", *TICKET) == [
        ("101", ADA, "high", 42.0, 5.0, False),
        ("102", ADA, "urgent", 7.5, 1.0, True),
        ("103", BEE, None, None, None, None),
        ("104", BEE, "low", 3.0, None, False),
    ]


def test_zendesk_tells_its_own_time_and_a_ticket_opened_again_is_not_closed(
    zendesk: MappedBook,
) -> None:
    assert zendesk.told("tickets", "opened_at", "closed_at") == [
        (at("2025-03-03T14:15:00"), at("2025-03-03T22:45:30")),
        (at("2025-03-10T14:00:00"), None),
        (at("2025-04-02T03:59:59"), None),
        (at("2025-04-02T12:00:00"), at("2025-04-02T12:05:00")),
    ]


def test_zendesk_as_airbyte_loads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZENDESK_URL", warehouse(tmp_path, "zendesk-airbyte"))
    book = mapped(tmp_path, "zendesk-airbyte")
    assert book.told("tickets", *TICKET, "closed_at") == [
        ("101", ADA, "high", 42.0, 5.0, False, at("2025-03-03T17:45:30")),
        ("102", ADA, "urgent", 7.0, 1.0, True, None),
        ("103", BEE, None, None, None, False, None),
    ]


def test_intercom_conversations_are_of_the_contacts_company(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERCOM_URL", warehouse(tmp_path, "intercom"))
    book = mapped(tmp_path, "intercom")
    assert book.told("tickets", *TICKET, "opened_at", "closed_at") == [
        ("9001", ADA, "high", 2.5, 4.0, True, at("2025-03-03T09:15"), at("2025-03-03T17:45:30")),
        ("9002", ADA, "normal", None, None, False, at("2025-03-10T10:00"), None),
    ]
