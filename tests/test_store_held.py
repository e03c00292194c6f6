"""Runs that a gate holds: kept whole, serving nobody until somebody approves them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from features.faults import Busy, InputMissing, UsageFault
from serving.store import Store
from tests.example_publication import NOW, example

WHY = ("31 % of accounts change cell",)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "home")


@pytest.mark.fault("B14", partly=True)
def test_a_held_run_is_kept_whole_and_serves_nobody(store: Store) -> None:
    before = store.publish(example(as_of=date(2025, 6, 24)), now=NOW)
    held = store.publish(example(), now=NOW, held=WHY)
    assert (held.published, held.held) == (False, WHY)
    assert store.current().run_id == before.run_id  # type: ignore[union-attr]
    run = store.run(held.run_id)
    assert run is not None
    assert (run.status, run.held_because, run.digest) == ("held", list(WHY), example().digest)
    assert store.scores(run=held.run_id).total == 12
    assert held.scores_path.is_file()
    assert set(store.previous_cells(date(2025, 7, 8)).run_id) == {before.run_id}
    assert [outcome for _, outcome in store.attempts()] == ["published", "held"]


def test_the_same_input_is_held_again(store: Store) -> None:
    held = store.publish(example(), now=NOW, held=WHY)
    again = store.publish(example(), now=NOW)
    assert (again.run_id, again.published, again.held) == (held.run_id, False, WHY)
    found = store.find(date(2025, 7, 1), "s1", "m1", "c1")
    assert found is not None
    assert found.held


def test_a_held_revision_does_not_hide_what_serves(store: Store) -> None:
    first = store.publish(example(), now=NOW)
    store.publish(example(snapshot_id="s2"), now=NOW, held=WHY)
    again = store.publish(example(), now=NOW)
    assert (again.run_id, again.published, again.held) == (first.run_id, False, ())
    assert set(store.previous_cells(date(2025, 7, 8)).run_id) == {first.run_id}


def test_approved_it_serves_and_stays_so(store: Store) -> None:
    store.publish(example(as_of=date(2025, 6, 24)), now=NOW)
    held = store.publish(example(), now=NOW, held=WHY)
    run = store.approve(held.run_id, now=NOW)
    assert (run.status, run.held_because, run.approved_at) == (
        "approved",
        list(WHY),
        NOW.isoformat(),
    )
    assert store.current() == run == store.approve(held.run_id, now=NOW.replace(hour=9))
    assert set(store.previous_cells(date(2025, 7, 8)).run_id) == {held.run_id}
    assert not store.publish(example(), now=NOW).held


def test_one_of_an_earlier_date_is_approved_beside_what_serves(store: Store) -> None:
    now = store.publish(example(), now=NOW)
    held = store.publish(example(as_of=date(2025, 6, 24)), now=NOW, held=WHY)
    assert store.approve(held.run_id, now=NOW).status == "approved"
    assert store.current().run_id == now.run_id  # type: ignore[union-attr]
    assert set(store.previous_cells(date(2025, 7, 1)).run_id) == {held.run_id}


def test_what_cannot_be_approved(store: Store) -> None:
    done = store.publish(example(), now=NOW)
    with pytest.raises(UsageFault, match=r"run\.not_held"):
        store.approve(done.run_id, now=NOW)
    with pytest.raises(InputMissing, match=r"run\.unknown"):
        store.approve("nothing", now=NOW)
    held = store.publish(example(snapshot_id="s2"), now=NOW, held=WHY)
    newer = store.publish(example(snapshot_id="s3"), now=NOW)
    with pytest.raises(Busy, match=r"run\.superseded") as refused:
        store.approve(held.run_id, now=NOW)
    assert refused.value.exit_code == 75
    assert store.current().run_id == newer.run_id  # type: ignore[union-attr]
    store.publish(example(as_of=date(2025, 7, 8)), now=NOW)  # also once a later date serves
    with pytest.raises(Busy, match=r"run\.superseded"):
        store.approve(held.run_id, now=NOW)
