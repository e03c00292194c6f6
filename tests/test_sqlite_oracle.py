"""The ledger against an oracle: random books, recomputed in SQLite, equal to the millionth.

Independent of the engine: `tests.sqlite_ledger` (another database, a dense spine, formulae from
the design's pages) and `tests.random_books` (rows from a seed). What is compared comes from the
public doors: `account_months`, `movements`, and the desk on which `metrics` measures windows.
"""

from __future__ import annotations

from datetime import date
from random import Random
from typing import Any

import pytest

from features.asof import month_end
from features.cohorts import Desk, open_desk
from features.ledger import account_months, movements
from features.measure import Measure
from features.rules import Rules
from features.windows import Window
from tests.random_books import World, random_world
from tests.sqlite_ledger import FLOWS, PRODUCT, SEGMENT, Oracle

COLUMNS = ("opening", *FLOWS, "closing")
COHORT = ("accounts", "lost", "opening", "expansion", "contraction", "churned", "closing", "kept")
HALF_A_CENT = 5_000
CHOICES: dict[str, tuple[Any, ...]] = {
    "basis": ("committed+usage", "committed", "usage"),
    "usage": ("trailing_3_months", "billed_month", "excluded"),
    "reactivation": ("own", "excluded", "new", "s002"),
    "reactivation_gap_days": (None, 30, 200),
    "late_renewal_days": (31, 0, 60),
    "late_renewal_min_term": (3, 0, 12),
    "churn_date": ("service_end", "cancellation"),
    "dunning_days": (30, 0, 90),
    "pause": ("zero", "unchanged"),
    "discount": ("subtracted", "ignored"),
    "fx": ("fiscal_year", "window_opening", "fixed", "spot"),
    "rollup": ("account", "parent"),
    "merger": ("not_restated", "restated"),
    "losses": ("net", "movements"),
}
# Together these take every choice at least once, in 100 books.
FAST: list[tuple[str, dict[str, Any]]] = [
    ("subscriptions", {}),
    (
        "mrr_by_month",
        {"reactivation": "excluded", "usage": "billed_month", "fx": "fixed"}
        | {"losses": "movements", "late_renewal_min_term": 0},
    ),
    (
        "subscriptions",
        {"reactivation": "new", "basis": "committed", "fx": "spot"}
        | {"churn_date": "cancellation", "pause": "unchanged"},
    ),
    ("subscriptions", {"basis": "usage", "merger": "restated", "dunning_days": 0}),
    (
        "subscriptions",
        {"reactivation": "s002", "usage": "excluded", "fx": "window_opening"}
        | {"discount": "ignored", "rollup": "parent", "late_renewal_days": 0},
    ),
]
ALONE = [{key: value} for key, values in CHOICES.items() for value in values[1:]]


@pytest.mark.parametrize(("form", "choices"), FAST, ids=[str(n) for n in range(len(FAST))])
def test_the_ledger_of_random_books_is_what_sqlite_says(form: str, choices: dict[str, Any]) -> None:
    check(random_world(FAST.index((form, choices)), form), choices, whole=not choices)


@pytest.mark.ci
@pytest.mark.parametrize("form", ["subscriptions", "mrr_by_month"])
@pytest.mark.parametrize("choices", ALONE, ids=str)
def test_every_choice_alone_is_what_sqlite_says(form: str, choices: dict[str, Any]) -> None:
    check(random_world(100 + ALONE.index(choices), form), choices, windows=2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100))
def test_any_choices_of_two_thousand_books_are_what_sqlite_says(seed: int) -> None:
    rng = Random(seed)
    some = rng.sample(sorted(CHOICES), rng.randint(1, 6))
    choices = {key: rng.choice(CHOICES[key]) for key in some}
    if choices.get("basis") == "usage":
        choices.pop("usage", None)
    form = rng.choice(("subscriptions", "subscriptions", "mrr_by_month"))
    check(random_world(1000 + seed, form), choices, windows=3)


def test_every_choice_is_taken_by_a_fast_book() -> None:
    taken = {(key, value) for _, choices in FAST for key, value in choices.items()}
    named = {key for key, _ in taken} | {"reactivation_gap_days"}
    assert named == set(CHOICES)
    words = {(k, v) for k, values in CHOICES.items() for v in values[1:] if isinstance(v, str)}
    assert words <= taken


def check(world: World, choices: dict[str, Any], windows: int = 1, *, whole: bool = True) -> None:
    """Compare months and windows of random length; the whole with levers and cuts by product."""
    if choices.get("fx") == "fixed":
        choices = choices | {"fx_date": date(2022, 5, 31)}
    rules = Rules(**choices)
    if rules.fx != "window_opening":
        oracle = Oracle(world, rules)
        check_months(world, rules, oracle)
        if whole:
            check_levers(world, rules, oracle)
    rng = Random(len(str(choices)))
    last = 12 * world.facts.as_of.year + world.facts.as_of.month - 3
    for _ in range(windows):
        b = last - rng.randint(1, 17)
        check_window(world, rules, b, rng.randint(b + 1, last), lines=whole)


def check_months(world: World, rules: Rules, oracle: Oracle) -> None:
    months = account_months(world.book(), rules)
    keys = zip(months["account_id"], map(number, months["month_end"]), strict=True)
    amounts = months[[f"{name}_micros" for name in COLUMNS]].itertuples(index=False, name=None)
    got = dict(zip(keys, amounts, strict=True))
    expected = {(row[0], row[1]): row[2:] for row in oracle.months()}
    for key in sorted(expected.keys() | got.keys()):
        assert got.get(key) == expected.get(key), key
    for opening, new, back, up, down, lost, fx, closing in got.values():
        assert opening + new + back + up - down - lost + fx == closing


def check_levers(world: World, rules: Rules, oracle: Oracle) -> None:
    """Compare the levers that the rules define, and that all of them make the movement.

    Parts of less than half a cent are free to stand with another lever of the same change.
    """
    moves = movements(world.book(), rules)
    moves = moves[moves["class"] != "fx"]
    names = moves[["lever", "product"]].fillna("")
    months = map(number, moves["month_end"])
    keys = zip(moves["account_id"], months, names["lever"], names["product"], strict=True)
    got = dict(zip(keys, moves["amount_micros"], strict=True))
    clear, expected = oracle.levers()
    rest: dict[tuple[str, int], int] = {}
    for key in expected.keys() | {key for key in got if key[:2] in clear}:
        difference = got.get(key, 0) - expected.get(key, 0)
        assert abs(difference) <= HALF_A_CENT, (key, got.get(key), expected.get(key))
        rest[key[:2]] = rest.get(key[:2], 0) + difference
    assert not any(rest.values())


def check_window(world: World, rules: Rules, b: int, e: int, *, lines: bool) -> None:
    window = Window(day(b), day(e))
    keys = [("product",)] if lines else []
    desk = open_desk(
        world.book(), rules, as_of=None, until=window.closing, facing=window, lines=keys
    )
    whole, *_ = check_cut(desk, world, window, rules, (), "NULL")
    for name, cut in (("book", "book"), ("segment", SEGMENT), *([("product", PRODUCT)] * lines)):
        check_sum(whole, check_cut(desk, world, window, rules, (name,), cut))


def check_cut(
    desk: Desk, world: World, window: Window, rules: Rules, by: tuple[str, ...], cut: str
) -> list[Measure]:
    """Compare cohort and movements of a window, value by value of a cut."""
    measures = desk.measure([window], by)
    b, e = number(window.opening), number(window.closing)
    opening, by_product = window.opening, by == ("product",)
    oracle = Oracle(world, rules, opening=opening, by_product=by_product)
    flows = oracle.flows(b, e, cut)
    if rules.fx == "fiscal_year":
        rates = rules.model_copy(update={"fx": "fixed", "fx_date": fiscal_day(world, e)})
        oracle = Oracle(world, rates, opening=opening, by_product=by_product)
    cohorts = oracle.cohort(b, e, cut)
    seen = set()
    for measure in measures:
        if measure.moved:
            continue
        value = next(iter(measure.cut.values()), None)
        seen.add(value)
        where = (window, measure.cut)
        cohort = cohorts.get(value, dict.fromkeys(COHORT, 0))
        check_cohort(measure, cohort, rules, where)
        booked = flows.get(value, dict.fromkeys((*COLUMNS, "returned"), 0))
        found = {name: measure.flows[name] for name in COLUMNS}
        assert found == {name: booked[name] for name in COLUMNS}, where
        if rules.reactivation == "s002":
            assert measure.cohort["reactivation"] == booked["returned"], where
    assert {value for value in cohorts if cohorts[value]["accounts"]} <= seen
    return measures


def check_cohort(measure: Measure, expected: dict[str, int], rules: Rules, where: object) -> None:
    got = measure.cohort
    assert {name: got[name] for name in COHORT} == {name: expected[name] for name in COHORT}, where
    made = got["opening"] + got["expansion"] - got["contraction"] - got["churned"]
    assert made == got["closing"], where
    opening, more = expected["opening"], got.get("reactivation", 0)
    if opening:
        assert measure.nrr == (expected["closing"] + more) / opening
        assert measure.grr == expected["kept"] / opening
        assert measure.logo_churn == expected["lost"] / expected["accounts"]
    else:
        assert (measure.nrr, measure.grr) == (None, None)


def check_sum(whole: Measure, parts: list[Measure]) -> None:
    """The rows of a cut add up to the whole book, amount by amount."""
    amounts = [name for name in COHORT if name not in ("accounts", "lost")]
    for name in amounts:
        assert sum(part.cohort[name] for part in parts) == whole.cohort[name], name
    for name in COLUMNS:
        assert sum(part.flows[name] for part in parts) == whole.flows[name], name


def fiscal_day(world: World, month: int) -> date:
    """Give the first day of a month's fiscal year: a cohort is measured at its closing's rates."""
    starts = world.facts.fiscal_year_starts
    year = (month - starts + 1) // 12
    return date(year, starts, 1)


def number(day: date) -> int:
    return 12 * day.year + day.month - 1


def day(month: int) -> date:
    return month_end(date(month // 12, month % 12 + 1, 1))
