"""What people did with the lists: calls, actions and past lists, kept and read as known on a date."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest

from features.book import Book
from features.contracts import canonical
from features.faults import UsageFault
from models.contacts import Call
from serving.audit import verify_chain
from serving.history import (
    actions,
    calls,
    cells_on,
    contacts_before,
    disagreements,
    listed,
    log_action,
    record_call,
)
from serving.store import Store
from tests.example_publication import example

NOON = datetime(2025, 7, 3, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "home")


def test_the_last_call_holds_until_its_day_or_until_it_is_withdrawn(store: Store) -> None:
    record_call(store.engine, "a", Call("High", None, "fine", "Ana"), NOON)
    record_call(
        store.engine, "a", Call("Low", "High", "sponsor left", "Ana", date(2025, 8, 1)), NOON
    )
    assert calls(store.engine, date(2025, 7, 3)) == {}  # made on that day: not known before it
    assert calls(store.engine, date(2025, 7, 4))["a"].retention == "Low"
    assert calls(store.engine, date(2025, 8, 1)) == {}
    record_call(store.engine, "a", Call(), NOON)
    assert calls(store.engine, date(2025, 7, 4)) == {}


@pytest.mark.parametrize("call", [Call("Lowish"), Call("Low", until=date(2025, 7, 3))])
def test_a_call_that_cannot_be_is_refused(store: Store, call: Call) -> None:
    with pytest.raises(UsageFault):
        record_call(store.engine, "a", call, NOON)


def test_actions_are_logged_by_the_play_s_own_name(store: Store) -> None:
    row = log_action(store.engine, "a", "renewal brief", date(2025, 7, 2), NOON, "reached", "Ana")
    assert row["play"] == "Renewal brief"
    assert actions(store.engine, date(2025, 7, 3)) == []  # logged on the third
    assert actions(store.engine, date(2025, 7, 4)) == [("a", "Renewal brief", date(2025, 7, 2))]
    for play, day in (("nonsense", date(2025, 7, 2)), ("Renewal brief", date(2025, 7, 4))):
        with pytest.raises(UsageFault):
            log_action(store.engine, "a", play, day, NOON)


def test_the_very_same_contact_may_be_logged_once_though_many_forms_come_at_once(
    store: Store,
) -> None:
    def sent(outcome: str | None) -> None:
        day = date(2025, 7, 2)
        log_action(store.engine, "a", "Renewal brief", day, NOON, outcome, "Ana", once=True)

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(sent, [None, "reached"] * 3))
    assert len(actions(store.engine, date(2025, 7, 4))) == 2
    assert verify_chain(store.engine).entries == 2


def test_past_lists_are_counted_in_a_row_since_the_last_contact(store: Store) -> None:
    for day in (date(2025, 6, 16), date(2025, 6, 23), date(2025, 6, 30)):
        publication = example(day)
        told = publication.outreach.assign(play="Renewal brief")
        store.publish(example(day, outreach=told), now=NOON)
    account = str(told["account_id"].iloc[0])
    assert {day for _, _, day in listed(store.engine, date(2025, 6, 30), 14)} == {
        date(2025, 6, 16),
        date(2025, 6, 23),
    }
    book = Book.of({"accounts": canonical("accounts", pd.DataFrame({"account_id": [account]}))})
    key = (account, "Renewal brief")
    assert contacts_before(store.engine, book, date(2025, 7, 7)).listed[key] == 3
    log_action(store.engine, account, "Renewal brief", date(2025, 6, 25), NOON)
    after = contacts_before(store.engine, book, date(2025, 7, 7))
    assert (after.listed[key], after.contacted[key]) == (1, date(2025, 6, 25))
    cells = cells_on(store.engine, date(2025, 7, 1))
    assert cells[account] == told.loc[told["account_id"] == account, "cell"].iloc[0]


def test_a_held_run_was_never_on_anybody_s_list(store: Store) -> None:
    store.publish(example(date(2025, 6, 23)), now=NOON, held=["too many moves"])
    assert listed(store.engine, date(2025, 7, 1), 30) == []
    assert cells_on(store.engine, date(2025, 6, 24)) == {}


def test_who_disagrees() -> None:
    rows = [
        {"account_id": n, "retention_health": "High", "expansion_readiness": "Low"} for n in "abc"
    ]
    held = {"a": Call("High", "Low"), "b": Call(None, "Medium")}
    assert [row["account_id"] for row in disagreements(rows, held)] == ["b"]
