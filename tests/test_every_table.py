"""Every table of the contract, as a user has it: files, ingested, and what the commands tell."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from features.account_detail import account_details
from features.book import open_book
from features.rules import Rules
from tests.command_line import made, perennial

PEOPLE = (
    "contact_id,account_id,area,role,left_on\n"
    "1,a,finance,champion,2025-03-01\n"
    "2,a,finance,admin,2025-09-01\n"
    "3,a,,,\n"
    "4,c,operations,sponsor,\n"
)


def test_people_of_an_ingested_book_are_told_and_those_who_left_last(tmp_path: Path) -> None:
    folder = made(tmp_path / "book", contacts=PEOPLE)
    assert perennial(folder, "ingest", "--json").code == 0
    told = account_details(open_book(folder / ".perennial"), Rules(), date(2025, 7, 1))
    people = [(one["contact"], one["area"], one["left_on"]) for one in told["a"]["contacts"]]
    assert people == [("2", "finance", None), ("3", None, None), ("1", "finance", "2025-03-01")]
    assert [one["role"] for one in told["c"]["contacts"]] == ["sponsor"]
