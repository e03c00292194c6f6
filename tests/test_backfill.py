"""Backfill: which weeks it fills, in which order, and which weeks are said to be missing."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from features.faults import DataRejected, UsageFault
from serving.backfill import (
    Week,
    backfilled,
    missed_since,
    missed_weeks,
    planned,
    summary,
    weeks_asked,
)
from serving.store import Store
from tests.example_publication import NOW, example

DAYS = weeks_asked("2025-06-02:2025-07-07")


def states(weeks: list[Week]) -> list[str]:
    return [week.state for week in weeks]


@pytest.mark.parametrize("asked", ["2025-06-02", "June:July", "2025-07-01:2025-06-01", ":"])
def test_a_range_that_is_none_is_refused(asked: str) -> None:
    with pytest.raises(UsageFault) as refused:
        weeks_asked(asked)
    assert (refused.value.code, refused.value.exit_code) == ("backfill.range", 2)


@pytest.mark.ci
@pytest.mark.fault("B06")
def test_weeks_that_have_a_run_are_left_alone(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "home")
    store.publish(example(as_of=date(2025, 6, 10)), now=NOW)  # a Tuesday of the second week
    store.publish(example(as_of=date(2025, 6, 17)), now=NOW, held=("moves",))
    weeks = planned(store, [*DAYS, *DAYS], date(2025, 6, 30))
    assert [week.as_of for week in weeks] == DAYS
    assert states(weeks) == [
        "to do",
        "published already",
        "held",
        "to do",
        "to do",
        "beyond the book",
    ]
    assert summary(weeks)["to do"] == 3


@pytest.mark.ci
@pytest.mark.fault("B06")
def test_the_oldest_week_comes_first_and_a_stop_loses_none(tmp_path: Path) -> None:
    store, scored, stops = Store.open(tmp_path / "home"), [], [date(2025, 6, 16)]

    def one(day: date) -> Any:
        if day in stops:
            stops.remove(day)
            raise KeyboardInterrupt
        if day == date(2025, 6, 2):
            raise DataRejected("score.no_accounts", "nobody pays")
        scored.append(day)
        return SimpleNamespace(published=store.publish(example(as_of=day), now=NOW))

    weeks = planned(store, DAYS, date(2025, 7, 7))
    with pytest.raises(KeyboardInterrupt):
        backfilled(weeks, one, lambda _: None)
    done = backfilled(planned(store, DAYS, date(2025, 7, 7)), one, lambda _: None)
    assert states(done) == ["nobody pays", "published already", *["published"] * 4]
    assert scored == DAYS[1:]
    current = store.current()
    assert current is not None
    assert current.as_of == date(2025, 7, 7)


@pytest.mark.fault("B06")
def test_another_refusal_ends_a_backfill(tmp_path: Path) -> None:
    def one(day: date) -> Any:
        raise DataRejected("volume.anomaly", "half of it")

    with pytest.raises(DataRejected, match="half of it"):
        backfilled([Week(date(2025, 6, 2), "to do")], one, lambda _: None)


@pytest.mark.fault("B05")
def test_missed_weeks_are_named_with_what_fills_them(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "home")
    assert missed_since(store, date(2025, 7, 1)) == []
    store.publish(example(as_of=date(2025, 6, 3)), now=NOW)
    store.publish(example(as_of=date(2025, 6, 10)), now=NOW, held=("moves",))
    said = "3 weeks were not scored (2025-W24, 2025-W25, 2025-W26)"
    asked = "`perennial score --backfill 2025-06-10:2025-06-24`"
    assert missed_since(store, date(2025, 7, 1)) == [f"{said}: {asked}"]
    assert missed_since(store, date(2025, 6, 9)) == []


@pytest.mark.fault("B05")
def test_a_week_is_an_iso_week_whatever_the_day_and_the_year() -> None:
    days = [date(2024, 12, 23), date(2025, 1, 1), date(2025, 1, 12), date(2025, 1, 26)]
    assert missed_weeks(days) == [date(2025, 1, 13)]
    assert missed_weeks([]) == missed_weeks(days[:1]) == []
