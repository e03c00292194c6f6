"""What is said of a move: the parts of a change add up, whichever model said what."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.choices import Choices
from models.judging import judge_accounts
from models.memory import Memory, recall, scored_by
from models.moves import moved_because, split
from tests.small_history import Law, carried_of, latest

GROUPS = ("calendar", "usage", "support", "relationship", "seats", "commercial", "booked")
PARTS = st.dictionaries(st.sampled_from(GROUPS), st.floats(-0.2, 0.2), min_size=1)
LAW = Law(accounts=100, months=20, seed=5)
POINTS = re.compile(r" ([+−]?\d+\.\d)(?=;|$)")


def memory(cell: str, parts: dict[str, dict[str, float]], **more: object) -> Memory:
    """Make a memory whose probabilities are the sums of its parts."""
    p = [round(sum(parts.get(axis, {}).values()), 8) for axis in ("renew", "expand")]
    return replace(Memory("2025-W26", cell, [0] * 5, [0] * 5, p, parts=parts), **more)


def tenths(line: str) -> tuple[int, list[int]]:
    """Read the whole change and the parts that a line shows, in tenths of a point."""
    head, _, shown = line.partition(" points: ")
    whole, *parts = (
        round(10 * float(said.replace("−", "-")))
        for said in [head.rpartition(" ")[2], *POINTS.findall(shown)]
    )
    return whole, parts


@given(PARTS, PARTS, st.none() | PARTS)
def test_the_parts_of_a_change_add_up(before, now, between):
    told = split(before, now, between)
    assert sum(told.values()) == pytest.approx(sum(now.values()) - sum(before.values()), abs=1e-6)
    assert ("model" in told) == (between is not None)


@given(PARTS, PARTS, st.none() | PARTS)
def test_what_is_shown_adds_up_as_shown(before, now, between):
    then = memory("HL", {"renew": before}, model="a")
    today = memory("ML", {"renew": now}, model="a" if between is None else "b")
    line, *_ = moved_because(then, today, between=between and {"renew": between})
    if line.endswith("as good as unchanged"):
        assert round(1000 * then.p[0]) == round(1000 * today.p[0])
        return
    whole, parts = tenths(line)
    assert len(parts) <= 5
    assert sum(parts) == whole
    assert whole == round(1000 * today.p[0]) - round(1000 * then.p[0])


def test_the_largest_come_first_and_the_rest_is_one():
    before = memory("HL", {"renew": {"calendar": 0.9}})
    changed = {"usage": -0.1, "support": -0.05, "relationship": -0.02, "seats": 0.01}
    now = memory("ML", {"renew": {"calendar": 0.91, **changed, "commercial": -0.01}})
    (line,) = moved_because(before, now)
    assert line == (
        "chance of renewal 90.0% → 74.0%, −16.0 points: usage −10.0; support −5.0; "
        "relationship −2.0; other +1.0"
    )


def test_both_axes_are_told_each_by_its_own_signals():
    before = memory("HL", {"renew": {"calendar": 0.9}, "expand": {"calendar": 0.1}})
    now = memory("MH", {"renew": {"usage": 0.8}, "expand": {"calendar": 0.1, "seats": 0.3}})
    renewal, expansion = moved_because(before, now)
    assert renewal.startswith("chance of renewal 90.0% → 80.0%")
    assert expansion == "chance of expansion 10.0% → 40.0%, +30.0 points: seats +30.0"
    (alone,) = moved_because(before, replace(now, cell="HH"))
    assert alone == expansion


def test_another_model_is_a_part_of_its_own():
    before = memory("HL", {"renew": {"calendar": 0.9}}, model="a")
    now = memory("ML", {"renew": {"calendar": 0.8, "usage": -0.1}}, model="b")
    between = {"renew": {"calendar": 0.88, "usage": -0.03}}
    (line,) = moved_because(before, now, between=between)
    assert "model trained anew −15.0" in line
    assert "usage −3.0" in line
    (unseen,) = moved_because(before, now)
    assert unseen.endswith("a new model and all else (the old one is not at hand) −20.0")


def test_a_memory_of_an_earlier_program_is_read():
    text = (
        '{"week":"2025-W26","cell":"HL","risk":[0,0,0,0,0],"expansion":[0,0,0,0,0],'
        '"p":[0.95,0.02],"effects":{"usage":-0.01},"before":null}'
    )
    before = recall(text, "2025-W27")
    assert before is not None
    assert (before.parts, before.model, scored_by([text])) == ({}, "", "")
    (line,) = moved_because(before, memory("ML", {"renew": {"calendar": 0.8}}, model="b"))
    assert line.endswith("−15.0 points: not told apart (the last run kept no parts) −15.0")


def test_rules_and_triggers_need_no_probability():
    before = memory("HL", {"renew": {"calendar": 0.9}}, triggers=["nps_detractor"])
    now = memory("ML", {"renew": {"calendar": 0.9}}, triggers=["gone_quiet", "urgent_ticket"])
    assert moved_because(before, now, rule_based=True) == [
        "triggers appeared: gone quiet, urgent ticket",
        "trigger cleared: nps detractor",
    ]
    (hard, *_) = moved_because(before, now, hard=["champion_left"], rule_based=True)
    assert hard == "hard event, moves at once: champion left"
    assert moved_because(before, replace(now, cell="HL")) == []
    assert moved_because(None, now) == []


@pytest.mark.ci
def test_a_run_after_a_training_tells_what_the_new_model_says_otherwise():
    frame = latest(LAW)
    day = frame.loc[0, "as_of"]
    carried = carried_of(LAW)
    old = replace(carried, digest="a" * 64)
    targets = {n: replace(t, serves="calendar") for n, t in carried.model.targets.items()}
    new = replace(carried, model=replace(carried.model, targets=targets), digest="b" * 64)
    _, first = judge_accounts(frame, old, None, day, Choices())
    previous = first[["account_id", "memory"]]
    _, second = judge_accounts(frame, new, previous, day + timedelta(weeks=1), Choices(), old)
    moved = second[second["cell"] != second["previous_cell"]]
    assert len(moved)
    for said in moved["moved_because"]:
        assert "points: model trained anew" in said[0]
        assert ";" not in said[0]  # the same rows: nothing else has changed
