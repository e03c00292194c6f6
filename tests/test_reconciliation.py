"""Reconciliation: the lines add up exactly, whatever the two definitions and the book."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Any, cast

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from features import reconciliation
from features.book import Book, BookFacts
from features.contracts import canonical
from features.faults import InternalFault, UsageFault
from features.presets import PRESETS
from features.ratios import Ratios
from features.reconciliation import reconcile, rule_groups, side_by_side
from features.retention import metrics
from features.rules import Rules
from features.windows import Window
from tests.open_choices import TOGETHER, accepted, choices
from tests.random_books import random_world
from tests.small_books import line

pytestmark = pytest.mark.ci

FACTS = BookFacts(as_of=date(2025, 7, 1))
OPEN = choices()


def book_of(*rows: dict[str, Any]) -> Book:
    lines = canonical("subscriptions", pd.DataFrame(list(rows)))
    return Book.of({"subscriptions": lines}, FACTS)


BLANK = book_of(line("a", 1))


def late(account: str, old: float, new: float, days: str, ends: str = "2025-06-20") -> Any:
    """An annual contract that ends on 2025-06-20 and is followed on ``days``."""
    yield line(account, old, "2024-06-20", ends_on=ends, term_months=12)
    yield line(account, new, days, term_months=12)


def added(found: dict[str, Any], name: str) -> Decimal:
    return sum((Decimal(str(row[name])) for row in found["lines"]), Decimal())


# --- worked by hand


def test_a_late_renewal_is_one_line() -> None:
    """b pays nothing on 2025-06-30 unless the gap of ten days over 06-30 is bridged."""
    book = book_of(line("a", 300), *late("b", 100, 120, "2025-07-05"))
    found = reconcile(book, Rules(), Rules(late_renewal_days=0), "month", None)
    json.dumps(found, allow_nan=False)
    assert found["window"] == {"from": "2025-05-31", "to": "2025-06-30"}
    assert (found["from"]["nrr"], found["to"]["nrr"]) == (1.0, 0.75)
    assert found["lines"] == [
        {
            "rule": "late_renewal_days",
            "from": 31,
            "to": 0,
            "nrr": 0.75,
            "grr": 0.75,
            "nrr_points": -25.0,
            "grr_points": -25.0,
            "note": "",
        }
    ]
    assert (found["nrr_points"], found["grr_points"]) == (-25.0, -25.0)


@pytest.mark.ci
def test_rules_that_need_one_another_change_together() -> None:
    book = book_of(line("a", 300), *late("b", 100, 120, "2025-07-05"))
    other = Rules(late_renewal_days=10, late_renewal_min_term=24)
    found = reconcile(book, Rules(), other, "month", None)
    (row,) = found["lines"]
    assert row["rule"] == "late_renewal_days + late_renewal_min_term"
    assert row["to"] == {"late_renewal_days": 10, "late_renewal_min_term": 24}
    assert row["nrr_points"] == -25.0


@pytest.mark.ci
def test_thirds_are_rounded_step_by_step_and_still_add_up() -> None:
    book = book_of(line("a", 200), *late("b", 100, 100, "2025-07-05"))
    found = reconcile(book, Rules(), Rules(late_renewal_days=0), "month", None)
    assert (found["to"]["nrr"], found["nrr_points"]) == (0.666667, -33.3333)


def test_rules_change_in_the_order_of_their_fields() -> None:
    other = Rules(losses="movements", basis="committed", fx="spot", pause="unchanged")
    assert rule_groups(Rules(), other) == [("basis",), ("pause",), ("fx",), ("losses",)]
    assert rule_groups(other, other) == []


def test_rules_that_are_refused_alone_change_with_the_next() -> None:
    """Usage alone of a book whose usage is excluded would be no definition."""
    rules, other = accepted({"usage": "excluded"}), accepted({"basis": "usage"})
    assert rules is not None
    assert other is not None
    steps = list(reconciliation._steps(rules, other))
    assert steps[-1][1] == other
    alone = accepted({"usage": "excluded", "basis": "usage"})
    assert len(steps) == (1 if alone is None else 2)


def test_sum_of_movements_takes_from_grr_alone() -> None:
    """Up 100 in May and down 100 in June: nothing is lost net, a third of 300 by movements."""
    book = book_of(
        line("a", 300, "2024-01-01", ends_on="2025-05-01"),
        line("a", 400, "2025-05-01", ends_on="2025-06-01"),
        line("a", 300, "2025-06-01"),
    )
    found = reconcile(book, Rules(), Rules(losses="movements"), "quarter", None)
    (row,) = found["lines"]
    assert (row["nrr_points"], row["grr_points"]) == (0.0, -33.3333)


def test_a_rule_without_data_says_so() -> None:
    book = book_of(line("a", 300), line("b", 100))
    found = reconcile(book, Rules(), Rules(fx="spot", dunning_days=0), "month", None)
    told = {row["rule"]: (row["nrr_points"], row["note"]) for row in found["lines"]}
    assert told == {
        "dunning_days": (0.0, "not applied: no data"),
        "fx": (0.0, "not applied: one currency"),
    }


@pytest.mark.ci
def test_a_book_by_month_has_no_late_renewals() -> None:
    """Its lines are of one month, and only terms of three months and more may be late."""
    paid = {"account_id": ["a", "a"], "month": ["2025-05-01", "2025-06-01"], "mrr_micros": [7, 7]}
    book = Book.of({"mrr_by_month": canonical("mrr_by_month", pd.DataFrame(paid))}, FACTS)
    found = reconcile(book, Rules(), Rules(late_renewal_days=0), "month", None)
    assert [row["note"] for row in found["lines"]] == ["not applied: no data"]


@pytest.mark.ci
def test_a_rule_without_effect_says_so() -> None:
    book = book_of(line("a", 300), line("b", 100))
    found = reconcile(book, Rules(), Rules(losses="movements"), "month", None)
    assert [row["note"] for row in found["lines"]] == ["no effect in this window"]


@pytest.mark.ci
def test_equal_definitions_need_no_line() -> None:
    found = reconcile(book_of(line("a", 1)), Rules(), Rules(), "month", None)
    assert (found["lines"], found["nrr_points"]) == ([], 0.0)


@pytest.mark.ci
def test_the_walk_ends_where_nobody_is_left() -> None:
    """Counting usage alone leaves no cohort in a book without usage."""
    found = reconcile(
        book_of(line("a", 1)), Rules(), Rules(basis="usage", losses="movements"), "month", None
    )
    assert [row["rule"] for row in found["lines"]] == ["basis"]
    assert (found["lines"][0]["nrr"], found["lines"][0]["nrr_points"]) == (None, None)
    assert found["nrr_points"] is None
    assert found["reason"].startswith("with basis = usage: no account")


@pytest.mark.ci
def test_an_empty_cohort_has_no_walk() -> None:
    book = book_of(line("a", 1, "2025-06-10"))
    found = reconcile(book, Rules(), Rules(late_renewal_days=0), "ttm", None)
    assert (found["lines"], found["nrr_points"]) == ([], None)
    assert "starts at" in found["reason"]


def test_an_unknown_window_is_refused() -> None:
    with pytest.raises(UsageFault, match="year"):
        reconcile(book_of(line("a", 1)), Rules(), Rules(), "year", None)


@pytest.mark.fault("B22")
def test_lines_that_would_not_add_up_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    book = book_of(line("a", 300), *late("b", 100, 120, "2025-07-05"))
    bent = {"nrr_points": -24.0, "grr_points": -25.0}
    honest = reconciliation._line
    monkeypatch.setattr(reconciliation, "_line", lambda *given: honest(*given) | bent)
    with pytest.raises(InternalFault, match="not -25") as caught:
        reconcile(book, Rules(), Rules(late_renewal_days=0), "month", None)
    assert (caught.value.code, caught.value.exit_code) == ("identity.broken", 70)


# --- whatever the definitions


@st.composite
def definitions(draw: st.DrawFn) -> Rules:
    """Draw any rules that are open today."""
    values = {key: draw(st.sampled_from(known)) for key, known in OPEN.items()}
    rules = accepted(values | (TOGETHER["fx"] if values["fx"] == "fixed" else {}))
    assume(rules is not None)
    return cast(Rules, rules)


def of_the_blue(
    book: Book, rules: Rules, spans: Sequence[Window], as_of: date | None
) -> list[Ratios]:
    """Make up a cohort for these rules: any thirds and sevenths, the same each time."""
    rng = Random(str(rules))
    opening = rng.randint(1, 10**12)
    lost = rng.randint(0, opening)
    micros = {
        "opening": opening,
        "expansion": rng.randint(0, 10**12),
        "contraction": lost // 3,
        "churned": lost - lost // 3,
        "reactivation": rng.randint(0, 10**9),
    }
    return [Ratios(span, 1, micros | {"closing": 0}, "") for span in spans]


def check(found: dict[str, Any]) -> None:
    """Lines lead from one end to the other, each its own rule, and add up to the last digit."""
    json.dumps(found, allow_nan=False)
    rules = [key for row in found["lines"] for key in row["rule"].split(" + ")]
    assert rules == sorted(set(rules), key=list(Rules.model_fields).index)
    for name in ("nrr", "grr"):
        ends = [Decimal(str(found[side][name])) for side in ("from", "to")]
        steps = [ends[0], *(Decimal(str(row[name])) for row in found["lines"])]
        assert steps[-1] == ends[1]
        effects = [Decimal(str(row[f"{name}_points"])) for row in found["lines"]]
        assert effects == [100 * (then - now) for now, then in pairwise(steps)]
        assert sum(effects, Decimal()) == 100 * (ends[1] - ends[0])
        assert Decimal(str(found[f"{name}_points"])) == 100 * (ends[1] - ends[0])


@pytest.mark.ci
@settings(max_examples=50)
@given(definitions(), definitions())
def test_the_lines_add_up_exactly_whatever_is_measured(rules: Rules, other: Rules) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reconciliation, "ratios", of_the_blue)
        patched.setattr(reconciliation, "last_closing", lambda *given: date(2025, 6, 30))
        found = reconcile(BLANK, rules, other, "month", None)
    check(found)
    assert {key for row in found["lines"] for key in row["rule"].split(" + ")} == {
        key for group in rule_groups(rules, other) for key in group
    }


@pytest.mark.ci
@settings(max_examples=4, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 12), definitions(), definitions(), st.sampled_from(["quarter", "ttm"]))
def test_the_lines_add_up_exactly_on_random_books(
    seed: int, rules: Rules, other: Rules, window: str
) -> None:
    book = random_world(seed, books=1).book()
    found = reconcile(book, rules, other, window, None)
    if "reason" in found:
        assert found["nrr_points"] is None
        return
    check(found)
    pair = f"{found['window']['from'][:7]}:{found['window']['to'][:7]}"
    for side, given_rules in (("from", rules), ("to", other)):
        shown = metrics(book, given_rules, pair, [], None)["windows"][0]
        for name in ("nrr", "grr"):
            assert shown[name] == pytest.approx(found[side][name], abs=5.1e-7)


# --- presets side by side


@pytest.mark.ci
def test_every_preset_stands_beside_these_rules() -> None:
    book = book_of(line("a", 300), *late("b", 100, 120, "2025-07-05"))
    found = side_by_side(book, "quarter", None, Rules())
    json.dumps(found, allow_nan=False)
    assert [row["preset"] for row in found["presets"]] == list(PRESETS)
    for row in found["presets"]:
        walk = row["reconciliation"]
        assert (walk["from"]["preset"], walk["to"]["preset"]) == ("default", row["preset"])
        assert added(walk, "nrr_points") == Decimal(str(walk["nrr_points"]))
        pair = f"{found['window']['from'][:7]}:{found['window']['to'][:7]}"
        shown = metrics(book, Rules(preset=row["preset"]), pair, [], None)["windows"][0]
        assert row["accounts"] == shown["accounts"]
        assert row["opening_mrr"] == shown["cohort"]["opening_mrr"]
        assert row["nrr"] == pytest.approx(shown["nrr"], abs=5.1e-7)
    assert found["presets"][0]["reconciliation"]["lines"] == []


@pytest.mark.ci
def test_a_preset_that_lacks_a_rate_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line("a", 300), line("e", 100) | {"currency": "EUR"}]
    rates = pd.DataFrame(
        {"currency": ["EUR"] * 2, "date": ["2024-01-01", "2025-01-01"], "rate": [1.1, 1.2]}
    )
    frames = {"subscriptions": pd.DataFrame(lines), "fx_rates": rates}
    book = Book.of({name: canonical(name, rows) for name, rows in frames.items()}, FACTS)
    spot = [name for name, preset in PRESETS.items() if preset.differs.get("fx") == "spot"]
    monkeypatch.setattr(reconciliation, "PRESETS", ["default", *spot[:1]])
    default, *others = side_by_side(book, "month", None, Rules())["presets"]
    assert default["nrr"] == 1.0
    for row in others:
        assert row["nrr"] is None
        assert "fx.missing" in row["reason"]
